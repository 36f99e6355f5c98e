"""What an autoregressive policy is: a probability for each option on the way of a genotype, and its gradient.

A policy goes through the decision points of a space one after the other. All options offered on the way of one genotype
stand behind each other in flat arrays, point after point.

Shapes: T decision points, N options of all of them, O options of one, P parameters.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from nas_controller.algorithms.parameters import Array, Parameters
from search_space.decisions import DecisionPoint, Genotype, SearchSpace

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Offers:
    """Which options were offered on the way of a genotype.

    Args:
        counts_T: options at each point.
        starts_T: where they begin among all.
        points_N: the point of each option.
        taken_T: the option taken at each point, among all.
    """

    counts_T: Indices
    starts_T: Indices
    points_N: Indices
    taken_T: Indices

    @classmethod
    def of(cls, points: Sequence[DecisionPoint], genotype: Genotype) -> "Offers":
        """Those of the points that a genotype goes through."""
        counts_T = np.array([len(point.options) for point in points])
        starts_T = np.cumsum(counts_T) - counts_T
        return cls(counts_T, starts_T, np.repeat(np.arange(len(points)), counts_T), starts_T + np.array(genotype))

    def log_softmax(self, scores_N: Array) -> Array:
        """Log-probabilities of the options of each point."""
        shifted_N = scores_N - np.maximum.reduceat(scores_N, self.starts_T)[self.points_N]
        return shifted_N - np.log(np.add.reduceat(np.exp(shifted_N), self.starts_T))[self.points_N]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a policy says of a genotype.

    Args:
        log_probs_N: of each option.
        backward: from the gradient of a number by the scores, N, that by the parameters, P. A score is a
            log-probability before it is normalised.
    """

    points: Sequence[DecisionPoint]
    offers: Offers
    log_probs_N: Array
    backward: Callable[[Array], Array]


class Course(Protocol):
    """One genotype in the making: `scores` of a point's options, then which of them is taken, in turn."""

    def scores(self, point: DecisionPoint) -> Array:
        """Scores of the options of the next point, O."""

    def take(self, index: int) -> None:
        """One of them is taken."""


class Policy(ABC):
    """Probabilities of genotypes. Drawing one and reading it agree far below 1e-6.

    Args:
        parameters: who learns changes the vector in place.
        rates_P: learning rate of each parameter, relative to the others.
    """

    def __init__(self, space: SearchSpace, parameters: Parameters, rates_P: Array) -> None:
        self._space = space
        self.parameters = parameters
        self.rates_P = rates_P

    @abstractmethod
    def begin(self) -> Course:
        """A genotype at its beginning."""

    @abstractmethod
    def read(self, genotype: Genotype) -> Reading:
        """The probabilities of all options on the way of a complete genotype."""

    def sample(self, draws: np.random.Generator) -> tuple[Genotype, tuple[float, ...]]:
        """A complete genotype and the log-probability of each of its decisions."""
        course = self.begin()
        uniforms = iter(draws.random(self._space.genotype_length).tolist())
        log_probs: list[float] = []

        def choose(point: DecisionPoint) -> int:
            index, log_prob = _drawn(course.scores(point), next(uniforms))
            course.take(index)
            log_probs.append(log_prob)
            return index

        genotype = self._space.walk(choose)
        return genotype, tuple(log_probs)

    def points(self, genotype: Genotype) -> list[DecisionPoint]:
        """The decision points that a complete genotype goes through."""
        indices = iter(genotype)
        passed: list[DecisionPoint] = []

        def choose(point: DecisionPoint) -> int:
            passed.append(point)
            return next(indices)

        self._space.walk(choose)
        return passed


def row_sums(rows_X: Sequence[Sequence[int]], num_rows: int, weights_F: Array | None = None) -> Any:
    """The sparse matrix, X by `num_rows`, whose product with a table is a sum of the table's rows for each X; so that
    of its transpose adds up gradients.

    Args:
        weights_F: of the rows of each X; None for 1.
    """
    columns = np.fromiter(chain.from_iterable(rows_X), dtype=np.int64)
    weights = np.ones(len(columns)) if weights_F is None else np.tile(weights_F, len(rows_X))
    ends_X = np.cumsum([0, *map(len, rows_X)])
    return csr_array((weights, columns, ends_X), shape=(len(rows_X), num_rows))


def _drawn(scores_O: Array, uniform: float) -> tuple[int, float]:
    """The option that a number drawn uniformly from [0, 1) falls on, and its log-probability."""
    if len(scores_O) == 1:
        return 0, 0.0
    shifted_O = scores_O - np.maximum.reduce(scores_O)
    cumulative_O = np.add.accumulate(np.exp(shifted_O))
    total = float(cumulative_O[-1])
    index = int(cumulative_O[:-1].searchsorted(uniform * total, side="right"))
    return index, float(shifted_O[index]) - math.log(total)
