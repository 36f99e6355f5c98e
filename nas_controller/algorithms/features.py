"""What a genotype looks like to a model that predicts rewards: bags of features, in groups of one kind each.

A feature is a number that stands for a fact, equal for equal facts of a group, in every process. The groups are

* place: each block's level, type, multiplier and each of its parents, at its place;
* edges: levels and types at both ends of each connection, and its distance; each block's multiplier by its level;
* order: which level and type stands before which, for every two blocks;
* neighbourhood: each block at its place together with all of its parents (Weisfeiler-Lehman features of depth 1, as in
  Ru et al. 2021, arXiv 2006.07556);
* pattern: the same wherever it occurs.

So a model can learn what holds at a place, what holds everywhere, and what holds of a combination only.
"""

import hashlib
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from search_space.decisions import DecisionKind, Genotype, SearchSpace
from search_space.spec import BlockType

Bags = tuple[NDArray[np.int64], ...]
"""For each group the features of one genotype, repeated where they occur more than once; every genotype of a space has
as many."""
GROUPS = ("place", "edges", "order", "neighbourhood", "pattern")
_TYPES = ("", *BlockType)
_BITS = 20
"""A feature that is no hash is three small numbers of so many bits."""
_LEVEL, _TYPE, _MULTIPLIER, _PARENT = (number << _BITS for number in range(4))
_EDGE, _DISTANCE, _MULTIPLIER_OF_LEVEL = (number << 2 * _BITS for number in range(3))
_LARGEST = 2**63 - 1


class _Block:
    """What was decided about a block. A multiplier is in thousandths; 0 where it is not searched."""

    __slots__ = ("block_type", "level", "multiplier", "parents")

    def __init__(self) -> None:
        self.level = 0
        self.block_type = ""
        self.multiplier = 0
        self.parents: list[tuple[int, int]] = []  # feature, kind


@cache
def _kind(level: int, block_type: str) -> int:
    """A number for level and type."""
    return level * len(_TYPES) + _TYPES.index(block_type)


@lru_cache(maxsize=8)
def features(space: SearchSpace, genotype: Genotype) -> Bags:
    """The features of a complete genotype, group by group, not to be written to: the parts of a mixture are told the
    same trial in turn, and get the same arrays."""
    blocks = sorted(_blocks(space, genotype).items())
    looks = {subject: (_kind(block.level, block.block_type), block.multiplier) for subject, block in blocks}
    place, edges, neighbourhood, pattern = [], [], [], []
    for subject, block in blocks:
        look, at = looks[subject], subject << 2 * _BITS
        block.parents.sort()
        place += [
            at | _LEVEL | block.level,
            at | _TYPE | _kind(0, block.block_type),
            at | _MULTIPLIER | block.multiplier,
        ]
        edges.append(_MULTIPLIER_OF_LEVEL | block.level << _BITS | block.multiplier)
        around, distances = [], []
        for feature, kind in block.parents:
            near = looks.get(feature, (kind, 0))
            place.append(at | _PARENT | feature)
            edges += [_EDGE | kind << _BITS | look[0], _DISTANCE | subject - feature]
            around.append((feature, near))
            distances.append((subject - feature, near))
        neighbourhood.append(_hashed((subject, look, tuple(around))))
        pattern.append(_hashed((look, tuple(distances))))
    kinds_B = np.array([looks[subject][0] for subject, _ in blocks], dtype=np.int64)
    earlier_P, later_P = _pairs(len(kinds_B))
    order_P = (kinds_B[earlier_P] << _BITS) | kinds_B[later_P]
    place_F, edges_F = np.array(place, dtype=np.int64), np.array(edges, dtype=np.int64)
    around_B, pattern_B = np.array(neighbourhood, dtype=np.int64), np.array(pattern, dtype=np.int64)
    return place_F, edges_F, order_P, around_B, pattern_B


def identity(bags: Bags) -> int:
    """64 bits that are the same for all genotypes of a network: parents in another order, twins of the pool."""
    return int.from_bytes(hashlib.blake2b(np.sort(bags[0]).tobytes(), digest_size=8).digest(), "little")


def _blocks(space: SearchSpace, genotype: Genotype) -> dict[int, _Block]:
    """What the decisions say of each block, by its feature index."""
    blocks: dict[int, _Block] = {}
    for decision in space.decisions(genotype):
        block = blocks.get(decision.subject)
        if block is None:
            block = blocks[decision.subject] = _Block()
        kind, option = decision.kind, decision.option
        if kind is DecisionKind.PARENT:
            block.parents.append((option.feature, _kind(option.level, option.block_type)))
        elif kind is DecisionKind.BLOCK_TYPE:
            block.block_type = option.block_type
        elif kind is DecisionKind.RESOURCE_MULTIPLIER:
            block.multiplier = round(1000 * option.multiplier)
        else:
            block.level = option.level
        block.level = decision.subject_level or block.level
        block.block_type = decision.subject_type or block.block_type
    return blocks


@cache
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places of every two of so many, the first one earlier."""
    earlier, later = np.triu_indices(count, 1)
    return earlier, later


def _hashed(numbers: tuple[object, ...]) -> int:
    """63 bits of a hash of many: Python's own, which is the same in every process for whole numbers."""
    return hash(numbers) & _LARGEST
