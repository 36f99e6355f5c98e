"""The course of a search: its trials by number, thinned where they are many.

The newest trials are all there. Older ones are kept in runs of neighbouring numbers, of each run the best, the worst,
one of each other outcome and some more; when there are too many points, runs become twice as long. So extremes and
failures never vanish, and a course has at most `MAX_POINTS` points besides older trials that still run.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from nas_controller.insight.reduction import NUM_KINDS, kept_points
from nas_controller.records import EntryKind, LedgerEntry, SearchState, TrialState
from nas_controller.search_config import SMOOTHED_OVER
from nas_controller.store.rules import REFERENCE_ARM

MAX_POINTS = 5000
MAX_RECENT = 1000
"""More trials than that, and the older half of them is settled."""
RUN_POINTS = 2 * NUM_KINDS
"""Points of a run of trials; a run is so many trials long at first."""


@dataclass(slots=True)
class Point:
    """One trial.

    Args:
        seconds: since the course began, to the end of the trial; until then, to its creation.
        multiply_adds, parameters: of the backbone at target size.
        latency_ms: of the target's whole network; None until it is known.
        best: of a settled trial, the best whole reward of the settled ones up to it.
        smoothed: of a settled trial with a whole reward, the mean of the last `SMOOTHED_OVER` up to it.
    """

    number: int
    arm: str
    state: TrialState
    reward: float | None
    seconds: float
    multiply_adds: int
    parameters: int
    best: float | None = None
    smoothed: float | None = None
    latency_ms: float | None = None

    @property
    def whole_reward(self) -> float | None:
        """The reward of a trial that was trained to its end; that of one stopped early is not comparable."""
        return None if self.state is TrialState.STOPPED_EARLY else self.reward


@dataclass(slots=True)
class Smoothing:
    """The best reward so far and the mean of the last ones, from trial to trial."""

    best: float | None = None
    last: deque[float] = field(default_factory=lambda: deque(maxlen=SMOOTHED_OVER))

    def add(self, reward: float | None) -> tuple[float | None, float | None]:
        """Both, up to the next trial, which has this whole reward."""
        if reward is None:
            return self.best, None
        self.best = reward if self.best is None else max(self.best, reward)
        self.last.append(reward)
        return self.best, sum(self.last) / len(self.last)


@dataclass(slots=True)
class Course:
    """All trials of one search so far, references included.

    Args:
        began_at: time of the first entry.
        settled: older trials, thinned, by number; runs of `run_length` numbers have `RUN_POINTS` at most.
        recent: each newer trial, by number.
        unsettled: those of the settled that had not ended then; they stay until they have.
        smoothing: up to the last settled trial.
    """

    began_at: datetime | None = None
    num_trials: int = 0
    run_length: int = RUN_POINTS
    settled: list[Point] = field(default_factory=list)
    recent: list[Point] = field(default_factory=list)
    unsettled: dict[int, Point] = field(default_factory=dict)
    smoothing: Smoothing = field(default_factory=Smoothing)

    def apply(self, entry: LedgerEntry) -> None:
        """Takes in the next entry of the ledger."""
        if self.began_at is None:
            self.began_at = entry.at
        seconds = round((entry.at - self.began_at).total_seconds(), 3)
        if entry.kind is EntryKind.TRIAL_CREATED:
            self._add(entry, seconds)
        elif entry.kind is EntryKind.TRIAL_TIMED:
            self.point(entry.trial_number).latency_ms = entry.payload["latency"]["median_ms"]
        elif entry.kind is EntryKind.TRIAL_STARTED:
            self.point(entry.trial_number).state = TrialState.RUNNING
        elif entry.kind is EntryKind.TRIAL_FINISHED:
            self._finish(entry, seconds)
        elif entry.kind is EntryKind.SEARCH_STATE and SearchState(entry.payload["state"]).is_final:
            self._cancel()

    def point(self, number: int | None) -> Point:
        """The trial of that number, one that is recent or has not ended."""
        assert number is not None
        is_recent = number > self.num_trials - len(self.recent)
        return self.recent[number - self.num_trials - 1] if is_recent else self.unsettled[number]

    def points(self) -> list[Point]:
        """The trials that are kept, by number."""
        return [*self.settled, *self.recent]

    def best_so_far(self) -> list[float | None]:
        """For each of the points, the best whole reward of all trials up to it; None before the first."""
        best: float | None = None
        values: list[float | None] = []
        for point in self.points():
            known = [value for value in (best, point.best, point.whole_reward) if value is not None]
            best = max(known, default=None)
            values.append(best)
        return values

    def smoothed(self) -> list[float | None]:
        """For each of the points with a whole reward, the mean of the last `SMOOTHED_OVER` of all trials up to it; one
        that ended after some five hundred newer trials had begun is left out."""
        smoothing = Smoothing(self.smoothing.best, self.smoothing.last.copy())
        recent = [smoothing.add(point.whole_reward)[1] for point in self.recent]
        return [*(point.smoothed for point in self.settled), *recent]

    def _add(self, entry: LedgerEntry, seconds: float) -> None:
        payload = entry.payload
        # A reference is complete from the start: it gets no reward, so nothing will finish it.
        is_reference = payload["arm"] == REFERENCE_ARM
        point = Point(
            number=self.num_trials + 1,
            arm=str(payload["arm"]),
            state=TrialState.COMPLETED if is_reference else TrialState.QUEUED,
            reward=None,
            seconds=seconds,
            multiply_adds=payload["multiply_adds"],
            parameters=payload["parameters"],
        )
        self.num_trials += 1
        self.recent.append(point)
        if len(self.recent) > MAX_RECENT:
            self._settle(self.recent[: MAX_RECENT // 2])
            del self.recent[: MAX_RECENT // 2]

    def _finish(self, entry: LedgerEntry, seconds: float) -> None:
        point = self.point(entry.trial_number)
        point.state = TrialState(entry.payload["state"])
        point.reward = entry.payload["reward"]
        point.seconds = seconds
        self.unsettled.pop(point.number, None)

    def _cancel(self) -> None:
        for point in [*self.recent, *self.unsettled.values()]:
            if not point.state.is_final:
                point.state = TrialState.CANCELLED
        self.unsettled.clear()

    def _settle(self, points: Sequence[Point]) -> None:
        for point in points:
            point.best, point.smoothed = self.smoothing.add(point.whole_reward)
            if not point.state.is_final:
                self.unsettled[point.number] = point
        self.settled = self._thinned([*self.settled, *points])
        while len(self.settled) > MAX_POINTS - MAX_RECENT + len(self.unsettled):
            self.run_length *= 2
            self.settled = self._thinned(self.settled)

    def _thinned(self, points: Sequence[Point]) -> list[Point]:
        kept: list[Point] = []
        for _, run in groupby(points, key=lambda point: (point.number - 1) // self.run_length):
            of_run = list(run)
            indices = kept_points([p.whole_reward for p in of_run], [p.state for p in of_run], RUN_POINTS)
            wanted = {of_run[index].number for index in indices}.union(self.unsettled)
            kept += [point for point in of_run if point.number in wanted]
        return kept

    def to_document(self) -> dict[str, Any]:
        """The course as JSON."""
        return {
            "began_at": self.began_at and self.began_at.isoformat(),
            "num_trials": self.num_trials,
            "run_length": self.run_length,
            "settled": _columns(self.settled),
            "recent": _columns(self.recent),
            "unsettled": list(self.unsettled),
            "best": self.smoothing.best,
            "last": list(self.smoothing.last),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Course":
        """The course as it was when it was written."""
        settled = _points(document["settled"])
        by_number = {point.number: point for point in settled}
        course = cls(
            began_at=document["began_at"] and datetime.fromisoformat(document["began_at"]),
            num_trials=document["num_trials"],
            run_length=document["run_length"],
            settled=settled,
            recent=_points(document["recent"]),
            unsettled={number: by_number[number] for number in document["unsettled"]},
        )
        course.smoothing.best = document["best"]
        course.smoothing.last.extend(document["last"])
        return course


def _columns(points: Iterable[Point]) -> dict[str, list[Any]]:
    """Arrays of one length: a third of what a mapping for each point would take."""
    columns: dict[str, list[Any]] = {name: [] for name in Point.__slots__}
    for point in points:
        for name, column in columns.items():
            column.append(getattr(point, name))
    return columns


def _points(columns: Mapping[str, Sequence[Any]]) -> list[Point]:
    rows = zip(*(columns[name] for name in Point.__slots__), strict=True)
    points = [Point(*row) for row in rows]
    for point in points:
        point.state = TrialState(point.state)
    return points
