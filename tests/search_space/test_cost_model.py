"""Exact counts: whole networks that were counted independently, and single operations by hand."""

from dataclasses import replace

import pytest
from hypothesis import given

from search_space.cost import block_layers, bottleneck, cost, edge, endpoint, mbconv, projection, residual, stem_cost
from search_space.heads import ClassificationHead, Head, MaskRCNNHead, RetinaNetHead, SegmentationHead
from search_space.operations import Cost, convolution, convolution_norm, fully_connected, separable_convolution
from search_space.plan import (
    EdgeKind,
    NetworkPlan,
    PlannedBlock,
    PlannedEdge,
    PlannedEndpoint,
    PlannedLayer,
    Size,
    TargetNetwork,
    resolve,
)
from search_space.reference import published_target, reference
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, Fusion, Neck, Resampling
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes


def network(name: str, **changes: object) -> NetworkPlan:
    """The reference at its published target, with fields of the target changed."""
    return resolve(reference(name), replace(published_target(name), **changes))  # type: ignore[arg-type]


def total(plan: NetworkPlan) -> tuple[int, int]:
    report = cost(plan)
    return report.parameters, report.multiply_adds


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
    assert total(network(name, endpoint_channels=endpoint_channels)) == (parameters, multiply_adds)


@pytest.mark.parametrize(
    ("name", "endpoint_channels", "image_size", "head", "parameters", "multiply_adds"),
    [
        ("eff-spinenet-d0", 64, 512, None, 3_309_496, 2_439_671_040),
        ("sp-efficientnet-b0", 64, 512, None, 3_945_410, 2_368_760_320),
        ("eff-spinenet-d0", 256, 224, ClassificationHead(), 3_566_985, 392_061_064),
    ],
)
def test_counted_integers_of_efficient_spinenet_without_space_to_depth(
    name: str, endpoint_channels: int, image_size: int, head: Head | None, parameters: int, multiply_adds: int
) -> None:
    spec = replace(reference(name), resampling=Resampling.DEPTHWISE, endpoint_channels=endpoint_channels)
    target = published_target(name)
    target = replace(target, image_size=image_size, head=head or target.head, num_classes=1000 if head else 91)
    assert total(resolve(spec, target)) == (parameters, multiply_adds)
    # 16 blocks have a weight for each of two inputs, one of them for an orphan too.
    assert total(resolve(replace(spec, fusion=Fusion.SUM), target)) == (parameters - 33, multiply_adds)


def test_spinenet_49_backbone_with_and_without_endpoints() -> None:
    report = cost(network("spinenet-49"))
    assert report.backbone == Cost(21_831_488, 28_261_990_400)
    assert report.backbone.parameters - report.endpoints.parameters == 20_649_280
    assert report.backbone.multiply_adds - report.endpoints.multiply_adds == 26_866_073_600


def test_the_papers_proxy() -> None:
    target = TargetNetwork(
        image_size=512,
        width_scale=0.25,
        resampling_alpha=0.25,
        endpoint_channels=64,
        head=RetinaNetHead(channels=64),
    )
    parameters, multiply_adds = total(resolve(reference("spinenet-49"), target))
    assert (round(parameters / 1e6, 3), round(multiply_adds / 1e9, 2)) == (1.964, 5.84)


@given(spaces_with_genotypes())
def test_rows_add_up_and_only_the_size_of_the_image_scales_multiply_adds(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    # Squeeze-and-excitation works on one pixel whatever the image.
    spec = replace(space.decode(genotype), se_ratio=0.0)
    small, large = (cost(resolve(spec, TargetNetwork(image_size=size))) for size in (256, 512))
    assert sum(row.parameters for row in small.per_block) == small.parameters
    assert sum(row.multiply_adds for row in small.per_block) == small.multiply_adds
    assert small.parameters == large.parameters
    # Every side is even at 512 pixels and doubles with the image up to level 8.
    assert large.multiply_adds == 4 * small.multiply_adds


def test_height_and_width_count_alike_and_a_square_may_be_given_either_way() -> None:
    square, pair, wide, tall = (
        total(network("eff-spinenet-d0", image_size=size)) for size in (512, (512, 512), (256, 512), (512, 256))
    )
    assert square == pair
    assert wide == tall
    assert wide[0] == square[0]
    assert 2 * wide[1] > square[1] > 1.99 * wide[1]  # half the pixels; squeeze-and-excitation stays


def test_a_plan_without_head_costs_its_backbone() -> None:
    whole, bare = cost(network("r0-sp53")), cost(network("r0-sp53", head=None))
    assert bare.head == Cost()
    assert bare.backbone == whole.backbone
    assert bare.parameters == bare.backbone.parameters
    assert [row.name for row in whole.per_block[:4]] == ["stem", "block 0", "block 1", "block 2 inputs"]
    assert [row.name for row in whole.per_block[-7:]] == ["P3", "P4", "P5", "P6", "P7", "class subnet", "box subnet"]


def test_convolutions_and_layers() -> None:
    assert convolution(3, 2, 5, 16) == Cost(90 + 5, 90 * 16)
    assert convolution_norm(3, 2, 5, 16) == Cost(90 + 10, 90 * 16)
    assert separable_convolution(3, 2, 5, 16) == Cost(18 + 10 + 5, 28 * 16)
    assert fully_connected(2, 5, rows=7) == Cost(15, 70)
    assert Cost(1, 2).plus(Cost(3, 4)).times(2) == Cost(8, 12)


def layer(
    in_channels: int, mid: int, out_channels: int, *, stride: int = 1, in_size: Size, size: Size, squeeze: int = 0
) -> PlannedLayer:
    return PlannedLayer(in_channels, mid, out_channels, squeeze, stride, in_size, size)


def test_bottleneck_and_residual() -> None:
    # 1x1 16->4 on 8x6, 3x3 4->4 and 1x1 4->16 on 4x3, projection 1x1 16->16 on 4x3 for the stride.
    strided = layer(16, 4, 16, stride=2, in_size=(8, 6), size=(4, 3))
    norms = 2 * (4 + 4 + 16 + 16)
    assert bottleneck(strided) == Cost(64 + 144 + 64 + 256 + norms, 64 * 48 + (144 + 64 + 256) * 12)
    assert projection(strided) == convolution_norm(1, 16, 16, 12)
    flat = layer(6, 6, 6, in_size=(3, 3), size=(3, 3))
    assert projection(flat) == Cost()
    assert residual(flat) == Cost(2 * (324 + 12), 2 * 324 * 9)


def test_mbconv() -> None:
    # 1x1 4->24 on 8x6; 5x5 depthwise and 1x1 24->10 on 4x3; 24->2->24 with biases on one pixel.
    strided = layer(4, 24, 10, stride=2, in_size=(8, 6), size=(4, 3), squeeze=2)
    weights = 96 + 25 * 24 + 240
    squeeze = 24 * 2 + 2 + 2 * 24 + 24
    norms = 2 * (24 + 24 + 10)
    assert mbconv(5, strided) == Cost(weights + squeeze + norms, 96 * 48 + (600 + 240) * 12 + 96)
    # Without expansion there is no first 1x1.
    assert mbconv(3, layer(4, 4, 4, in_size=(4, 3), size=(4, 3))) == Cost(36 + 16 + 16, 52 * 12)


def test_only_the_first_copy_of_a_block_changes_channels() -> None:
    first = layer(4, 24, 10, in_size=(4, 3), size=(4, 3))
    again = layer(10, 60, 10, in_size=(4, 3), size=(4, 3))
    block = PlannedBlock(
        index=0, level=2, block_type=BlockType.MBCONV, kernel=3, width=10, layers=(first, again, again), is_stem=True
    )
    assert block_layers(block) == mbconv(3, first).plus(mbconv(3, again).times(2))


def joined(kind: EdgeKind, mid: int, levels_down: int) -> PlannedEdge:
    """From 3 channels at 7x9 to 5 channels, so many levels down; sides are rounded up."""
    sizes = {-1: (14, 18), 0: (7, 9), 1: (4, 5), 2: (2, 3)}
    return PlannedEdge(0, kind, 3, mid, 5, levels_down, sizes[0], sizes[levels_down])


def test_edges() -> None:
    assert edge(joined(EdgeKind.RAW, 3, 0)) == Cost()
    # CONV: 1x1 3->2 on 63 pixels, 3x3 2->2 on 20 whatever is pooled after it, 1x1 2->5.
    assert edge(joined(EdgeKind.CONV, 2, 0)) == Cost(6 + 4 + 10 + 10, 6 * 63 + 10 * 63)
    assert edge(joined(EdgeKind.CONV, 2, -1)) == Cost(30, 6 * 63 + 10 * 252)
    assert edge(joined(EdgeKind.CONV, 2, 2)) == Cost(30 + 36 + 4, 6 * 63 + 36 * 20 + 10 * 6)
    # DEPTHWISE: 3x3 on 3 channels for each level, on 20 and 6 pixels; 1x1 3->5.
    assert edge(joined(EdgeKind.DEPTHWISE, 3, -1)) == Cost(15 + 10, 15 * 252)
    assert edge(joined(EdgeKind.DEPTHWISE, 3, 2)) == Cost(2 * (27 + 6) + 25, 27 * 20 + 27 * 6 + 15 * 6)
    # SPACE_TO_DEPTH: the first level only moves, to 12 channels; 3x3 on these for the second; 1x1 12->5.
    assert edge(joined(EdgeKind.SPACE_TO_DEPTH, 12, 1)) == Cost(60 + 10, 60 * 20)
    assert edge(joined(EdgeKind.SPACE_TO_DEPTH, 12, 2)) == Cost(108 + 24 + 70, 108 * 6 + 60 * 6)


def test_fusion_weights_are_parameters() -> None:
    added, weighted = (
        cost(resolve(replace(reference("spinenet-49"), fusion=fusion), TargetNetwork(image_size=640)))
        for fusion in (Fusion.SUM, Fusion.WEIGHTED)
    )
    assert weighted.parameters - added.parameters == 15 * 2 + 1  # one block has an orphan as third input
    assert weighted.multiply_adds == added.multiply_adds


def test_stem_and_endpoints() -> None:
    assert stem_cost(reference("spinenet-49"), 64, (5, 4)) == convolution_norm(7, 3, 64, 20)
    assert stem_cost(reference("eff-spinenet-d0"), 16, (5, 4)) == convolution_norm(3, 3, 16, 20)
    lateral = PlannedEndpoint(3, 1, 8, 4, (2, 3), (2, 3))
    above = PlannedEndpoint(6, None, 4, 4, (2, 3), (1, 2))
    assert endpoint(lateral, Neck.ENDPOINTS) == Cost(32 + 8, 32 * 6)
    assert endpoint(lateral, Neck.FPN) == Cost(32 + 4 + 144 + 4 + 8, (32 + 144) * 6)
    assert endpoint(above, Neck.FPN) == Cost(144 + 4 + 8, 144 * 2)
    assert endpoint(lateral, Neck.SEPARABLE_FPN) == Cost(32 + 4 + 36 + 16 + 4 + 8, (32 + 36 + 16) * 6)


SMALL = ArchitectureSpec(
    name="two levels",
    blocks=(BlockSpec(3, parents=(0, 1), is_output=True), BlockSpec(4, parents=(0, 1), is_output=True)),
    endpoint_channels=4,
    max_level=4,
)
P3, P4 = 8 * 8, 4 * 4  # pixels at an image of 64


def head_of(head: Head, num_classes: int) -> Cost:
    return cost(resolve(SMALL, TargetNetwork(image_size=64, head=head, num_classes=num_classes))).head


def test_retinanet_heads() -> None:
    # Two subnets: 3x3 4->6 with bias and batch norm on each of two levels, 3x3 6->2*7 and 6->2*4 with bias.
    head = RetinaNetHead(channels=6, num_convs=1, anchors_per_location=2)
    tower, classes, boxes = 9 * 4 * 6, 9 * 6 * 14, 9 * 6 * 8
    parameters = 2 * (tower + 6 + 2 * 12) + classes + 14 + boxes + 8
    assert head_of(head, 7) == Cost(parameters, (2 * tower + classes + boxes) * (P3 + P4))
    tower, classes, boxes = 9 * 4 + 4 * 6, 9 * 6 + 6 * 14, 9 * 6 + 6 * 8
    parameters = 2 * (tower + 6 + 2 * 12) + classes + 14 + boxes + 8
    assert head_of(replace(head, separable=True), 7) == Cost(parameters, (2 * tower + classes + boxes) * (P3 + P4))


def test_mask_rcnn_head() -> None:
    head = MaskRCNNHead(
        num_rpn_convs=1,
        rpn_channels=5,
        num_box_convs=1,
        box_channels=6,
        fc_channels=10,
        num_mask_convs=1,
        mask_channels=8,
        num_proposals=20,
        num_masks=3,
    )
    proposals = Cost(180 + 5 + 2 * 10 + 5 * 15 + 15, (180 + 75) * (P3 + P4))  # 3 scores and 12 box numbers
    hidden, scores = 6 * 49 * 10, 10 * 2 * 5
    boxes = Cost(216 + 6 + 12 + hidden + 10 + 20 + scores + 10, 20 * (216 * 49 + hidden + scores))
    up, last = 4 * 8 * 8, 8 * 2  # every pixel of 14x14 meets the 2x2 kernel once; 28x28 after it
    masks = Cost(288 + 8 + 16 + up + 8 + 16 + last + 2, 3 * (196 * (288 + up) + 784 * last))
    assert head_of(head, 2) == proposals.plus(boxes).plus(masks)


def test_classification_and_segmentation_heads() -> None:
    assert head_of(ClassificationHead(), 10) == Cost(4 * 10 + 10, 40)
    head = SegmentationHead(channels=6, num_convs=2)
    first, second, last = 9 * 4 * 6, 9 * 6 * 6, 6 * 3
    assert head_of(head, 3) == Cost(first + second + 2 * (6 + 12) + last + 3, (first + second + last) * P3)
