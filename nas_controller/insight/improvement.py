"""Is the algorithm beating random here? The probability that a trial that it searched for is better than a random one.

The random ones are those of the control arm (`algorithm.control_share`); where a search has none, those with which its
algorithm began. Compared are rewards of trials that were trained themselves, to their end. What users asked for, and
references, are in neither group. Rewards are kept in bounded room: all of a group's at first, then those of every
second trial, every fourth, and so on.

Shapes: m searched trials, n random ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

from nas_controller.arms import CONTROL_ARM, RANDOM_ARM
from nas_controller.insight.course import Point
from nas_controller.records import EntryKind, LedgerEntry, TrialState
from nas_controller.requests import ARMS
from nas_controller.store.rules import REFERENCE_ARM

MAX_KEPT = 1000
"""Rewards of one group."""
CONFIDENCE = 0.95
SEARCHED = "searched"

_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_NOT_COMPARED = frozenset([REFERENCE_ARM, *ARMS.values()])
_HALVINGS = 50


@dataclass(slots=True)
class Rewards:
    """Rewards of some trials, with the numbers of these.

    Args:
        every: kept are trials whose number is a multiple of that.
        count: how many there were.
    """

    every: int = 1
    count: int = 0
    kept: list[tuple[int, float]] = field(default_factory=list)

    def add(self, number: int, reward: float) -> None:
        """One more trial."""
        self.count += 1
        if number % self.every == 0:
            self.kept.append((number, reward))
        while len(self.kept) > MAX_KEPT:
            self.every *= 2
            self.kept = [pair for pair in self.kept if pair[0] % self.every == 0]

    def to_document(self) -> list[Any]:
        """All of it as a list."""
        return [self.every, self.count, [number for number, _ in self.kept], [reward for _, reward in self.kept]]

    @classmethod
    def from_document(cls, document: Sequence[Any]) -> "Rewards":
        """What `to_document` gave."""
        every, count, numbers, rewards = document
        return cls(every, count, list(zip(numbers, rewards, strict=True)))


@dataclass(slots=True)
class Improvement:
    """The rewards of the three groups of one search so far."""

    groups: dict[str, Rewards] = field(
        default_factory=lambda: {name: Rewards() for name in (SEARCHED, CONTROL_ARM, RANDOM_ARM)}
    )

    def apply(self, entry: LedgerEntry, ended: Point | None) -> None:
        """Takes in the next entry of the ledger; `ended` is the trial that it says has ended."""
        if entry.kind is not EntryKind.TRIAL_FINISHED or ended is None or ended.arm in _NOT_COMPARED:
            return
        is_whole = TrialState(entry.payload["state"]) is TrialState.COMPLETED
        if is_whole and entry.payload.get("reused_from") is None:
            group = ended.arm if ended.arm in self.groups else SEARCHED
            self.groups[group].add(ended.number, float(entry.payload["reward"]))

    def to_document(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {name: rewards.to_document() for name, rewards in self.groups.items()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Improvement":
        """What `to_document` gave."""
        return cls({name: Rewards.from_document(rewards) for name, rewards in document.items()})


def improvement_fields(improvement: Improvement) -> dict[str, Any] | None:
    """Both probabilities: fields of `api.inside_schemas.ControllerImprovement`. None where a group has no trial."""
    searched = improvement.groups[SEARCHED]
    against = next((arm for arm in (CONTROL_ARM, RANDOM_ARM) if improvement.groups[arm].kept), None)
    if against is None or not searched.kept:
        return None
    random = [reward for _, reward in improvement.groups[against].kept]
    newest = sorted(searched.kept)[len(searched.kept) // 2 :]
    return {
        "against": against,
        "searched": searched.count,
        "random": improvement.groups[against].count,
        "all": _fields([reward for _, reward in searched.kept], random),
        "newest_half": _fields([reward for _, reward in newest], random),
    }


def _fields(searched: Sequence[float], random: Sequence[float]) -> dict[str, Any]:
    probability = probability_of_improvement(searched, random)
    return {"probability": probability, "interval": interval(probability, len(searched), len(random))}


def probability_of_improvement(searched: Sequence[float], random: Sequence[float]) -> float:
    """The share of pairs in which the searched one is better, a tie being half of one: U / (m n) of Mann and Whitney
    (1947). Neither group may be empty.

    >>> probability_of_improvement([3.0, 1.0], [1.0, 2.0])
    0.625
    """
    ranks: dict[float, list[int]] = {}
    for which, group in enumerate((searched, random)):
        for reward in group:
            ranks.setdefault(reward, [0, 0])[which] += 1
    below, wins = 0, 0.0
    for _, (num_searched, num_random) in sorted(ranks.items()):
        wins += num_searched * (below + num_random / 2)
        below += num_random
    return wins / (len(searched) * len(random))


def interval(probability: float, num_searched: int, num_random: int) -> tuple[float, float]:
    """Where the probability lies with 95 %, were the trials of each group independent: the score interval with the
    variance of Hanley and McNeil for two groups of the mean size (Newcombe 2006, part 2, method 5)."""
    return (
        _bound(probability, 0.0, num_searched, num_random),
        _bound(probability, 1.0, num_searched, num_random),
    )


def _bound(probability: float, end: float, num_searched: int, num_random: int) -> float:
    """The value between the estimate and an end of [0, 1] that is as far from the estimate as the interval goes."""
    near, far = probability, end
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        is_inside = abs(middle - probability) <= _Z * math.sqrt(_variance(middle, num_searched, num_random))
        near, far = (middle, far) if is_inside else (near, middle)
    return near


def _variance(value: float, num_searched: int, num_random: int) -> float:
    """Of the estimate, where the probability is this value and both groups are of exponential distributions."""
    mean_size = (num_searched + num_random) / 2
    factor = 2 * mean_size - 1 - 3 * (mean_size - 1) / ((2 - value) * (1 + value))
    return value * (1 - value) * factor / (num_searched * num_random)
