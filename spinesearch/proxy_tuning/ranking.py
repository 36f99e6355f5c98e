"""How well short trainings order architectures as long ones do: Kendall's tau, with an interval over architectures.

Another draw of architectures would give another tau: with 20 of them its standard error is about 0.16. The intervals
are those of the bootstrap over architectures (Efron 1979, percentiles), not over trainings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_DRAWS = 2000
_TAIL = 0.025

Values = Sequence[float]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and where it lies in 95 of 100 draws."""

    value: float
    low: float
    high: float


def kendall_tau(values: Values, others: Values) -> float:
    """Kendall's tau-b of two rankings; 0 where all of one are equal.

    >>> kendall_tau([1, 2, 3, 4], [1, 3, 2, 4])
    0.6666666666666666
    """
    return float(_taus(np.asarray(values)[None], np.asarray(others)[None])[0])


def tau_interval(values: Values, reference: Values, seed: int) -> Interval:
    """Tau to the reference, with its interval.

    Raises:
        ValueError: fewer than two architectures, or not as many of both.
    """
    picks = _picks(len(values), len(reference), seed)
    drawn = _taus(np.asarray(values)[picks], np.asarray(reference)[picks])
    return _interval(kendall_tau(values, reference), drawn)


def tau_difference(values: Values, others: Values, reference: Values, seed: int) -> Interval:
    """How much higher the first one's tau is than the other's, on the same draws of architectures.

    Raises:
        ValueError: as for `tau_interval`.
    """
    picks = _picks(len(values), len(reference), seed)
    wanted = np.asarray(reference)[picks]
    drawn = _taus(np.asarray(values)[picks], wanted) - _taus(np.asarray(others)[picks], wanted)
    return _interval(kendall_tau(values, reference) - kendall_tau(others, reference), drawn)


def regret(values: Values, reference: Values, num_taken: int) -> float:
    """What is lost by taking the best of the `num_taken` that rank first, in units of the reference.

    >>> regret([0.1, 0.3, 0.2], [0.5, 0.4, 0.7], num_taken=1)
    0.29999999999999993
    """
    taken = np.argsort(-np.asarray(values), kind="stable")[:num_taken]
    return float(max(reference) - max(reference[index] for index in taken))


def _picks(num_values: int, num_reference: int, seed: int) -> NDArray[np.int64]:
    """Draws of as many architectures, each perhaps several times."""
    if num_values < 2 or num_values != num_reference:
        raise ValueError(f"{num_values} and {num_reference} architectures: must be as many, at least 2")
    return np.random.default_rng(seed).integers(num_values, size=(NUM_DRAWS, num_values))


def _taus(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tau-b of each row with that of the others: sums over pairs of the product of signs, by how many are no ties."""
    signs = np.sign(values[:, :, None] - values[:, None, :])
    wanted = np.sign(others[:, :, None] - others[:, None, :])
    both: NDArray[np.float64] = (signs * wanted).sum((1, 2))
    scale = np.sqrt((signs**2).sum((1, 2)) * (wanted**2).sum((1, 2)))
    taus: NDArray[np.float64] = np.divide(both, scale, out=np.zeros(len(both)), where=scale > 0)
    return taus


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    return Interval(value, float(low), float(high))
