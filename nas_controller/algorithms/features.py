"""What a genotype looks like to a model that predicts rewards: bags of features, in groups of one kind each.

A feature is a number of 64 bits that stands for a fact, equal for equal facts in every process. The groups are

* place: each block's level, type, multiplier and each of its parents, at its place;
* edges: levels and types at both ends of each connection, and its distance; each block's multiplier by its level;
* order: which level and type stands before which, for every two blocks;
* neighbourhood: each block at its place together with all of its parents (Weisfeiler-Lehman features of depth 1, as in
  Ru et al. 2021, arXiv 2006.07556);
* pattern: the same wherever it occurs.

So a model can learn what holds at a place, what holds everywhere, and what holds of a combination only.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from search_space.decisions import DecisionKind, Genotype, SearchSpace

Bags = tuple[NDArray[np.uint64], ...]
"""For each group the features of one genotype, repeated where they occur more than once; every genotype of a space has
as many."""
GROUPS = ("place", "edges", "order", "neighbourhood", "pattern")


@dataclass(slots=True)
class _Block:
    """What was decided about a block."""

    level: int = 0
    block_type: str = ""
    multiplier: float = 0.0
    parents: tuple[tuple[int, int, str], ...] = ()  # feature, level, type

    @property
    def kind(self) -> tuple[int, str]:
        return (self.level, self.block_type)

    @property
    def look(self) -> tuple[int, str, float]:
        return (self.level, self.block_type, self.multiplier)


def features(space: SearchSpace, genotype: Genotype) -> Bags:
    """The features of a complete genotype, group by group."""
    blocks = _blocks(space, genotype)
    searched = sorted(blocks)
    place: list[object] = []
    edges: list[object] = []
    order: list[object] = []
    neighbourhood: list[object] = []
    pattern: list[object] = []
    for subject in searched:
        block = blocks[subject]
        parents = sorted(block.parents)
        place += [("level", subject, block.level), ("type", subject, block.block_type)]
        place += [("multiplier", subject, block.multiplier)]
        place += [("parent", subject, feature) for feature, _, _ in parents]
        edges += [("multiplier of level", block.level, block.multiplier)]
        for feature, level, block_type in parents:
            edges += [("edge", level, block_type, block.level, block.block_type), ("distance", subject - feature)]
        around = [(feature, blocks[feature].look if feature in blocks else level) for feature, level, _ in parents]
        neighbourhood.append((subject, block.look, *around))
        pattern.append((block.look, *sorted((subject - feature, *ends) for feature, *ends in parents)))
    for index, earlier in enumerate(searched):
        order += [("order", blocks[earlier].kind, blocks[later].kind) for later in searched[index + 1 :]]
    return tuple(_numbers(group) for group in (place, edges, order, neighbourhood, pattern))


def _blocks(space: SearchSpace, genotype: Genotype) -> dict[int, _Block]:
    """What the decisions say of each block, by its feature index."""
    blocks: dict[int, _Block] = {}
    for decision in space.decisions(genotype):
        block = blocks.setdefault(decision.subject, _Block())
        option = decision.option
        if decision.kind is DecisionKind.BLOCK_TYPE:
            block.block_type = option.block_type
        elif decision.kind is DecisionKind.RESOURCE_MULTIPLIER:
            block.multiplier = option.multiplier
        elif decision.kind is DecisionKind.PARENT:
            block.parents = (*block.parents, (option.feature, option.level, option.block_type))
        else:
            block.level = option.level
        block.level = decision.subject_level or block.level
        block.block_type = decision.subject_type or block.block_type
    return blocks


def _numbers(facts: Sequence[object]) -> NDArray[np.uint64]:
    return np.array([_number(fact) for fact in facts], dtype=np.uint64)


@lru_cache(maxsize=2**17)
def _number(fact: object) -> int:
    """64 bits of a hash of the fact. The same facts come again and again."""
    return int.from_bytes(hashlib.blake2b(repr(fact).encode(), digest_size=8).digest(), "little")
