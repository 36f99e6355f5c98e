"""Regions of images: proposals, the best of overlapping boxes, and features of boxes. All results have fixed shapes.

A list of boxes that is shorter than asked for is filled up with empty ones (all zero).

Legend: B images, A anchors of all levels, N boxes, C candidates, P regions of an image, R regions of all images,
K classes, 4 = x0, y0, x1, y1 in pixels.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import nms, roi_align

from search_space.plan import Size
from trainer.model.anchors import areas, decode

PROPOSAL_OVERLAP = 0.7
CANONICAL_SIDE, CANONICAL_LEVEL = 224.0, 4
SAMPLES_PER_SIDE = 2


class Chosen(NamedTuple):
    """The best boxes of an image, best first.

    Args:
        index_P: positions among the given boxes.
        is_real_P: False where there were no more.
    """

    index_P: Tensor
    is_real_P: Tensor


def best_boxes(boxes_N4: Tensor, scores_N: Tensor, groups_N: Tensor, max_overlap: float, count: int) -> Chosen:
    """The `count` best boxes after non-maximum suppression inside each group; empty boxes are never chosen.

    Groups are moved apart, so that boxes of different ones do not overlap.
    """
    shift_N1 = (groups_N * (boxes_N4.max() + 1))[:, None]
    kept_D = nms(boxes_N4 + shift_N1, scores_N, max_overlap)
    is_kept_N = torch.zeros_like(groups_N, dtype=torch.bool).index_fill(0, kept_D, True) & (areas(boxes_N4) > 0)
    best = scores_N.masked_fill(~is_kept_N, -math.inf).topk(min(count, len(scores_N)))
    padding = (0, count - len(best.indices))
    return Chosen(functional.pad(best.indices, padding), functional.pad(torch.isfinite(best.values), padding))


def clipped(boxes_N4: Tensor, image_size: Size) -> Tensor:
    """The boxes' parts inside an image, of any number of dimensions before the last."""
    height, width = image_size
    limits_4 = torch.tensor([width, height, width, height], dtype=boxes_N4.dtype, device=boxes_N4.device)
    return torch.minimum(boxes_N4.clamp(min=0), limits_4)


def propose(
    scores_BA: Tensor,
    deltas_BA4: Tensor,
    anchors_A4: Tensor,
    anchors_by_level: Sequence[int],
    image_size: Size,
    count: int,
) -> Tensor:
    """The `count` best regions of each image, (B, P, 4), inside the image (Ren et al. 2015, section 3.3).

    Each level sends its `count` best anchors, and suppression is inside a level.
    """
    index_BC, level_C = _best_of_each_level(scores_BA, anchors_by_level, count)
    deltas_BC4 = torch.take_along_dim(deltas_BA4, index_BC[:, :, None], dim=1)
    boxes_BC4 = clipped(decode(deltas_BC4, anchors_A4[index_BC]), image_size)
    scores_BC = scores_BA.gather(1, index_BC)
    proposals = []
    for boxes_C4, scores_C in zip(boxes_BC4, scores_BC, strict=True):
        index_P, is_real_P = best_boxes(boxes_C4, scores_C, level_C, PROPOSAL_OVERLAP, count)
        proposals.append(boxes_C4[index_P] * is_real_P[:, None])
    return torch.stack(proposals)


def _best_of_each_level(scores_BA: Tensor, anchors_by_level: Sequence[int], count: int) -> tuple[Tensor, Tensor]:
    """Anchors (B, C) and the position of their level (C,)."""
    indices, levels, first = [], [], 0
    for level, scores_BN in enumerate(torch.split(scores_BA, list(anchors_by_level), dim=1)):
        best_BN = scores_BN.topk(min(count, scores_BN.shape[1]), dim=1).indices
        indices.append(best_BN + first)
        levels.append(torch.full_like(best_BN[0], level))
        first += scores_BN.shape[1]
    return torch.cat(indices, dim=1), torch.cat(levels)


def pool_regions(pyramid: list[Tensor], levels: Sequence[int], boxes_BP4: Tensor, side: int) -> Tensor:
    """The features of each region, (R, C, side, side), image by image: RoIAlign on one level (He et al. 2017)."""
    num_images, num_regions = boxes_BP4.shape[:2]
    image_R1 = torch.arange(num_images, device=boxes_BP4.device).repeat_interleave(num_regions)[:, None]
    rows_R5 = torch.cat([image_R1.to(boxes_BP4.dtype), boxes_BP4.flatten(0, 1)], dim=1)
    level_R = region_levels(boxes_BP4.flatten(0, 1), levels)
    pooled_RCSS = pyramid[0].new_zeros(len(rows_R5), pyramid[0].shape[1], side, side)
    for level, feature_BCHW in zip(levels, pyramid, strict=True):
        here_N = torch.where(level_R == level)[0]
        pooled_RCSS[here_N] = roi_align(
            feature_BCHW, rows_R5[here_N], side, 1 / 2**level, SAMPLES_PER_SIDE, aligned=True
        )
    return pooled_RCSS


def region_levels(boxes_N4: Tensor, levels: Sequence[int]) -> Tensor:
    """The pyramid level that each box is pooled from, (N,), int64: floor(4 + log2(sqrt(area) / 224)), at the nearest
    level there is (Lin et al. 2017b, equation 1)."""
    exact_N = CANONICAL_LEVEL + torch.log2(areas(boxes_N4).clamp(min=1).sqrt() / CANONICAL_SIDE)
    return exact_N.floor().clamp(min(levels), max(levels)).long()
