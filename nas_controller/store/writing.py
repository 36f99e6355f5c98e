"""A write transaction on one search: what the verbs of the SQL store do to its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

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
from nas_controller.store import rows, rules, tables
from nas_controller.store.base import NotFoundError
from trainer.session import Measurement

T = TypeVar("T")
OPEN_JOBS = (JobState.QUEUED.value, JobState.RUNNING.value)
IN_ORDER_MADE = tables.job.c.position + 0
"""A sum, because SQLite would else walk through all jobs of a search in this order to find a few of them."""
OPEN_TRIALS = (TrialState.QUEUED.value, TrialState.RUNNING.value)


@dataclass
class Writing:
    """A write transaction that holds the lock of one search."""

    connection: Connection
    search: Search
    lease: SearchLease | None

    def append(self, kind: EntryKind, trial_number: int | None, payload: Mapping[str, Any], at: datetime) -> None:
        """One more ledger entry, with the next sequence number."""
        sequence = self.search.last_sequence + 1
        self.connection.execute(
            insert(tables.ledger).values(
                search_id=self.search.id,
                sequence=sequence,
                kind=kind.value,
                trial_number=trial_number,
                payload=payload,
                at=at,
            )
        )
        self.put_search(replace(self.search, last_sequence=sequence))

    def put_search(self, search: Search, **lease_columns: Any) -> None:
        values = rows.search_values(search)
        del values["id"], values["config"]
        statement = update(tables.search).where(tables.search.c.id == search.id)
        self.connection.execute(statement.values(**values, **lease_columns))
        self.search = search

    def put_lease(self, lease: SearchLease) -> None:
        self.put_search(self.search, **rows.lease_values(lease))

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

    def trials(self, condition: ColumnElement[bool]) -> list[Trial]:
        statement = select(tables.trial).where(tables.trial.c.search_id == self.search.id, condition)
        return [rows.trial_of(row) for row in self.connection.execute(statement.order_by("number")).mappings()]

    def trial(self, number: int) -> Trial:
        return only(self.trials(tables.trial.c.number == number), f"search {self.search.id} has no trial {number}")

    def same_trial(self, draft: TrialDraft, at: datetime) -> Trial | None:
        """The trial that was made of this draft at this time: by the same call, whose answer was lost."""
        found = self.trials(tables.trial.c.number == draft.number)
        return next((trial for trial in found if (trial.draft, trial.created_at) == (draft, at)), None)

    def last_entry(self) -> LedgerEntry:
        """The newest of the ledger; a search begins with one."""
        last = tables.ledger.c.sequence == self.search.last_sequence
        statement = select(tables.ledger).where(tables.ledger.c.search_id == self.search.id, last)
        return rows.entry_of(self.connection.execute(statement).mappings().one())

    def new_trial(self, trial: Trial, at: datetime) -> Trial:
        rules.require_open(self.search)
        newest = select(func.max(tables.trial.c.number)).where(tables.trial.c.search_id == self.search.id)
        rules.require_number(trial.draft, (self.connection.execute(newest).scalar_one() or 0) + 1)
        self.connection.execute(insert(tables.trial).values(**rows.trial_values(trial)))
        self.append(EntryKind.TRIAL_CREATED, trial.number, rules.created_payload(trial.draft), at)
        return trial

    def put_trial(self, trial: Trial) -> None:
        statement = update(tables.trial).where(
            tables.trial.c.search_id == trial.search_id, tables.trial.c.number == trial.number
        )
        self.connection.execute(statement.values(**rows.trial_state_values(trial)))

    def finish_trial(self, trial: Trial, at: datetime, *, consumed: bool) -> None:
        self.put_trial(trial)
        payload = rules.finished_payload(trial, consumed=consumed)
        self.append(EntryKind.TRIAL_FINISHED, trial.number, payload, at)

    def jobs(self, condition: ColumnElement[bool]) -> list[Job]:
        statement = select(tables.job).where(tables.job.c.search_id == self.search.id, condition)
        return [rows.job_of(row) for row in self.connection.execute(statement.order_by(IN_ORDER_MADE)).mappings()]

    def job(self, job_id: str) -> Job:
        return only(self.jobs(tables.job.c.id == job_id), f"search {self.search.id} has no job {job_id}")

    def put_job(self, job: Job) -> None:
        self.connection.execute(update(tables.job).where(tables.job.c.id == job.id).values(**rows.job_values(job)))

    def new_job(self, trial_number: int, kind: JobKind, seed: int, at: datetime) -> Job:
        job = rules.new_job(self.search.id, trial_number, kind, seed, at)
        newest = select(func.max(tables.job.c.position)).where(tables.job.c.search_id == self.search.id)
        position = (self.connection.execute(newest).scalar_one() or 0) + 1
        self.connection.execute(insert(tables.job).values(position=position, **rows.job_values(job)))
        return job

    def attempt(self, job: Job, number: int) -> Attempt:
        statement = select(tables.attempt).where(tables.attempt.c.job_id == job.id, tables.attempt.c.number == number)
        found = [rows.attempt_of(row) for row in self.connection.execute(statement).mappings()]
        return only(found, f"job {job.id} has no attempt {number}")

    def put_attempt(self, attempt: Attempt) -> None:
        statement = update(tables.attempt).where(
            tables.attempt.c.job_id == attempt.job_id, tables.attempt.c.number == attempt.number
        )
        self.connection.execute(statement.values(**rows.attempt_values(attempt)))

    def end_attempts(self, job_id: str, state: AttemptState, at: datetime) -> None:
        """Ends the running attempts of a job."""
        statement = select(tables.attempt).where(
            tables.attempt.c.job_id == job_id, tables.attempt.c.state == AttemptState.RUNNING.value
        )
        for row in self.connection.execute(statement).mappings().all():
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

    def requeue(self, job: Job) -> None:
        self.put_job(replace(job, state=JobState.QUEUED))
        if job.kind is JobKind.PROXY:
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
