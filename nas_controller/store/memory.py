"""The store in this process' memory: for tests, simulations and examples. Gone when the process ends."""

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from nas_controller.access_tokens import AccessToken
from nas_controller.earlier import EarlierTold
from nas_controller.insight.kept import KeptInsight
from nas_controller.insight.workers import WorkSpan
from nas_controller.records import (
    Artifact,
    Attempt,
    AttemptState,
    EntryKind,
    Failure,
    FailureReason,
    Job,
    JobKind,
    JobState,
    LedgerEntry,
    Search,
    SearchLease,
    SearchState,
    Snapshot,
    Trial,
    TrialCounts,
    TrialDraft,
    TrialState,
)
from nas_controller.requests import RequestDraft, RequestState, SearchEdit, SearchOrder, TrialRequest
from nas_controller.store import rules, shelf_counting
from nas_controller.store.base import ConflictError, NotFoundError, Store
from nas_controller.store.memory_operations import KeptOperation, MemoryOperations
from nas_controller.store.memory_summaries import MemorySummaries
from nas_controller.store.memory_tokens import MemoryTokens
from nas_controller.store.memory_webhooks import KeptWebhook, MemoryWebhooks
from nas_controller.store.shelf import Shelf
from nas_controller.tallies import Heartbeat, Tallies
from trainer.latency_task import Latency
from trainer.session import Checkpoint, LogPart, Measurement, Progress


class MemoryStore(MemoryTokens, MemoryWebhooks, MemoryOperations, MemorySummaries, Store):
    """Dictionaries behind one lock; the same promises as the SQL store, but for durability."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._shelves: dict[str, Shelf] = {}
        self._heartbeats: dict[str, Heartbeat] = {}
        self._tokens: dict[str, AccessToken] = {}
        self._webhooks: dict[str, KeptWebhook] = {}
        self._operations: dict[str, KeptOperation] = {}

    def create_search(
        self,
        search_id: str,
        name: str,
        config: Mapping[str, Any],
        at: datetime,
        idempotency_key: str | None = None,
        cloned_from: str | None = None,
    ) -> Search:
        at = rules.in_utc(at)
        document = rules.plain(config)
        with self._lock:
            for shelf in self._shelves.values():
                if idempotency_key is not None and shelf.idempotency_key == idempotency_key:
                    return rules.same_config(shelf.search, shelf.first_config, document)
            if search_id in self._shelves:
                raise ConflictError(f"search {search_id} exists")
            search = rules.new_search(search_id, name, document, at, cloned_from)
            shelf = self._shelves[search_id] = Shelf(search, idempotency_key)
            shelf.append(EntryKind.SEARCH_STATE, None, {"state": search.state.value, "reason": ""}, at)
            return shelf.search

    def get_search(self, search_id: str) -> Search:
        with self._lock:
            return self._shelf(search_id).search

    def list_searches(
        self,
        limit: int,
        before: str | None = None,
        states: Sequence[SearchState] = (),
        *,
        name: str = "",
        archived: bool | None = None,
        order: SearchOrder = SearchOrder.NEWEST,
    ) -> list[Search]:
        with self._lock:
            searches = [shelf.search for shelf in self._shelves.values()]
            last = None if before is None else self._shelf(before).search
        searches.sort(key=lambda search: rules.order_key(search, order), reverse=order is SearchOrder.NEWEST)
        if last is not None:
            searches = searches[searches.index(last) + 1 :]
        wanted = [
            search
            for search in searches
            if (not states or search.state in states)
            and name.lower() in search.name.lower()
            and (archived is None or archived is (search.archived_at is not None))
        ]
        return wanted[:limit]

    def request_state(self, search_id: str, state: SearchState, reason: str, at: datetime) -> Search:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._shelf(search_id)
            if shelf.search.state is not state:
                rules.require_request(shelf.search.state, state)
                shelf.set_state(state, reason, at)
            return shelf.search

    def edit_search(self, search_id: str, edit: SearchEdit, at: datetime, tag: str | None = None) -> Search:
        at, edit = rules.in_utc(at), rules.checked_edit(edit)
        with self._lock:
            shelf = self._shelf(search_id)
            changes = edit.changes(shelf.search)
            if changes:
                rules.require_editable(shelf.search, edit, tag)
                shelf.first_config = shelf.first_config or shelf.search.config
                shelf.search = rules.edited(shelf.search, edit, at)
                shelf.append(EntryKind.SEARCH_EDITED, None, changes, at)
            return shelf.search

    def delete_search(self, search_id: str, at: datetime) -> None:
        at = rules.in_utc(at)
        with self._lock:
            if search_id in self._shelves:
                shelf = self._shelves[search_id]
                rules.require_deletable(shelf.search, shelf.lease, at)
                del self._shelves[search_id]
                self._forget_search(search_id)

    def add_requests(
        self, search_id: str, drafts: Sequence[RequestDraft], at: datetime, lease: SearchLease | None = None
    ) -> list[TrialRequest]:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._shelf(search_id) if lease is None else self._leased(lease)
            return shelf.add_requests(drafts, at)

    def answer_request(
        self, lease: SearchLease, number: int, state: RequestState, reason: str, at: datetime
    ) -> TrialRequest:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._leased(lease)
            request = shelf.request(number)
            if request.state is RequestState.OPEN:
                request = shelf.requests[number] = rules.closed(request, state, at, reason)
                shelf.append(EntryKind.REQUEST_CLOSED, None, rules.answer_payload(request), at)
            return request

    def get_request(self, search_id: str, number: int) -> TrialRequest:
        with self._lock:
            return self._shelf(search_id).request(number)

    def list_requests(
        self, search_id: str, limit: int = 1000, after: int = 0, *, open_only: bool = False
    ) -> list[TrialRequest]:
        with self._lock:
            shelf = self._shelf(search_id)
            requests = shelf.open_requests() if open_only else list(shelf.requests.values())
            return [request for request in requests if request.number > after][:limit]

    def claim_search(self, search_id: str, owner: str, at: datetime, seconds: float) -> SearchLease | None:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._shelf(search_id)
            lease = rules.next_lease(shelf.search, shelf.lease, owner, at, seconds)
            shelf.lease = lease or shelf.lease
            return lease

    def renew_lease(self, lease: SearchLease, at: datetime, seconds: float) -> SearchLease:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._leased(lease)
            shelf.lease = rules.renewed(lease, at, seconds)
            return shelf.lease

    def release_lease(self, lease: SearchLease) -> None:
        with self._lock:
            shelf = self._shelf(lease.search_id)
            if shelf.lease is not None and shelf.lease.token == lease.token:
                shelf.lease = rules.released(lease)

    def set_search_state(self, lease: SearchLease, state: SearchState, reason: str, at: datetime) -> Search:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._leased(lease)
            if not rules.is_same_state(shelf.search, shelf.ledger[-1], state, reason, at):
                rules.require_setting(shelf.search.state, state)
                shelf.set_state(state, reason, at)
            return shelf.search

    def add_trial(self, lease: SearchLease, draft: TrialDraft, job_seed: int | None, at: datetime) -> Trial:
        at = rules.in_utc(at)
        draft = rules.checked_draft(draft)
        with self._lock:
            shelf = self._leased(lease)
            if (same := shelf.same_trial(draft, at)) is not None:
                return same
            trial = shelf.new_trial(rules.new_trial(lease.search_id, draft, job_seed, at), at)
            if trial.state is TrialState.INFEASIBLE:
                shelf.finish_trial(trial, at, consumed=True)
            elif job_seed is not None:
                self._put_job(shelf, rules.new_job(lease.search_id, draft.number, JobKind.PROXY, job_seed, at))
            return trial

    def start_trial(
        self,
        lease: SearchLease,
        draft: TrialDraft,
        job_seed: int,
        worker: str,
        at: datetime,
        request: int | None = None,
        first: JobKind = JobKind.PROXY,
        timed: Trial | None = None,
    ) -> Job:
        at = rules.in_utc(at)
        draft = rules.checked_draft(draft)
        with self._lock:
            shelf = self._leased(lease)
            if shelf.same_trial(draft, at) is not None:
                return self._job(shelf, rules.job_id(lease.search_id, draft.number, first, job_seed))
            rules.require_trainable(draft)
            rules.require_first(first, draft, timed, lease.search_id)
            rules.require_open(shelf.search)
            rules.require_number(draft, len(shelf.trials) + 1)
            shelf.take_request(request, draft.number, at)
            trial = shelf.new_trial(rules.started_trial(lease.search_id, draft, timed, at), at)
            shelf.note_latency(trial, timed, at)
            job = self._put_job(shelf, rules.new_job(lease.search_id, draft.number, first, job_seed, at))
            self._start(shelf, job, worker, at)
            return shelf.jobs[job.id]

    def add_reused_trial(
        self, lease: SearchLease, draft: TrialDraft, measured: Trial, at: datetime, request: int | None = None
    ) -> Trial:
        at = rules.in_utc(at)
        trial = rules.reused_trial(lease.search_id, rules.checked_draft(draft), measured, at)
        with self._lock:
            shelf = self._leased(lease)
            if (same := shelf.same_trial(trial.draft, at)) is not None:
                return same
            rules.require_open(shelf.search)
            rules.require_number(draft, len(shelf.trials) + 1)
            shelf.take_request(request, draft.number, at)
            shelf.new_trial(trial, at)
            shelf.note_latency(trial, measured, at)
            shelf.finish_trial(trial, at, consumed=True)
            return trial

    def tell_earlier(self, lease: SearchLease, earlier: EarlierTold, at: datetime) -> None:
        at = rules.in_utc(at)
        payload = rules.earlier_payload(earlier)
        with self._lock:
            shelf = self._leased(lease)
            if not rules.is_same_telling(shelf.ledger[-1], payload, at):
                rules.require_open(shelf.search)
                shelf.append(EntryKind.EARLIER_TOLD, None, payload, at)

    def add_job(
        self,
        lease: SearchLease,
        trial_number: int,
        kind: JobKind,
        seed: int,
        at: datetime,
        num_steps: int | None = None,
    ) -> Job:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._leased(lease)
            self._trial(shelf, trial_number)
            job_id = rules.job_id(lease.search_id, trial_number, kind, seed)
            if job_id in shelf.jobs:
                return shelf.jobs[job_id]
            rules.require_open(shelf.search)
            rules.require_addable(kind)
            return self._put_job(shelf, rules.new_job(shelf.search.id, trial_number, kind, seed, at, num_steps))

    def _put_job(self, shelf: Shelf, job: Job) -> Job:
        shelf.jobs[job.id] = job
        shelf.attempts[job.id] = []
        return job

    def start_attempt(self, lease: SearchLease, job_id: str, worker: str, at: datetime) -> Attempt:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._leased(lease)
            job = self._job(shelf, job_id)
            last = shelf.attempts[job_id][-1] if shelf.attempts[job_id] else None
            if last is not None and rules.is_same_start(job, last, worker, at):
                return last
            return self._start(shelf, job, worker, at)

    def _start(self, shelf: Shelf, job: Job, worker: str, at: datetime) -> Attempt:
        """One more attempt of the job, both RUNNING, and the trial that it carries with them."""
        rules.require_queued(job)
        job = shelf.jobs[job.id] = rules.started_job(job)
        attempt = rules.new_attempt(job, worker, at)
        shelf.attempts[job.id].append(attempt)
        if job.kind.carries_trial:
            shelf.trials[job.trial_number] = rules.started(shelf.trials[job.trial_number], at)
            shelf.append(EntryKind.TRIAL_STARTED, job.trial_number, {}, at)
        return attempt

    def complete_attempt(
        self,
        lease: SearchLease,
        job_id: str,
        attempt_number: int,
        evaluation: Mapping[str, Any],
        reward: float | None,
        at: datetime,
    ) -> Trial:
        at = rules.in_utc(at)
        document = rules.checked_evaluation(evaluation)
        with self._lock:
            shelf = self._leased(lease)
            job = self._job(shelf, job_id)
            attempt = self._attempt(shelf, job, attempt_number)
            rules.require_reward(job.kind, reward)
            trial = shelf.trials[job.trial_number]
            if not rules.may_complete(job, attempt):
                return trial
            job = shelf.complete_job(job, attempt, document, at)
            if job.kind is JobKind.PROXY:
                trial = rules.completed(trial, reward, document, at)
                shelf.finish_trial(trial, at, consumed=True, stopped_at_step=document.get("stopped_at_step"))
            else:
                trial = shelf.trials[trial.number] = self._remeasured(shelf, trial)
                shelf.append(EntryKind.JOB_FINISHED, trial.number, rules.job_payload(job, trial), at)
            return trial

    def complete_latency(
        self, lease: SearchLease, job_id: str, attempt_number: int, latency: Latency, at: datetime
    ) -> Trial:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._leased(lease)
            job = self._job(shelf, job_id)
            attempt = self._attempt(shelf, job, attempt_number)
            rules.require_latency_job(job)
            trial = shelf.trials[job.trial_number]
            if not rules.may_complete(job, attempt):
                return trial
            shelf.complete_job(job, attempt, None, at)
            trial = shelf.trials[trial.number] = rules.with_latency(trial, latency)
            shelf.note_latency(trial, None, at)
            self._put_job(shelf, rules.new_job(shelf.search.id, trial.number, JobKind.PROXY, job.seed, at))
            return trial

    def _remeasured(self, shelf: Shelf, trial: Trial) -> Trial:
        """The trial with its mean over the completed `reevaluate` jobs."""
        values = [
            float(job.evaluation["average_precision"])
            for job in shelf.jobs.values()
            if job.trial_number == trial.number and job.kind is JobKind.REEVALUATE and job.evaluation is not None
        ]
        mean, error = rules.mean_and_error(values)
        return replace(trial, val_average_precision=mean, val_standard_error=error, val_count=len(values))

    def fail_attempt(
        self, lease: SearchLease, job_id: str, attempt_number: int, failure: Failure, retry: bool, at: datetime
    ) -> Trial:
        at = rules.in_utc(at)
        failure = rules.storable_failure(failure)
        with self._lock:
            shelf = self._leased(lease)
            job = self._job(shelf, job_id)
            attempt = self._attempt(shelf, job, attempt_number)
            trial = shelf.trials[job.trial_number]
            if not rules.is_running(job, attempt):
                return trial
            shelf.attempts[job_id][attempt_number - 1] = replace(
                attempt, state=AttemptState.FAILED, finished_at=at, failure=failure
            )
            if retry:
                self._requeue(shelf, job)
                return shelf.trials[job.trial_number]
            job = replace(job, state=JobState.FAILED, finished_at=at, failure=failure)
            shelf.jobs[job_id] = job
            if job.kind.carries_trial:
                trial = rules.failed(trial, failure, at)
                shelf.finish_trial(trial, at, consumed=failure.is_told)
            else:
                shelf.append(EntryKind.JOB_FINISHED, trial.number, rules.job_payload(job, trial), at)
            return trial

    def record_progress(
        self, lease: SearchLease, job_id: str, attempt_number: int, progress: Progress, at: datetime
    ) -> None:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._leased(lease)
            job = self._job(shelf, job_id)
            attempt = self._attempt(shelf, job, attempt_number)
            if isinstance(progress, LogPart):
                shelf.add_log_part(attempt, progress)
            if isinstance(progress, LogPart) or not rules.is_running(job, attempt):
                return
            if isinstance(progress, Checkpoint):
                shelf.jobs[job_id] = replace(job, checkpoint=progress)
            elif job.kind is JobKind.PROXY:
                shelf.add_measurement(job.trial_number, progress, at)

    def requeue_lost_attempts(self, lease: SearchLease, at: datetime, keep: Collection[str] = ()) -> list[Job]:
        at = rules.in_utc(at)
        with self._lock:
            shelf = self._leased(lease)
            running = [job for job in shelf.jobs.values() if job.state is JobState.RUNNING]
            lost = [job for job in running if job.id not in keep]
            for job in lost:
                shelf.end_attempts(job.id, AttemptState.LOST, at)
                self._requeue(shelf, job)
            return [shelf.jobs[job.id] for job in lost]

    def _requeue(self, shelf: Shelf, job: Job) -> None:
        shelf.jobs[job.id] = replace(job, state=JobState.QUEUED)
        if job.kind.carries_trial:
            shelf.trials[job.trial_number] = replace(shelf.trials[job.trial_number], state=TrialState.QUEUED)

    def add_snapshot(self, lease: SearchLease, snapshot: Snapshot) -> list[str]:
        with self._lock:
            shelf = self._leased(lease)
            return shelf.add_snapshot(rules.checked_snapshot(shelf.search, snapshot))

    def write_insight(self, lease: SearchLease, insight: KeptInsight) -> None:
        with self._lock:
            shelf = self._leased(lease)
            checked = rules.checked_insight(shelf.search, insight)
            shelf.insight = replace(checked, document=rules.plain(checked.document))

    def read_insight(self, search_id: str, after: int = -1) -> KeptInsight | None:
        with self._lock:
            kept = self._shelves[search_id].insight if search_id in self._shelves else None
            return kept if kept is not None and kept.sequence > after else None

    def get_trial(self, search_id: str, number: int) -> Trial:
        with self._lock:
            return self._trial(self._shelf(search_id), number)

    def list_trials(self, search_id: str, limit: int, after: int = 0, states: Sequence[TrialState] = ()) -> list[Trial]:
        with self._lock:
            trials = self._shelf(search_id).trials.values()
            return [t for t in trials if t.number > after and (not states or t.state in states)][:limit]

    def best_trials(self, search_id: str, limit: int) -> list[Trial]:
        with self._lock:
            trials = self._shelf(search_id).trials.values()
            found = [t for t in trials if t.state is TrialState.COMPLETED and t.reward is not None]
        best: dict[str, Trial] = {}
        for trial in sorted(found, key=lambda t: (-(t.reward or 0.0), t.number)):
            best.setdefault(trial.draft.fingerprint, trial)
        return list(best.values())[:limit]

    def first_measured(self, measurement_key: str, fingerprint: str) -> Trial | None:
        with self._lock:
            trials = [trial for shelf in self._shelves.values() for trial in shelf.trials.values()]
        return rules.first_measured(trials, measurement_key, fingerprint)

    def first_timed(self, search_id: str, fingerprint: str | None = None) -> Trial | None:
        with self._lock:
            trials = self._shelf(search_id).trials.values()
            timed = [trial for trial in trials if trial.latency is not None]
            return next((t for t in timed if fingerprint is None or t.draft.fingerprint == fingerprint), None)

    def list_measurements(self, search_id: str, trial_number: int) -> list[Measurement]:
        with self._lock:
            curve = self._shelf(search_id).curves.get(trial_number, [])
            return sorted(curve, key=lambda measurement: measurement.step)

    def measured_at(self, search_id: str, step: int) -> list[tuple[int, float]]:
        with self._lock:
            entries = [e for e in self._shelf(search_id).ledger if e.kind is EntryKind.TRIAL_MEASURED]
            at_step = [e for e in entries if e.payload["step"] == step]
            return [(e.trial_number or 0, e.payload["average_precision"]) for e in at_step]

    def reference_trials(self, search_id: str) -> list[Trial]:
        with self._lock:
            trials = self._shelf(search_id).trials.values()
            return [trial for trial in trials if trial.draft.arm == rules.REFERENCE_ARM]

    def count_trials(self, search_id: str) -> TrialCounts:
        with self._lock:
            trials = self._shelf(search_id).trials.values()
            return TrialCounts(by_state=Counter(t.state for t in trials if t.draft.arm != rules.REFERENCE_ARM))

    def list_jobs(self, search_id: str, trial_number: int | None = None, *, open_only: bool = False) -> list[Job]:
        with self._lock:
            jobs = self._shelf(search_id).jobs.values()
            return [
                job
                for job in jobs
                if (trial_number is None or job.trial_number == trial_number) and not (open_only and job.state.is_final)
            ]

    def count_open_jobs(self, search_id: str) -> Mapping[JobKind, int]:
        return Counter(job.kind for job in self.list_jobs(search_id, open_only=True))

    def get_job(self, job_id: str) -> Job:
        with self._lock:
            return self._job(self._shelf_of_job(job_id), job_id)

    def list_attempts(self, job_id: str) -> list[Attempt]:
        with self._lock:
            return list(self._shelf_of_job(job_id).attempts[job_id])

    def last_attempts(self, search_id: str, limit: int) -> list[WorkSpan]:
        with self._lock:
            return self._shelf(search_id).work_spans()[:limit]

    def list_log_parts(self, job_id: str, attempt_number: int) -> list[LogPart]:
        with self._lock:
            shelf = self._shelf_of_job(job_id)
            self._attempt(shelf, shelf.jobs[job_id], attempt_number)
            return shelf.log_parts.get((job_id, attempt_number), [])

    def read_ledger(
        self, search_id: str, after: int = 0, limit: int = 1000, kinds: Sequence[EntryKind] = ()
    ) -> list[LedgerEntry]:
        with self._lock:
            entries = self._shelf(search_id).ledger[after:]
            return [entry for entry in entries if not kinds or entry.kind in kinds][:limit]

    def worker_seconds(self, search_id: str, at: datetime) -> Mapping[str, float]:
        at = rules.in_utc(at)
        seconds: dict[str, float] = {}
        with self._lock:
            attempts = [attempt for of_job in self._shelf(search_id).attempts.values() for attempt in of_job]
        for attempt in attempts:
            more = rules.seconds_since(attempt.started_at, attempt.finished_at or at)
            seconds[attempt.worker] = seconds.get(attempt.worker, 0.0) + more
        return seconds

    def count_failed_attempts(self, search_id: str) -> Mapping[tuple[AttemptState, FailureReason | None], int]:
        with self._lock:
            attempts = [attempt for of_job in self._shelf(search_id).attempts.values() for attempt in of_job]
        in_vain = [attempt for attempt in attempts if attempt.state in rules.IN_VAIN]
        return Counter((each.state, None if each.failure is None else each.failure.reason) for each in in_vain)

    def list_snapshots(self, search_id: str) -> list[Snapshot]:
        with self._lock:
            return [snapshot for _, snapshot in sorted(self._shelf(search_id).snapshots.items())]

    def tallies(self, at: datetime, bounds: Sequence[float] = ()) -> Tallies:
        with self._lock:
            return shelf_counting.tallies(list(self._shelves.values()), rules.in_utc(at), bounds)

    def record_heartbeat(self, heartbeat: Heartbeat) -> None:
        heartbeat = replace(heartbeat, at=rules.in_utc(heartbeat.at), numbers=dict(heartbeat.numbers))
        with self._lock:
            self._heartbeats[heartbeat.name] = heartbeat
            before = rules.forgotten_before(heartbeat)
            self._heartbeats = {name: each for name, each in self._heartbeats.items() if each.at >= before}

    def list_heartbeats(self) -> list[Heartbeat]:
        with self._lock:
            return [heartbeat for _, heartbeat in sorted(self._heartbeats.items())]

    def schema_problem(self) -> str:
        return ""

    def add_artifact(self, artifact: Artifact) -> None:
        artifact = replace(artifact, created_at=rules.in_utc(artifact.created_at))
        with self._lock:
            shelf = self._shelf(artifact.search_id)
            same = (artifact.key, artifact.trial_number, artifact.name)
            if same not in [(other.key, other.trial_number, other.name) for other in shelf.artifacts]:
                shelf.artifacts.append(artifact)

    def list_artifacts(
        self, search_id: str, trial_number: int | None = None, *, key: str | None = None
    ) -> list[Artifact]:
        with self._lock:
            artifacts = self._shelf(search_id).artifacts
            of_trial = [a for a in artifacts if trial_number is None or a.trial_number == trial_number]
            return [a for a in of_trial if key is None or a.key == key]

    def needed_artifacts(self, keys: Sequence[str], finished_before: datetime | None = None) -> set[str]:
        with self._lock:
            shelves = self._shelves.values()
            jobs = [job for shelf in shelves for job in shelf.jobs.values() if not job.state.is_final]
            checkpoints = {job.checkpoint.key for job in jobs if job.checkpoint is not None}
            kept = [shelf for shelf in shelves if shelf.is_kept(finished_before)]
            recorded = {artifact.key for shelf in kept for artifact in shelf.artifacts}
            snapshots = {key for shelf in kept for key in shelf.snapshot_files().values()}
            logs = {part.key for shelf in kept for parts in shelf.log_parts.values() for part in parts}
            return (checkpoints | recorded | snapshots | logs | self._operation_files()).intersection(keys)

    def close(self) -> None:
        """Nothing to give back."""

    def _trials(self, search_id: str) -> list[Trial]:
        with self._lock:
            return list(self._shelf(search_id).trials.values())

    def _shelf(self, search_id: str) -> Shelf:
        if search_id not in self._shelves:
            raise NotFoundError(f"no search {search_id}")
        return self._shelves[search_id]

    def _leased(self, lease: SearchLease) -> Shelf:
        shelf = self._shelf(lease.search_id)
        rules.require_lease(shelf.lease.token if shelf.lease is not None else 0, lease)
        return shelf

    def _shelf_of_job(self, job_id: str) -> Shelf:
        for shelf in self._shelves.values():
            if job_id in shelf.jobs:
                return shelf
        raise NotFoundError(f"no job {job_id}")

    def _trial(self, shelf: Shelf, number: int) -> Trial:
        if number not in shelf.trials:
            raise NotFoundError(f"search {shelf.search.id} has no trial {number}")
        return shelf.trials[number]

    def _job(self, shelf: Shelf, job_id: str) -> Job:
        if job_id not in shelf.jobs:
            raise NotFoundError(f"search {shelf.search.id} has no job {job_id}")
        return shelf.jobs[job_id]

    def _attempt(self, shelf: Shelf, job: Job, number: int) -> Attempt:
        attempts = shelf.attempts[job.id]
        if not 1 <= number <= len(attempts):
            raise NotFoundError(f"job {job.id} has no attempt {number}")
        return attempts[number - 1]
