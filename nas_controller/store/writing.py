"""A write transaction on one search: what the verbs of the SQL store do to its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from nas_controller.artifacts.log_parts import with_part
from nas_controller.insight.kept import KeptInsight
from nas_controller.records import (
    Attempt,
    AttemptState,
    EntryKind,
    Job,
    JobKind,
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
from nas_controller.store import rows, rules, tables
from nas_controller.store.base import NotFoundError
from trainer.session import LogPart, Measurement

T = TypeVar("T")
OPEN_JOBS = (JobState.QUEUED.value, JobState.RUNNING.value)
IN_ORDER_MADE = tables.job.c.position + 0
"""A sum, because SQLite would else walk through all jobs of a search in this order to find a few of them."""
OPEN_TRIALS = (TrialState.QUEUED.value, TrialState.RUNNING.value)

# Made once: to build a statement takes SQLAlchemy longer than to run it. What is set are the columns that come as
# parameters.
_INSERT_ENTRY, _INSERT_TRIAL = insert(tables.ledger), insert(tables.trial)
_INSERT_PARENTS = insert(tables.trial_parent)
_INSERT_JOB, _INSERT_ATTEMPT = insert(tables.job), insert(tables.attempt)
_SEARCH = tables.search.c.id == bindparam("of_search")
_UPDATE_SEARCH = update(tables.search).where(_SEARCH)
_TRIALS = select(tables.trial).where(tables.trial.c.search_id == bindparam("of_search")).order_by("number")
_TRIAL = _TRIALS.where(tables.trial.c.number == bindparam("of_number"))
_UPDATE_TRIAL = update(tables.trial).where(
    tables.trial.c.search_id == bindparam("of_search"), tables.trial.c.number == bindparam("of_number")
)
_NEWEST_TRIAL = select(func.max(tables.trial.c.number)).where(tables.trial.c.search_id == bindparam("of_search"))
_JOBS = select(tables.job).where(tables.job.c.search_id == bindparam("of_search")).order_by(IN_ORDER_MADE)
_JOB = _JOBS.where(tables.job.c.id == bindparam("of_job"))
_UPDATE_JOB = update(tables.job).where(tables.job.c.id == bindparam("of_job"))
_NEWEST_JOB = select(func.max(tables.job.c.position)).where(tables.job.c.search_id == bindparam("of_search"))
_REQUESTS = select(tables.trial_request).where(tables.trial_request.c.search_id == bindparam("of_search"))
_REQUESTS = _REQUESTS.order_by(tables.trial_request.c.number)
_UPDATE_REQUEST = update(tables.trial_request).where(
    tables.trial_request.c.search_id == bindparam("of_search"), tables.trial_request.c.number == bindparam("of_number")
)
_NEWEST_REQUEST = select(func.max(tables.trial_request.c.number)).where(
    tables.trial_request.c.search_id == bindparam("of_search")
)
_ATTEMPTS = select(tables.attempt).where(tables.attempt.c.job_id == bindparam("of_job"))
_ATTEMPT = _ATTEMPTS.where(tables.attempt.c.number == bindparam("of_number"))
_RUNNING_ATTEMPTS = _ATTEMPTS.where(tables.attempt.c.state == AttemptState.RUNNING.value)
_UPDATE_ATTEMPT = update(tables.attempt).where(
    tables.attempt.c.job_id == bindparam("of_job"), tables.attempt.c.number == bindparam("of_number")
)


@dataclass
class Writing:
    """A write transaction that holds the lock of one search.

    The ledger's new entries and the row of the search are written with `flush`, once, at the end.
    """

    connection: Connection
    search: Search
    lease: SearchLease | None
    first_config: Mapping[str, Any] | None = None
    _entries: list[dict[str, Any]] = field(default_factory=list)
    _changed: dict[str, Any] = field(default_factory=dict)

    def append(self, kind: EntryKind, trial_number: int | None, payload: Mapping[str, Any], at: datetime) -> None:
        """One more ledger entry, with the next sequence number."""
        sequence = self.search.last_sequence + 1
        self._entries.append(
            {
                "search_id": self.search.id,
                "sequence": sequence,
                "kind": kind.value,
                "trial_number": trial_number,
                "payload": payload,
                "at": at,
            }
        )
        self.put_search(replace(self.search, last_sequence=sequence))

    def put_search(self, search: Search) -> None:
        self._changed |= rows.search_state_values(search)
        self.search = search

    def put_edited(self, search: Search, first_config: Mapping[str, Any]) -> None:
        """The search with other name, notes, limits or shelf; the document that it was made with is kept."""
        names = ("name", "notes", "config", "archived_at")
        self._changed |= {name: getattr(search, name) for name in names} | {"first_config": first_config}
        self.search = search

    def put_lease(self, lease: SearchLease) -> None:
        self._changed |= rows.lease_values(lease)

    def flush(self) -> None:
        """Writes what was kept back."""
        if self._entries:
            self.connection.execute(_INSERT_ENTRY, self._entries)
        if self._changed:
            self.connection.execute(_UPDATE_SEARCH, {"of_search": self.search.id, **self._changed})
        self._entries, self._changed = [], {}

    def set_state(self, state: SearchState, reason: str, at: datetime) -> None:
        if state.is_final:
            self.cancel_open_work(at)
        self.put_search(rules.with_state(self.search, state, reason, at))
        self.append(EntryKind.SEARCH_STATE, None, {"state": state.value, "reason": self.search.reason}, at)

    def cancel_open_work(self, at: datetime) -> None:
        for job in self.jobs(tables.job.c.state.in_(OPEN_JOBS)):
            self.put_job(replace(job, state=JobState.CANCELLED, finished_at=at))
            self.end_attempts(job.id, AttemptState.CANCELLED, at)
        for trial in self.trials(tables.trial.c.state.in_(OPEN_TRIALS)):
            self.finish_trial(replace(trial, state=TrialState.CANCELLED, finished_at=at), at, consumed=False)
        for request in self.requests(tables.trial_request.c.state == RequestState.OPEN.value):
            self.put_request(rules.closed(request, RequestState.CANCELLED, at))

    def requests(self, *conditions: ColumnElement[bool]) -> list[TrialRequest]:
        found = self.connection.execute(_REQUESTS.where(*conditions), {"of_search": self.search.id})
        return [rows.request_of(row) for row in found.mappings()]

    def request(self, number: int) -> TrialRequest:
        found = self.requests(tables.trial_request.c.number == number)
        return only(found, f"search {self.search.id} has no request {number}")

    def put_request(self, request: TrialRequest) -> None:
        of_search = {"of_search": self.search.id, "of_number": request.number}
        self.connection.execute(_UPDATE_REQUEST, of_search | rows.request_values(request))

    def add_requests(self, drafts: Sequence[RequestDraft], at: datetime) -> list[TrialRequest]:
        table = tables.trial_request
        newest = self.connection.execute(_NEWEST_REQUEST, {"of_search": self.search.id}).scalar_one() or 0
        last = self.requests(table.c.number > newest - len(drafts))
        if rules.are_same_requests(last, drafts, at):
            return last
        num_open = len(self.requests(table.c.state == RequestState.OPEN.value))
        rules.require_askable(self.search, num_open, len(drafts))
        added = rules.new_requests(self.search.id, newest, drafts, at)
        for request in added:
            self.connection.execute(insert(table), rows.request_values(request))
            self.append(EntryKind.REQUEST_CREATED, None, rules.request_payload(request), at)
        return added

    def take_request(self, number: int | None, trial_number: int, at: datetime) -> None:
        """The request became the trial; None: it is of the algorithm."""
        if number is not None:
            self.put_request(rules.taken(self.request(number), trial_number, at))

    def trials(self, condition: ColumnElement[bool]) -> list[Trial]:
        found = self.connection.execute(_TRIALS.where(condition), {"of_search": self.search.id})
        return [rows.trial_of(row) for row in found.mappings()]

    def trial(self, number: int) -> Trial:
        return only(self._trials_of_number(number), f"search {self.search.id} has no trial {number}")

    def _trials_of_number(self, number: int) -> list[Trial]:
        found = self.connection.execute(_TRIAL, {"of_search": self.search.id, "of_number": number})
        return [rows.trial_of(row) for row in found.mappings()]

    def same_trial(self, draft: TrialDraft, at: datetime) -> Trial | None:
        """The trial that was made of this draft at this time: by the same call, whose answer was lost."""
        found = self._trials_of_number(draft.number)
        return next((trial for trial in found if (trial.draft, trial.created_at) == (draft, at)), None)

    def last_entry(self) -> LedgerEntry:
        """The newest of the ledger; a search begins with one."""
        last = tables.ledger.c.sequence == self.search.last_sequence
        statement = select(tables.ledger).where(tables.ledger.c.search_id == self.search.id, last)
        return rows.entry_of(self.connection.execute(statement).mappings().one())

    def new_trial(self, trial: Trial, at: datetime) -> Trial:
        rules.require_open(self.search)
        newest = self.connection.execute(_NEWEST_TRIAL, {"of_search": self.search.id}).scalar_one() or 0
        rules.require_number(trial.draft, newest + 1)
        self.connection.execute(_INSERT_TRIAL, rows.trial_values(trial))
        if trial.draft.parents:
            self.connection.execute(_INSERT_PARENTS, rows.parent_values(trial))
        self.append(EntryKind.TRIAL_CREATED, trial.number, rules.created_payload(trial.draft), at)
        return trial

    def put_trial(self, trial: Trial) -> None:
        row = {"of_search": trial.search_id, "of_number": trial.number}
        self.connection.execute(_UPDATE_TRIAL, row | rows.trial_state_values(trial))

    def finish_trial(self, trial: Trial, at: datetime, *, consumed: bool, stopped_at_step: int | None = None) -> None:
        self.put_trial(trial)
        payload = rules.finished_payload(trial, consumed=consumed, stopped_at_step=stopped_at_step)
        self.append(EntryKind.TRIAL_FINISHED, trial.number, payload, at)

    def note_latency(self, trial: Trial, source: Trial | None, at: datetime) -> None:
        """Writes that the trial has a latency, where it has one; that of `source` where it was measured before."""
        if trial.latency is not None:
            self.append(EntryKind.TRIAL_TIMED, trial.number, rules.timed_payload(trial.latency, source), at)

    def jobs(self, condition: ColumnElement[bool]) -> list[Job]:
        found = self.connection.execute(_JOBS.where(condition), {"of_search": self.search.id})
        return [rows.job_of(row) for row in found.mappings()]

    def find_job(self, job_id: str) -> Job | None:
        found = self.connection.execute(_JOB, {"of_search": self.search.id, "of_job": job_id}).mappings().first()
        return None if found is None else rows.job_of(found)

    def job(self, job_id: str) -> Job:
        job = self.find_job(job_id)
        return only([] if job is None else [job], f"search {self.search.id} has no job {job_id}")

    def put_job(self, job: Job) -> None:
        self.connection.execute(_UPDATE_JOB, {"of_job": job.id, **rows.job_values(job)})

    def add_job(self, job: Job) -> Job:
        newest = self.connection.execute(_NEWEST_JOB, {"of_search": self.search.id}).scalar_one() or 0
        self.connection.execute(_INSERT_JOB, {"position": newest + 1, **rows.job_values(job)})
        return job

    def complete_job(self, job: Job, attempt: Attempt, evaluation: Mapping[str, Any] | None, at: datetime) -> Job:
        """The job, COMPLETED by the attempt; others that run are given up."""
        self.put_attempt(replace(attempt, state=AttemptState.COMPLETED, finished_at=at, failure=None))
        if job.num_attempts > 1:
            self.end_attempts(job.id, AttemptState.LOST, at)
        job = replace(job, state=JobState.COMPLETED, finished_at=at, evaluation=evaluation)
        self.put_job(job)
        return job

    def add_attempt(self, attempt: Attempt) -> None:
        self.connection.execute(_INSERT_ATTEMPT, {"search_id": self.search.id, **rows.attempt_values(attempt)})

    def attempt(self, job: Job, number: int) -> Attempt:
        found = self.connection.execute(_ATTEMPT, {"of_job": job.id, "of_number": number}).mappings().all()
        return rows.attempt_of(only(found, f"job {job.id} has no attempt {number}"))

    def put_attempt(self, attempt: Attempt) -> None:
        row = {"of_job": attempt.job_id, "of_number": attempt.number}
        self.connection.execute(_UPDATE_ATTEMPT, row | rows.attempt_values(attempt))

    def end_attempts(self, job_id: str, state: AttemptState, at: datetime) -> None:
        """Ends the running attempts of a job."""
        for row in self.connection.execute(_RUNNING_ATTEMPTS, {"of_job": job_id}).mappings().all():
            self.put_attempt(replace(rows.attempt_of(row), state=state, finished_at=at))

    def add_measurement(self, trial_number: int, measurement: Measurement, at: datetime) -> None:
        """One more point of a trial's curve, where it is new."""
        table = tables.measurement
        of_trial = [table.c.search_id == self.search.id, table.c.trial_number == trial_number]
        same = select(table.c.step).where(*of_trial, table.c.step == measurement.step)
        if self.connection.execute(same).first() is None:
            document = asdict(measurement)
            self.append(EntryKind.TRIAL_MEASURED, trial_number, document, at)
            values = {"search_id": self.search.id, "trial_number": trial_number, "sequence": self.search.last_sequence}
            self.connection.execute(insert(table).values(**values, **document))

    def add_log_part(self, attempt: Attempt, part: LogPart) -> None:
        """One more part of an attempt's log; those whose place it takes are gone."""
        table = tables.log_part
        of_attempt = [table.c.job_id == attempt.job_id, table.c.attempt_number == attempt.number]
        statement = select(table).where(*of_attempt).order_by(table.c.start)
        before = [rows.log_part_of(row) for row in self.connection.execute(statement).mappings()]
        after = with_part(before, part)
        gone = [known.start for known in before if known not in after]
        if gone:
            self.connection.execute(delete(table).where(*of_attempt, table.c.start.in_(gone)))
        for new in [each for each in after if each not in before]:
            values = {"job_id": attempt.job_id, "attempt_number": attempt.number, **asdict(new)}
            self.connection.execute(insert(table).values(**values))
        self.put_attempt(rules.with_log(attempt, part))

    def add_snapshot(self, snapshot: Snapshot) -> list[str]:
        """One more snapshot; the keys of the files that no snapshot of the search has any more."""
        table = tables.snapshot
        of_search = table.c.search_id == self.search.id
        newest_first = table.c.sequence.desc()
        with_file = select(table).where(of_search, table.c.artifact_key.is_not(None)).order_by(newest_first)
        before = self.connection.execute(with_file).mappings().all()
        self.connection.execute(delete(table).where(of_search, table.c.sequence == snapshot.sequence))
        values = {name: getattr(snapshot, name) for name in Snapshot.__dataclass_fields__}
        self.connection.execute(insert(table).values(**values))
        after = self.connection.execute(with_file).mappings().all()
        kept, dropped = after[: rules.KEPT_SNAPSHOTS], after[rules.KEPT_SNAPSHOTS :]
        without_file = table.c.sequence.in_([row["sequence"] for row in dropped])
        self.connection.execute(update(table).where(of_search, without_file).values(artifact_key=None))
        return sorted({row["artifact_key"] for row in before} - {row["artifact_key"] for row in kept})

    def put_insight(self, insight: KeptInsight) -> None:
        values = {name: getattr(insight, name) for name in KeptInsight.__dataclass_fields__}
        same = update(tables.insight).where(tables.insight.c.search_id == self.search.id)
        if self.connection.execute(same.values(**values)).rowcount == 0:
            self.connection.execute(insert(tables.insight).values(**values))

    def requeue(self, job: Job) -> None:
        self.put_job(replace(job, state=JobState.QUEUED))
        if job.kind.carries_trial:
            self.put_trial(replace(self.trial(job.trial_number), state=TrialState.QUEUED))

    def remeasured(self, trial: Trial) -> Trial:
        """The trial with its mean over the completed `reevaluate` jobs."""
        statement = select(tables.job.c.average_precision).where(
            tables.job.c.search_id == trial.search_id,
            tables.job.c.trial_number == trial.number,
            tables.job.c.kind == JobKind.REEVALUATE.value,
            tables.job.c.state == JobState.COMPLETED.value,
        )
        values = list(self.connection.execute(statement.order_by(IN_ORDER_MADE)).scalars())
        mean, error = rules.mean_and_error(values)
        return replace(trial, val_average_precision=mean, val_standard_error=error, val_count=len(values))


def only(found: Sequence[T], message: str) -> T:
    """The one thing found, or NotFoundError."""
    if not found:
        raise NotFoundError(message)
    return found[0]
