"""Proposals, suppression and pooling of regions."""

import math

import pytest
import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign, batched_nms

from trainer.model.anchors import areas, decode
from trainer.model.regions import best_boxes, clipped, pool_regions, propose, region_levels

LEVELS = (3, 4, 5, 6, 7)


def random_boxes(num_boxes: int, size: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner_N2 = torch.rand(num_boxes, 2, generator=generator) * size * 0.7
    return torch.cat([corner_N2, corner_N2 + 1 + torch.rand(num_boxes, 2, generator=generator) * size * 0.3], dim=1)


def test_best_boxes_equal_torchvision() -> None:
    boxes_N4, generator = random_boxes(300, 64.0), torch.Generator().manual_seed(1)
    scores_N = torch.rand(300, generator=generator)
    groups_N = torch.randint(0, 3, (300,), generator=generator)
    expected_D = batched_nms(boxes_N4, scores_N, groups_N, 0.5)
    assert len(expected_D) > 60
    index_P, is_real_P = best_boxes(boxes_N4, scores_N, groups_N, 0.5, 40)
    assert torch.equal(index_P, expected_D[:40])
    assert bool(is_real_P.all())


def test_best_boxes_are_filled_up() -> None:
    boxes_N4 = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [8, 8, 8, 9], [0, 0, 4, 4]])
    scores_N, groups_N = torch.tensor([0.2, 0.9, 0.8, 0.1]), torch.tensor([0, 0, 0, 1])
    index_P, is_real_P = best_boxes(boxes_N4, scores_N, groups_N, 0.5, 6)
    # Box 0 is suppressed by 1, box 2 is empty, box 3 is the same place in another group.
    assert index_P[is_real_P].tolist() == [1, 3]
    assert is_real_P.tolist() == [True, True, False, False, False, False]


def test_boxes_are_clipped_by_side() -> None:
    boxes_N4 = torch.tensor([[-3.0, -2, 50, 70], [41, 10, 60, 20]])
    assert clipped(boxes_N4, (30, 40)).tolist() == [[0, 0, 40, 30], [40, 10, 40, 20]]


def test_proposals_equal_a_plain_loop() -> None:
    by_level, count, size = (200, 50, 3), 20, (60, 90)
    generator = torch.Generator().manual_seed(0)
    anchors_A4 = random_boxes(sum(by_level), 64.0)
    scores_BA = torch.randn(2, sum(by_level), generator=generator)
    deltas_BA4 = torch.randn(2, sum(by_level), 4, generator=generator) * 0.3
    proposals_BP4 = propose(scores_BA, deltas_BA4, anchors_A4, by_level, size, count)
    assert proposals_BP4.shape == (2, count, 4)
    for b in range(2):
        boxes, scores, levels, first = [], [], [], 0
        for level, num_anchors in enumerate(by_level):
            anchors_N = torch.arange(first, first + num_anchors)
            best_N = anchors_N[scores_BA[b, anchors_N].argsort(descending=True)[:count]]
            boxes.append(clipped(decode(deltas_BA4[b, best_N], anchors_A4[best_N]), size))
            scores.append(scores_BA[b, best_N])
            levels.append(torch.full((len(best_N),), level))
            first += num_anchors
        boxes_C4 = torch.cat(boxes)
        kept_D = batched_nms(boxes_C4, torch.cat(scores), torch.cat(levels), 0.7)
        kept_D = kept_D[areas(boxes_C4[kept_D]) > 0][:count]
        torch.testing.assert_close(proposals_BP4[b], boxes_C4[kept_D])


def test_missing_proposals_are_empty_boxes() -> None:
    anchors_A4 = torch.tensor([[0.0, 0, 8, 8], [16, 16, 24, 24]])
    proposals_BP4 = propose(torch.zeros(1, 2), torch.zeros(1, 2, 4), anchors_A4, (1, 1), (32, 32), 4)
    assert sorted(proposals_BP4[0, :2].tolist()) == [[0, 0, 8, 8], [16, 16, 24, 24]]
    assert proposals_BP4[0, 2:].tolist() == [[0, 0, 0, 0]] * 2


def test_the_level_of_a_region() -> None:
    sides = [1.0, 111.9, 112.1, 223.9, 224.1, 447.9, 448.1, 2000.0, 4000.0]
    boxes_N4 = torch.tensor([[5.0, 7.0, 5 + side, 7 + side] for side in sides])
    # 4 at a side of 224; each doubling is one level; 2000 is 4 + log2(8.9) and 4000 4 + log2(17.9) > 7.
    assert region_levels(boxes_N4, LEVELS).tolist() == [3, 3, 3, 3, 4, 4, 5, 7, 7]
    # The area decides, and an empty box is as small as can be.
    others_N4 = torch.tensor([[0.0, 0, 448, 111], [0, 0, 448, 113], [9, 9, 9, 9]])
    assert region_levels(others_N4, LEVELS).tolist() == [3, 4, 3]
    assert region_levels(boxes_N4, (2, 3)).tolist() == [2, 2, 3, 3, 3, 3, 3, 3, 3]


def test_regions_of_a_ramp_hold_their_own_coordinates() -> None:
    # The feature of pixel (y, x) is its centre's x in image pixels, so a region's bins hold the x of their centres.
    pyramid = []
    for level in LEVELS:
        centres_W = (torch.arange(1024 // 2**level) + 0.5) * 2**level
        pyramid.append(centres_W.expand(2, 1, 1024 // 2**level, -1).contiguous())
    boxes_BP4 = torch.tensor([[[100.0, 100, 170, 170], [200, 300, 620, 720]], [[400, 64, 960, 624], [0, 0, 0, 0]]])
    pooled_RCSS = pool_regions(pyramid, LEVELS, boxes_BP4, 7)
    assert pooled_RCSS.shape == (4, 1, 7, 7)
    for row, (x0, x1) in enumerate([(100, 170), (200, 620), (400, 960)]):
        expected_S = x0 + (torch.arange(7) + 0.5) * (x1 - x0) / 7
        torch.testing.assert_close(pooled_RCSS[row, 0], expected_S.expand(7, 7), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("side", [7, 14])
def test_pooling_equals_torchvision_but_for_its_half_pixel(side: int) -> None:
    pyramid = [torch.randn(2, 3, 512 // 2**level, 512 // 2**level, generator=torch.Generator()) for level in LEVELS]
    boxes_BP4 = torch.stack([random_boxes(20, 500.0, seed) * torch.tensor([1.0]) for seed in (0, 1)])
    pooled_RCSS = pool_regions(pyramid, LEVELS, boxes_BP4, side)
    # torchvision's class does not align: its boxes lie half a pixel of their level further down and right.
    half_R1 = 2.0 ** (region_levels(boxes_BP4.flatten(0, 1), LEVELS) - 1)[:, None]
    pooler = MultiScaleRoIAlign(list("34567"), side, 2)
    moved_R4 = boxes_BP4.flatten(0, 1) - half_R1
    expected_RCSS = pooler(
        dict(zip("34567", pyramid, strict=True)), [moved_R4[:20], moved_R4[20:]], [(512, 512), (512, 512)]
    )
    sides = boxes_BP4.flatten(0, 1)[:, 2:] - boxes_BP4.flatten(0, 1)[:, :2]
    # It also makes boxes at least one pixel of their level wide.
    is_large_R = (sides >= 2 * half_R1).all(dim=1)
    assert int(is_large_R.sum()) > 30
    torch.testing.assert_close(pooled_RCSS[is_large_R], expected_RCSS[is_large_R], rtol=1e-3, atol=1e-3)
    assert math.isfinite(float(pooled_RCSS.sum()))
