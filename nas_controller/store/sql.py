"""The store in a SQL database: SQLite for one machine, PostgreSQL for a service.

Every write locks the row of its search first (SQLite: the whole database, by BEGIN IMMEDIATE), so that writes to one
search come one after the other, and a sequence number is committed before the next one is taken.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from nas_controller.earlier import EarlierTold
from nas_controller.insight.kept import KeptInsight
from nas_controller.records import (
    Artifact,
    Attempt,
    AttemptState,
    EntryKind,
    Failure,
    Job,
    JobKind,
    JobState,
    Search,
    SearchLease,
    SearchState,
    Snapshot,
    Trial,
    TrialDraft,
    TrialState,
)
from nas_controller.requests import RequestDraft, RequestState, SearchEdit, TrialRequest
from nas_controller.store import rows, rules, tables
from nas_controller.store.base import ConflictError, NotFoundError
from nas_controller.store.sql_operations import SqlOperations
from nas_controller.store.sql_reading import SqlReading, search_row
from nas_controller.store.sql_tokens import SqlTokens
from nas_controller.store.sql_webhooks import SqlWebhooks
from nas_controller.store.writing import Writing
from nas_controller.tallies import Heartbeat
from trainer.latency_task import Latency
from trainer.session import Checkpoint, LogPart, Progress


class SqlStore(SqlTokens, SqlWebhooks, SqlOperations, SqlReading):
    """The store behind a SQLAlchemy engine; its schema is there already (`store.open`)."""

    @contextmanager
    def _write(self, search_id: str, lease: SearchLease | None = None) -> Iterator[Writing]:
        """A write transaction on one search; with a lease, only while no newer one was taken."""
        with self._writer.begin() as connection:
            row = connection.execute(search_row(search_id).with_for_update()).mappings().one_or_none()
            if row is None:
                raise NotFoundError(f"no search {search_id}")
            writing = Writing(connection, rows.search_of(row), rows.lease_of(row), row["first_config"])
            if lease is not None:
                rules.require_lease(row["lease_token"], lease)
            yield writing
            writing.flush()

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
        search = rules.new_search(search_id, name, document, at, cloned_from)
        no_lease = {"lease_owner": "", "lease_token": 0, "lease_expires_at": None}
        try:
            with self._writer.begin() as connection:
                values = {**rows.search_values(search), **no_lease, "idempotency_key": idempotency_key}
                connection.execute(insert(tables.search).values(**values))
                writing = Writing(connection, search, None)
                writing.append(EntryKind.SEARCH_STATE, None, {"state": search.state.value, "reason": ""}, at)
                writing.flush()
                return writing.search
        except IntegrityError:
            same_key = tables.search.c.idempotency_key == idempotency_key
            made_first = self._rows(select(tables.search).where(same_key)) if idempotency_key is not None else []
            if made_first:
                return rules.same_config(rows.search_of(made_first[0]), made_first[0]["first_config"], document)
            raise ConflictError(f"search {search_id} exists") from None

    def edit_search(self, search_id: str, edit: SearchEdit, at: datetime, tag: str | None = None) -> Search:
        at, edit = rules.in_utc(at), rules.checked_edit(edit)
        with self._write(search_id) as writing:
            changes = edit.changes(writing.search)
            if changes:
                rules.require_editable(writing.search, edit, tag)
                first_config = writing.first_config or writing.search.config
                writing.put_edited(rules.edited(writing.search, edit, at), first_config)
                writing.append(EntryKind.SEARCH_EDITED, None, changes, at)
            return writing.search

    def delete_search(self, search_id: str, at: datetime) -> None:
        at = rules.in_utc(at)
        try:
            with self._write(search_id) as writing:
                rules.require_deletable(writing.search, writing.lease, at)
                writing.connection.execute(delete(tables.search).where(tables.search.c.id == search_id))
        except NotFoundError:
            return

    def add_requests(
        self, search_id: str, drafts: Sequence[RequestDraft], at: datetime, lease: SearchLease | None = None
    ) -> list[TrialRequest]:
        at = rules.in_utc(at)
        with self._write(search_id, lease) as writing:
            return writing.add_requests(drafts, at)

    def answer_request(
        self, lease: SearchLease, number: int, state: RequestState, reason: str, at: datetime
    ) -> TrialRequest:
        at = rules.in_utc(at)
        with self._write(lease.search_id, lease) as writing:
            request = writing.request(number)
            if request.state is RequestState.OPEN:
                request = rules.closed(request, state, at, reason)
                writing.put_request(request)
                writing.append(EntryKind.REQUEST_CLOSED, None, rules.answer_payload(request), at)
            return request

    def request_state(self, search_id: str, state: SearchState, reason: str, at: datetime) -> Search:
        at = rules.in_utc(at)
        with self._write(search_id) as writing:
            if writing.search.state is not state:
                rules.require_request(writing.search.state, state)
                writing.set_state(state, reason, at)
            return writing.search

    def claim_search(self, search_id: str, owner: str, at: datetime, seconds: float) -> SearchLease | None:
        at = rules.in_utc(at)
        with self._write(search_id) as writing:
            lease = rules.next_lease(writing.search, writing.lease, owner, at, seconds)
            if lease is not None:
                writing.put_lease(lease)
            return lease

    def renew_lease(self, lease: SearchLease, at: datetime, seconds: float) -> SearchLease:
        at = rules.in_utc(at)
        with self._write(lease.search_id, lease) as writing:
            renewed = rules.renewed(lease, at, seconds)
            writing.put_lease(renewed)
            return renewed

    def release_lease(self, lease: SearchLease) -> None:
        with self._write(lease.search_id) as writing:
            if writing.lease is not None and writing.lease.token == lease.token:
                writing.put_lease(rules.released(lease))

    def set_search_state(self, lease: SearchLease, state: SearchState, reason: str, at: datetime) -> Search:
        at = rules.in_utc(at)
        with self._write(lease.search_id, lease) as writing:
            if not rules.is_same_state(writing.search, writing.last_entry(), state, reason, at):
                rules.require_setting(writing.search.state, state)
                writing.set_state(state, reason, at)
            return writing.search

    def add_trial(self, lease: SearchLease, draft: TrialDraft, job_seed: int | None, at: datetime) -> Trial:
        at = rules.in_utc(at)
        draft = rules.checked_draft(draft)
        with self._write(lease.search_id, lease) as writing:
            if (same := writing.same_trial(draft, at)) is not None:
                return same
            trial = writing.new_trial(rules.new_trial(lease.search_id, draft, job_seed, at), at)
            if trial.state is TrialState.INFEASIBLE:
                writing.finish_trial(trial, at, consumed=True)
            elif job_seed is not None:
                writing.add_job(rules.new_job(lease.search_id, draft.number, JobKind.PROXY, job_seed, at))
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
        with self._write(lease.search_id, lease) as writing:
            if writing.same_trial(draft, at) is not None:
                return writing.job(rules.job_id(lease.search_id, draft.number, first, job_seed))
            rules.require_trainable(draft)
            rules.require_first(first, draft, timed, lease.search_id)
            trial = writing.new_trial(rules.started_trial(lease.search_id, draft, timed, at), at)
            writing.note_latency(trial, timed, at)
            job = rules.started_job(rules.new_job(lease.search_id, draft.number, first, job_seed, at))
            writing.add_job(job)
            writing.add_attempt(rules.new_attempt(job, worker, at))
            writing.append(EntryKind.TRIAL_STARTED, draft.number, {}, at)
            writing.take_request(request, draft.number, at)
            return job

    def add_reused_trial(
        self, lease: SearchLease, draft: TrialDraft, measured: Trial, at: datetime, request: int | None = None
    ) -> Trial:
        at = rules.in_utc(at)
        trial = rules.reused_trial(lease.search_id, rules.checked_draft(draft), measured, at)
        with self._write(lease.search_id, lease) as writing:
            if (same := writing.same_trial(trial.draft, at)) is not None:
                return same
            writing.new_trial(trial, at)
            writing.note_latency(trial, measured, at)
            writing.finish_trial(trial, at, consumed=True)
            writing.take_request(request, draft.number, at)
            return trial

    def tell_earlier(self, lease: SearchLease, earlier: EarlierTold, at: datetime) -> None:
        at = rules.in_utc(at)
        payload = rules.earlier_payload(earlier)
        with self._write(lease.search_id, lease) as writing:
            if not rules.is_same_telling(writing.last_entry(), payload, at):
                rules.require_open(writing.search)
                writing.append(EntryKind.EARLIER_TOLD, None, payload, at)

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
        with self._write(lease.search_id, lease) as writing:
            writing.trial(trial_number)
            same = writing.find_job(rules.job_id(lease.search_id, trial_number, kind, seed))
            if same is not None:
                return same
            rules.require_open(writing.search)
            rules.require_addable(kind)
            return writing.add_job(rules.new_job(lease.search_id, trial_number, kind, seed, at, num_steps))

    def start_attempt(self, lease: SearchLease, job_id: str, worker: str, at: datetime) -> Attempt:
        at = rules.in_utc(at)
        with self._write(lease.search_id, lease) as writing:
            job = writing.job(job_id)
            last = writing.attempt(job, job.num_attempts) if job.num_attempts else None
            if last is not None and rules.is_same_start(job, last, worker, at):
                return last
            rules.require_queued(job)
            job = rules.started_job(job)
            attempt = rules.new_attempt(job, worker, at)
            writing.add_attempt(attempt)
            writing.put_job(job)
            if job.kind.carries_trial:
                writing.put_trial(rules.started(writing.trial(job.trial_number), at))
                writing.append(EntryKind.TRIAL_STARTED, job.trial_number, {}, at)
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
        with self._write(lease.search_id, lease) as writing:
            job = writing.job(job_id)
            attempt = writing.attempt(job, attempt_number)
            rules.require_reward(job.kind, reward)
            trial = writing.trial(job.trial_number)
            if not rules.may_complete(job, attempt):
                return trial
            job = writing.complete_job(job, attempt, document, at)
            if job.kind is JobKind.PROXY:
                trial = rules.completed(trial, reward, document, at)
                writing.finish_trial(trial, at, consumed=True, stopped_at_step=document.get("stopped_at_step"))
            else:
                trial = writing.remeasured(trial)
                writing.put_trial(trial)
                writing.append(EntryKind.JOB_FINISHED, trial.number, rules.job_payload(job, trial), at)
            return trial

    def complete_latency(
        self, lease: SearchLease, job_id: str, attempt_number: int, latency: Latency, at: datetime
    ) -> Trial:
        at = rules.in_utc(at)
        with self._write(lease.search_id, lease) as writing:
            job = writing.job(job_id)
            attempt = writing.attempt(job, attempt_number)
            rules.require_latency_job(job)
            trial = writing.trial(job.trial_number)
            if not rules.may_complete(job, attempt):
                return trial
            writing.complete_job(job, attempt, None, at)
            trial = rules.with_latency(trial, latency)
            writing.put_trial(trial)
            writing.note_latency(trial, None, at)
            writing.add_job(rules.new_job(lease.search_id, trial.number, JobKind.PROXY, job.seed, at))
            return trial

    def fail_attempt(
        self, lease: SearchLease, job_id: str, attempt_number: int, failure: Failure, retry: bool, at: datetime
    ) -> Trial:
        at = rules.in_utc(at)
        failure = rules.storable_failure(failure)
        with self._write(lease.search_id, lease) as writing:
            job = writing.job(job_id)
            attempt = writing.attempt(job, attempt_number)
            trial = writing.trial(job.trial_number)
            if not rules.is_running(job, attempt):
                return trial
            writing.put_attempt(replace(attempt, state=AttemptState.FAILED, finished_at=at, failure=failure))
            if retry:
                writing.requeue(job)
                return writing.trial(job.trial_number)
            job = replace(job, state=JobState.FAILED, finished_at=at, failure=failure)
            writing.put_job(job)
            if job.kind.carries_trial:
                trial = rules.failed(trial, failure, at)
                writing.finish_trial(trial, at, consumed=failure.is_told)
            else:
                writing.append(EntryKind.JOB_FINISHED, trial.number, rules.job_payload(job, trial), at)
            return trial

    def record_progress(
        self, lease: SearchLease, job_id: str, attempt_number: int, progress: Progress, at: datetime
    ) -> None:
        at = rules.in_utc(at)
        with self._write(lease.search_id, lease) as writing:
            job = writing.job(job_id)
            attempt = writing.attempt(job, attempt_number)
            if isinstance(progress, LogPart):
                writing.add_log_part(attempt, progress)
            if isinstance(progress, LogPart) or not rules.is_running(job, attempt):
                return
            if isinstance(progress, Checkpoint):
                writing.put_job(replace(job, checkpoint=progress))
            elif job.kind is JobKind.PROXY:
                writing.add_measurement(job.trial_number, progress, at)

    def requeue_lost_attempts(self, lease: SearchLease, at: datetime, keep: Collection[str] = ()) -> list[Job]:
        at = rules.in_utc(at)
        with self._write(lease.search_id, lease) as writing:
            running = writing.jobs(tables.job.c.state == JobState.RUNNING.value)
            lost = [job for job in running if job.id not in keep]
            for job in lost:
                writing.end_attempts(job.id, AttemptState.LOST, at)
                writing.requeue(job)
            return [replace(job, state=JobState.QUEUED) for job in lost]

    def add_snapshot(self, lease: SearchLease, snapshot: Snapshot) -> list[str]:
        with self._write(lease.search_id, lease) as writing:
            return writing.add_snapshot(rules.checked_snapshot(writing.search, snapshot))

    def write_insight(self, lease: SearchLease, insight: KeptInsight) -> None:
        with self._write(lease.search_id, lease) as writing:
            writing.put_insight(rules.checked_insight(writing.search, insight))

    def record_heartbeat(self, heartbeat: Heartbeat) -> None:
        values = rows.heartbeat_values(heartbeat)
        table = tables.heartbeat
        with self._writer.begin() as connection:
            same = update(table).where(table.c.name == heartbeat.name).values(**values)
            if connection.execute(same).rowcount == 0:
                connection.execute(insert(table).values(**values))
            connection.execute(delete(table).where(table.c.at < rules.forgotten_before(heartbeat)))

    def add_artifact(self, artifact: Artifact) -> None:
        artifact = replace(artifact, created_at=rules.in_utc(artifact.created_at))
        with self._write(artifact.search_id) as writing:
            same = select(tables.artifact.c.id).where(
                tables.artifact.c.search_id == artifact.search_id,
                tables.artifact.c.key == artifact.key,
                tables.artifact.c.trial_number.is_not_distinct_from(artifact.trial_number),
                tables.artifact.c.name == artifact.name,
            )
            if writing.connection.execute(same).first() is None:
                values = {name: getattr(artifact, name) for name in Artifact.__dataclass_fields__}
                writing.connection.execute(insert(tables.artifact).values(**values))
