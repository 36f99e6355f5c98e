"""Counts over all searches of a SQL database. Every query reads an index, or the few rows that an index finds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, case, func, select

from nas_controller.records import AttemptState, FailureReason, JobKind, JobState, SearchState, TrialState
from nas_controller.store import tables
from nas_controller.store.rows import lease_of
from nas_controller.store.rules import ACTIVE, QUEUEING, REFERENCE_ARM, holds
from nas_controller.tallies import Group, Tallies

Counted = dict[tuple[str, FailureReason | None], Group]


def tallies(connection: Connection, at: datetime, bounds: Sequence[float]) -> Tallies:
    """All counts, in one transaction; `bounds` are those of `Group.num_within` of trials, in seconds."""
    trials = _count_trials(connection, bounds)
    attempts = _count_attempts(connection)
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


def _count_trials(connection: Connection, bounds: Sequence[float]) -> Counted:
    """Grouped as the index has them, by arm too: any other order would be sorted first."""
    trial = tables.trial
    within = [func.sum(case((trial.c.seconds <= bound, 1), else_=0)) for bound in bounds]
    keys = (trial.c.state, trial.c.arm, trial.c.failure_reason)
    groups: Counted = {}
    for state, arm, reason, *numbers in connection.execute(select(*keys, *_sums(trial), *within).group_by(*keys)):
        if arm != REFERENCE_ARM:
            key = (state, FailureReason(reason) if reason else None)
            groups[key] = _plus(groups.get(key), _group(numbers))
    return groups


def _count_attempts(connection: Connection) -> Counted:
    keys = (tables.attempt.c.state, tables.attempt.c.failure_reason)
    counted = connection.execute(select(*keys, *_sums(tables.attempt)).group_by(*keys))
    return {(state, FailureReason(reason) if reason else None): _group(more) for state, reason, *more in counted}


def _sums(table: Table) -> list[ColumnElement[Any]]:
    return [func.count(), func.coalesce(func.sum(table.c.seconds), 0.0)]


def _group(numbers: Sequence[Any]) -> Group:
    count, seconds, *within = numbers
    return Group(count=count, seconds=seconds, num_within=tuple(int(number) for number in within))


def _plus(group: Group | None, other: Group) -> Group:
    """Both together."""
    if group is None:
        return other
    within = tuple(a + b for a, b in zip(group.num_within, other.num_within, strict=True))
    return Group(count=group.count + other.count, seconds=group.seconds + other.seconds, num_within=within)


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
