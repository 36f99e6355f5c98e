"""Random numbers that depend on the search seed and a number only, so that asking twice draws the same."""

import numpy as np
from numpy.typing import NDArray


def trial_draws(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one trial. Number 0, which no trial has, is for what is drawn once in a search.

    Args:
        seed, number: in [0, 2**64).
    """
    return np.random.Generator(np.random.Philox(key=np.array([seed, number], dtype=np.uint64)))


def draw_index(probabilities: NDArray[np.float64], uniform: float) -> int:
    """The index that a number drawn uniformly from [0, 1) falls on.

    >>> [draw_index(np.array([0.25, 0.0, 0.75]), uniform) for uniform in (0.0, 0.24, 0.25, 0.99)]
    [0, 0, 2, 2]
    """
    cumulative = np.cumsum(probabilities)
    return int(np.searchsorted(cumulative[:-1], uniform * cumulative[-1], side="right"))
