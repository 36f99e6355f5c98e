"""Spaces that leave the topology as it is and decide each block's share of resources.

Du et al. 2020b (arXiv 2010.11426), section 3.3: a resource multiplier for every block, stem included, of
SP-EfficientNet-B0. The points come in the order of the blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from random import Random

from search_space.decisions import DecisionKind, DecisionPoint, Genotype, Option, SearchSpace
from search_space.size import SpaceSize
from search_space.spec import ArchitectureSpec, BlockSpec


@dataclass(frozen=True, kw_only=True)
class FixedTopologySpace(SearchSpace):
    """Multipliers over the template's blocks."""

    @property
    def option_counts(self) -> tuple[int, ...]:
        """As many multipliers for every block."""
        return (len(self.multipliers),) * len(self.template.all_blocks)

    @property
    def num_searched_blocks(self) -> int:
        """All blocks but the stem's."""
        return len(self.template.blocks)

    def options(self, prefix: Sequence[int]) -> DecisionPoint | None:
        """The multipliers of the next block."""
        self.check(prefix, is_prefix=True)
        if len(prefix) == self.genotype_length:
            return None
        block = self.template.all_blocks[len(prefix)]
        options = tuple(Option(f"x{share:g}", multiplier=share) for share in self.multipliers)
        return DecisionPoint(
            DecisionKind.RESOURCE_MULTIPLIER,
            len(prefix),
            options,
            subject_level=block.level,
            subject_type=block.block_type,
        )

    def decode(self, genotype: Sequence[int], name: str = "") -> ArchitectureSpec:
        """The template with these multipliers."""
        self.check(genotype)
        shares = [self.multipliers[index] for index in genotype]
        blocks = [
            replace(block, resource_multiplier=share)
            for block, share in zip(self.template.all_blocks, shares, strict=True)
        ]
        return self.template.renamed(name).with_blocks(blocks)

    def encode(self, spec: ArchitectureSpec) -> Genotype:
        """The multipliers of the architecture."""
        plain = spec.with_blocks([_without_share(block) for block in spec.all_blocks])
        for item in fields(spec):
            if item.name != "name" and getattr(plain, item.name) != getattr(self.template, item.name):
                raise ValueError(f"not an architecture of {self.name}: {item.name} is not that of {self.template.name}")
        for index, block in enumerate(spec.all_blocks):
            if block.resource_multiplier not in self.multipliers:
                problem = f"resource_multiplier {block.resource_multiplier}: must be one of {self.multipliers}"
                raise ValueError(f"not an architecture of {self.name}: block {index}: {problem}")
        return tuple(self.multipliers.index(block.resource_multiplier) for block in spec.all_blocks)

    def mutate(self, genotype: Sequence[int], seed: int) -> tuple[Genotype, tuple[str, ...]]:
        """One block with another multiplier."""
        self.check(genotype)
        rng = Random(seed)
        block = rng.randrange(len(genotype))
        old = genotype[block]
        new = rng.choice([index for index in range(len(self.multipliers)) if index != old])
        edit = f"block {block}: multiplier {self.multipliers[old]:g} -> {self.multipliers[new]:g}"
        return (*genotype[:block], new, *genotype[block + 1 :]), (edit,)

    def size(self) -> SpaceSize:
        """multipliers ** blocks, in all three ways of counting."""
        number = len(self.multipliers) ** len(self.template.all_blocks)
        return SpaceSize(formula=number, within_window=number, architectures=number)

    def describe_point(self, position: int) -> str:
        """What a decision point decides."""
        return f"{DecisionKind.RESOURCE_MULTIPLIER} of block {position}"


def _without_share(block: BlockSpec) -> BlockSpec:
    return replace(block, resource_multiplier=1.0, width=None)
