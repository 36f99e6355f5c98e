"""The policy of REINFORCE: it points at options by what they mean.

Each decision point asks a query, a weighted sum of embeddings of what it is about (kind, subject, level, type). The
query scores every offered option by an inner product with the option's key, a sum of embeddings of the option's
features (level, type, distance, ...): equal blocks score equally, any number of options can be offered, and what was
taken already is not there to be scored. What was taken before counts through what is offered, and how far away and of
which level that is; a network that remembers all of it brought nothing (docs/decisions/0020).

Queries start at zero, so the first policy is exactly uniform. Parameters have the same meaning in every space.

Shapes: T decision points, N options of all of them, O options of one, F rows of a point or an option, D key width, R
embedding rows.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from nas_controller.algorithms.parameters import Array, Parameters
from nas_controller.algorithms.policy import Indices, Offers, Policy, Reading, row_sums
from search_space.decisions import DecisionKind, DecisionPoint, Genotype, Option, SearchSpace
from search_space.spec import MAX_LEVEL, BlockType

_KINDS = tuple(DecisionKind)
_TYPES = ("", *BlockType)
_LAST_FEATURE = 63  # features and distances beyond share its embedding
_LAST_MULTIPLIER = 24  # in quarters of an octave to both sides of 1: 1/64 to 64

_KEY_WIDTH = 32
_QUERY_SCALES_F = np.array([0.3, 1.0, 0.3, 0.3])
"""Weights of a point's kind, subject, level and type in its query. What many points share is changed by each of
them, so that it would move fastest of all with weight 1."""
_RATES = {"point_queries_RD": 1.0, "option_keys_RD": 0.3}
"""What options mean changes slower than what is asked for."""

_POINT_FIELDS = (1, _LAST_FEATURE + 2, MAX_LEVEL + 1, len(_TYPES))
"""Values of: kind, subject, subject level, subject type."""
_LEVEL, _STEP = MAX_LEVEL + 1, 2 * MAX_LEVEL + 1
_OPTION_FIELDS = {
    DecisionKind.INTERMEDIATE_LEVEL: (_LEVEL,),
    DecisionKind.OUTPUT_LEVEL: (_LEVEL,),
    DecisionKind.LEVEL_ADJUSTMENT: (_LEVEL, _STEP),
    DecisionKind.BLOCK_TYPE: (len(_TYPES),),
    DecisionKind.PARENT: (_LEVEL, len(_TYPES), _LAST_FEATURE + 2, _LAST_FEATURE + 2, _STEP),
    DecisionKind.RESOURCE_MULTIPLIER: (2 * _LAST_MULTIPLIER + 1,),
}
"""Values of the features that tell the options of a kind apart. Of a parent: level, type, place, distance, level above
the subject's. Of a pool only levels count: blocks of one level are alike."""
_NUM_POINT_ROWS = len(_KINDS) * sum(_POINT_FIELDS)
_NUM_OPTION_ROWS = sum(map(sum, _OPTION_FIELDS.values()))
_EMBEDDING_LENGTH = 7**-0.5


@cache
def _point_rows(kind: DecisionKind, subject: int, level: int, block_type: str) -> tuple[int, ...]:
    """Embedding rows of a decision point."""
    values = (0, min(subject, _LAST_FEATURE) + 1, level, _TYPES.index(block_type))
    first = _KINDS.index(kind) * sum(_POINT_FIELDS)
    return tuple(first + row for row in _added(_POINT_FIELDS, values))


@cache
def _point_array(point: tuple[DecisionKind, int, int, str]) -> Indices:
    return np.array(_point_rows(*point))


@cache
def _option_rows(kind: DecisionKind, option: Option) -> tuple[int, ...]:
    """Embedding rows of an option; that of a parent's step in levels is the row of level 0."""
    values: tuple[int, ...] = (option.level,)
    if kind is DecisionKind.LEVEL_ADJUSTMENT:
        values = (option.level, option.adjustment + MAX_LEVEL)
    elif kind is DecisionKind.BLOCK_TYPE:
        values = (_TYPES.index(option.block_type),)
    elif kind is DecisionKind.PARENT:
        places = (min(option.feature, _LAST_FEATURE) + 1, min(option.distance, _LAST_FEATURE + 1))
        values = (option.level, _TYPES.index(option.block_type), *places, option.level + MAX_LEVEL)
    elif kind is DecisionKind.RESOURCE_MULTIPLIER:
        quarters = round(4 * math.log2(option.multiplier))
        values = (min(max(quarters, -_LAST_MULTIPLIER), _LAST_MULTIPLIER) + _LAST_MULTIPLIER,)
    earlier = _KINDS[: _KINDS.index(kind)]
    first = sum(sum(_OPTION_FIELDS[each]) for each in earlier)
    return tuple(first + row for row in _added(_OPTION_FIELDS[kind], values))


def _added(sizes: Sequence[int], values: Sequence[int]) -> list[int]:
    """Rows of a table in which fields of these sizes follow each other."""
    return [sum(sizes[:index]) + value for index, value in enumerate(values)]


def _about(point: DecisionPoint) -> tuple[DecisionKind, int, int, str]:
    """What a query depends on."""
    return point.kind, point.subject, point.subject_level, point.subject_type


def _rows_of_options(point: DecisionPoint) -> list[tuple[int, ...]]:
    rows = [_option_rows(point.kind, option) for option in point.options]
    if point.kind is not DecisionKind.PARENT:
        return rows
    return [(*row[:-1], row[-1] - point.subject_level) for row in rows]


class PointerPolicy(Policy):
    """Queries and keys.

    Args:
        draws: for the first keys.
    """

    def __init__(self, space: SearchSpace, draws: np.random.Generator) -> None:
        parameters = Parameters(
            {"point_queries_RD": (_NUM_POINT_ROWS, _KEY_WIDTH), "option_keys_RD": (_NUM_OPTION_ROWS, _KEY_WIDTH)}
        )
        super().__init__(space, parameters, parameters.filled(_RATES))
        self.point_queries_RD = parameters["point_queries_RD"]
        self.option_keys_RD = parameters["option_keys_RD"]
        spread = _EMBEDDING_LENGTH * _KEY_WIDTH**-0.5
        self.option_keys_RD[...] = draws.normal(0.0, spread, self.option_keys_RD.shape)

    def begin(self) -> "_PointerCourse":
        """A genotype at its beginning."""
        return _PointerCourse(self)

    def read(self, genotype: Genotype) -> Reading:
        """The probabilities of all options on the way of a complete genotype."""
        return _PointerReading(self, self.points(genotype), genotype).reading()


class _PointerCourse:
    """A genotype in the making."""

    def __init__(self, policy: PointerPolicy) -> None:
        self._policy = policy

    def scores(self, point: DecisionPoint) -> Array:
        """Inner products of the point's query with the options' keys."""
        query_D = _QUERY_SCALES_F @ self._policy.point_queries_RD[_point_array(_about(point))]
        keys_OFD = self._policy.option_keys_RD[np.array(_rows_of_options(point))]
        scores_O: Array = np.add.reduce(keys_OFD, axis=1) @ query_D
        return scores_O

    def take(self, index: int) -> None:
        """The next point says itself what it follows from that."""


class _PointerReading:
    """What a policy says of a genotype."""

    def __init__(self, policy: PointerPolicy, points: list[DecisionPoint], genotype: Genotype) -> None:
        self._policy, self._points, self._offers = policy, points, Offers.of(points, genotype)
        rows_T = [_point_rows(*_about(point)) for point in points]
        self._options_NR = row_sums([rows for point in points for rows in _rows_of_options(point)], _NUM_OPTION_ROWS)
        self._asked_TR = row_sums(rows_T, _NUM_POINT_ROWS, _QUERY_SCALES_F)
        self._keys_ND: Array = self._options_NR @ policy.option_keys_RD
        queries_TD: Array = self._asked_TR @ policy.point_queries_RD
        self._queries_ND: Array = queries_TD[self._offers.points_N]

    def reading(self) -> Reading:
        """The probabilities, and their gradient."""
        scores_N = np.einsum("nd,nd->n", self._keys_ND, self._queries_ND)
        return Reading(self._points, self._offers, self._offers.log_softmax(scores_N), self._backward)

    def _backward(self, by_scores_N: Array) -> Array:
        gradients = Parameters(self._policy.parameters.shapes)
        by_queries_TD = np.add.reduceat(by_scores_N[:, None] * self._keys_ND, self._offers.starts_T)
        gradients["point_queries_RD"][...] = self._asked_TR.T @ by_queries_TD
        gradients["option_keys_RD"][...] = self._options_NR.T @ (by_scores_N[:, None] * self._queries_ND)
        return gradients.vector_P
