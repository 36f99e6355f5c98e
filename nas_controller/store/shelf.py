"""One search in memory, with everything of it: what the verbs of the memory store do to it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from nas_controller.artifacts.log_parts import with_part
from nas_controller.insight.kept import KeptInsight
from nas_controller.insight.workers import WorkSpan
from nas_controller.records import (
    Artifact,
    Attempt,
    AttemptState,
    EntryKind,
    Job,
    JobState,
    LedgerEntry,
    Search,
    SearchLease,
    SearchState,
    Snapshot,
    Trial,
    TrialDraft,
    TrialState,
)
from nas_controller.requests import RequestDraft, RequestState, TrialRequest
from nas_controller.store import rules
from nas_controller.store.base import NotFoundError
from trainer.session import LogPart, Measurement


@dataclass
class Shelf:
    """Everything of one search."""

    search: Search
    idempotency_key: str | None
    lease: SearchLease | None = None
    trials: dict[int, Trial] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    curves: dict[int, list[Measurement]] = field(default_factory=dict)
    ledger: list[LedgerEntry] = field(default_factory=list)
    snapshots: dict[int, Snapshot] = field(default_factory=dict)
    insight: KeptInsight | None = None
    artifacts: list[Artifact] = field(default_factory=list)
    requests: dict[int, TrialRequest] = field(default_factory=dict)
    log_parts: dict[tuple[str, int], list[LogPart]] = field(default_factory=dict)
    first_config: Mapping[str, Any] | None = None

    def append(self, kind: EntryKind, trial_number: int | None, payload: Mapping[str, Any], at: datetime) -> None:
        sequence = len(self.ledger) + 1
        entry = LedgerEntry(
            search_id=self.search.id, sequence=sequence, kind=kind, trial_number=trial_number, payload=payload, at=at
        )
        self.ledger.append(entry)
        self.search = replace(self.search, last_sequence=sequence)

    def set_state(self, state: SearchState, reason: str, at: datetime) -> None:
        if state.is_final:
            self.cancel_open_work(at)
        self.search = rules.with_state(self.search, state, reason, at)
        self.append(EntryKind.SEARCH_STATE, None, {"state": state.value, "reason": self.search.reason}, at)

    def cancel_open_work(self, at: datetime) -> None:
        for job in self.jobs.values():
            if not job.state.is_final:
                self.jobs[job.id] = replace(job, state=JobState.CANCELLED, finished_at=at)
                self.end_attempts(job.id, AttemptState.CANCELLED, at)
        for trial in self.trials.values():
            if not trial.state.is_final:
                self.finish_trial(replace(trial, state=TrialState.CANCELLED, finished_at=at), at, consumed=False)
        for request in self.open_requests():
            self.requests[request.number] = rules.closed(request, RequestState.CANCELLED, at)

    def open_requests(self) -> list[TrialRequest]:
        return [request for request in self.requests.values() if request.state is RequestState.OPEN]

    def request(self, number: int) -> TrialRequest:
        if number not in self.requests:
            raise NotFoundError(f"search {self.search.id} has no request {number}")
        return self.requests[number]

    def add_requests(self, drafts: Sequence[RequestDraft], at: datetime) -> list[TrialRequest]:
        last = list(self.requests.values())[max(0, len(self.requests) - len(drafts)) :]
        if rules.are_same_requests(last, drafts, at):
            return last
        rules.require_askable(self.search, len(self.open_requests()), len(drafts))
        added = rules.new_requests(self.search.id, len(self.requests), drafts, at)
        for request in added:
            self.requests[request.number] = request
            self.append(EntryKind.REQUEST_CREATED, None, rules.request_payload(request), at)
        return added

    def take_request(self, number: int | None, trial_number: int, at: datetime) -> None:
        """The request became the trial; None: it is of the algorithm."""
        if number is not None:
            self.requests[number] = rules.taken(self.request(number), trial_number, at)

    def end_attempts(self, job_id: str, state: AttemptState, at: datetime) -> None:
        """Ends the running attempts of a job."""
        attempts = self.attempts[job_id]
        for attempt in [a for a in attempts if a.state is AttemptState.RUNNING]:
            attempts[attempt.number - 1] = replace(attempt, state=state, finished_at=at)

    def work_spans(self) -> list[WorkSpan]:
        """All attempts, those first that started last."""
        spans = [
            WorkSpan(trial_number=job.trial_number, kind=job.kind, attempt=attempt)
            for job in self.jobs.values()
            for attempt in self.attempts[job.id]
        ]
        return sorted(spans, key=lambda s: (s.attempt.started_at, s.attempt.job_id, s.attempt.number), reverse=True)

    def same_trial(self, draft: TrialDraft, at: datetime) -> Trial | None:
        """The trial that was made of this draft at this time: by the same call, whose answer was lost."""
        trial = self.trials.get(draft.number)
        return trial if trial is not None and (trial.draft, trial.created_at) == (draft, at) else None

    def new_trial(self, trial: Trial, at: datetime) -> Trial:
        rules.require_open(self.search)
        rules.require_number(trial.draft, len(self.trials) + 1)
        self.trials[trial.number] = trial
        self.append(EntryKind.TRIAL_CREATED, trial.number, rules.created_payload(trial.draft), at)
        return trial

    def finish_trial(self, trial: Trial, at: datetime, *, consumed: bool, stopped_at_step: int | None = None) -> None:
        self.trials[trial.number] = trial
        payload = rules.finished_payload(trial, consumed=consumed, stopped_at_step=stopped_at_step)
        self.append(EntryKind.TRIAL_FINISHED, trial.number, payload, at)

    def note_latency(self, trial: Trial, source: Trial | None, at: datetime) -> None:
        """Writes that the trial has a latency, where it has one; that of `source` where it was measured before."""
        if trial.latency is not None:
            self.append(EntryKind.TRIAL_TIMED, trial.number, rules.timed_payload(trial.latency, source), at)

    def complete_job(self, job: Job, attempt: Attempt, evaluation: Mapping[str, Any] | None, at: datetime) -> Job:
        """The job, COMPLETED by the attempt; others that run are given up."""
        done = replace(attempt, state=AttemptState.COMPLETED, finished_at=at, failure=None)
        self.attempts[job.id][attempt.number - 1] = done
        self.end_attempts(job.id, AttemptState.LOST, at)
        job = self.jobs[job.id] = replace(job, state=JobState.COMPLETED, finished_at=at, evaluation=evaluation)
        return job

    def add_measurement(self, trial_number: int, measurement: Measurement, at: datetime) -> None:
        """One more point of a trial's curve, where it is new."""
        curve = self.curves.setdefault(trial_number, [])
        if measurement.step not in [other.step for other in curve]:
            curve.append(measurement)
            self.append(EntryKind.TRIAL_MEASURED, trial_number, asdict(measurement), at)

    def add_log_part(self, attempt: Attempt, part: LogPart) -> None:
        """One more part of an attempt's log."""
        key = attempt.job_id, attempt.number
        self.log_parts[key] = with_part(self.log_parts.get(key, []), part)
        self.attempts[attempt.job_id][attempt.number - 1] = rules.with_log(attempt, part)

    def is_kept(self, finished_before: datetime | None) -> bool:
        """Whether the search has its files still: it is not final, or was so only later."""
        finished_at = self.search.finished_at
        return finished_at is None or finished_before is None or finished_at >= finished_before

    def snapshot_files(self) -> dict[int, str]:
        """Keys of the files by sequence, rising."""
        held = sorted(self.snapshots.items())
        return {sequence: each.artifact_key for sequence, each in held if each.artifact_key is not None}

    def add_snapshot(self, snapshot: Snapshot) -> list[str]:
        """One more snapshot; the keys of the files that none has any more."""
        before = self.snapshot_files()
        self.snapshots[snapshot.sequence] = snapshot
        for sequence in list(self.snapshot_files())[: -rules.KEPT_SNAPSHOTS]:
            self.snapshots[sequence] = replace(self.snapshots[sequence], artifact_key=None)
        return sorted(set(before.values()) - set(self.snapshot_files().values()))
