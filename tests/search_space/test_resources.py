"""Equation 4 by hand, the published widths, and budgets met exactly."""

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.budget import FlopsBudget, backbone_multiply_adds, decode_within, own_budget
from search_space.cost import cost
from search_space.decisions import random_genotype
from search_space.plan import TargetNetwork, resolve
from search_space.reference import reference
from search_space.resources import base_multiply_adds, shared_by_paper, shared_exactly
from search_space.spaces import EFF_SPINENET_B0, JOINT, MULTIPLIERS
from search_space.spec import BlockSpec, BlockType
from tests.search_space.strategies import genotypes

TARGET = TargetNetwork(image_size=640, head=None)


def test_base_cost_is_the_formula_of_each_type() -> None:
    # Equation 2: h*w * e*f * (2*f + k**2).
    assert base_multiply_adds(BlockSpec(3, BlockType.MBCONV), 40, 64 * 64) == 4096 * 6 * 40 * (80 + 9)
    assert base_multiply_adds(BlockSpec(3, BlockType.MBCONV, kernel=5, expansion=1), 40, 1) == 40 * (80 + 25)
    # 1x1 4C->C, 3x3 C->C, 1x1 C->4C; and two 3x3 C->C.
    assert base_multiply_adds(BlockSpec(3, BlockType.BOTTLENECK), 128, 1) == (4 + 9 + 4) * 128**2
    assert base_multiply_adds(BlockSpec(3, BlockType.RESIDUAL), 128, 1) == 18 * 128**2


@pytest.mark.parametrize("block_type", list(BlockType))
def test_base_cost_is_the_counted_one_without_squeeze_and_excitation(block_type: BlockType) -> None:
    spec = replace(reference("spinenet-49"), se_ratio=0.0)
    spec = spec.with_blocks([*spec.stem.blocks, *(replace(block, block_type=block_type) for block in spec.blocks)])
    rows = {row.name: row.multiply_adds for row in cost(resolve(spec, TARGET)).per_block}
    for index, block in enumerate(spec.all_blocks):
        if index >= 2:
            pixels = (640 >> block.level) ** 2
            assert rows[f"block {index}"] == base_multiply_adds(block, spec.base_width(block.level), pixels)


def test_equal_multipliers_change_nothing() -> None:
    genotype = (2,) * EFF_SPINENET_B0.genotype_length
    settled = shared_by_paper(EFF_SPINENET_B0.decode(genotype), TARGET)
    assert [block.width for block in settled.all_blocks] == [
        EFF_SPINENET_B0.template.base_width(block.level) for block in settled.all_blocks
    ]


def test_the_published_widths_come_out_of_sp_efficientnet_b0() -> None:
    # Du et al. 2020b, Table 1, the column of Efficient SpineNet-D0.
    published = [16, 24, 16, 16, 104, 48, 120, 40, 120, 168, 96, 192, 136, 104, 40, 136, 136, 40]
    shares = [0.5, 0.5, 0.25, 0.25, 0.75, 1, 1, 0.05, 1, 0.75, 0.25, 1, 0.5, 0.75, 0.75, 0.5, 0.5, 0.05]
    genotype = tuple(MULTIPLIERS.index(share) for share in shares)
    spec = shared_by_paper(EFF_SPINENET_B0.decode(genotype), EFF_SPINENET_B0.target)
    assert [block.width for block in spec.all_blocks] == published
    assert spec == reference("eff-spinenet-d0").renamed("")
    assert EFF_SPINENET_B0.encode(reference("eff-spinenet-d0")) == genotype


@given(genotypes(EFF_SPINENET_B0))
def test_equation_4_by_hand(genotype: tuple[int, ...]) -> None:
    spec = EFF_SPINENET_B0.decode(genotype)
    base = [spec.base_width(block.level) for block in spec.all_blocks]
    shares = [MULTIPLIERS[index] for index in genotype]
    costs = [
        (640 / 2**block.level) ** 2 * 6 * width * (2 * width + 9)
        for block, width in zip(spec.all_blocks, base, strict=True)
    ]
    factor = sum(costs) / sum(share * one for share, one in zip(shares, costs, strict=True))
    settled = shared_by_paper(spec, TARGET)
    for block, width, share in zip(settled.all_blocks, base, shares, strict=True):
        exact = math.sqrt(share * factor) * width
        assert block.width is not None
        assert block.width % 8 == 0
        assert block.width == 8 or abs(block.width - exact) <= 4 + 1e-9


@pytest.mark.parametrize("number", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_joint_genotypes_are_within_one_percent(number: int) -> None:
    rng, budget = Random(2026), own_budget(JOINT, TARGET)
    assert budget.tolerance == 0.01
    for _ in range(number):
        spec = decode_within(JOINT, random_genotype(JOINT, rng), TARGET, budget)
        assert budget.contains(backbone_multiply_adds(spec, TARGET))


@given(genotypes(JOINT), st.sampled_from([320, 512, 640]), st.floats(0.6, 2.0), st.sampled_from([0.5, 1.0]))
def test_any_sensible_budget_is_met_with_widths_near_the_asked_ratios(
    genotype: tuple[int, ...], image_size: int, of_spinenet: float, width_scale: float
) -> None:
    target = TargetNetwork(image_size=image_size, head=None, width_scale=width_scale)
    centre = round(of_spinenet * backbone_multiply_adds(reference("spinenet-49"), target))
    spec = decode_within(JOINT, genotype, target, FlopsBudget(centre, 0.05))
    assert abs(backbone_multiply_adds(spec, target) - centre) <= 0.01 * centre
    widths = [block.width or 0 for block in spec.all_blocks]
    asked = [spec.base_width(block.level) * math.sqrt(block.resource_multiplier) for block in spec.all_blocks]
    factor = math.prod(width / exact for width, exact in zip(widths, asked, strict=True)) ** (1 / len(asked))
    for width, exact in zip(widths, asked, strict=True):
        assert width % 8 == 0
        assert abs(width - factor * exact) <= 24 + 0.15 * factor * exact
    assert JOINT.encode(spec) == JOINT.encode(JOINT.decode(genotype))


def test_a_budget_out_of_reach_is_answered_with_the_narrowest_network() -> None:
    spec = shared_exactly(JOINT.decode((0,) * JOINT.genotype_length), TARGET, 1000, 0.01)
    assert {block.width for block in spec.all_blocks} == {8}
