"""Counts over all searches in memory: the same as `counting` reads from a SQL database."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from nas_controller.records import Attempt, FailureReason, JobState, Trial
from nas_controller.store.rules import ACTIVE, QUEUEING, REFERENCE_ARM, best_reward, group, holds
from nas_controller.store.shelf import Shelf
from nas_controller.tallies import Group, Tallies

State = TypeVar("State")
Ended = tuple[State, FailureReason | None, float | None]


def tallies(shelves: Sequence[Shelf], at: datetime, bounds: Sequence[float]) -> Tallies:
    """All counts; `bounds` are those of `Group.num_within` of trials, in seconds."""
    trials = [trial for shelf in shelves for trial in shelf.trials.values() if trial.draft.arm != REFERENCE_ARM]
    attempts = [each for shelf in shelves for of_job in shelf.attempts.values() for each in of_job]
    queueing = [shelf for shelf in shelves if shelf.search.state in QUEUEING]
    queued = [job for shelf in queueing for job in shelf.jobs.values() if job.state is JobState.QUEUED]
    active = [shelf for shelf in shelves if shelf.search.state in ACTIVE]
    num_leased = sum(holds(shelf.lease, at) for shelf in active)
    best = {shelf.search.id: best_reward(shelf.trials.values()) for shelf in active}
    return Tallies(
        searches=Counter(shelf.search.state for shelf in shelves),
        trials=_groups([(trial.state, trial.failure_reason, _seconds(trial)) for trial in trials], bounds),
        attempts=_groups([(each.state, _reason(each), _seconds(each)) for each in attempts], ()),
        queued=Counter(job.kind for job in queued),
        oldest_queued_at=min((job.created_at for job in queued), default=None),
        num_leased=num_leased,
        num_unleased=len(active) - num_leased,
        ledger_entries=sum(len(shelf.ledger) for shelf in shelves),
        best_rewards={search_id: reward for search_id, reward in best.items() if reward is not None},
    )


def _groups(
    ended: Sequence[Ended[State]], bounds: Sequence[float]
) -> Mapping[tuple[State, FailureReason | None], Group]:
    found: dict[tuple[State, FailureReason | None], list[float | None]] = defaultdict(list)
    for state, reason, seconds in ended:
        found[state, reason].append(seconds)
    return {key: group(seconds, bounds) for key, seconds in found.items()}


def _reason(attempt: Attempt) -> FailureReason | None:
    return None if attempt.failure is None else attempt.failure.reason


def _seconds(each: Trial | Attempt) -> float | None:
    if each.started_at is None or each.finished_at is None:
        return None
    return (each.finished_at - each.started_at).total_seconds()
