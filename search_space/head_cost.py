"""Parameters and multiply-adds of a plan's head: `head_cost(plan) -> ((name, Cost), ...)`."""

from collections.abc import Callable, Sequence

from search_space.heads import BOX_NUMBERS, ClassificationHead, MaskRCNNHead, RetinaNetHead, SegmentationHead
from search_space.operations import Cost, area, convolution, fully_connected, separable_convolution
from search_space.plan import NetworkPlan

Parts = tuple[tuple[str, Cost], ...]
BOX_REGION, MASK_REGION = (7, 7), (14, 14)
MASK_SCALE = 2
"""The transposed convolution doubles the side of a mask region."""


def head_cost(plan: NetworkPlan) -> Parts:
    """The head's parts by name; empty for a plan without a head."""
    match plan.head:
        case None:
            return ()
        case RetinaNetHead() as head:
            return _retinanet(head, plan)
        case MaskRCNNHead() as head:
            return _mask_rcnn(head, plan)
        case ClassificationHead():
            return (("classifier", fully_connected(_channels(plan), plan.num_classes)),)
        case SegmentationHead() as head:
            return _segmentation(head, plan)


def _channels(plan: NetworkPlan) -> int:
    return plan.endpoints[0].out_channels


def _areas(plan: NetworkPlan) -> list[int]:
    return [area(end.size) for end in plan.endpoints]


def _square_convolution(separable: bool) -> Callable[[int, int, int, int], Cost]:
    return separable_convolution if separable else convolution


def _tower(in_channels: int, channels: int, num_convs: int, areas: Sequence[int], *, separable: bool) -> Cost:
    """3x3 convolutions with bias in a row, shared by features of these areas, each with its own batch norms."""
    total = Cost(2 * channels * num_convs * len(areas), 0)
    for position in range(num_convs):
        before = channels if position else in_channels
        total = total.plus(_square_convolution(separable)(3, before, channels, sum(areas)))
    return total


def _retinanet(head: RetinaNetHead, plan: NetworkPlan) -> Parts:
    before, areas = _channels(plan), _areas(plan)
    tower = _tower(before, head.channels, head.num_convs, areas, separable=head.separable)
    last = head.channels if head.num_convs else before
    predict = _square_convolution(head.separable)
    anchors = head.anchors_per_location
    return tuple(
        (name, tower.plus(predict(3, last, anchors * numbers, sum(areas))))
        for name, numbers in (("class subnet", plan.num_classes), ("box subnet", BOX_NUMBERS))
    )


def _mask_rcnn(head: MaskRCNNHead, plan: NetworkPlan) -> Parts:
    before, areas = _channels(plan), _areas(plan)
    rpn = _tower(before, head.rpn_channels, head.num_rpn_convs, areas, separable=head.separable)
    last = head.rpn_channels if head.num_rpn_convs else before
    rpn = rpn.plus(convolution(1, last, head.anchors_per_location * (1 + BOX_NUMBERS), sum(areas)))
    return (("region proposals", rpn), ("box head", _boxes(head, plan)), ("mask head", _masks(head, plan)))


def _boxes(head: MaskRCNNHead, plan: NetworkPlan) -> Cost:
    channels, rows = head.box_channels, head.num_proposals
    regions = [rows * area(BOX_REGION)]
    tower = _tower(_channels(plan), channels, head.num_box_convs, regions, separable=head.separable)
    features = (channels if head.num_box_convs else _channels(plan)) * area(BOX_REGION)
    hidden = fully_connected(features, head.fc_channels, rows).plus(Cost(2 * head.fc_channels))
    return tower.plus(hidden).plus(fully_connected(head.fc_channels, plan.num_classes * (1 + BOX_NUMBERS), rows))


def _masks(head: MaskRCNNHead, plan: NetworkPlan) -> Cost:
    regions, channels = head.num_masks * area(MASK_REGION), head.mask_channels
    tower = _tower(_channels(plan), channels, head.num_mask_convs, [regions], separable=head.separable)
    last = channels if head.num_mask_convs else _channels(plan)
    # Every input pixel meets the whole 2x2 kernel once.
    up = Cost(4 * last * channels + 3 * channels, 4 * last * channels * regions)
    return tower.plus(up).plus(convolution(1, channels, plan.num_classes, regions * MASK_SCALE**2))


def _segmentation(head: SegmentationHead, plan: NetworkPlan) -> Parts:
    size = area(plan.size(3))
    tower = _tower(_channels(plan), head.channels, head.num_convs, [size], separable=head.separable)
    last = head.channels if head.num_convs else _channels(plan)
    return (("segmentation head", tower.plus(convolution(1, last, plan.num_classes, size))),)
