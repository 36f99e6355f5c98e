"""References: what is known about them beyond their cost."""

from collections import Counter

import pytest

from nas_controller.search_config import Reevaluation
from search_space.heads import RetinaNetHead
from search_space.plan import resolve
from search_space.reference import REFERENCES, efficientnet_width, published_target, reference
from search_space.spec import BlockType, Fusion, Resampling

NAMES = (
    *("spinenet-49s", "spinenet-49", "spinenet-96", "spinenet-143", "spinenet-190", "r0-sp53"),
    *("spinenet-mobile-49xs", "spinenet-mobile-49s", "spinenet-mobile-49", "sp-efficientnet-b0"),
    *("eff-spinenet-d0", "eff-spinenet-d1", "eff-spinenet-d2"),
    *("eff-spinenet-m0", "eff-spinenet-m1", "eff-spinenet-m2"),
    *("resnet-50-fpn", "resnet-101-fpn", "resnet-152-fpn"),
    *("efficientnet-b0-fpn", "efficientnet-b1-fpn", "efficientnet-b2-fpn"),
)
EFFICIENT = [name for name in NAMES if name.startswith("eff-spinenet")]


def test_all_published_families_are_there() -> None:
    assert tuple(REFERENCES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_has_its_name_its_source_and_no_dead_block(name: str) -> None:
    assert reference(name).name == name
    assert "arXiv 1912.05027" in REFERENCES[name].source or "arXiv 2010.11426" in REFERENCES[name].source
    assert resolve(reference(name), published_target(name)).num_dead_blocks == 0


def test_a_search_may_measure_any_of_them() -> None:
    assert Reevaluation(references=NAMES).references == NAMES


def head(name: str) -> RetinaNetHead:
    found = published_target(name).head
    assert isinstance(found, RetinaNetHead)
    return found


def test_published_scaling_of_spinenet() -> None:
    repeats = {name: reference(name).blocks[0].repeats for name in NAMES[:5]}
    assert repeats == {"spinenet-49s": 1, "spinenet-49": 1, "spinenet-96": 2, "spinenet-143": 3, "spinenet-190": 4}
    assert reference("spinenet-143").resampling_alpha == 1.0
    assert published_target("spinenet-190").width_scale == 1.3
    assert head("spinenet-190") == RetinaNetHead(channels=512, num_convs=7)


@pytest.mark.parametrize(
    ("name", "image_size", "width_scale", "channels"),
    [
        ("spinenet-mobile-49xs", 256, 0.6, 24),
        ("spinenet-mobile-49s", 384, 0.65, 40),
        ("spinenet-mobile-49", 384, 1.0, 48),
        ("eff-spinenet-d0", 512, 1.0, 64),
        ("eff-spinenet-d1", 640, 1.0, 88),
        ("eff-spinenet-d2", 768, 1.1, 112),
        ("eff-spinenet-m0", 256, 0.4, 24),
        ("eff-spinenet-m1", 384, 0.5, 40),
        ("eff-spinenet-m2", 384, 0.8, 64),
    ],
)
def test_published_scaling_of_mbconv_networks(name: str, image_size: int, width_scale: float, channels: int) -> None:
    target = published_target(name)
    assert (target.image_size, target.width_scale) == (image_size, width_scale)
    num_convs = 4 if "mobile" in name else 3
    assert head(name) == RetinaNetHead(channels=channels, num_convs=num_convs, separable=True)
    assert reference(name).endpoint_channels == channels


def test_layer_count_gives_the_name() -> None:
    # Three layers in a bottleneck, two in a residual block, and two more.
    spec = reference("spinenet-49")
    layers = sum(3 if block.block_type == "bottleneck" else 2 for block in spec.all_blocks)
    assert layers + 2 == 49
    assert 3 * len(reference("r0-sp53").all_blocks) + 2 == 53
    for depth in (50, 101, 152):
        assert 3 * len(reference(f"resnet-{depth}-fpn").all_blocks) + 2 == depth


def test_the_mobile_topology_is_that_of_spinenet_49_behind_one_more_block() -> None:
    # The second stem block of SpineNet-49 is a searched block there, and every index is one higher.
    mobile, dense = reference("spinenet-mobile-49"), reference("spinenet-49")
    assert [block.level for block in mobile.all_blocks] == [1, *(block.level for block in dense.all_blocks)]
    shifted = [tuple(parent + 1 for parent in block.parents) for block in dense.blocks]
    assert [block.parents for block in mobile.blocks[1:]] == shifted
    assert {block.block_type for block in mobile.all_blocks} == {BlockType.MBCONV}
    assert (mobile.resampling, mobile.fusion, mobile.activation) == (Resampling.DEPTHWISE, Fusion.SUM, "swish")


@pytest.mark.parametrize("name", EFFICIENT)
def test_efficient_spinenets_are_d0_scaled(name: str) -> None:
    d0, spec = reference("eff-spinenet-d0"), reference(name)
    assert [block.width for block in spec.all_blocks] == [block.width for block in d0.all_blocks]
    assert (spec.resampling, spec.fusion, spec.se_ratio) == (Resampling.SPACE_TO_DEPTH, Fusion.WEIGHTED, 0.2)
    repeats = Counter(block.repeats for block in spec.all_blocks)
    assert repeats == ({1: 11, 2: 7} if name in ("eff-spinenet-d1", "eff-spinenet-d2") else {1: 18})


def test_d0_is_sp_efficientnet_with_other_widths() -> None:
    base, d0 = reference("sp-efficientnet-b0"), reference("eff-spinenet-d0")
    table = [16, 24, 24, 24, 96, 40, 96, 152, 96, 152, 152, 152, 152, 96, 40, 152, 152, 152]
    assert [base.block_width(block) for block in base.all_blocks] == table
    assert d0.widths == base.widths
    assert [(b.level, b.parents, b.is_output) for b in d0.blocks] == [
        (b.level, b.parents, b.is_output) for b in base.blocks
    ]


def test_efficientnet_scaling() -> None:
    # Table 1 of Tan and Le 2019 for B0; B1 is deeper, B2 deeper and wider.
    blocks = {size: reference(f"efficientnet-{size}-fpn").all_blocks for size in ("b0", "b1", "b2")}
    assert [len(found) for found in blocks.values()] == [16, 23, 23]
    assert [block.width for block in blocks["b0"]][-5:] == [192, 192, 192, 192, 320]
    b2 = [(width, sum(block.width == width for block in blocks["b2"])) for width in (16, 24, 48, 88, 120, 208, 352)]
    assert b2 == [(16, 2), (24, 3), (48, 3), (88, 4), (120, 4), (208, 5), (352, 2)]
    assert reference("efficientnet-b2-fpn").stem.channels == 32
    assert blocks["b0"][0].expansion == 1


@pytest.mark.parametrize(
    ("channels", "scale", "expected"),
    [(16, 1.1, 16), (24, 1.1, 24), (40, 1.1, 48), (80, 1.1, 88), (320, 1.1, 352), (4, 1.0, 8), (20, 0.5, 16)],
)
def test_efficientnet_widths_go_up_where_the_nearest_loses_a_tenth(channels: int, scale: float, expected: int) -> None:
    # 40 * 1.1 = 44 is as near to 40 as to 48; 20 * 0.5 = 10 is nearest to 8, which is less than 9.
    assert efficientnet_width(channels, scale) == expected


def test_an_unknown_name_lists_the_known_ones() -> None:
    for find in (reference, published_target):
        with pytest.raises(ValueError, match="reference 'spinenet-50': unknown; the references are spinenet-49s, "):
            find("spinenet-50")
