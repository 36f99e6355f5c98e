"""The named spaces have the pools of Table 1 (Du et al. 2020)."""

from collections import Counter

import pytest

from search_space.reference import reference
from search_space.scale_permuted import ScalePermutedSpace
from search_space.spaces import JOINT, SPACES, find_space

# Blocks at levels 2 to 7 of stem and scale-permuted part.
TABLE_1 = {
    "r35-sp18": ((2, 3, 5, 1, 0, 0), (1, 1, 1, 1, 1, 1)),
    "r23-sp30": ((2, 2, 2, 1, 0, 0), (1, 2, 4, 1, 1, 1)),
    "r14-sp39": ((1, 1, 1, 1, 0, 0), (2, 3, 5, 1, 1, 1)),
    "r0-sp53": ((2, 0, 0, 0, 0, 0), (1, 4, 6, 2, 1, 1)),
    "spinenet-49": ((2, 0, 0, 0, 0, 0), (1, 4, 6, 2, 1, 1)),
}


@pytest.mark.parametrize("name", list(TABLE_1))
def test_pools(name: str) -> None:
    space, (stem, permuted) = SPACES[name], TABLE_1[name]
    assert isinstance(space, ScalePermutedSpace)
    levels = range(2, 8)
    stem_counts = Counter(block.level for block in space.stem.blocks)
    outputs = [0, 1, 1, 1, 1, 1]
    assert tuple(stem_counts[level] for level in levels) == stem
    assert tuple(space.pool.count(level) + one for level, one in zip(levels, outputs, strict=True)) == permuted


@pytest.mark.parametrize("name", list(TABLE_1))
def test_the_name_counts_layers(name: str) -> None:
    # r35-sp18: three layers in each bottleneck, two more in the stem of R35, R23 and R14; R0 counts them in SP53.
    if name == "spinenet-49":
        assert SPACES[name].num_searched_blocks == 15
        return
    space = SPACES[name]
    assert isinstance(space, ScalePermutedSpace)
    stem, permuted = (int(part[1:].lstrip("p")) for part in name.split("-"))
    blocks = len(space.stem.blocks), space.num_searched_blocks
    assert (3 * blocks[0] + 2, 3 * blocks[1]) == (stem, permuted) if stem else 3 * sum(blocks) + 2 == permuted


def test_what_each_space_searches() -> None:
    table_1 = {name: ((0,), ["bottleneck"], 1) for name in TABLE_1}
    permuted = [space for space in SPACES.values() if isinstance(space, ScalePermutedSpace)]
    searched = {s.name: (s.adjustments, list(map(str, s.block_types)), len(s.multipliers)) for s in permuted}
    assert searched == {
        **table_1,
        "spinenet-49": ((-1, 0, 1, 2), ["bottleneck", "residual"], 1),
        "spinenet-mbconv": ((-1, 0, 1, 2), ["mbconv"], 1),
        "joint": ((-1, 0, 1, 2), ["bottleneck", "residual", "mbconv"], 5),
    }
    assert {name for name, space in SPACES.items() if space not in permuted} == {"eff-spinenet-b0"}
    assert SPACES["eff-spinenet-b0"].option_counts == (5,) * 18


def test_the_mobile_pool_has_eleven_intermediate_blocks() -> None:
    space = SPACES["spinenet-mbconv"]
    assert isinstance(space, ScalePermutedSpace)
    assert Counter(space.pool) == {2: 1, 3: 1, 4: 5, 5: 4}


@pytest.mark.parametrize("name", ["r0-sp53", "spinenet-49"])
def test_joint_holds_every_architecture_that_spinenet_49_holds(name: str) -> None:
    spec = reference(name)
    assert JOINT.decode(JOINT.encode(spec), name) == spec


def test_an_unknown_space_lists_the_known_ones() -> None:
    assert find_space("r0-sp53") is SPACES["r0-sp53"]
    with pytest.raises(ValueError, match="space 'x': unknown; the spaces are r35-sp18, "):
        find_space("x")
