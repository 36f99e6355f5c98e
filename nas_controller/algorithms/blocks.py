"""What genotypes decided about each block, many genotypes at a time: what `SearchSpace.decisions` says, in arrays.

Shapes: M genotypes, T decision points, S blocks about which something is decided, R of them whose parents are searched,
P parents of each; F features and one more, the last, that stands for none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from search_space.decisions import DecisionKind, DecisionPoint, Genotype, Option, SearchSpace
from search_space.spec import BlockType

Numbers = NDArray[np.int64]
NUM_PARENTS = 2
_TYPES = ("", *BlockType)


@dataclass(frozen=True, slots=True)
class Blocks:
    """What M genotypes decided.

    Args:
        subjects_S: features of the blocks about which something is decided, rising.
        rows_R: places in `subjects_S` of those whose parents are searched.
        levels_MF, types_MF: of all features; 0 of none, and for no type.
        shares_MF: resource multipliers in thousandths; 0 where they are not searched.
        parents_MSP: features, rising; -1, which is none, of the other blocks.
    """

    subjects_S: Numbers
    rows_R: NDArray[np.intp]
    levels_MF: Numbers
    types_MF: Numbers
    shares_MF: Numbers
    parents_MSP: Numbers

    @property
    def kinds(self) -> Numbers:
        """A number for level and type of each feature, MF."""
        return self.levels_MF * len(_TYPES) + self.types_MF


@dataclass(frozen=True, slots=True)
class _Table:
    """Decision points of one kind: their places in a genotype, what they are about, and what the options mean, which
    is the same at each."""

    places: Numbers
    subjects: Numbers
    meanings: Numbers


class BlockReader:
    """Reads genotypes of one space, which it asks once for all its options."""

    def __init__(self, space: SearchSpace) -> None:
        points = _points_of(space)
        self._subjects_S = np.unique([point.subject for point in points])
        self._picks = [
            _table(points, kind, lambda option: option.level)
            for kind in (DecisionKind.INTERMEDIATE_LEVEL, DecisionKind.OUTPUT_LEVEL)
        ]
        self._adjustments = _table(points, DecisionKind.LEVEL_ADJUSTMENT, lambda option: option.adjustment)
        self._types = _table(points, DecisionKind.BLOCK_TYPE, _type_of)
        self._shares = _table(points, DecisionKind.RESOURCE_MULTIPLIER, lambda option: round(1000 * option.multiplier))
        parents = [place for place, point in enumerate(points) if point.kind is DecisionKind.PARENT]
        self._parent_places_RP = np.array(parents, dtype=np.int64).reshape(-1, NUM_PARENTS)
        firsts = [points[place] for place in self._parent_places_RP[:, 0]]
        self._rows_R = np.searchsorted(self._subjects_S, [point.subject for point in firsts])
        most = max((len(point.options) for point in firsts), default=0)
        self._candidates_RC = np.full((len(firsts), most), -1, dtype=np.int64)
        for row, point in enumerate(firsts):
            self._candidates_RC[row, : len(point.options)] = [option.feature for option in point.options]
        self._levels_F, self._types_F = _given(points)

    def read(self, genotypes: Sequence[Genotype]) -> Blocks:
        """What they decided; they are complete and of this space."""
        genotypes_MT = np.array(genotypes, dtype=np.int64)
        shape = (len(genotypes_MT), len(self._levels_F))
        levels_MF = np.broadcast_to(self._levels_F, shape).copy()
        types_MF = np.broadcast_to(self._types_F, shape).copy()
        shares_MF = np.zeros(shape, dtype=np.int64)
        for picks in self._picks:
            levels_MF[:, picks.subjects] = picks.meanings[picked(genotypes_MT[:, picks.places])]
        for array_MF, table in ((types_MF, self._types), (shares_MF, self._shares)):
            array_MF[:, table.subjects] = table.meanings[genotypes_MT[:, table.places]]
        adjustments = self._adjustments
        levels_MF[:, adjustments.subjects] += adjustments.meanings[genotypes_MT[:, adjustments.places]]
        parents_MSP = np.full((shape[0], len(self._subjects_S), NUM_PARENTS), -1, dtype=np.int64)
        taken_MRP = picked(genotypes_MT[:, self._parent_places_RP])
        rows_R1 = np.arange(len(self._rows_R))[:, None]
        parents_MSP[:, self._rows_R] = np.sort(self._candidates_RC[rows_R1, taken_MRP], axis=-1)
        return Blocks(self._subjects_S, self._rows_R, levels_MF, types_MF, shares_MF, parents_MSP)


def picked(indices: Numbers) -> Numbers:
    """Places of things that are taken one after the other out of those that are left, along the last axis, by the index
    of each among these.

    >>> picked(np.array([1, 1, 0])).tolist()
    [1, 2, 0]
    """
    taken = indices.copy()
    for place in range(taken.shape[-1] - 2, -1, -1):
        later = taken[..., place + 1 :]
        later += later >= taken[..., place : place + 1]
    return taken


def _points_of(space: SearchSpace) -> list[DecisionPoint]:
    """All decision points, as they are where the first option is always taken."""
    points: list[DecisionPoint] = []

    def take_first(point: DecisionPoint) -> int:
        points.append(point)
        return 0

    space.walk(take_first)
    return points


def _table(points: Sequence[DecisionPoint], kind: DecisionKind, meaning: Callable[[Option], int]) -> _Table:
    places = [place for place, point in enumerate(points) if point.kind is kind]
    options = points[places[0]].options if places else ()
    columns = places, [points[place].subject for place in places], [meaning(option) for option in options]
    return _Table(*(np.array(column, dtype=np.int64) for column in columns))


def _given(points: Sequence[DecisionPoint]) -> tuple[Numbers, Numbers]:
    """Levels and types as they are where nothing is decided about them: of the stem, and of a fixed topology."""
    known: dict[int, tuple[int, str]] = {}
    for point in points:
        if point.kind is DecisionKind.PARENT:
            known.update({option.feature: (option.level, option.block_type) for option in point.options})
        known[point.subject] = (point.subject_level, point.subject_type)
    levels_F, types_F = np.zeros((2, max(known) + 2), dtype=np.int64)
    for feature, (level, block_type) in known.items():
        levels_F[feature], types_F[feature] = level, _TYPES.index(block_type)
    return levels_F, types_F


def _type_of(option: Option) -> int:
    return _TYPES.index(option.block_type)


@cache
def reader_of(space: SearchSpace) -> BlockReader:
    """The reader of a space."""
    return BlockReader(space)
