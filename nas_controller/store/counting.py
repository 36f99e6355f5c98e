"""Counts over all searches of a SQL database. Every query reads an index, or the few rows that an index finds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, case, func, select

from nas_controller.records import AttemptState, FailureReason, JobKind, JobState, SearchState, TrialState
from nas_controller.store import tables
from nas_controller.store.rows import lease_of
from nas_controller.store.rules import ACTIVE, QUEUEING, REFERENCE_ARM, holds
from nas_controller.tallies import Group, Tallies

Counted = dict[tuple[str, FailureReason | None], Group]


def tallies(connection: Connection, at: datetime, bounds: Sequence[float]) -> Tallies:
    """All counts, in one transaction; `bounds` are those of `Group.num_within` of trials, in seconds."""
    of_trials = _groups(tables.trial, bounds).where(tables.trial.c.arm != REFERENCE_ARM)
    trials = _grouped(connection, of_trials, bounds)
    attempts = _grouped(connection, _groups(tables.attempt, ()), ())
    searches = connection.execute(
        select(tables.search.c.state, func.count(), func.sum(tables.search.c.last_sequence)).group_by("state")
    ).all()
    queued = connection.execute(_queue()).all()
    num_leased, num_unleased = _leases(connection, at)
    return Tallies(
        searches={SearchState(state): count for state, count, _ in searches},
        trials={(TrialState(state), reason): group for (state, reason), group in trials.items()},
        attempts={(AttemptState(state), reason): group for (state, reason), group in attempts.items()},
        queued={JobKind(kind): count for kind, count, _ in queued},
        oldest_queued_at=min((oldest for _, _, oldest in queued), default=None),
        num_leased=num_leased,
        num_unleased=num_unleased,
        ledger_entries=sum(int(entries) for _, _, entries in searches),
        best_rewards=_best_rewards(connection),
    )


def _groups(table: Table, bounds: Sequence[float]) -> Select[Any]:
    """Rows by state and reason; the index on state, failure reason and seconds has all that this reads."""
    seconds = table.c.seconds
    within = [func.sum(case((seconds <= bound, 1), else_=0)) for bound in bounds]
    counted = [func.count(), func.coalesce(func.sum(seconds), 0.0), *within]
    return select(table.c.state, table.c.failure_reason, *counted).group_by(table.c.state, table.c.failure_reason)


def _grouped(connection: Connection, statement: Select[Any], bounds: Sequence[float]) -> Counted:
    return {
        (state, FailureReason(reason) if reason else None): Group(
            count=count, seconds=seconds, num_within=tuple(int(number) for number in within[: len(bounds)])
        )
        for state, reason, count, seconds, *within in connection.execute(statement)
    }


def _queue() -> Select[Any]:
    """Queued jobs by kind: their number, and when the oldest was made."""
    job, search = tables.job, tables.search
    return (
        select(job.c.kind, func.count(), func.min(job.c.created_at))
        .join_from(search, job, job.c.search_id == search.c.id)
        .where(search.c.state.in_(QUEUEING), job.c.state == JobState.QUEUED.value)
        .group_by(job.c.kind)
    )


def _leases(connection: Connection, at: datetime) -> tuple[int, int]:
    """Active searches with and without a lease that holds."""
    search = tables.search
    columns = (search.c.id, search.c.lease_owner, search.c.lease_token, search.c.lease_expires_at)
    found = connection.execute(select(*columns).where(search.c.state.in_(ACTIVE))).mappings().all()
    num_leased = sum(holds(lease_of(row), at) for row in found)
    return num_leased, len(found) - num_leased


def _best_rewards(connection: Connection) -> Mapping[str, float]:
    """The best reward of each active search: one look into the index for each."""
    trial, search = tables.trial, tables.search
    best = (
        select(func.max(trial.c.reward))
        .where(trial.c.search_id == search.c.id, trial.c.state == TrialState.COMPLETED.value)
        .correlate(search)
        .scalar_subquery()
    )
    found = connection.execute(select(search.c.id, best).where(search.c.state.in_(ACTIVE)).order_by(search.c.id))
    return {search_id: reward for search_id, reward in found if reward is not None}
