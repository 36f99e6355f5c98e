"""The course of a search as compact arrays: a fold over its ledger, continued where the last request ended.

Asking again reads only what happened since. Long searches are reduced: of each run of neighbouring trials
the best, the worst and one of each other outcome stay, so extremes and failures never vanish.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from nas_controller.records import EntryKind, LedgerEntry, SearchState, TrialState
from nas_controller.search_config import SMOOTHED_OVER
from nas_controller.store.base import Store

MAX_POINTS = 5000
MAX_SEARCHES = 64
_PAGE = 1000
_OPEN = (TrialState.QUEUED, TrialState.RUNNING)
_TRAINED = (TrialState.COMPLETED, TrialState.STOPPED_EARLY, TrialState.FAILED)
_STATES = tuple(TrialState)


@dataclass(slots=True)
class Course:
    """All trials of one search so far, references included, by number less one."""

    sequence: int = 0
    arms: list[str] = field(default_factory=list)
    states: list[TrialState] = field(default_factory=list)
    rewards: list[float | None] = field(default_factory=list)
    created: list[datetime] = field(default_factory=list)
    finished: list[datetime | None] = field(default_factory=list)

    def apply(self, entry: LedgerEntry) -> None:
        """Continues by the next entry of the ledger."""
        self.sequence = entry.sequence
        payload = entry.payload
        index = (entry.trial_number or 0) - 1
        if entry.kind is EntryKind.TRIAL_CREATED:
            # A reference is complete from the start: it gets no reward, so nothing will finish it.
            is_reference = payload["arm"] == "reference"
            self.arms.append(str(payload["arm"]))
            self.states.append(TrialState.COMPLETED if is_reference else TrialState.QUEUED)
            self.rewards.append(None)
            self.created.append(entry.at)
            self.finished.append(None)
        elif entry.kind is EntryKind.TRIAL_STARTED:
            self.states[index] = TrialState.RUNNING
        elif entry.kind is EntryKind.TRIAL_FINISHED:
            self.states[index] = TrialState(payload["state"])
            self.rewards[index] = payload["reward"]
            self.finished[index] = entry.at
        elif entry.kind is EntryKind.SEARCH_STATE and SearchState(payload["state"]).is_final:
            self.states = [TrialState.CANCELLED if state in _OPEN else state for state in self.states]

    def whole_rewards(self) -> list[float | None]:
        """The rewards of trials that were trained to their end; that of one stopped early is not comparable."""
        pairs = zip(self.rewards, self.states, strict=True)
        return [None if state is TrialState.STOPPED_EARLY else reward for reward, state in pairs]

    def best_so_far(self) -> list[float | None]:
        """For each trial, the best whole reward up to and including it; None before the first."""
        best: float | None = None
        values: list[float | None] = []
        for reward in self.whole_rewards():
            if reward is not None and (best is None or reward > best):
                best = reward
            values.append(best)
        return values

    def smoothed(self) -> list[float | None]:
        """For each trial with a whole reward, the mean of the last `SMOOTHED_OVER` of them up to it."""
        window: deque[float] = deque(maxlen=SMOOTHED_OVER)
        values: list[float | None] = []
        for reward in self.whole_rewards():
            if reward is not None:
                window.append(reward)
            values.append(None if reward is None else sum(window) / len(window))
        return values


def kept_points(rewards: Sequence[float | None], states: Sequence[TrialState], max_points: int) -> list[int]:
    """Indices to show, rising: all where there are at most `max_points`; else for each of equal runs of
    trials the highest reward, the lowest, and the last of each other state; and as many more, evenly spread,
    as there is room for, so that what is between the extremes looks as dense as it is."""
    count = len(rewards)
    if count <= max_points:
        return list(range(count))
    width = -(-count * (len(_STATES) + 1) // max_points)
    kept: set[int] = set()
    for start in range(0, count, width):
        run = range(start, min(start + width, count))
        scored = [(reward, -index) for index in run if (reward := rewards[index]) is not None]
        if scored:
            kept |= {-max(scored)[1], -min(scored)[1]}
        kept |= set({states[index]: index for index in run if rewards[index] is None}.values())
    others = [index for index in range(count) if index not in kept]
    room = max_points - len(kept)
    return sorted(kept.union(others[place * len(others) // room] for place in range(room)))


class Histories:
    """The courses of the searches asked for last, each as far as its ledger was read. Safe for threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._courses: OrderedDict[str, tuple[threading.Lock, Course]] = OrderedDict()
        self._lock = threading.Lock()

    def points(self, search_id: str, started_at: datetime, max_points: int = MAX_POINTS) -> dict[str, object]:
        """The fields of `schemas.History`. Raises `NotFoundError` for no such search."""
        with self._caught_up(search_id) as course:
            return _fields(course, started_at, max_points)

    def rises(self, search_id: str, started_at: datetime) -> dict[str, object]:
        """The fields of `SearchCourse`. Raises `NotFoundError` for no such search."""
        with self._caught_up(search_id) as course:
            return {"search": search_id, **_rises(course, started_at)}

    @contextmanager
    def _caught_up(self, search_id: str) -> Iterator[Course]:
        with self._lock:
            lock, course = self._courses.setdefault(search_id, (threading.Lock(), Course()))
            self._courses.move_to_end(search_id)
            if len(self._courses) > MAX_SEARCHES:
                self._courses.popitem(last=False)
        with lock:
            self._catch_up(search_id, course)
            yield course

    def _catch_up(self, search_id: str, course: Course) -> None:
        while True:
            entries = self._store.read_ledger(search_id, after=course.sequence, limit=_PAGE)
            for entry in entries:
                course.apply(entry)
            if len(entries) < _PAGE:
                return


def _fields(course: Course, started_at: datetime, max_points: int) -> dict[str, object]:
    kept = kept_points(course.whole_rewards(), course.states, max_points)
    best, smoothed = course.best_so_far(), course.smoothed()
    offsets = [((course.finished[i] or course.created[i]) - started_at).total_seconds() for i in kept]
    return {
        "sequence": course.sequence,
        "num_trials": len(course.rewards),
        "is_reduced": len(kept) < len(course.rewards),
        "smoothed_over": SMOOTHED_OVER,
        "number": [i + 1 for i in kept],
        "arm": [course.arms[i] for i in kept],
        "state": [course.states[i] for i in kept],
        "reward": [course.rewards[i] for i in kept],
        "best_so_far": [best[i] for i in kept],
        "smoothed": [smoothed[i] for i in kept],
        "seconds": [round(max(0.0, offset), 1) for offset in offsets],
    }


def _rises(course: Course, started_at: datetime) -> dict[str, object]:
    """Trials in the order in which they ended, reduced to those that were better than all before."""
    whole = course.whole_rewards()
    ended = sorted(
        (at, index)
        for index, (at, state) in enumerate(zip(course.finished, course.states, strict=True))
        if at is not None and state in _TRAINED
    )
    seconds = [round(max(0.0, (at - started_at).total_seconds()), 1) for at, _ in ended]
    steps: list[dict[str, object]] = []
    best = float("-inf")
    for place, (_, index) in enumerate(ended):
        reward = whole[index]
        if reward is not None and reward > best:
            best = reward
            steps.append({"trained": place + 1, "seconds": seconds[place], "reward": reward, "trial": index + 1})
    return {"steps": steps, "trained": len(ended), "seconds": seconds[-1] if seconds else 0.0}
