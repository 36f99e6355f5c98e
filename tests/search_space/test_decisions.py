"""Every sequence of offered options is an architecture, and every architecture of a space has a genotype."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given

from search_space.decisions import (
    DecisionKind,
    DecisionPoint,
    Genotype,
    Option,
    SearchSpace,
    random_genotype,
)
from search_space.duplicates import measure_duplicates
from search_space.fingerprint import fingerprint
from search_space.plan import TargetNetwork, resolve
from search_space.reference import reference
from search_space.scale_permuted import ScalePermutedSpace
from search_space.spaces import JOINT, R0_SP53, R35_SP18, SPACES, SPINENET_49
from search_space.spec import ArchitectureSpec, BlockSpec, Stem
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes


def walk(space: SearchSpace, genotype: Genotype) -> list[tuple[DecisionPoint, Option]]:
    """Every decision point on the way to a genotype, with the option taken."""
    steps = []
    for position, index in enumerate(genotype):
        point = space.options(genotype[:position])
        assert point is not None
        steps.append((point, point.options[index]))
    assert space.options(genotype) is None
    return steps


def only_type(space: SearchSpace) -> str:
    """The type of searched blocks where types are not searched."""
    return space.block_types[0] if isinstance(space, ScalePermutedSpace) else ""


@given(spaces_with_genotypes())
def test_decode_is_total_and_encode_canonical(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype, name="drawn")
    canonical = space.encode(spec)
    assert space.decode(canonical, name="drawn") == spec
    assert space.encode(space.decode(canonical)) == canonical


@given(spaces_with_genotypes())
def test_the_options_say_what_decode_does(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    levels: dict[int, int] = {}
    types: dict[int, str] = {}
    parents: dict[int, list[int]] = {}
    multipliers: dict[int, float] = {}
    fixed = space.stem.blocks if isinstance(space, ScalePermutedSpace) else space.template.all_blocks
    for feature, block in enumerate(fixed):
        levels[feature], types[feature] = block.level, block.block_type
    for point, option in walk(space, genotype):
        if point.kind in (DecisionKind.INTERMEDIATE_LEVEL, DecisionKind.OUTPUT_LEVEL):
            levels[point.subject] = option.level
        elif point.kind is DecisionKind.LEVEL_ADJUSTMENT:
            assert point.subject_level == levels[point.subject]
            assert option.level == levels[point.subject] + option.adjustment
            levels[point.subject] = option.level
        elif point.kind is DecisionKind.BLOCK_TYPE:
            assert point.subject_level == levels[point.subject]
            types[point.subject] = option.block_type
        elif point.kind is DecisionKind.RESOURCE_MULTIPLIER:
            assert point.subject_level == levels[point.subject]
            multipliers[point.subject] = option.multiplier
        else:
            assert point.subject_level == levels[point.subject]
            assert option.distance == point.subject - option.feature
            parents.setdefault(point.subject, []).append(option.feature)
            if option.feature in levels:
                assert option.level == levels[option.feature]
                assert option.block_type == types.get(option.feature, only_type(space))
    spec = space.decode(genotype)
    for feature, block in enumerate(spec.all_blocks):
        assert block.level == levels[feature]
        assert block.block_type == types.get(feature, only_type(space))
        assert block.resource_multiplier == multipliers.get(feature, 1.0)
        if feature in parents:
            assert list(block.parents) == sorted(parents[feature])


@given(spaces_with_genotypes())
def test_option_counts_are_those_of_the_options(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    assert tuple(len(point.options) for point, _ in walk(space, genotype)) == space.option_counts


@given(spaces_with_genotypes())
def test_decisions_are_what_a_walk_takes(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    steps = [(p.kind, p.subject, option, p.subject_level, p.subject_type) for p, option in walk(space, genotype)]
    decisions = space.decisions(genotype)
    assert [(d.kind, d.subject, d.option, d.subject_level, d.subject_type) for d in decisions] == steps
    assert space.points == tuple((d.kind, d.subject) for d in decisions)


@given(spaces_with_genotypes())
def test_a_walk_visits_the_points_of_growing_prefixes(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    indices, visited = iter(genotype), []

    def choose(point: DecisionPoint) -> int:
        visited.append(point)
        return next(indices)

    assert space.walk(choose) == genotype
    assert visited == [point for point, _ in walk(space, genotype)]


@pytest.mark.parametrize("index", [-1, 10])
def test_a_walk_takes_what_was_offered_only(index: int) -> None:
    with pytest.raises(ValueError, match=rf"genotype\[0\] = {index}: must be 0 to 9"):
        SPINENET_49.walk(lambda point: index)


def test_decisions_of_no_genotype() -> None:
    for genotype in ((0,) * 69, (0,) * 71, (10,) + (0,) * 69):
        with pytest.raises(ValueError, match="genotype"):
            SPINENET_49.decisions(genotype)


@given(spaces_with_genotypes())
def test_parents_follow_the_window(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    assume(isinstance(space, ScalePermutedSpace))
    spec = space.decode(genotype)
    for feature, block in enumerate(spec.blocks, start=spec.num_stem_blocks):
        earliest = 0 if block.is_output else max(feature - 5, 0)
        assert earliest <= block.parents[0] < block.parents[1] < feature


def test_order_of_the_points() -> None:
    kinds = [point.kind for point, _ in walk(SPINENET_49, (0,) * 70)]
    assert kinds == (
        [DecisionKind.INTERMEDIATE_LEVEL] * 10
        + [DecisionKind.OUTPUT_LEVEL] * 5
        + [DecisionKind.LEVEL_ADJUSTMENT] * 10
        + [DecisionKind.BLOCK_TYPE] * 15
        + [DecisionKind.PARENT] * 30
    )
    joint = [point.kind for point, _ in walk(JOINT, (0,) * 87)]
    assert joint == kinds + [DecisionKind.RESOURCE_MULTIPLIER] * 17
    assert {point.kind for point, _ in walk(R0_SP53, (0,) * 45)} == {
        DecisionKind.INTERMEDIATE_LEVEL,
        DecisionKind.OUTPUT_LEVEL,
        DecisionKind.PARENT,
    }


def test_picks_are_among_the_remaining_blocks() -> None:
    first, second = SPINENET_49.options(()), SPINENET_49.options((1,))
    assert first is not None
    assert second is not None
    assert [option.level for option in first.options] == [2, 3, 3, 3, 4, 4, 4, 4, 4, 5]
    assert [option.feature for option in second.options] == [0, 2, 3, 4, 5, 6, 7, 8, 9]


def test_second_parent_is_another_one() -> None:
    prefix = (0,) * 40 + (0, 0, 1)  # block 2 took (0, 1); block 3 took feature 1
    point = SPINENET_49.options(prefix)
    assert point is not None
    assert point.subject == 3
    assert [option.feature for option in point.options] == [0, 2]


def test_the_order_of_two_parents_means_nothing() -> None:
    start = (0,) * 40
    one, other = start + (0, 0) + (0,) * 28, start + (1, 0) + (0,) * 28
    assert one != other
    assert SPINENET_49.decode(one) == SPINENET_49.decode(other)
    assert SPINENET_49.encode(SPINENET_49.decode(other)) == one


def test_adjustment_split_prefers_none_and_still_finds_a_solution() -> None:
    # Pool levels 2, 3 with -1 to 1: the sequence (3, 3) leaves only 2+1 and 3+0; the first block takes 0.
    space = replace(R35_SP18, name="two", pool=(2, 3), adjustments=(-1, 0, 1))
    spec = space.decode(space.encode(space.decode((1, 0, *(0,) * 5, 1, 2, *(0,) * 14))))
    assert [block.level for block in spec.blocks[:2]] == [3, 3]
    picks_and_adjustments = space.encode(spec)
    assert picks_and_adjustments[:2] == (1, 0)
    assert picks_and_adjustments[7:9] == (1, 2)
    # (3, 4) cannot give the first block 3+0: level 4 would be left to level 2.
    spec = space.decode((0, 0, *(0,) * 5, 2, 2, *(0,) * 14))
    assert [block.level for block in spec.blocks[:2]] == [3, 4]
    assert space.encode(spec)[:2] == (0, 0)


@pytest.mark.parametrize(
    ("space_name", "name"),
    [
        ("spinenet-49", "spinenet-49"),
        ("r0-sp53", "r0-sp53"),
        ("spinenet-mbconv", "spinenet-mobile-49"),
        ("eff-spinenet-b0", "sp-efficientnet-b0"),
    ],
)
def test_published_architectures_are_in_their_spaces(space_name: str, name: str) -> None:
    space, spec = SPACES[space_name], reference(name)
    assert space.decode(space.encode(spec), name) == spec


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        ((0,) * 69, "genotype of length 69: spinenet-49 has 70 decisions"),
        ((0,) * 71, "genotype of length 71"),
        ((10,) + (0,) * 69, r"genotype\[0\] = 10: must be 0 to 9 \(intermediate_level of block 2\)"),
        ((0,) * 69 + (-1,), r"genotype\[69\] = -1: must be 0 to 14 \(parent of block 16\)"),
    ],
)
def test_decode_names_what_is_wrong(genotype: Genotype, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPINENET_49.decode(genotype)
    with pytest.raises(ValueError, match=message):
        SPINENET_49.mutate(genotype, seed=0)


def test_options_refuses_a_wrong_prefix() -> None:
    with pytest.raises(ValueError, match=r"genotype\[1\] = 9: must be 0 to 8"):
        SPINENET_49.options((0, 9))
    with pytest.raises(ValueError, match="genotype of length 71"):
        SPINENET_49.options((0,) * 71)


def changed(spec: ArchitectureSpec, feature: int, block: BlockSpec) -> ArchitectureSpec:
    place = feature - spec.num_stem_blocks
    return replace(spec, blocks=(*spec.blocks[:place], block, *spec.blocks[place + 1 :]))


def test_encode_names_what_is_not_in_the_space() -> None:
    spec = reference("r0-sp53")
    cases = [
        (reference("spinenet-49"), "block 3: residual: must be bottleneck"),
        (replace(spec, endpoint_channels=64), "endpoint_channels 64: must be 256"),
        (replace(spec, stem=Stem(channels=32)), "stem"),
        (changed(spec, 8, replace(spec.blocks[6], parents=(1, 7))), "block 8: parents .1, 7.: must be 3 to 7"),
        (changed(spec, 8, replace(spec.blocks[6], repeats=2)), "block 8: kernel 3, expansion None, repeats 2"),
        (changed(spec, 8, replace(spec.blocks[6], resource_multiplier=0.5)), "block 8: resource_multiplier 0.5"),
        (changed(spec, 8, replace(spec.blocks[6], width=96)), "block 8: width 96"),
        (changed(spec, 2, replace(spec.blocks[0], level=3)), "intermediate levels .3, 3, 3, 4"),
        (reference("resnet-50-fpn"), "widths"),
    ]
    for other, message in cases:
        with pytest.raises(ValueError, match="not an architecture of r0-sp53: " + message):
            R0_SP53.encode(other)
    with pytest.raises(ValueError, match="6 searched blocks: must be 15"):
        R0_SP53.encode(replace(R35_SP18, stem=R0_SP53.stem).decode((0,) * 18))


def test_random_genotypes_are_seeded_and_take_every_option() -> None:
    rng = Random(3)
    drawn = [random_genotype(SPINENET_49, rng) for _ in range(300)]
    assert drawn[0] == random_genotype(SPINENET_49, Random(3))
    for position, count in enumerate(SPINENET_49.option_counts):
        # The rarest event: one of 15 options missed by 300 draws has probability 15 * (14/15)**300 = 1.5e-8.
        assert {genotype[position] for genotype in drawn} == set(range(count))


def test_measured_duplicates_are_repeated_networks() -> None:
    space = replace(R35_SP18, name="narrow", stem=Stem(), window=2)
    rng, target = Random(5), TargetNetwork(image_size=640, head=None)
    marks = [fingerprint(resolve(space.decode(random_genotype(space, rng)), target)) for _ in range(1500)]
    repeated = sum(mark in marks[:position] for position, mark in enumerate(marks))
    rate = measure_duplicates(space, draws=1500, seed=5)
    assert repeated > 0
    assert rate.share == repeated / 1500
    assert rate.interval[0] < rate.share < rate.interval[1]
    with pytest.raises(ValueError, match="0 draws"):
        measure_duplicates(space, draws=0, seed=5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool": (3, 2)}, "must rise"),
        ({"adjustments": (-1, 1)}, "must be consecutive"),
        ({"adjustments": (1, 2)}, "must contain 0"),
        ({"pool": (2, 6), "adjustments": (0, 1, 2)}, "must stay in 1 to 7"),
        ({"window": 1}, "window 1: must be at least 2"),
        ({"multipliers": (0.5, 0.25)}, "must be positive and rise"),
        ({"multipliers": (0.5, 1.0)}, "rounding none: goes with several multipliers only"),
    ],
)
def test_a_space_checks_itself(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(R35_SP18, **changes)
