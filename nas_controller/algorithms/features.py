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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from search_space.decisions import DecisionKind, Genotype, SearchSpace
from search_space.spec import BlockType

Bags = tuple[NDArray[np.int64], ...]
"""For each group the features of one genotype, repeated where they occur more than once; every genotype of a space has
as many."""
GROUPS = ("place", "edges", "order", "neighbourhood", "pattern")
_TYPES = ("", *BlockType)
_LEVEL, _TYPE, _MULTIPLIER, _PARENT = range(4)
_EDGE, _DISTANCE, _MULTIPLIER_OF_LEVEL = range(3)


@dataclass(slots=True)
class _Block:
    """What was decided about a block. A multiplier is in thousandths; 0 where it is not searched."""

    level: int = 0
    block_type: str = ""
    multiplier: int = 0
    parents: list[tuple[int, int]] = field(default_factory=list)  # feature, kind

    @property
    def kind(self) -> int:
        return _kind(self.level, self.block_type)


def _kind(level: int, block_type: str) -> int:
    """A number for level and type."""
    return level * len(_TYPES) + _TYPES.index(block_type)


def features(space: SearchSpace, genotype: Genotype) -> Bags:
    """The features of a complete genotype, group by group."""
    blocks = _blocks(space, genotype)
    looks = {subject: (block.kind, block.multiplier) for subject, block in blocks.items()}
    place, edges, neighbourhood, pattern = [], [], [], []
    for subject, block in sorted(blocks.items()):
        parents = sorted(block.parents)
        place += [_packed(subject, _LEVEL, block.level), _packed(subject, _TYPE, _TYPES.index(block.block_type))]
        place += [_packed(subject, _MULTIPLIER, block.multiplier)]
        place += [_packed(subject, _PARENT, feature) for feature, _ in parents]
        edges += [_packed(_MULTIPLIER_OF_LEVEL, block.level, block.multiplier)]
        for feature, kind in parents:
            edges += [_packed(_EDGE, kind, looks[subject][0]), _packed(_DISTANCE, 0, subject - feature)]
        around = [(feature, *looks.get(feature, (kind, 0))) for feature, kind in parents]
        neighbourhood.append(_hashed(subject, *looks[subject], *_flat(around)))
        pattern.append(_hashed(*looks[subject], *_flat((subject - feature, *look) for feature, *look in around)))
    kinds = [looks[subject][0] for subject in sorted(blocks)]
    order = [_packed(0, kind, later) for index, kind in enumerate(kinds) for later in kinds[index + 1 :]]
    return tuple(np.array(group, dtype=np.int64) for group in (place, edges, order, neighbourhood, pattern))


def identity(bags: Bags) -> int:
    """64 bits that are the same for all genotypes of a network: parents in another order, twins of the pool."""
    return int.from_bytes(hashlib.blake2b(np.sort(bags[0]).tobytes(), digest_size=8).digest(), "little")


def _blocks(space: SearchSpace, genotype: Genotype) -> dict[int, _Block]:
    """What the decisions say of each block, by its feature index."""
    blocks: dict[int, _Block] = {}
    for decision in space.decisions(genotype):
        block = blocks.setdefault(decision.subject, _Block())
        option = decision.option
        if decision.kind is DecisionKind.BLOCK_TYPE:
            block.block_type = option.block_type
        elif decision.kind is DecisionKind.RESOURCE_MULTIPLIER:
            block.multiplier = round(1000 * option.multiplier)
        elif decision.kind is DecisionKind.PARENT:
            block.parents.append((option.feature, _kind(option.level, option.block_type)))
        else:
            block.level = option.level
        block.level = decision.subject_level or block.level
        block.block_type = decision.subject_type or block.block_type
    return blocks


def _packed(first: int, second: int, third: int) -> int:
    """Three small numbers as one."""
    return (first << 40) | (second << 20) | third


def _hashed(*numbers: int) -> int:
    """63 bits of a hash of many."""
    packed = np.array(numbers, dtype=np.int64).tobytes()
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little") >> 1


def _flat(rows: Iterable[Sequence[int]]) -> list[int]:
    return [number for row in rows for number in row]
