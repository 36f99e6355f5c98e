"""Whether a share differs between two groups of trials: an interval, and an exact test."""

import math
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95

_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_EQUAL = 1 + 1e-9
"""Probabilities that differ by rounding only are equal."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of a number, at least 1."""

    count: int
    number: int

    @property
    def value(self) -> float:
        """In [0, 1]."""
        return self.count / self.number

    def interval(self) -> tuple[float, float]:
        """Where the share of all that could be drawn lies with 95 % (Wilson 1927)."""
        share, spread = self.value, _Z * _Z / self.number
        centre = share + spread / 2
        width = _Z * math.sqrt(share * (1 - share) / self.number + spread / self.number / 4)
        low, high = (centre - width) / (1 + spread), (centre + width) / (1 + spread)
        return max(0.0, min(low, share)), min(1.0, max(high, share))


def difference_interval(one: Share, other: Share) -> tuple[float, float]:
    """Where one share less the other lies with 95 %: the hybrid score interval (Newcombe 1998, method 10)."""
    (low, high), (other_low, other_high) = one.interval(), other.interval()
    below = math.hypot(one.value - low, other_high - other.value)
    above = math.hypot(high - one.value, other.value - other_low)
    difference = one.value - other.value
    return difference - below, difference + above


def exact_chance(one: Share, other: Share) -> float:
    """The probability of a difference that is as rare as this one, or rarer, where whoever has it has nothing to do
    with the group: Fisher's exact test, both sides (Fisher 1935). It goes through all permutations of the trials."""
    number, total = one.number, one.number + other.number
    having = one.count + other.count
    lowest, highest = max(0, number + having - total), min(number, having)
    chance = math.exp(
        _log_choose(having, lowest) + _log_choose(total - having, number - lowest) - _log_choose(total, number)
    )
    chances = []
    for count in range(lowest, highest + 1):
        chances.append(chance)
        chance *= (having - count) * (number - count) / ((count + 1) * (total - having - number + count + 1))
    observed = chances[one.count - lowest] * _EQUAL
    return min(1.0, sum(each for each in chances if each <= observed))


def _log_choose(number: int, count: int) -> float:
    return math.lgamma(number + 1) - math.lgamma(count + 1) - math.lgamma(number - count + 1)
