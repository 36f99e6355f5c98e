"""Three kinds of made-up objective over the exact combinatorics of a space, each with what it flatters.

*additive*: each level, type, parent and multiplier of a block counts on its own, as factorised policies learn it.
*relational*: what counts is who stands before whom, which levels and types are joined over which distance, and that no
block is dead: relations that hold wherever they occur, as in real networks.
*rugged*: each block's contribution is a fresh random number for every combination of itself and its parents (NK
landscape, Kauffman and Weinberger 1989): nothing generalises but small changes.

All weights are standard normal, drawn from the seed by what they are about, so that an instance is the same in every
process and however its values are asked for.
"""

import hashlib
import math
import struct

from search_space.decisions import SearchSpace
from search_space.graph import live_features
from search_space.spec import ArchitectureSpec, BlockSpec
from spinesearch.bench.objectives.base import Objective

_SAME_DISTANCE = 6
"""Distances from here on count as one."""
_DEAD_PENALTY = 0.5
"""Of one dead block, in weights."""


def normal(seed: int, *about: object) -> float:
    """A standard normal number that depends on its arguments alone (Box and Muller 1958).

    >>> normal(1, "edge", 3) == normal(1, "edge", 3) != normal(2, "edge", 3)
    True
    """
    digest = hashlib.blake2b(repr((seed, *about)).encode(), digest_size=16).digest()
    first, second = struct.unpack("<QQ", digest)
    radius = math.sqrt(-2 * math.log((first + 1) / 2**64))
    return radius * math.cos(2 * math.pi * second / 2**64)


class Weights:
    """Numbers of `normal`, each computed once."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._known: dict[tuple[object, ...], float] = {}

    def __call__(self, *about: object) -> float:
        """The weight of what the arguments name."""
        if about not in self._known:
            self._known[about] = normal(self._seed, *about)
        return self._known[about]


class Additive(Objective):
    """A weight for each thing at each place."""

    kind = "additive"

    def __init__(self, space: SearchSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._weight = Weights(seed)

    def raw(self, spec: ArchitectureSpec) -> float:
        """The sum of the weights of what the searched blocks are, and of all multipliers in octaves."""
        first, total = spec.num_stem_blocks, 0.0
        for feature, block in enumerate(spec.all_blocks):
            total += self._weight("multiplier", feature) * math.log2(block.resource_multiplier)
            if feature >= first:
                total += self._weight("level", feature, block.level)
                total += self._weight("type", feature, block.block_type)
                total += sum(self._weight("parent", feature, parent) for parent in block.parents)
        return total


class Relational(Objective):
    """Weights for orders and for edges, wherever they occur."""

    kind = "relational"

    def __init__(self, space: SearchSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._weight = Weights(seed)

    def raw(self, spec: ArchitectureSpec) -> float:
        """Orders of two blocks, edges, and dead blocks; the first two are scaled to spread about as much."""
        blocks = spec.blocks
        pairs = [(one, other) for place, one in enumerate(blocks) for other in blocks[place + 1 :]]
        order = sum(self._order(one, other) for one, other in pairs) / math.sqrt(len(pairs))
        edges = [
            self.edge(spec.all_blocks[parent], block, feature - parent)
            for feature, block in enumerate(blocks, start=spec.num_stem_blocks)
            for parent in block.parents
        ]
        num_dead = len(spec.all_blocks) - len(live_features(spec))
        return order + sum(edges) / math.sqrt(len(edges)) - _DEAD_PENALTY * num_dead

    def _order(self, earlier: BlockSpec, later: BlockSpec) -> float:
        """As in linear ordering problems: what stands first is worth as much as the other way round costs."""
        names = [(block.level, str(block.block_type)) for block in (earlier, later)]
        if names[0] == names[1]:
            return 0.0
        sign = 1.0 if names[0] < names[1] else -1.0
        return sign * self._weight("order", min(names), max(names))

    def edge(self, parent: BlockSpec, child: BlockSpec, distance: int) -> float:
        """An edge by levels and types, by distance, and by how the multipliers of its ends differ."""
        kind = self._weight("edge", parent.level, child.level, parent.block_type, child.block_type)
        octaves = abs(math.log2(child.resource_multiplier / parent.resource_multiplier))
        reach = self._weight("distance", min(distance, _SAME_DISTANCE))
        return kind + reach - abs(self._weight("octaves", child.level)) * octaves


class Rugged(Objective):
    """A fresh weight for each block together with its parents."""

    kind = "rugged"

    def __init__(self, space: SearchSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._weight = Weights(seed)

    def raw(self, spec: ArchitectureSpec) -> float:
        """The sum over the searched blocks."""
        return sum(
            self._weight(feature, _look(block), *((parent, _look(spec.all_blocks[parent])) for parent in block.parents))
            for feature, block in enumerate(spec.blocks, start=spec.num_stem_blocks)
        )


def _look(block: BlockSpec) -> tuple[object, ...]:
    return (block.level, str(block.block_type), block.resource_multiplier)


SYNTHETIC = (Additive, Relational, Rugged)
