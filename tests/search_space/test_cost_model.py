"""Exact counts: published networks, and single operations by hand."""

from dataclasses import replace

import pytest
from hypothesis import given

from search_space.cost import (
    Cost,
    batch_norm,
    bottleneck,
    convolution,
    convolution_norm,
    cost,
    fpn_level,
    projection,
    residual,
)
from search_space.plan import TargetNetwork, resolve
from search_space.reference import published_target, reference
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes


@pytest.mark.parametrize(
    ("name", "endpoint_channels", "parameters", "multiply_adds"),
    [
        ("spinenet-49", 256, 28_543_383, 85_281_555_200),
        ("spinenet-96", 256, 42_974_871, 265_024_356_352),
        ("spinenet-49s", 128, 11_265_942, 30_778_541_175),
        ("spinenet-49s", 256, 11_944_598, 33_745_248_375),
    ],
)
def test_counted_integers(name: str, endpoint_channels: int, parameters: int, multiply_adds: int) -> None:
    target = replace(published_target(name), endpoint_channels=endpoint_channels)
    report = cost(resolve(reference(name), target))
    assert (report.parameters, report.multiply_adds) == (parameters, multiply_adds)


@pytest.mark.parametrize(
    ("name", "millions", "billions"),
    [
        ("resnet-50-fpn", 34.091, 96.88),
        ("resnet-101-fpn", 53.1, 325.6),  # published 326.3 counts elementwise terms, 0.1 to 0.2 % more
        ("resnet-152-fpn", 68.7, 630.0),  # published 630.5
        ("r0-sp53", 26.06, 94.77),
    ],
)
def test_published_figures(name: str, millions: float, billions: float) -> None:
    report = cost(resolve(reference(name), published_target(name)))
    digits = len(str(millions).split(".")[1]), len(str(billions).split(".")[1])
    assert (round(report.parameters / 1e6, digits[0]), round(report.multiply_adds / 1e9, digits[1])) == (
        millions,
        billions,
    )


def test_spinenet_49_backbone_with_and_without_endpoints() -> None:
    report = cost(resolve(reference("spinenet-49"), published_target("spinenet-49")))
    assert report.backbone == Cost(21_831_488, 28_261_990_400)
    body = Cost(
        report.backbone.parameters - report.endpoints.parameters,
        report.backbone.multiply_adds - report.endpoints.multiply_adds,
    )
    assert body == Cost(20_649_280, 26_866_073_600)


def test_the_papers_proxy() -> None:
    target = TargetNetwork(image_size=512, width_scale=0.25, resampling_alpha=0.25, endpoint_channels=64)
    assert target.head is not None
    target = replace(target, head=replace(target.head, channels=64))
    report = cost(resolve(reference("spinenet-49"), target))
    assert (round(report.parameters / 1e6, 3), round(report.multiply_adds / 1e9, 2)) == (1.964, 5.84)


@given(spaces_with_genotypes())
def test_rows_add_up_and_only_the_size_of_the_image_scales_multiply_adds(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    small, large = (cost(resolve(spec, TargetNetwork(image_size=size))) for size in (256, 512))
    assert sum(row.parameters for row in small.per_block) == small.parameters
    assert sum(row.multiply_adds for row in small.per_block) == small.multiply_adds
    assert small.parameters == large.parameters
    # Every side is even at 512 pixels and doubles with the image up to level 8.
    assert large.multiply_adds == 4 * small.multiply_adds


def test_a_plan_without_head_costs_its_backbone() -> None:
    target = TargetNetwork(image_size=640)
    whole, bare = (cost(resolve(reference("r0-sp53"), t)) for t in (target, replace(target, head=None)))
    assert bare.head == Cost()
    assert bare.backbone == whole.backbone
    assert bare.parameters == bare.backbone.parameters
    assert [row.name for row in whole.per_block[:4]] == ["stem", "block 0", "block 1", "block 2 inputs"]
    assert [row.name for row in whole.per_block[-6:]] == ["P3", "P4", "P5", "P6", "P7", "head"]


def test_single_operations() -> None:
    assert convolution(3, 2, 5, 4) == Cost(90, 1440)
    assert convolution(3, 2, 5, 4, bias=True) == Cost(95, 1440)
    assert batch_norm(5) == Cost(10, 0)
    assert convolution_norm(3, 2, 5, 4) == convolution(3, 2, 5, 4) + batch_norm(5)
    assert projection(8, 8, 1, 4) == Cost()
    assert projection(8, 8, 2, 4) == convolution_norm(1, 8, 8, 4)
    # 1x1 16->4 on 8x8, 3x3 4->4 and 1x1 4->16 on 4x4, projection 1x1 16->16 on 4x4 for the stride.
    weights = 64, 144, 64, 256
    norms = 2 * (4 + 4 + 16 + 16)
    assert bottleneck(16, 4, 16, 2, 8, 4) == Cost(sum(weights) + norms, 64 * 64 + (144 + 64 + 256) * 16)
    assert residual(6, 6, 6, 1, 3) == Cost(2 * (324 + 12), 2 * 324 * 9)
    assert fpn_level(8, 4, 2, is_lateral=True) == Cost(8 * 4 + 4 + 9 * 16 + 4 + 8, (32 + 144) * 4)
    assert fpn_level(4, 4, 2, is_lateral=False) == Cost(144 + 4 + 8, 144 * 4)
