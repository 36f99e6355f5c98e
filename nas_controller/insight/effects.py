"""How much of the rewards' variance one decision explains: its main effect in a one-way analysis of variance.

Omega squared (Hays 1963; Olejnik and Algina 2003, "Generalized eta and omega squared statistics") is the share of the
variance that lies between the options of the decision, less what would lie there by chance: with N rewards and k
options, (SS_between - (k - 1) MS_within) / (SS_total + MS_within). Without that correction the share grows with k
whatever the data.

Whether an effect is above its noise is decided by the F test with k - 1 and N - k degrees of freedom, and among all
decisions of a search by Holm's procedure: with probability 95 % no decision without an effect is named.

What it cannot say: decisions are looked at one by one, so an effect that two have only together is missed; and one that
goes with another (levels in a permutation, or what a policy learned at the same time) gets a share of its effect.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nas_controller.insight.many_tests import ERROR_RATE, adjusted
from nas_controller.insight.sums import Sums

MIN_RESIDUAL_DEGREES = 10
"""Fewer rewards beyond the number of options, and nothing is said: the variance within them is hardly known."""

_MAX_FRACTIONS = 10_000
_SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class Effect:
    """The main effect of one decision.

    Args:
        omega_squared: at least 0.
        chance: the probability of as large an F without an effect.
    """

    omega_squared: float
    chance: float


def importances(decisions: Sequence[Sequence[Sums]]) -> list[float | None]:
    """Omega squared of each decision, 0 where it is not above its noise.

    Args:
        decisions: for each decision, the rewards of the trials that took each of its options.

    Returns:
        In [0, 1]; None where too few rewards are known.
    """
    effects = [effect_of(options) for options in decisions]
    rates = iter(adjusted([effect.chance for effect in effects if effect is not None]))
    found: list[float | None] = []
    for effect in effects:
        is_above = effect is not None and next(rates) <= ERROR_RATE
        found.append(None if effect is None else effect.omega_squared if is_above else 0.0)
    return found


def effect_of(options: Sequence[Sums]) -> Effect | None:
    """The effect of one decision; None where too few rewards are known."""
    taken = [sums for sums in options if sums.count]
    everything = Sums()
    for sums in taken:
        everything = everything.plus(sums)
    degrees, residual_degrees = len(taken) - 1, everything.count - len(taken)
    if residual_degrees < MIN_RESIDUAL_DEGREES:
        return None
    total = everything.squared_deviations
    within = min(sum(sums.squared_deviations for sums in taken), total)
    if degrees == 0 or total == 0.0:
        return Effect(0.0, 1.0)
    between, mean_within = total - within, within / residual_degrees
    omega_squared = max(0.0, (between - degrees * mean_within) / (total + mean_within))
    is_certain = within == 0.0
    chance = 0.0 if is_certain else f_survival(between / degrees / mean_within, degrees, residual_degrees)
    return Effect(omega_squared, chance)


def f_survival(value: float, degrees: int, residual_degrees: int) -> float:
    """The probability that F with these degrees of freedom is larger than `value`."""
    share = residual_degrees / (residual_degrees + degrees * value)
    return _incomplete_beta(residual_degrees / 2, degrees / 2, share)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (NIST DLMF 8.17.22).

    SciPy has it, but the API, which asks for it, is to load neither SciPy nor NumPy. A test holds both equal.
    """
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / (a * _fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d1 / (1 + d2 / (1 + ...)), by Lentz's method as Thompson and Barnett (1986) changed it."""
    value, numerator, denominator = 1.0, 1.0, 0.0
    for step in range(1, _MAX_FRACTIONS):
        half = step // 2
        if step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        denominator = 1.0 / (1.0 + term * denominator or _SMALLEST)
        numerator = 1.0 + term / numerator or _SMALLEST
        value *= numerator * denominator
        if abs(numerator * denominator - 1.0) < 1e-14:
            break
    return value
