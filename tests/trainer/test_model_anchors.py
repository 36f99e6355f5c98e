"""Anchors, matching and box deltas."""

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.ops import box_iou

from search_space.heads import ClassificationHead, Head, MaskRCNNHead, RetinaNetHead
from search_space.plan import TargetNetwork, resolve
from search_space.reference import REFERENCES
from trainer.model.anchors import (
    BACKGROUND,
    IGNORED,
    anchor_boxes,
    anchors_by_level,
    areas,
    assign,
    decode,
    encode,
    intersections,
    match,
)


def random_boxes(*shape: int, seed: int = 0, size: float = 100.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(*shape, 2, generator=generator) * size
    sides = torch.rand(*shape, 2, generator=generator) * size / 2 + 1
    return torch.cat([corner, corner + sides], dim=-1)


def test_anchors_of_a_small_plan() -> None:
    plan = resolve(REFERENCES["spinenet-49"].spec, TargetNetwork(image_size=(70, 100), head=RetinaNetHead()))
    anchors_A4 = anchor_boxes(plan)
    # Rows ceil(70 / 8, 16, 32, 64, 128) = 9, 5, 3, 2, 1; columns ceil(100 / 8, ...) = 13, 7, 4, 2, 1.
    assert anchors_by_level(plan) == (9 * 117, 9 * 35, 9 * 12, 9 * 4, 9)
    assert len(anchors_A4) == sum(anchors_by_level(plan))
    # The first: level 3, centre (4, 4), side 3 * 8, square. The tenth is the next place to the right.
    torch.testing.assert_close(anchors_A4[0], torch.tensor([-8.0, -8.0, 16.0, 16.0]))
    torch.testing.assert_close(anchors_A4[9], torch.tensor([0.0, -8.0, 24.0, 16.0]))
    torch.testing.assert_close(anchors_A4[9 * 13], torch.tensor([-8.0, 0.0, 16.0, 24.0]))
    # The second is twice as wide as high, of the same area.
    wide = anchors_A4[1]
    torch.testing.assert_close((wide[2] - wide[0]) / (wide[3] - wide[1]), torch.tensor(2.0))
    torch.testing.assert_close(areas(wide), torch.tensor(24.0**2))
    # The last: level 7, centre (64, 64), third scale, half as wide as high.
    side = 3 * 128 * 2 ** (2 / 3)
    half_width, half_height = side * 0.5**0.5 / 2, side / 0.5**0.5 / 2
    corners = [64 - half_width, 64 - half_height, 64 + half_width, 64 + half_height]
    torch.testing.assert_close(anchors_A4[-1], torch.tensor(corners))


def test_one_scale_has_the_first_anchors_of_three() -> None:
    spec = REFERENCES["spinenet-49"].spec
    three = anchor_boxes(resolve(spec, TargetNetwork(image_size=70, head=RetinaNetHead())))
    plan = resolve(spec, TargetNetwork(image_size=70, head=MaskRCNNHead()))
    one = anchor_boxes(plan)
    assert anchors_by_level(plan) == (3 * 81, 3 * 25, 3 * 9, 3 * 4, 3)
    assert torch.equal(one.reshape(-1, 3, 4), three.reshape(-1, 9, 4)[:, :3])


@pytest.mark.parametrize("head", [None, ClassificationHead(), RetinaNetHead(anchors_per_location=4)])
def test_heads_without_such_anchors_are_refused(head: Head | None) -> None:
    plan = resolve(REFERENCES["spinenet-49"].spec, TargetNetwork(image_size=70, head=head))
    with pytest.raises(ValueError, match=r"has no anchors|anchors_per_location 4: must be a multiple of 3"):
        anchor_boxes(plan)


def test_overlap_equals_torchvision() -> None:
    boxes_BM4, anchors_A4 = random_boxes(3, 7), random_boxes(40, seed=1)
    shared_BMA = intersections(boxes_BM4, anchors_A4)
    overlap_BMA = shared_BMA / (areas(boxes_BM4)[:, :, None] + areas(anchors_A4) - shared_BMA)
    for b in range(3):
        torch.testing.assert_close(overlap_BMA[b], box_iou(boxes_BM4[b], anchors_A4))


def test_match_equals_torchvision() -> None:
    matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)
    overlap_BMA = torch.rand(20, 5, 30, generator=torch.Generator().manual_seed(0)) ** 2
    matched_BA = match(overlap_BMA, torch.ones(20, 5, dtype=torch.bool))
    for b in range(20):
        assert torch.equal(matched_BA[b], matcher(overlap_BMA[b]))
    assert {BACKGROUND, IGNORED, 0} <= set(matched_BA.flatten().tolist())


def test_padding_matches_nothing() -> None:
    overlap_BMA = torch.ones(1, 2, 3)
    assert match(overlap_BMA, torch.tensor([[False, True]])).tolist() == [[1, 1, 1]]
    assert match(overlap_BMA, torch.tensor([[False, False]])).tolist() == [[BACKGROUND] * 3]


def test_crowd_anchors_are_ignored_unless_positive() -> None:
    anchors_A4 = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [26, 0, 36, 10], [50, 0, 60, 10]])
    # A crowd region from x = 0 to 30: it holds all of anchors 0 and 1, 4 / 10 of anchor 2, nothing of anchor 3.
    boxes_BM4 = torch.tensor([[[0.0, 0, 30, 10], [0.0, 0, 10, 10]]])
    matched_BA = assign(anchors_A4, boxes_BM4, torch.tensor([[0, 0]]), torch.tensor([[True, False]]))
    assert matched_BA.tolist() == [[1, IGNORED, BACKGROUND, BACKGROUND]]


def test_encode_equals_torchvision_and_decode_inverts_it() -> None:
    boxes_N4, anchors_N4 = random_boxes(50), random_boxes(50, seed=1)
    deltas_N4 = encode(boxes_N4, anchors_N4)
    coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    torch.testing.assert_close(deltas_N4, coder.encode_single(boxes_N4, anchors_N4))
    torch.testing.assert_close(decode(deltas_N4, anchors_N4), boxes_N4, rtol=1e-4, atol=1e-3)
    wild_N4 = torch.randn(50, 4, generator=torch.Generator().manual_seed(2)) * 3
    torch.testing.assert_close(decode(wild_N4, anchors_N4), coder.decode_single(wild_N4, anchors_N4))
