from random import Random

import pytest
from hypothesis import given

from nas_controller.insight.meanings import (
    decision_labels,
    in_order,
    motif_keys,
    motif_label,
    option_key,
    option_label,
)
from search_space.decisions import DecisionKind, SearchSpace, random_genotype
from search_space.spaces import EFF_SPINENET_B0, JOINT, R35_SP18, SPACES, SPINENET_49
from search_space.spec import BlockType
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes


@pytest.mark.parametrize("space", SPACES.values(), ids=lambda space: space.name)
def test_no_two_decisions_of_a_space_have_the_same_name(space: SearchSpace) -> None:
    labels = decision_labels(space)
    assert len(set(labels)) == len(labels) == space.genotype_length


def test_decisions_in_words() -> None:
    labels = decision_labels(JOINT)
    points = dict(zip(labels, JOINT.points, strict=True))
    assert points["block 2: level"] == (DecisionKind.INTERMEDIATE_LEVEL, 2)
    assert points["block 12: output level"] == (DecisionKind.OUTPUT_LEVEL, 12)
    assert points["block 3: level adjustment"] == (DecisionKind.LEVEL_ADJUSTMENT, 3)
    assert points["block 16: type"] == (DecisionKind.BLOCK_TYPE, 16)
    assert points["block 7: earlier parent"] == points["block 7: later parent"] == (DecisionKind.PARENT, 7)
    assert labels.index("block 7: later parent") == labels.index("block 7: earlier parent") + 1
    assert decision_labels(EFF_SPINENET_B0)[0] == "block 0: multiplier"


def test_options_in_words() -> None:
    # In joint: the first pick is of level 2, then +1 (index 2 of -1, 0, 1, 2), a residual block, parents 1 and 0.
    decisions = in_order(
        JOINT.decisions((0,) * 15 + (2,) + (0,) * 9 + (1,) + (0,) * 14 + (1, 0) + (0,) * 28 + (2,) * 17)
    )
    words = dict(zip(decision_labels(JOINT), [option_label(d.kind, option_key(d)) for d in decisions], strict=True))
    assert words["block 2: level"] == "level 2"
    assert words["block 2: level adjustment"] == "1 level up"
    assert words["block 3: level adjustment"] == "1 level down"
    assert words["block 2: type"] == "residual"
    assert words["block 2: earlier parent"] == "from level 2, 2 blocks before"
    assert words["block 2: later parent"] == "from level 2, the block before"
    assert words["block 2: multiplier"] == "x0.5"
    assert words["block 12: output level"] == "level 3"
    assert words["block 16: earlier parent"] == "from level 2, 6 or more blocks before"
    assert option_label(DecisionKind.LEVEL_ADJUSTMENT, (0,)) == "as it is"
    assert option_label(DecisionKind.LEVEL_ADJUSTMENT, (2,)) == "2 levels up"


@given(spaces_with_genotypes())
def test_genotypes_of_one_architecture_mean_the_same(drawn: SpaceAndGenotype) -> None:
    """But for how a level came about: from which block of the pool, and which adjustment."""
    space, genotype = drawn
    canonical = space.encode(space.decode(genotype))
    kept = (DecisionKind.PARENT, DecisionKind.BLOCK_TYPE, DecisionKind.RESOURCE_MULTIPLIER, DecisionKind.OUTPUT_LEVEL)
    one, other = ([d for d in in_order(space.decisions(g)) if d.kind in kept] for g in (genotype, canonical))
    assert [option_key(decision) for decision in one] == [option_key(decision) for decision in other]
    assert motif_keys(space.decisions(genotype)) == motif_keys(space.decisions(canonical))


@given(spaces_with_genotypes())
def test_an_option_with_another_meaning_has_another_name(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    for position in range(len(genotype)):
        point = space.options(genotype[:position])
        assert point is not None
        others = [(*genotype[:position], index, *genotype[position + 1 :]) for index in range(len(point.options))]
        keys = {option_key(space.decisions(other)[position]) for other in others[:3]}
        assert len({option_label(point.kind, key) for key in keys}) == len(keys)


def test_motifs_are_the_edges_of_the_architecture() -> None:
    genotype = random_genotype(SPINENET_49, Random(4))
    spec = SPINENET_49.decode(genotype)
    expected = set()
    for feature, block in enumerate(spec.blocks, start=spec.num_stem_blocks):
        for parent in block.parents:
            distance = feature - parent
            least = 1 if distance == 1 else 2 if distance < 4 else 4
            origin = spec.all_blocks[parent]
            expected.add((origin.level, origin.block_type, block.level, block.block_type, least))
    assert motif_keys(SPINENET_49.decisions(genotype)) == expected
    assert motif_keys(EFF_SPINENET_B0.decisions((0,) * 18)) == set()


def test_motifs_in_words() -> None:
    label = "level 4 bottleneck -> level 3 residual"
    key = (4, BlockType.BOTTLENECK.value, 3, BlockType.RESIDUAL.value)
    assert motif_label((*key, 1)) == f"{label}, the block before"
    assert motif_label((*key, 2)) == f"{label}, 2 to 3 blocks before"
    assert motif_label((*key, 4)) == f"{label}, 4 or more blocks before"


def test_r35_sp18_has_no_other_decisions_than_outputs_and_parents() -> None:
    assert {kind for kind, _ in R35_SP18.points[1:]} == {DecisionKind.OUTPUT_LEVEL, DecisionKind.PARENT}
