"""A search of many trials in a SQL store, as a controller leaves it, written in bulk.

A controller takes some milliseconds for each trial, most of them for transactions: for a hundred thousand trials that
would be ten minutes. Here the same rows, made by the store's own rules, are written a thousand trials at once; a test
holds them equal to what the store's methods write.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any

from sqlalchemy import Engine, Table, insert, update

from nas_controller.insight.keeping import MAX_ENTRIES_BEHIND, InsightKeeping
from nas_controller.operations.records import OperationResult
from nas_controller.records import (
    Attempt,
    AttemptState,
    EntryKind,
    Failure,
    Job,
    JobKind,
    JobState,
    SearchLease,
    SearchState,
    Trial,
    TrialDraft,
    TrialKey,
)
from nas_controller.requests import RequestDraft, RequestVerb
from nas_controller.store import rows, rules, tables
from nas_controller.store.base import Store
from nas_controller.store.engine import for_writing
from nas_controller.webhooks.records import MessageType, Webhook
from spinesearch.bench.api_trials import (
    SEARCH_ID,
    WEBHOOK_ID,
    WORK,
    Clock,
    CourseOfTrials,
    bench_config,
    lost_worker,
    make_drafts,
    make_log,
)
from trainer.session import Measurement

TRIALS_AT_ONCE = 1000
TRIALS_BEHIND = MAX_ENTRIES_BEHIND // 5
"""These have a little less than five entries each."""
LEASE_SECONDS = 1e9


@dataclass
class _Work:
    """A trial that runs."""

    trial: Trial
    job: Job
    attempts: list[Attempt]
    position: int


@dataclass
class BulkWriter:
    """Writes rows of one search that runs, `TRIALS_AT_ONCE`.

    Args:
        sequence: of the last entry of the search's ledger.
    """

    engine: Engine
    clock: Clock
    sequence: int
    num_jobs: int = 0
    _work: dict[int, _Work] = field(default_factory=dict)
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def reject(self, draft: TrialDraft) -> None:
        at = self.clock.tick()
        trial = rules.new_trial(SEARCH_ID, draft, None, at)
        self._created(draft, at)
        self._entry(EntryKind.TRIAL_FINISHED, draft.number, rules.finished_payload(trial, consumed=True), at)
        self._trial(trial)

    def start(self, draft: TrialDraft, worker: str) -> None:
        at = self.clock.tick()
        self._created(draft, at)
        self._entry(EntryKind.TRIAL_STARTED, draft.number, {}, at)
        trial = rules.started(rules.new_trial(SEARCH_ID, draft, draft.number, at), at)
        job = rules.started_job(rules.new_job(SEARCH_ID, draft.number, JobKind.PROXY, draft.number, at))
        self.num_jobs += 1
        self._work[draft.number] = _Work(trial, job, [rules.new_attempt(job, worker, at)], self.num_jobs)

    def lose(self, number: int, worker: str) -> None:
        work = self._work[number]
        work.attempts[-1] = _ended(work.attempts[-1], AttemptState.FAILED, self.clock.tick(), lost_worker())
        at = self.clock.tick()
        work.job = rules.started_job(work.job)
        work.attempts.append(rules.new_attempt(work.job, worker, at))
        self._entry(EntryKind.TRIAL_STARTED, number, {}, at)

    def measure(self, number: int, measurement: Measurement) -> None:
        document = asdict(measurement)
        self._entry(EntryKind.TRIAL_MEASURED, number, document, self.clock.tick())
        of_trial = {"search_id": SEARCH_ID, "trial_number": number, "sequence": self.sequence}
        self._row(tables.measurement, {**of_trial, **document})

    def complete(self, number: int, evaluation: Mapping[str, Any], reward: float) -> None:
        work, at = self._work[number], self.clock.tick()
        work.attempts[-1] = _ended(work.attempts[-1], AttemptState.COMPLETED, at, None)
        work.job = replace(work.job, state=JobState.COMPLETED, finished_at=at, evaluation=evaluation)
        work.trial = rules.completed(work.trial, reward, evaluation, at)
        step = evaluation.get("stopped_at_step")
        payload = rules.finished_payload(work.trial, consumed=True, stopped_at_step=step)
        self._finish(number, payload, at)
        self._row(tables.artifact, asdict(make_log(number, at)))

    def fail(self, number: int, failure: Failure) -> None:
        work, at = self._work[number], self.clock.tick()
        work.attempts[-1] = _ended(work.attempts[-1], AttemptState.FAILED, at, failure)
        work.job = replace(work.job, state=JobState.FAILED, finished_at=at, failure=failure)
        work.trial = rules.failed(work.trial, failure, at)
        self._finish(number, rules.finished_payload(work.trial, consumed=failure.is_told), at)

    def ask_for_jobs(self, trial_number: int, count: int) -> None:
        """So many more jobs of a trial are queued."""
        for seed in range(count):
            self.num_jobs += 1
            job = rules.new_job(SEARCH_ID, trial_number, JobKind.REEVALUATE, seed, self.clock.now)
            self._row(tables.job, {"position": self.num_jobs, **rows.job_values(job)})

    def flush(self) -> None:
        """Writes what has happened so far; trials that run have entries only."""
        of_search = update(tables.search).where(tables.search.c.id == SEARCH_ID)
        with for_writing(self.engine).begin() as connection:
            # Parents first.
            for table in tables.metadata.sorted_tables:
                if self._rows.get(table.name):
                    connection.execute(insert(table), self._rows[table.name])
            connection.execute(of_search.values(last_sequence=self.sequence))
        self._rows.clear()

    def finish(self) -> None:
        """Writes everything; nothing can be written afterwards."""
        for work in self._work.values():
            self._put(work)
        self.flush()

    def _finish(self, number: int, payload: Mapping[str, Any], at: datetime) -> None:
        self._entry(EntryKind.TRIAL_FINISHED, number, payload, at)
        self._put(self._work.pop(number))
        if len(self._rows["trial"]) >= TRIALS_AT_ONCE:
            self.flush()

    def _put(self, work: _Work) -> None:
        self._trial(work.trial)
        self._row(tables.job, {"position": work.position, **rows.job_values(work.job)})
        for attempt in work.attempts:
            self._row(tables.attempt, {"search_id": SEARCH_ID, **rows.attempt_values(attempt)})

    def _trial(self, trial: Trial) -> None:
        self._row(tables.trial, rows.trial_values(trial))
        for parent in rows.parent_values(trial):
            self._row(tables.trial_parent, parent)

    def _created(self, draft: TrialDraft, at: datetime) -> None:
        self._entry(EntryKind.TRIAL_CREATED, draft.number, rules.created_payload(draft), at)

    def _entry(self, kind: EntryKind, number: int, payload: Mapping[str, Any], at: datetime) -> None:
        self.sequence += 1
        values = {"search_id": SEARCH_ID, "sequence": self.sequence, "kind": kind.value, "trial_number": number}
        self._row(tables.ledger, {**values, "payload": payload, "at": at})

    def _row(self, table: Table, values: dict[str, Any]) -> None:
        self._rows.setdefault(table.name, []).append(values)


def ask_and_tell(store: Store, number: int, at: datetime) -> None:
    """Somebody asks for a trial to be stopped, a file was made for an answer (the trial's log), and somebody is to be
    told what happens."""
    stop = RequestDraft(verb=RequestVerb.STOP, source=TrialKey(search_id=SEARCH_ID, number=number))
    store.add_requests(SEARCH_ID, [stop], at)
    store.ask_operation(WORK, at)
    lease = store.claim_operation("bench", at, LEASE_SECONDS)
    assert lease is not None
    log = make_log(number, at)
    store.finish_operation(lease, OperationResult(key=log.key, num_bytes=log.num_bytes), at)
    webhook = Webhook(
        id=WEBHOOK_ID,
        url="https://example.org/told",
        types=tuple(MessageType),
        search_id=SEARCH_ID,
        secret_sha256="0" * 64,
        created_at=at,
    )
    store.create_webhook(webhook)


def _ended(attempt: Attempt, state: AttemptState, at: datetime, failure: Failure | None) -> Attempt:
    return replace(attempt, state=state, finished_at=at, failure=failure)


def fill(store: Store, engine: Engine, num_trials: int) -> SearchLease:
    """Makes the search, which runs with so many trials; the insight into it is kept as long ago as a controller lets it
    become. The lease on it, which lasts.

    Args:
        engine: of the same database as `store`.
    """
    config, clock = bench_config(num_trials), Clock()
    store.create_search(SEARCH_ID, config.name, config.to_document(), clock.now)
    lease = store.claim_search(SEARCH_ID, "bench", clock.tick(), LEASE_SECONDS)
    assert lease is not None
    search = store.set_search_state(lease, SearchState.RUNNING, "", clock.now)
    writer = BulkWriter(engine, clock, search.last_sequence)
    course = CourseOfTrials(make_drafts(config), Random(0))
    course.go_on(writer, num_trials - TRIALS_BEHIND)
    writer.flush()
    InsightKeeping(store, SEARCH_ID, config).write(lease, clock.now)
    course.go_on(writer, TRIALS_BEHIND)
    writer.finish()
    return lease
