"""Orphans join the output block of their level; what then reaches no endpoint is dead."""

from dataclasses import replace

import networkx
import pytest
from hypothesis import given

from search_space.graph import feature_inputs, live_features, orphans_by_output
from search_space.reference import reference
from search_space.spec import ArchitectureSpec, BlockSpec
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes


@pytest.mark.parametrize(("name", "orphans"), [("spinenet-49", {14: (11,)}), ("r0-sp53", {13: (11,)})])
def test_published_orphans(name: str, orphans: dict[int, tuple[int, ...]]) -> None:
    spec = reference(name)
    assert orphans_by_output(spec) == orphans
    assert live_features(spec) == frozenset(range(17))


@given(spaces_with_genotypes())
def test_live_features_are_the_ancestors_of_the_outputs(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    graph = networkx.DiGraph()
    graph.add_edges_from((source, index) for index, inputs in enumerate(feature_inputs(spec)) for source in inputs)
    outputs = {index for index, block in enumerate(spec.all_blocks) if block.is_output}
    ancestors = set().union(*(networkx.ancestors(graph, output) for output in outputs))
    assert live_features(spec) == outputs | ancestors


@given(spaces_with_genotypes())
def test_no_intermediate_of_an_output_level_is_left_without_a_consumer(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    consumed = {parent for block in spec.blocks for parent in block.parents}
    joined = {orphan for orphans in orphans_by_output(spec).values() for orphan in orphans}
    for index, block in enumerate(spec.blocks[:-5], start=spec.num_stem_blocks):
        if index not in consumed and 3 <= block.level <= 7:
            assert index in joined
            assert index in live_features(spec)
        if index not in consumed and block.level < 3:
            assert index not in live_features(spec)


@given(spaces_with_genotypes())
def test_an_orphan_joins_its_own_level_once_and_was_not_consumed_before(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    joined = [orphan for orphans in orphans_by_output(spec).values() for orphan in orphans]
    assert len(joined) == len(set(joined))
    for output, orphans in orphans_by_output(spec).items():
        readers = {parent for block in spec.all_blocks[: output + 1] for parent in block.parents}
        for orphan in orphans:
            assert spec.all_blocks[orphan].level == spec.all_blocks[output].level
            assert not spec.all_blocks[orphan].is_output
            assert orphan not in readers


def with_block(spec: ArchitectureSpec, index: int, block: BlockSpec) -> ArchitectureSpec:
    place = index - spec.num_stem_blocks
    return replace(spec, blocks=(*spec.blocks[:place], block, *spec.blocks[place + 1 :]))


def test_out_degree_is_read_when_the_output_is_built() -> None:
    # Output 14 (L5) is built before output 16 (L6) reads block 11 (L5): 11 joins 14 all the same.
    spec = reference("spinenet-49")
    later = with_block(spec, 16, replace(spec.blocks[14], parents=(11, 14)))
    assert orphans_by_output(later) == {14: (11,)}
    # Output 14's own parents count before its orphans: as a parent, block 11 does not join as well.
    own = with_block(spec, 14, replace(spec.blocks[12], parents=(7, 11)))
    assert orphans_by_output(own) == {}


def test_a_level_two_block_without_consumer_is_dead() -> None:
    # Block 2 is the only L2 block; block 4, its one reader besides 5, is given other parents, and so is 5.
    spec = reference("spinenet-49")
    spec = with_block(spec, 4, replace(spec.blocks[2], parents=(1, 3)))
    spec = with_block(spec, 5, replace(spec.blocks[3], parents=(3, 4)))
    assert live_features(spec) == frozenset(range(17)) - {2}
    assert feature_inputs(spec)[:3] == ((), (0,), (0, 1))


def test_an_fpn_keeps_the_whole_stem() -> None:
    spec = reference("resnet-50-fpn")
    assert live_features(spec) == frozenset(range(16))
    assert orphans_by_output(spec) == {}
