"""Every integer of a plan, checked against the papers' rules."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.graph import feature_inputs, live_features
from search_space.heads import HEADS, MaskRCNNHead, RetinaNetHead, SegmentationHead, head_name
from search_space.plan import EdgeKind, NetworkPlan, PlannedEdge, TargetNetwork, feature_size, resolve, scaled
from search_space.reference import published_target, reference
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, Resampling, SpecError, nearest_multiple
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
    assert spec.block_width(block) == 184
    assert spec.block_width(replace(block, width=181)) == 181  # a width that is given is taken
    spec = replace(spec, blocks=(*spec.blocks[:3], replace(spec.blocks[3], resource_multiplier=0.5), *spec.blocks[4:]))
    plan = resolve(spec, replace(TARGET, width_scale=0.25))
    assert next(block.width for block in plan.blocks if block.index == 5) == 46  # 184 / 4


@pytest.mark.parametrize("image_size", [32, 97, 224, 640, 1000])
def test_sizes_are_those_of_padded_stride_two_steps(image_size: int) -> None:
    size = image_size
    for level in range(1, 8):
        size = (size + 2 * 1 - 3) // 2 + 1  # kernel 3, padding 1, stride 2
        assert feature_size((image_size, 2 * image_size), level)[0] == size
        assert feature_size((64, image_size), level)[1] == size


@given(spaces_with_genotypes())
def test_a_plan_is_consistent(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    plan = resolve(spec, replace(TARGET, image_size=(320, 640)))
    by_index = {block.index: block for block in plan.blocks}
    assert set(by_index) == live_features(spec)
    assert plan.num_dead_blocks == len(spec.all_blocks) - len(plan.blocks)
    for block in plan.blocks:
        expansion = 4 if block.block_type is BlockType.BOTTLENECK else 1
        assert block.width == spec.block_width(spec.all_blocks[block.index])
        assert block.out_channels == expansion * block.width
        assert block.size == (-(-320 // 2**block.level), -(-640 // 2**block.level))
        if not block.is_stem:
            assert tuple(edge.source for edge in block.edges) == feature_inputs(spec)[block.index]
        for edge in block.edges:
            source = by_index[edge.source]
            assert (edge.in_channels, edge.in_size) == (source.out_channels, source.size)
            assert edge.out_channels == block.in_channels == block.out_channels
            assert (edge.levels_down, edge.out_size) == (block.level - source.level, block.size)
            assert_kind_and_width(spec, edge, source.width)
    assert_endpoints(spec, plan)


def assert_kind_and_width(spec: ArchitectureSpec, edge: PlannedEdge, source_width: int) -> None:
    is_same = edge.levels_down == 0 and edge.in_channels == edge.out_channels
    if is_same and (edge.is_orphan or spec.resampling is Resampling.SPACE_TO_DEPTH):
        assert (edge.kind, edge.mid_channels) == (EdgeKind.RAW, edge.in_channels)
        return
    assert edge.kind is EdgeKind(spec.resampling)
    moved = 4 if spec.resampling is Resampling.SPACE_TO_DEPTH and edge.levels_down > 0 else 1
    is_conv = spec.resampling is Resampling.CONV
    assert edge.mid_channels == (source_width // 2 if is_conv else moved * edge.in_channels)


def assert_endpoints(spec: ArchitectureSpec, plan: NetworkPlan) -> None:
    by_index = {block.index: block for block in plan.blocks}
    assert [end.level for end in plan.endpoints] == [3, 4, 5, 6, 7]
    for end in plan.endpoints:
        assert end.source is not None
        assert by_index[end.source].is_output
        assert (by_index[end.source].level, by_index[end.source].out_channels) == (end.level, end.in_channels)
        assert end.out_channels == spec.endpoint_channels


def test_an_orphan_is_raw_where_channels_agree_and_resampled_where_not() -> None:
    spec = reference("spinenet-49")
    orphan_edge = next(block for block in resolve(spec, TARGET).blocks if block.index == 14).edges[-1]
    assert (orphan_edge.source, orphan_edge.is_orphan, orphan_edge.kind) == (11, True, EdgeKind.RAW)
    narrow = replace(spec.blocks[9], block_type=BlockType.RESIDUAL)  # 256 channels against 1024
    spec = replace(spec, blocks=(*spec.blocks[:9], narrow, *spec.blocks[10:]))
    orphan_edge = next(block for block in resolve(spec, TARGET).blocks if block.index == 14).edges[-1]
    assert (orphan_edge.source, orphan_edge.is_orphan, orphan_edge.kind) == (11, True, EdgeKind.CONV)
    assert (orphan_edge.in_channels, orphan_edge.mid_channels, orphan_edge.out_channels) == (256, 128, 1024)


def test_a_resnet_stem_has_strides_at_new_levels() -> None:
    plan = resolve(reference("resnet-50-fpn"), TARGET)
    strided = [block for block in plan.blocks if block.layers[0].stride == 2]
    assert [block.index for block in strided] == [3, 7, 13]
    assert [(block.layers[0].in_size[0], block.size[0]) for block in strided] == [(160, 80), (80, 40), (40, 20)]
    assert plan.blocks[0].in_channels == 64
    found = [(end.source, end.in_channels) for end in plan.endpoints]
    assert found == [(6, 512), (12, 1024), (15, 2048), (None, 256), (None, 256)]


def test_an_efficientnet_stem_follows_its_table() -> None:
    plan = resolve(reference("efficientnet-b0-fpn"), published_target("efficientnet-b0-fpn"))
    assert (plan.stem_channels, plan.stem_size) == (32, (256, 256))
    widths = [16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320]  # Tan and Le 2019, table 1
    assert [block.out_channels for block in plan.blocks] == widths
    layers = [block.layers[0] for block in plan.blocks]
    assert [index for index, layer in enumerate(layers) if layer.stride == 2] == [1, 3, 5, 11]
    inputs = [32, *widths[:-1]]
    assert [layer.mid_channels for layer in layers] == [32, *(6 * width for width in inputs[1:])]
    assert [layer.squeeze_channels for layer in layers] == [width // 4 for width in inputs]
    assert [block.kernel for block in plan.blocks] == [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]
    assert [(end.source, end.in_channels) for end in plan.endpoints[:3]] == [(4, 40), (10, 112), (15, 320)]


def test_efficient_spinenet_edges() -> None:
    plan = resolve(reference("eff-spinenet-d0"), published_target("eff-spinenet-d0"))
    edges = {(edge.source, block.index): edge for block in plan.blocks for edge in block.edges}
    down = edges[6, 16]  # L4 to L7: the 120 channels of four neighbours each
    assert (down.kind, down.levels_down, down.mid_channels) == (EdgeKind.SPACE_TO_DEPTH, 3, 480)
    up = edges[10, 11]  # L7 to L5
    assert (up.kind, up.levels_down, up.mid_channels) == (EdgeKind.SPACE_TO_DEPTH, -2, 96)
    assert edges[12, 15].is_orphan
    assert edges[12, 15].kind is EdgeKind.RAW  # both 136
    flat = edges[6, 13]  # level 4, of 120 to 104 channels: a 1x1 convolution alone
    assert (flat.kind, flat.levels_down) == (EdgeKind.SPACE_TO_DEPTH, 0)


def test_repeats_follow_the_first_copy() -> None:
    plan = resolve(reference("eff-spinenet-d1"), published_target("eff-spinenet-d1"))
    first, second = next(block for block in plan.blocks if block.index == 1).layers
    assert (first.in_channels, first.mid_channels, first.stride, first.in_size) == (16, 96, 2, (320, 320))
    assert (second.in_channels, second.mid_channels, second.stride, second.in_size) == (24, 144, 1, (160, 160))
    assert (first.squeeze_channels, second.squeeze_channels) == (3, 4)  # a fifth of 16 and 24


def test_the_target_overrides_endpoints_and_alpha_and_scales_widths() -> None:
    target = TargetNetwork(image_size=512, width_scale=0.25, endpoint_channels=64, resampling_alpha=0.25)
    plan = resolve(reference("spinenet-49"), target)
    assert {end.out_channels for end in plan.endpoints} == {64}
    assert plan.stem_channels == 64  # not scaled
    block = next(block for block in plan.blocks if block.index == 4)  # L3: 128 / 4, parents L2: 64 / 4, L4: 256 / 4
    assert block.width == 32
    assert [edge.mid_channels for edge in block.edges] == [4, 16]


def test_a_stem_of_one_convolution_is_scaled() -> None:
    plan = resolve(reference("eff-spinenet-m0"), published_target("eff-spinenet-m0"))
    assert plan.stem_channels == 6  # 16 * 0.4 truncated
    scaled_widths = [int(width * 0.4) for width in (16, 24, 16, 16, 104, 48)]
    assert [block.width for block in plan.blocks[:6]] == scaled_widths


def test_level_seven_needs_64_pixels() -> None:
    assert resolve(reference("spinenet-49"), TargetNetwork(image_size=(64, 640))).size(7) == (1, 5)


@pytest.mark.parametrize("image_size", [63, (32, 640), (640, 32)])
def test_an_image_too_small_for_a_level_is_refused_with_block_level_and_range(image_size: Any) -> None:
    side = min(TargetNetwork(image_size=image_size).height_and_width)
    message = f"^block 9: level 7: an image of {side} pixels holds levels 1 to 6$"
    with pytest.raises(SpecError, match=message):
        resolve(reference("spinenet-49"), TargetNetwork(image_size=image_size))


def test_an_image_too_small_for_a_pyramid_level_is_refused() -> None:
    with pytest.raises(SpecError, match=r"^endpoint P7: an image of 48 pixels holds levels 1 to 6$"):
        resolve(reference("resnet-50-fpn"), TargetNetwork(image_size=48))


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


@pytest.mark.parametrize(
    ("head", "settings", "message"),
    [
        (RetinaNetHead, {"channels": 0}, "channels 0: must be an integer, 1 or more"),
        (RetinaNetHead, {"num_convs": -1}, "num_convs -1: must be an integer, 0 or more"),
        (MaskRCNNHead, {"num_proposals": 0}, "num_proposals 0: must be an integer, 1 or more"),
        (SegmentationHead, {"channels": 2.5}, "channels 2.5: must be an integer"),
    ],
)
def test_a_head_checks_itself(head: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        head(**settings)


def test_heads_have_names() -> None:
    assert [head_name(kind()) for kind in HEADS.values()] == list(HEADS)
    assert head_name(None) == "none"


@given(st.floats(0.01, 1e4), st.integers(1, 64))
def test_the_nearest_multiple_is_nearest(channels: float, divisor: int) -> None:
    found = nearest_multiple(channels, divisor)
    assert found % divisor == 0
    assert found >= divisor
    assert abs(found - channels) <= divisor / 2 or (found == divisor and channels < divisor)
