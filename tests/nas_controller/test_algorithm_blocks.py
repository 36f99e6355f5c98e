"""Blocks of many genotypes in arrays: the same as the space says of each, decision by decision."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_controller.algorithms.blocks import picked, reader_of
from search_space.decisions import random_genotype
from search_space.spaces import SPACES
from search_space.spec import BlockType

TYPES = ("", *BlockType)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_it_reads_the_architectures_that_the_space_decodes(name: str) -> None:
    space, rng = SPACES[name], Random(1)
    genotypes = [random_genotype(space, rng) for _ in range(50)]
    blocks = reader_of(space).read(genotypes)
    subjects = {subject for _, subject in space.points}
    searched_shares = len(space.multipliers) > 1
    has_parents = {subject for kind, subject in space.points if kind == "parent"}
    assert blocks.subjects_S.tolist() == sorted(subjects)
    for row, genotype in enumerate(genotypes):
        decoded = space.decode(genotype).all_blocks
        assert blocks.levels_MF[row].tolist() == [*(block.level for block in decoded), 0]
        assert blocks.types_MF[row].tolist() == [*(TYPES.index(block.block_type) for block in decoded), 0]
        shares = [round(1000 * block.resource_multiplier) * searched_shares for block in decoded]
        assert blocks.shares_MF[row].tolist() == [*shares, 0]
        parents = [decoded[subject].parents if subject in has_parents else (-1, -1) for subject in sorted(subjects)]
        assert blocks.parents_MSP[row].tolist() == [list(pair) for pair in parents]


@given(st.permutations(range(7)))
def test_a_permutation_is_read_from_the_indices_among_what_is_left(order: list[int]) -> None:
    left, indices = list(range(7)), []
    for item in order:
        indices.append(left.index(item))
        left.remove(item)
    assert picked(np.array([indices, [0] * 7])).tolist() == [order, list(range(7))]
