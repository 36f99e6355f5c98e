"""Anchor boxes, which object each of them answers for, and boxes as deltas from them.

Legend: B images, M boxes of an image (padding included), A anchors of all levels, 4 = x0, y0, x1, y1 in pixels,
or the deltas dx, dy, dw, dh.
"""

import math

import torch
from torch import Tensor

from search_space.heads import MaskRCNNHead, RetinaNetHead
from search_space.operations import area
from search_space.plan import NetworkPlan, Size

ANCHOR_SCALE = 3.0
ASPECT_RATIOS = (1.0, 2.0, 0.5)  # width by height

POSITIVE_OVERLAP = 0.5
NEGATIVE_OVERLAP = 0.4
CROWD_OVERLAP = 0.5

BACKGROUND = -1
IGNORED = -2

MAX_LOG_RATIO = math.log(1000.0 / 16.0)  # a decoded side is at most 62.5 times the anchor's


def anchor_boxes(plan: NetworkPlan, *, scale: float = ANCHOR_SCALE, centre: float = 0.5) -> Tensor:
    """All anchors (A, 4), float32: level by level, row by row, column by column, all of a place together.

    A place has so many scales times three aspect ratios of equal area. Sides of scale i of n are `scale` strides times
    2**(i / n) (three scales: Lin et al. 2017; base scale 3 as in the published SpineNet configurations). Anchors
    may reach beyond the image.

    torchvision has scale 4, centre 0, sides rounded to whole even pixels, and all scales of an aspect ratio together.

    Args:
        centre: where the first place of a level lies, in strides from the image's corner.

    Raises:
        ValueError: a head without anchors, or whose number of them is no multiple of the aspect ratios.
    """
    num_scales = _num_scales(plan)
    return torch.cat(
        [_level_anchors(endpoint.level, endpoint.size, num_scales, scale, centre) for endpoint in plan.endpoints]
    )


def anchors_by_level(plan: NetworkPlan) -> tuple[int, ...]:
    """Number of anchors of each level, in the order of `anchor_boxes`; raises like it."""
    anchors_of_place = _num_scales(plan) * len(ASPECT_RATIOS)
    return tuple(area(endpoint.size) * anchors_of_place for endpoint in plan.endpoints)


def _num_scales(plan: NetworkPlan) -> int:
    head = plan.head
    if not isinstance(head, RetinaNetHead | MaskRCNNHead):
        raise ValueError(f"head {head}: has no anchors")
    num_scales, rest = divmod(head.anchors_per_location, len(ASPECT_RATIOS))
    if rest:
        raise ValueError(
            f"anchors_per_location {head.anchors_per_location}: must be a multiple of {len(ASPECT_RATIOS)}"
        )
    return num_scales


def _level_anchors(level: int, size: Size, num_scales: int, scale: float, centre: float) -> Tensor:
    stride = 2**level
    sides = [scale * stride * 2 ** (i / num_scales) for i in range(num_scales)]
    half_N2 = torch.tensor(
        [[side * math.sqrt(ratio) / 2, side / math.sqrt(ratio) / 2] for side in sides for ratio in ASPECT_RATIOS]
    )
    y_H, x_W = ((torch.arange(count, dtype=torch.float32) + centre) * stride for count in size)
    y_HW, x_HW = torch.meshgrid(y_H, x_W, indexing="ij")
    centre_HW12 = torch.stack([x_HW, y_HW], dim=2)[:, :, None, :]
    return torch.cat([centre_HW12 - half_N2, centre_HW12 + half_N2], dim=3).reshape(-1, 4)


def intersections(boxes_BM4: Tensor, anchors_A4: Tensor) -> Tensor:
    """Area of each box's overlap with each anchor, (B, M, A), in square pixels."""
    x0, y0, x1, y1 = (side_BM[:, :, None] for side_BM in boxes_BM4.unbind(2))
    anchor_x0, anchor_y0, anchor_x1, anchor_y1 = anchors_A4.t().contiguous()  # read in a row, M times
    width_BMA = (torch.minimum(x1, anchor_x1) - torch.maximum(x0, anchor_x0)).clamp_(min=0)
    height_BMA = (torch.minimum(y1, anchor_y1) - torch.maximum(y0, anchor_y0)).clamp_(min=0)
    return width_BMA.mul_(height_BMA)


def areas(boxes_N4: Tensor) -> Tensor:
    """Area of each box, of shape boxes.shape[:-1]."""
    return (boxes_N4[..., 2] - boxes_N4[..., 0]) * (boxes_N4[..., 3] - boxes_N4[..., 1])


def match(
    overlap_BMA: Tensor,
    is_object_BM: Tensor,
    high: float = POSITIVE_OVERLAP,
    low: float = NEGATIVE_OVERLAP,
) -> Tensor:
    """For each anchor the object it answers for, `BACKGROUND`, or `IGNORED`; (B, A), int64.

    An anchor takes the object of largest overlap (IoU) where that is `high` or more; from `low` to `high` it is
    ignored. An anchor that is an object's best one takes its own largest overlap however small, so that each
    object has an anchor (Ren et al. 2015, section 3.1.2; torchvision's Matcher with low-quality matches). An object
    that overlaps no anchor has none; torchvision makes every anchor that it does not overlap positive.
    """
    overlap_BMA = overlap_BMA.masked_fill(~is_object_BM[:, :, None], 0.0)
    largest_BA, object_BA = overlap_BMA.max(dim=1)
    best_BM1 = overlap_BMA.amax(dim=2, keepdim=True).clamp_(min=torch.finfo(overlap_BMA.dtype).tiny)
    is_best_BA = (overlap_BMA - best_BM1).amax(dim=1) >= 0  # reductions of booleans are slow on a CPU
    weak_BA = torch.where(largest_BA < low, BACKGROUND, IGNORED)
    return torch.where((largest_BA >= high) | is_best_BA, object_BA, weak_BA)


def assign(
    anchors_A4: Tensor,
    boxes_BM4: Tensor,
    labels_BM: Tensor,
    crowd_BM: Tensor,
    high: float = POSITIVE_OVERLAP,
    low: float = NEGATIVE_OVERLAP,
    crowd_overlap: float = CROWD_OVERLAP,
) -> Tensor:
    """For each anchor the index of its box, `BACKGROUND`, or `IGNORED`; (B, A), int64.

    Anchors with `crowd_overlap` of their area or more in a crowd region are not negative: they are ignored. torchvision
    knows no crowd regions; with `crowd_overlap` above 1 they have no effect here either.
    """
    shared_BMA = intersections(boxes_BM4, anchors_A4)
    anchor_areas_A = areas(anchors_A4)
    union_BMA = areas(boxes_BM4)[:, :, None] + anchor_areas_A - shared_BMA
    is_real_BM = labels_BM >= 0
    matched_BA = match(shared_BMA / union_BMA, is_real_BM & ~crowd_BM, high, low)
    in_crowd_BA = shared_BMA.masked_fill(~(is_real_BM & crowd_BM)[:, :, None], 0.0).amax(dim=1)
    is_in_crowd_BA = in_crowd_BA >= crowd_overlap * anchor_areas_A
    return torch.where(is_in_crowd_BA & (matched_BA == BACKGROUND), IGNORED, matched_BA)


def encode(boxes_N4: Tensor, anchors_N4: Tensor) -> Tensor:
    """Boxes as deltas from their anchors (Girshick et al. 2014): shift by size, logarithm of the ratio of sides.

    A side below 1e-3 pixels counts as 1e-3, where torchvision's logarithm becomes infinite.
    """
    anchor_size_N2 = anchors_N4[..., 2:] - anchors_N4[..., :2]
    size_N2 = (boxes_N4[..., 2:] - boxes_N4[..., :2]).clamp(min=1e-3)
    shift_N2 = (boxes_N4[..., 2:] + boxes_N4[..., :2] - anchors_N4[..., 2:] - anchors_N4[..., :2]) / 2
    return torch.cat([shift_N2 / anchor_size_N2, (size_N2 / anchor_size_N2).log()], dim=-1)


def decode(deltas_N4: Tensor, anchors_N4: Tensor) -> Tensor:
    """The boxes whose deltas these are; the logarithms are capped at `MAX_LOG_RATIO`."""
    anchor_size_N2 = anchors_N4[..., 2:] - anchors_N4[..., :2]
    centre_N2 = deltas_N4[..., :2] * anchor_size_N2 + (anchors_N4[..., :2] + anchor_size_N2 / 2)
    half_N2 = deltas_N4[..., 2:].clamp(max=MAX_LOG_RATIO).exp() * anchor_size_N2 / 2
    return torch.cat([centre_N2 - half_N2, centre_N2 + half_N2], dim=-1)
