"""The policy of REINFORCE: a recurrent network that points at options by what they mean.

At each decision point a GRU (Cho et al. 2014) reads what the point is about and the option taken before it. Its
output, together with a direct query of the point, scores every offered option by an inner product with the option's
key. A key is a sum of embeddings of the option's features (level, type, distance, ...): equal blocks score equally, any
number of options can be offered, and what was taken already is not there to be scored.

Queries start at zero, so the first policy is exactly uniform. Parameters have the same meaning in every space.

Shapes: T decision points, N options of all of them, O options of one, F rows of a point or an option, D key width, H
hidden width, R embedding rows.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from nas_controller.algorithms.cells import Gru
from nas_controller.algorithms.parameters import Array, Parameters
from nas_controller.algorithms.policy import Indices, Offers, Policy, Reading, row_sums
from search_space.decisions import DecisionKind, DecisionPoint, Genotype, Option, SearchSpace
from search_space.spec import MAX_LEVEL, BlockType

_KINDS = tuple(DecisionKind)
_TYPES = ("", *BlockType)
_LAST_FEATURE = 63  # features and distances beyond share its embedding
_LAST_MULTIPLIER = 24  # in quarters of an octave to both sides of 1: 1/64 to 64

_KEY_WIDTH = 32
_HIDDEN_WIDTH = 32
_QUERY_SCALES_F = np.array([0.3, 1.0, 0.3, 0.3])
"""Weights of a point's kind, subject, level and type in its query. What many points share is changed by each of
them, so that it would move fastest of all with weight 1."""
_RATES = {"option_keys_RD": 0.3, "point_queries_RD": 1.0, "hidden_to_query_HD": 1.0}
_OTHER_RATE = 0.1
"""Learning rates relative to that of the queries: what options mean, and what the GRU makes of it, changes slower than
what is asked for."""

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


class _PointerCourse:
    """A genotype in the making."""

    def __init__(self, policy: "PointerPolicy") -> None:
        self._policy = policy
        self._hidden_H = np.zeros(_HIDDEN_WIDTH)
        self._previous_D = np.zeros(_KEY_WIDTH)

    def scores(self, point: DecisionPoint) -> Array:
        """Inner products of the point's query with the options' keys."""
        policy, rows_F = self._policy, _point_array(_about(point))
        query_D: Array = _QUERY_SCALES_F @ policy.point_queries_RD[rows_F]
        if policy.memory:
            inputs_D = np.add.reduce(policy.point_inputs_RD[rows_F]) + self._previous_D
            self._hidden_H = policy.recurrent.step(inputs_D, self._hidden_H)
            query_D = query_D + policy.memory * (self._hidden_H @ policy.hidden_to_query_HD)
        keys_OFD = policy.option_keys_RD[np.array(_rows_of_options(point))]
        self._keys_OD = keys_OFD[:, 0] if keys_OFD.shape[1] == 1 else np.add.reduce(keys_OFD, axis=1)
        scores_O: Array = self._keys_OD @ query_D
        return scores_O

    def take(self, index: int) -> None:
        """The key of what was taken goes into the next step."""
        self._previous_D = self._keys_OD[index]


class PointerPolicy(Policy):
    """The network.

    Args:
        draws: for the first parameters.
        memory: weight of what the GRU adds to a query; 0 for a policy that knows what a point is about, and not what
            was taken before.
    """

    def __init__(self, space: SearchSpace, draws: np.random.Generator, memory: float) -> None:
        parameters = Parameters(
            {
                "point_inputs_RD": (_NUM_POINT_ROWS, _KEY_WIDTH),
                "point_queries_RD": (_NUM_POINT_ROWS, _KEY_WIDTH),
                "option_keys_RD": (_NUM_OPTION_ROWS, _KEY_WIDTH),
                "hidden_to_query_HD": (_HIDDEN_WIDTH, _KEY_WIDTH),
                **Gru.shapes("recurrent", _KEY_WIDTH, _HIDDEN_WIDTH),
            }
        )
        rates = {name: _RATES.get(name, _OTHER_RATE) for name in parameters.shapes}
        super().__init__(space, parameters, parameters.filled(rates))
        self.memory = memory
        self.point_inputs_RD = parameters["point_inputs_RD"]
        self.point_queries_RD = parameters["point_queries_RD"]
        self.option_keys_RD = parameters["option_keys_RD"]
        self.hidden_to_query_HD = parameters["hidden_to_query_HD"]
        self.recurrent = Gru("recurrent", parameters)
        for name, shape in parameters.shapes.items():
            if "quer" not in name and "bias" not in name:
                spread = (_EMBEDDING_LENGTH if name == "option_keys_RD" else 1.0) * _KEY_WIDTH**-0.5
                parameters[name][...] = draws.normal(0.0, spread, shape)

    def begin(self) -> _PointerCourse:
        """A genotype at its beginning."""
        return _PointerCourse(self)

    def read(self, genotype: Genotype) -> Reading:
        """The probabilities of all options on the way of a complete genotype."""
        return _PointerReading(self, self.points(genotype), genotype).reading()


class _PointerReading:
    """A way through the network, forwards when made."""

    def __init__(self, policy: PointerPolicy, points: list[DecisionPoint], genotype: Genotype) -> None:
        self._policy, self._points, self._offers = policy, points, Offers.of(points, genotype)
        rows_T = [_point_rows(*_about(point)) for point in points]
        self._options_NR = row_sums([rows for point in points for rows in _rows_of_options(point)], _NUM_OPTION_ROWS)
        self._asked_TR = row_sums(rows_T, _NUM_POINT_ROWS, _QUERY_SCALES_F)
        self._keys_ND: Array = self._options_NR @ policy.option_keys_RD
        queries_TD: Array = self._asked_TR @ policy.point_queries_RD
        if policy.memory:
            self._read_TR = row_sums(rows_T, _NUM_POINT_ROWS)
            inputs_TD = self._read_TR @ policy.point_inputs_RD
            inputs_TD[1:] += self._keys_ND[self._offers.taken_T[:-1]]
            self._trace = policy.recurrent.run(inputs_TD)
            queries_TD += policy.memory * np.einsum("th,hd->td", self._trace.hidden_TH, policy.hidden_to_query_HD)
        self._queries_ND: Array = queries_TD[self._offers.points_N]

    def reading(self) -> Reading:
        """What came out of it."""
        scores_N = np.einsum("nd,nd->n", self._keys_ND, self._queries_ND)
        return Reading(self._points, self._offers, self._offers.log_softmax(scores_N), self._backward)

    def _backward(self, by_scores_N: Array) -> Array:
        gradients = Parameters(self._policy.parameters.shapes)
        by_queries_TD = np.add.reduceat(by_scores_N[:, None] * self._keys_ND, self._offers.starts_T)
        by_keys_ND = by_scores_N[:, None] * self._queries_ND
        if self._policy.memory:
            by_keys_ND[self._offers.taken_T[:-1]] += self._backward_in_time(by_queries_TD, gradients)[1:]
        gradients["point_queries_RD"][...] = self._asked_TR.T @ by_queries_TD
        gradients["option_keys_RD"][...] = self._options_NR.T @ by_keys_ND
        return gradients.vector_P

    def _backward_in_time(self, by_queries_TD: Array, gradients: Parameters) -> Array:
        """Gradient by the inputs of the GRU, TD."""
        policy, by_memory_TD = self._policy, self._policy.memory * by_queries_TD
        by_hidden_TH = np.einsum("td,hd->th", by_memory_TD, policy.hidden_to_query_HD)
        by_inputs_TD = policy.recurrent.backward(self._trace, by_hidden_TH, gradients)
        gradients["hidden_to_query_HD"][...] = np.einsum("th,td->hd", self._trace.hidden_TH, by_memory_TD)
        gradients["point_inputs_RD"][...] = self._read_TR.T @ by_inputs_TD
        return by_inputs_TD
