"""Hypothesis strategies over the named spaces, and relabelled copies of architectures."""

from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from search_space.decisions import Genotype, SearchSpace
from search_space.spaces import SPACES
from search_space.spec import ArchitectureSpec, BlockSpec

SpaceAndGenotype = tuple[SearchSpace, Genotype]


def genotypes(space: SearchSpace) -> st.SearchStrategy[Genotype]:
    """Any sequence of offered options of one space."""
    return st.tuples(*(st.integers(0, count - 1) for count in space.option_counts))


def spaces_with_genotypes() -> st.SearchStrategy[SpaceAndGenotype]:
    """Any named space with any of its genotypes."""
    return st.sampled_from(list(SPACES.values())).flatmap(lambda space: st.tuples(st.just(space), genotypes(space)))


def renumbered(spec: ArchitectureSpec, rng: Random) -> tuple[ArchitectureSpec, dict[int, int]]:
    """The spec with its searched blocks in another possible order, and the new feature index of each old one."""
    num_stem = spec.num_stem_blocks
    place_of = {index: index for index in range(num_stem)}
    blocks: list[BlockSpec] = []
    waiting = list(enumerate(spec.blocks, start=num_stem))
    inner_left = sum(not block.is_output for block in spec.blocks)
    while waiting:
        ready = [
            (index, block)
            for index, block in waiting
            if all(parent in place_of for parent in block.parents) and (not block.is_output or not inner_left)
        ]
        index, block = rng.choice(ready)
        waiting.remove((index, block))
        inner_left -= not block.is_output
        place_of[index] = num_stem + len(blocks)
        blocks.append(replace(block, parents=tuple(sorted(place_of[parent] for parent in block.parents))))
    return replace(spec, blocks=tuple(blocks), name="another"), place_of
