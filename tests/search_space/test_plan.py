"""Every integer of a plan, checked against the papers' rules."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from search_space.graph import feature_inputs, live_features
from search_space.plan import EdgeKind, RetinaNetHead, TargetNetwork, block_width, feature_size, resolve, scaled
from search_space.reference import reference
from search_space.spec import BlockSpec, BlockType
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes

TARGET = TargetNetwork(image_size=640)


@pytest.mark.parametrize(
    ("channels", "scale", "expected"),
    [(64, 0.65, 41), (128, 0.65, 83), (256, 0.65, 166), (64, 1.3, 83), (100, 0.29, 29), (1, 0.25, 1)],
)
def test_widths_are_truncated(channels: int, scale: float, expected: int) -> None:
    assert scaled(channels, scale) == expected


def test_a_multiplier_rounds_to_the_nearest_eight_before_scaling() -> None:
    spec = reference("spinenet-49")
    block = BlockSpec(4, resource_multiplier=0.5, parents=(0, 1))  # 256 * sqrt(0.5) = 181.02 -> 184
    assert block_width(spec, block, 1.0) == 184
    assert block_width(spec, block, 0.25) == 46


@pytest.mark.parametrize("image_size", [32, 97, 224, 640, 1000])
def test_sizes_are_those_of_padded_stride_two_steps(image_size: int) -> None:
    size = image_size
    for level in range(1, 8):
        size = (size + 2 * 1 - 3) // 2 + 1  # kernel 3, padding 1, stride 2
        assert feature_size(image_size, level) == size


@given(spaces_with_genotypes())
def test_a_plan_is_consistent(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    plan = resolve(spec, TARGET)
    by_index = {block.index: block for block in plan.blocks}
    assert set(by_index) == live_features(spec)
    assert plan.num_dead_blocks == len(spec.all_blocks) - len(plan.blocks)
    for block in plan.blocks:
        expansion = 4 if block.block_type is BlockType.BOTTLENECK else 1
        assert block.mid_channels == spec.base_width(block.level)
        assert block.out_channels == expansion * block.mid_channels
        assert block.size == -(-640 // 2**block.level)
        if not block.is_stem:
            assert tuple(edge.source for edge in block.edges) == feature_inputs(spec)[block.index]
        for edge in block.edges:
            source = by_index[edge.source]
            assert edge.in_channels == source.out_channels
            assert edge.out_channels == block.in_channels == block.out_channels
            assert edge.mid_channels == source.mid_channels // 2
            assert edge.levels_down == block.level - source.level
            is_raw = edge.is_orphan and source.out_channels == block.out_channels
            assert edge.kind is (EdgeKind.RAW if is_raw else EdgeKind.RESAMPLE)
    assert [end.level for end in plan.endpoints] == [3, 4, 5, 6, 7]
    for end in plan.endpoints:
        assert end.source is not None
        assert by_index[end.source].is_output
        assert (by_index[end.source].level, by_index[end.source].out_channels) == (end.level, end.in_channels)


def test_an_orphan_is_raw_where_channels_agree_and_resampled_where_not() -> None:
    spec = reference("spinenet-49")
    orphan_edge = next(block for block in resolve(spec, TARGET).blocks if block.index == 14).edges[-1]
    assert (orphan_edge.source, orphan_edge.is_orphan, orphan_edge.kind) == (11, True, EdgeKind.RAW)
    narrow = replace(spec.blocks[9], block_type=BlockType.RESIDUAL)  # 256 channels against 1024
    spec = replace(spec, blocks=(*spec.blocks[:9], narrow, *spec.blocks[10:]))
    orphan_edge = next(block for block in resolve(spec, TARGET).blocks if block.index == 14).edges[-1]
    assert (orphan_edge.source, orphan_edge.is_orphan, orphan_edge.kind) == (11, True, EdgeKind.RESAMPLE)
    assert (orphan_edge.in_channels, orphan_edge.mid_channels, orphan_edge.out_channels) == (256, 128, 1024)


def test_a_resnet_stem_has_strides_at_new_levels() -> None:
    plan = resolve(reference("resnet-50-fpn"), TARGET)
    assert [block.index for block in plan.blocks if block.stride == 2] == [3, 7, 13]
    assert [(block.in_size, block.size) for block in plan.blocks if block.stride == 2] == [
        (160, 80),
        (80, 40),
        (40, 20),
    ]
    assert plan.blocks[0].in_channels == 64
    assert [(end.source, end.in_channels) for end in plan.endpoints] == [
        (6, 512),
        (12, 1024),
        (15, 2048),
        (None, 256),
        (None, 256),
    ]


def test_the_target_overrides_endpoints_and_alpha_and_scales_widths() -> None:
    target = TargetNetwork(image_size=512, width_scale=0.25, endpoint_channels=64, resampling_alpha=0.25)
    plan = resolve(reference("spinenet-49"), target)
    assert {end.out_channels for end in plan.endpoints} == {64}
    assert plan.stem_channels == 64  # not scaled
    block = next(block for block in plan.blocks if block.index == 4)  # L3: 128 / 4, parents L2: 64 / 4, L4: 256 / 4
    assert block.mid_channels == 32
    assert [edge.mid_channels for edge in block.edges] == [4, 16]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 31}, "image_size 31: must be at least 32"),
        ({"width_scale": 0.0}, "width_scale 0.0: must be above 0"),
        ({"num_classes": 0}, "num_classes 0"),
        ({"endpoint_channels": 0}, "endpoint_channels 0"),
        ({"resampling_alpha": 5.0}, "resampling_alpha 5.0"),
    ],
)
def test_a_target_checks_itself(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TARGET, **settings)


def test_a_head_checks_itself() -> None:
    with pytest.raises(ValueError, match="channels=0"):
        RetinaNetHead(channels=0)
