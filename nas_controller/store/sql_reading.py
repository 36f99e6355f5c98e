"""What anyone reads out of a SQL database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, collate, func, or_, select, tuple_

from nas_controller.insight.kept import KeptInsight
from nas_controller.insight.workers import WorkSpan
from nas_controller.records import (
    Artifact,
    Attempt,
    AttemptState,
    EntryKind,
    FailureReason,
    Job,
    JobKind,
    LedgerEntry,
    Search,
    SearchState,
    Snapshot,
    Trial,
    TrialCounts,
    TrialState,
)
from nas_controller.requests import RequestState, SearchOrder, TrialRequest
from nas_controller.store import counting, rows, rules, tables, trial_statements
from nas_controller.store.base import Store
from nas_controller.store.engine import DatabaseFile, for_one_read, for_writing
from nas_controller.store.revisions import schema_problem
from nas_controller.store.sql_summaries import SqlSummaries
from nas_controller.store.writing import IN_ORDER_MADE, OPEN_JOBS, only
from nas_controller.tallies import Heartbeat, Tallies
from trainer.session import LogPart, Measurement

OPEN_SEARCHES = [state.value for state in SearchState if not state.is_final]
"""Only these have open jobs; they are few, and each finds its own by an index."""
KEYS_AT_ONCE = 500
OPERATION_FILES = select(tables.operation.c.result_key).where(tables.operation.c.result_key.is_not(None))


class SqlReading(SqlSummaries, Store):
    """The reading half of `SqlStore`; each method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = for_writing(engine)
        self._reader = for_one_read(engine)
        self._file = DatabaseFile.of(engine)

    @property
    def engine(self) -> Engine:
        """What the connections come from."""
        return self._engine

    def _rows(self, statement: Select[Any]) -> list[rows.Row]:
        with self._reader.begin() as connection:
            return list(connection.execute(statement).mappings())

    def _rows_of(self, search_id: str, statement: Select[Any]) -> list[rows.Row]:
        """Rows of a search; `NotFoundError` where there are none because there is no such search."""
        found = self._rows(statement)
        if not found:
            self.get_search(search_id)
        return found

    def get_search(self, search_id: str) -> Search:
        found = [rows.search_of(row) for row in self._rows(search_row(search_id))]
        return only(found, f"no search {search_id}")

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
        table, is_rising = tables.search, order is not SearchOrder.NEWEST
        columns: tuple[ColumnElement[Any], ...] = (table.c.created_at, table.c.id)
        if order is SearchOrder.NAME:
            columns = (self._by_bytes(table.c.name), self._by_bytes(table.c.id))
        statement = select(table).order_by(*(each.asc() if is_rising else each.desc() for each in columns)).limit(limit)
        if before is not None:
            last = tuple_(*rules.order_key(self.get_search(before), order))
            statement = statement.where(tuple_(*columns) > last if is_rising else tuple_(*columns) < last)
        if states:
            statement = statement.where(table.c.state.in_([state.value for state in states]))
        if name:
            statement = statement.where(func.lower(table.c.name).contains(name.lower(), autoescape=True))
        if archived is not None:
            statement = statement.where(table.c.archived_at.is_not(None) if archived else table.c.archived_at.is_(None))
        return [rows.search_of(row) for row in self._rows(statement)]

    def _by_bytes(self, column: ColumnElement[str]) -> ColumnElement[str]:
        """The column in the order that Python has, whatever the language of the database."""
        return collate(column, "C") if self._engine.dialect.name == "postgresql" else column

    def read_insight(self, search_id: str, after: int = -1) -> KeptInsight | None:
        table = tables.insight
        statement = select(table).where(table.c.search_id == search_id, table.c.sequence > after)
        return next((rows.insight_of(row) for row in self._rows(statement)), None)

    def get_trial(self, search_id: str, number: int) -> Trial:
        statement = trial_statements.of_search(tables.trial, search_id).where(tables.trial.c.number == number)
        found = [rows.trial_of(row) for row in self._rows(statement)]
        return only(found, f"search {search_id} has no trial {number}")

    def list_trials(self, search_id: str, limit: int, after: int = 0, states: Sequence[TrialState] = ()) -> list[Trial]:
        statement = trial_statements.by_number(tables.trial, search_id, limit, after, states)
        return [rows.trial_of(row) for row in self._rows_of(search_id, statement)]

    def best_trials(self, search_id: str, limit: int) -> list[Trial]:
        statement = trial_statements.best(tables.trial, search_id, limit)
        return [rows.trial_of(row) for row in self._rows_of(search_id, statement)]

    def first_measured(self, measurement_key: str, fingerprint: str) -> Trial | None:
        trial = tables.trial
        statement = (
            select(trial)
            .where(trial.c.measurement_key == measurement_key, trial.c.fingerprint == fingerprint)
            .where(trial.c.state == TrialState.COMPLETED.value, trial.c.reward.is_not(None))
            .where(trial.c.reused_search_id.is_(None))
            .order_by(trial.c.finished_at, trial.c.search_id, trial.c.number)
            .limit(1)
        )
        return next((rows.trial_of(row) for row in self._rows(statement)), None)

    def first_timed(self, search_id: str, fingerprint: str | None = None) -> Trial | None:
        trial = tables.trial
        statement = trial_statements.of_search(trial, search_id).where(trial.c.latency.is_not(None))
        order: ColumnElement[int] = trial.c.number
        if fingerprint is not None:
            # A sum, because SQLite would else walk through the rows in this order to find those of one fingerprint.
            statement, order = statement.where(trial.c.fingerprint == fingerprint), trial.c.number + 0
        found = self._rows_of(search_id, statement.order_by(order).limit(1))
        return next((rows.trial_of(row) for row in found), None)

    def list_measurements(self, search_id: str, trial_number: int) -> list[Measurement]:
        table = tables.measurement
        of_trial = [table.c.search_id == search_id, table.c.trial_number == trial_number]
        return [
            rows.measurement_of(row)
            for row in self._rows_of(search_id, select(table).where(*of_trial).order_by("step"))
        ]

    def measured_at(self, search_id: str, step: int) -> list[tuple[int, float]]:
        table = tables.measurement
        statement = (
            select(table.c.trial_number, table.c.average_precision)
            .where(table.c.search_id == search_id, table.c.step == step)
            .order_by(table.c.sequence)
        )
        return [(row["trial_number"], row["average_precision"]) for row in self._rows_of(search_id, statement)]

    def reference_trials(self, search_id: str) -> list[Trial]:
        statement = (
            trial_statements.of_search(tables.trial, search_id)
            .where(tables.trial.c.arm == rules.REFERENCE_ARM)
            .order_by("number")
        )
        return [rows.trial_of(row) for row in self._rows_of(search_id, statement)]

    def count_trials(self, search_id: str) -> TrialCounts:
        statement = (
            select(tables.trial.c.state, func.count().label("trials"))
            .where(tables.trial.c.search_id == search_id, tables.trial.c.arm != rules.REFERENCE_ARM)
            .group_by(tables.trial.c.state)
        )
        return TrialCounts(
            by_state={TrialState(row["state"]): row["trials"] for row in self._rows_of(search_id, statement)}
        )

    def list_jobs(self, search_id: str, trial_number: int | None = None, *, open_only: bool = False) -> list[Job]:
        statement = select(tables.job).where(tables.job.c.search_id == search_id).order_by(IN_ORDER_MADE)
        if trial_number is not None:
            statement = statement.where(tables.job.c.trial_number == trial_number)
        if open_only:
            statement = statement.where(tables.job.c.state.in_(OPEN_JOBS))
        return [rows.job_of(row) for row in self._rows_of(search_id, statement)]

    def count_open_jobs(self, search_id: str) -> Mapping[JobKind, int]:
        job = tables.job
        is_open = [job.c.search_id == search_id, job.c.state.in_(OPEN_JOBS)]
        statement = select(job.c.kind, func.count().label("jobs")).where(*is_open).group_by(job.c.kind)
        return {JobKind(row["kind"]): row["jobs"] for row in self._rows_of(search_id, statement)}

    def get_job(self, job_id: str) -> Job:
        found = [rows.job_of(row) for row in self._rows(select(tables.job).where(tables.job.c.id == job_id))]
        return only(found, f"no job {job_id}")

    def list_attempts(self, job_id: str) -> list[Attempt]:
        self.get_job(job_id)
        statement = select(tables.attempt).where(tables.attempt.c.job_id == job_id).order_by("number")
        return [rows.attempt_of(row) for row in self._rows(statement)]

    def last_attempts(self, search_id: str, limit: int) -> list[WorkSpan]:
        attempt, job = tables.attempt, tables.job
        last_first = (attempt.c.started_at, self._by_bytes(attempt.c.job_id), attempt.c.number)
        statement = (
            select(attempt, job.c.trial_number, job.c.kind)
            .join(job, job.c.id == attempt.c.job_id)
            .where(attempt.c.search_id == search_id)
            .order_by(*(each.desc() for each in last_first))
            .limit(limit)
        )
        return [rows.work_span_of(row) for row in self._rows_of(search_id, statement)]

    def list_log_parts(self, job_id: str, attempt_number: int) -> list[LogPart]:
        table = tables.log_part
        of_attempt = [table.c.job_id == job_id, table.c.attempt_number == attempt_number]
        found = [rows.log_part_of(row) for row in self._rows(select(table).where(*of_attempt).order_by("start"))]
        if not found:
            attempts = [attempt for attempt in self.list_attempts(job_id) if attempt.number == attempt_number]
            only(attempts, f"job {job_id} has no attempt {attempt_number}")
        return found

    def read_ledger(
        self, search_id: str, after: int = 0, limit: int = 1000, kinds: Sequence[EntryKind] = ()
    ) -> list[LedgerEntry]:
        statement = (
            select(tables.ledger)
            .where(tables.ledger.c.search_id == search_id, tables.ledger.c.sequence > after)
            .order_by("sequence")
            .limit(limit)
        )
        if kinds:
            statement = statement.where(tables.ledger.c.kind.in_([kind.value for kind in kinds]))
        return [rows.entry_of(row) for row in self._rows_of(search_id, statement)]

    def worker_seconds(self, search_id: str, at: datetime) -> Mapping[str, float]:
        at, attempt = rules.in_utc(at), tables.attempt
        of_search = attempt.c.search_id == search_id
        ended = select(attempt.c.worker, func.sum(attempt.c.seconds).label("seconds")).where(of_search)
        running = select(attempt.c.worker, attempt.c.started_at).where(of_search)
        with self._engine.begin() as connection:
            found = connection.execute(ended.where(attempt.c.seconds.is_not(None)).group_by(attempt.c.worker)).all()
            seconds: dict[str, float] = {each.worker: each.seconds for each in found}
            for worker, started_at in connection.execute(running.where(attempt.c.state == AttemptState.RUNNING.value)):
                seconds[worker] = seconds.get(worker, 0.0) + rules.seconds_since(started_at, at)
        if not seconds:
            self.get_search(search_id)
        return seconds

    def count_failed_attempts(self, search_id: str) -> Mapping[tuple[AttemptState, FailureReason | None], int]:
        attempt = tables.attempt
        in_vain = attempt.c.state.in_([state.value for state in rules.IN_VAIN])
        statement = (
            select(attempt.c.state, attempt.c.failure_reason, func.count().label("attempts"))
            .where(attempt.c.search_id == search_id, in_vain)
            .group_by(attempt.c.state, attempt.c.failure_reason)
        )
        return {rows.outcome_of(row): row["attempts"] for row in self._rows_of(search_id, statement)}

    def get_request(self, search_id: str, number: int) -> TrialRequest:
        statement = _requests(search_id).where(tables.trial_request.c.number == number)
        found = [rows.request_of(row) for row in self._rows_of(search_id, statement)]
        return only(found, f"search {search_id} has no request {number}")

    def list_requests(
        self, search_id: str, limit: int = 1000, after: int = 0, *, open_only: bool = False
    ) -> list[TrialRequest]:
        table = tables.trial_request
        statement = _requests(search_id).where(table.c.number > after).limit(limit)
        if open_only:
            statement = statement.where(table.c.state == RequestState.OPEN.value)
        return [rows.request_of(row) for row in self._rows_of(search_id, statement)]

    def list_snapshots(self, search_id: str) -> list[Snapshot]:
        statement = select(tables.snapshot).where(tables.snapshot.c.search_id == search_id).order_by("sequence")
        return [rows.snapshot_of(row) for row in self._rows_of(search_id, statement)]

    def tallies(self, at: datetime, bounds: Sequence[float] = ()) -> Tallies:
        with self._engine.begin() as connection:
            return counting.tallies(connection, rules.in_utc(at), bounds)

    def list_heartbeats(self) -> list[Heartbeat]:
        return [rows.heartbeat_of(row) for row in self._rows(select(tables.heartbeat).order_by("name"))]

    def schema_problem(self) -> str:
        if self._file is not None:
            self._file.require_same()
        with self._engine.begin() as connection:
            return schema_problem(connection)

    def list_artifacts(
        self, search_id: str, trial_number: int | None = None, *, key: str | None = None
    ) -> list[Artifact]:
        statement = select(tables.artifact).where(tables.artifact.c.search_id == search_id).order_by("id")
        if trial_number is not None:
            statement = statement.where(tables.artifact.c.trial_number == trial_number)
        if key is not None:
            statement = statement.where(tables.artifact.c.key == key)
        return [rows.artifact_of(row) for row in self._rows_of(search_id, statement)]

    def needed_artifacts(self, keys: Sequence[str], finished_before: datetime | None = None) -> set[str]:
        job = tables.job
        checkpoints = (
            select(job.c.checkpoint_key)
            .join(tables.search, tables.search.c.id == job.c.search_id)
            .where(tables.search.c.state.in_(OPEN_SEARCHES), job.c.state.in_(OPEN_JOBS))
        )
        with self._engine.begin() as connection:
            needed = set(connection.execute(checkpoints).scalars())
            needed.update(connection.execute(OPERATION_FILES).scalars())
            for first in range(0, len(keys), KEYS_AT_ONCE):
                some = keys[first : first + KEYS_AT_ONCE]
                for named in _named(some):
                    if finished_before is not None:
                        named = named.where(_is_kept(rules.in_utc(finished_before)))
                    needed.update(connection.execute(named).scalars())
        return needed.intersection(keys)

    def close(self) -> None:
        self._engine.dispose()


def search_row(search_id: str) -> Select[Any]:
    return select(tables.search).where(tables.search.c.id == search_id)


def _requests(search_id: str) -> Select[Any]:
    table = tables.trial_request
    return select(table).where(table.c.search_id == search_id).order_by(table.c.number)


def _named(keys: Sequence[str]) -> list[Select[Any]]:
    """Those of the keys that rows of a search name beside its jobs, joined with the search."""
    artifact, snapshot, part, job = tables.artifact, tables.snapshot, tables.log_part, tables.job
    of_job, of_search = job.c.id == part.c.job_id, tables.search.c.id == job.c.search_id
    return [
        select(artifact.c.key).where(artifact.c.key.in_(keys)).join(tables.search),
        select(snapshot.c.artifact_key).where(snapshot.c.artifact_key.in_(keys)).join(tables.search),
        select(part.c.key).where(part.c.key.in_(keys)).join(job, of_job).join(tables.search, of_search),
    ]


def _is_kept(finished_before: datetime) -> ColumnElement[bool]:
    """Whether a search has its files still: it is not final, or was so only later."""
    finished_at = tables.search.c.finished_at
    return or_(finished_at.is_(None), finished_at >= finished_before)
