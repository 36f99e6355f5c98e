"""What differs: nothing between equals, one edit for one move, and always enough to make one from the other."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.decisions import Genotype
from search_space.difference import (
    ArchitectureDifference,
    BlockChange,
    Connection,
    Move,
    SettingChange,
    compare,
    connections,
)
from search_space.difference_text import edit_list
from search_space.reference import REFERENCES, reference
from search_space.spaces import SPACES
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, Resampling
from tests.search_space.strategies import SpaceAndGenotype, genotypes, spaces_with_genotypes

SPINENET_49 = reference("spinenet-49")


def with_blocks(spec: ArchitectureSpec, **blocks: BlockSpec) -> ArchitectureSpec:
    """The spec with some blocks put in place of its own: ``b5=...`` is feature 5."""
    changed = list(spec.blocks)
    for name, block in blocks.items():
        changed[int(name[1:]) - spec.num_stem_blocks] = block
    return replace(spec, name="other", blocks=tuple(changed))


def feature(index: int) -> BlockSpec:
    return SPINENET_49.all_blocks[index]


def permuted(spec: ArchitectureSpec, order: list[int]) -> ArchitectureSpec:
    """The same network with its searched blocks, parents included, in another order of the old features."""
    number = {k: k for k in range(spec.num_stem_blocks)}
    number |= {old: new for new, old in enumerate(order, start=spec.num_stem_blocks)}
    blocks = [spec.all_blocks[old] for old in order]
    return replace(
        spec, blocks=tuple(replace(b, parents=tuple(sorted(number[parent] for parent in b.parents))) for b in blocks)
    )


@pytest.mark.parametrize("name", REFERENCES)
def test_an_architecture_does_not_differ_from_itself_by_another_name(name: str) -> None:
    spec = reference(name)
    difference = compare(spec, spec.renamed("twin"))
    assert difference.is_empty
    assert edit_list(difference) == []
    assert difference.places == difference.blocks == tuple((k, k) for k in range(len(spec.all_blocks)))
    assert list(difference.kept_connections) == connections(spec)


def test_a_width_said_in_another_way_is_no_difference() -> None:
    # Level 3 has width 128.
    assert compare(SPINENET_49, with_blocks(SPINENET_49, b4=replace(feature(4), width=128))).is_empty


def test_one_parent() -> None:
    # Block 16 reads 12 and 14; 13 stays an output, so no orphan comes or goes.
    difference = compare(SPINENET_49, with_blocks(SPINENET_49, b16=replace(feature(16), parents=(12, 13))))
    assert difference.removed_connections == (Connection(14, 16),)
    assert difference.added_connections == (Connection(13, 16),)
    assert len(difference.kept_connections) == len(connections(SPINENET_49)) - 1
    assert not difference.moved
    assert not difference.changed
    assert edit_list(difference) == ["block 16 reads 13 instead of 14"]


def test_a_parent_that_makes_an_orphan_and_one_that_takes_it_in() -> None:
    # Nobody reads block 11 (level 5), so output 14 does; then block 12 reads it.
    difference = compare(SPINENET_49, with_blocks(SPINENET_49, b12=replace(feature(12), parents=(5, 11))))
    assert edit_list(difference) == ["block 12 reads 11 instead of 10", "block 14 no longer reads orphan 11"]
    back = compare(difference.after, SPINENET_49)
    assert edit_list(back) == ["block 12 reads 10 instead of 11", "block 14 also reads orphan 11"]


def test_two_blocks_that_swap_have_moved_and_nothing_else_differs() -> None:
    five, eight = feature(5), feature(8)  # L4 bottleneck, L5 residual
    swapped = with_blocks(SPINENET_49, b5=replace(eight, parents=five.parents), b8=replace(five, parents=eight.parents))
    difference = compare(SPINENET_49, swapped)
    assert difference.moved == (Move(5, 8, with_connections=False), Move(8, 5, with_connections=False))
    assert list(difference.kept_connections) == connections(SPINENET_49)
    assert not difference.changed
    assert edit_list(difference) == ["blocks 5 (L4 bottleneck) and 8 (L5 residual) swap: connections stay"]


def test_a_block_put_in_elsewhere_is_one_move() -> None:
    # Block 3 (L4 residual) goes behind block 6; 4, 5 and 6 close up. Connections are between places.
    order = [2, 4, 5, 6, 3, *range(7, 17)]
    blocks = tuple(
        replace(feature(old), parents=place.parents) for old, place in zip(order, SPINENET_49.blocks, strict=True)
    )
    difference = compare(SPINENET_49, replace(SPINENET_49, blocks=blocks))
    assert difference.moved == (Move(3, 6, with_connections=False),)
    assert edit_list(difference) == ["block 3 (L4 residual) moves to 6: connections stay"]


def test_a_renumbered_network_has_moved_with_its_connections() -> None:
    # Block 7 does not read 6, so they can be computed in either order.
    assert 6 not in feature(7).parents
    renumbered = permuted(SPINENET_49, [2, 3, 4, 5, 7, 6, *range(8, 17)])
    difference = compare(SPINENET_49, renumbered)
    assert difference.moved == (Move(6, 7, with_connections=True), Move(7, 6, with_connections=True))
    assert not difference.added_connections
    assert not difference.removed_connections
    assert edit_list(difference) == ["blocks 6 (L6 residual) and 7 (L4 bottleneck) swap: with their connections"]


def test_level_type_width_multiplier_and_repeats() -> None:
    # Block 4, level 3, has 128 channels by its level; block 5 a multiplier, whose width a budget settles.
    changed = with_blocks(
        SPINENET_49,
        b4=replace(feature(4), width=88),
        b5=replace(feature(5), resource_multiplier=0.5),
        b6=replace(feature(6), level=7),
        b8=replace(feature(8), block_type=BlockType.BOTTLENECK, repeats=2),
    )
    difference = compare(SPINENET_49, changed)
    assert difference.changed == (
        BlockChange(4, 4, "width", "128", "88"),
        BlockChange(5, 5, "multiplier", "1", "0.5"),
        BlockChange(6, 6, "level", "6", "7"),
        BlockChange(8, 8, "type", "residual", "bottleneck"),
        BlockChange(8, 8, "repeats", "1", "2"),
    )
    assert edit_list(difference)[0] == "block 4: width 128 -> 88"


def test_blocks_with_the_same_change_share_a_line() -> None:
    repeated = reference("spinenet-96")
    assert edit_list(compare(SPINENET_49, repeated)) == ["blocks 0-16: repeats 1 -> 2"]


def test_settings() -> None:
    other = replace(
        SPINENET_49,
        resampling=Resampling.DEPTHWISE,
        stem=replace(SPINENET_49.stem, channels=32),
        widths=((2, 48), *SPINENET_49.widths[2:]),
    )
    difference = compare(SPINENET_49, other)
    assert difference.settings == (
        SettingChange("stem channels", "64", "32"),
        SettingChange("width of level 1", "32", "none"),
        SettingChange("width of level 2", "64", "48"),
        SettingChange("resampling", "conv", "depthwise"),
    )
    assert edit_list(difference)[-1] == "base widths: L1: 32 -> none, L2: 64 -> 48"


def test_a_block_more_is_new_and_a_block_less_left_out() -> None:
    # Another level-4 block between 11 and 12 that reads 10 and 11; outputs keep what they read, 11 is no orphan now.
    extra = BlockSpec(4, BlockType.BOTTLENECK, (10, 11))
    later = [replace(b, parents=tuple(p + (p >= 12) for p in b.parents)) for b in SPINENET_49.blocks[10:]]
    longer = replace(SPINENET_49, blocks=(*SPINENET_49.blocks[:10], extra, *later))
    difference = compare(SPINENET_49, longer)
    assert difference.added_blocks == (12,)
    assert not difference.removed_blocks
    assert not difference.moved
    # Nobody reads the new block: it joins the output of level 4, now 13.
    assert edit_list(difference) == [
        "block 12 (L4 bottleneck): new, reads 10 and 11",
        "block 13 also reads orphan 12",
        "block 15 no longer reads orphan 11",
    ]
    back = compare(longer, SPINENET_49)
    assert back.removed_blocks == (12,)
    assert edit_list(back)[0] == "block 12 (L4 bottleneck): left out"
    assert edit_list(back)[1] == "block 12 no longer reads orphan the former 12"


def test_mobile_against_spinenet_matches_block_for_block() -> None:
    difference = compare(SPINENET_49, reference("spinenet-mobile-49"))
    # The mobile topology is SpineNet-49's with a level-1 stem block and one level-2 block more.
    assert len(difference.after.all_blocks) == 18
    assert len(difference.added_blocks) == 1
    assert not difference.removed_blocks
    assert not difference.moved
    assert {change.new for change in difference.changed if change.field == "type"} == {"mbconv"}
    assert len([c for c in difference.changed if c.field == "type"]) == 17
    assert len(difference.kept_connections) >= len(connections(SPINENET_49)) - 3


def test_stems_of_different_length_match_along_their_levels() -> None:
    difference = compare(reference("resnet-50-fpn"), reference("resnet-101-fpn"))
    # 3 + 4 + 6 blocks come before the 17 more of level 4.
    assert difference.added_blocks == tuple(range(13, 30))
    assert edit_list(difference) == ["blocks 13-29 (L4 bottleneck): new", "block 30 reads 29 instead of 12"]


@st.composite
def two_of_any_space(draw: st.DrawFn) -> tuple[ArchitectureSpec, ArchitectureSpec]:
    """Two architectures, of one space or of two."""
    spaces = st.sampled_from(list(SPACES.values()))
    first, second = draw(spaces), draw(spaces)
    return first.decode(draw(genotypes(first))), second.decode(draw(genotypes(second)))


def rebuilt(difference: ArchitectureDifference) -> tuple[set[Connection], list[tuple[str, ...]]]:
    """Connections and looks of `after`, made from `before` and the edits alone."""
    partner = dict(difference.places)
    kept = set(connections(difference.before)) - set(difference.removed_connections)
    carried = {Connection(partner[e.source], partner[e.target], e.is_orphan) for e in kept}
    looks: dict[int, list[str]] = {}
    for i, j in difference.blocks:
        block = difference.before.all_blocks[i]
        looks[j] = [str(block.level), block.block_type.value]
    for change in difference.changed:
        if change.field in ("level", "type"):
            looks[change.after][("level", "type").index(change.field)] = change.new
    for j in difference.added_blocks:
        looks[j] = [str(difference.after.all_blocks[j].level), difference.after.all_blocks[j].block_type.value]
    return carried | set(difference.added_connections), [tuple(looks[j]) for j in sorted(looks)]


@given(two_of_any_space())
@settings(max_examples=50)
def test_the_edits_lead_from_one_to_the_other(both: tuple[ArchitectureSpec, ArchitectureSpec]) -> None:
    before, after = both
    difference = compare(before, after)
    edges, looks = rebuilt(difference)
    assert edges == set(connections(after))
    assert looks == [(str(block.level), block.block_type.value) for block in after.all_blocks]
    for pairs in (difference.places, difference.blocks):
        assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
        assert len(pairs) + len(difference.added_blocks) == len(after.all_blocks)
        assert len(pairs) + len(difference.removed_blocks) == len(before.all_blocks)
    assert difference.is_empty == (edit_list(difference) == [])
    assert difference == compare(before, after)


@given(spaces_with_genotypes(), st.integers(0, 2**63 - 1))
@settings(max_examples=50)
def test_one_mutation_is_few_edits(drawn: SpaceAndGenotype, seed: int) -> None:
    space, genotype = drawn
    mutated: Genotype = space.mutate(genotype, seed)[0]
    difference = compare(space.decode(genotype), space.decode(mutated))
    assert not difference.is_empty
    # By equal numbers it is an exchange of two blocks, or a move or change of one, or none, and some connections.
    # Another way of as many edits is as good: one block moved and one changed.
    old, new = set(connections(difference.before)), set(connections(difference.after))
    num_connections = len(difference.added_connections) + len(difference.removed_connections)
    num_blocks = len(difference.changed) + len(difference.moved)
    assert num_connections + num_blocks <= len(old ^ new) + 2


@given(spaces_with_genotypes(), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_a_renumbered_network_keeps_most_connections(drawn: SpaceAndGenotype, seed: int) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    first, rng = spec.num_stem_blocks, Random(seed)
    left, order = set(range(first, len(spec.all_blocks))), list[int]()
    while left:
        # Outputs stay in their order: orphans join by it, and the outputs come last.
        ready = [k for k in sorted(left) if not left & set(spec.all_blocks[k].parents)]
        inner = [k for k in ready if not spec.all_blocks[k].is_output]
        chosen = rng.choice(inner) if inner else min(left)
        order.append(chosen)
        left.remove(chosen)
    difference = compare(spec, permuted(spec, order))
    assert len(difference.kept_connections) == len(connections(spec))
    assert not difference.changed
