"""Ours against torchvision, function by function, at torchvision's settings; differences on purpose are pinned too.

Legend: B images, M boxes of an image, A anchors, K classes, N boxes, 4 = x0, y0, x1, y1 in pixels or box deltas.
"""

import math
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou, sigmoid_focal_loss

from search_space.heads import RetinaNetHead
from search_space.plan import TargetNetwork, resolve
from search_space.reference import REFERENCES
from tests.trainer.parity import (
    ANCHORS_A4,
    NUM_CLASSES,
    SMALLEST_SIDE,
    TORCHVISION_LOSS,
    batched,
    images_of_boxes,
    indices_with_anchor,
    torchvision_detector,
    torchvision_targets,
)
from trainer.model.anchors import (
    ASPECT_RATIOS,
    BACKGROUND,
    IGNORED,
    MAX_LOG_RATIO,
    anchor_boxes,
    anchors_by_level,
    areas,
    assign,
    decode,
    encode,
    intersections,
)
from trainer.model.loss import DetectionLosses, LossSettings, detection_losses, focal_loss

Images = list[list[list[float]]]
CODER = BoxCoder((1.0, 1.0, 1.0, 1.0), bbox_xform_clip=math.log(1000.0 / 16))
NUM_ANCHORS = len(ANCHORS_A4)


def predictions(num_images: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits_BAK = torch.randn(num_images, NUM_ANCHORS, NUM_CLASSES, generator=generator) * 3
    return logits_BAK.requires_grad_(), torch.randn(num_images, NUM_ANCHORS, 4, generator=generator).requires_grad_()


# Matcher


def torchvision_matches(boxes_M4: Tensor, labels_M: Tensor) -> Tensor:
    """The matcher's answer for one image, on the boxes that overlap an anchor."""
    kept_M = indices_with_anchor(boxes_M4, labels_M)
    if not len(kept_M):
        return torch.full((NUM_ANCHORS,), BACKGROUND)
    matched_A = Matcher(0.5, 0.4, allow_low_quality_matches=True)(box_iou(boxes_M4[kept_M], ANCHORS_A4))
    return torch.where(matched_A >= 0, kept_M[matched_A.clamp(min=0)], matched_A)


@given(images_of_boxes)
def test_matches(images: Images) -> None:
    boxes_BM4, labels_BM, crowd_BM = batched(images)
    matched_BA = assign(ANCHORS_A4, boxes_BM4, labels_BM, crowd_BM, 0.5, 0.4)
    expected = [torchvision_matches(boxes_BM4[b], labels_BM[b]) for b in range(len(images))]
    assert torch.equal(matched_BA, torch.stack(expected))


def test_the_constants_are_torchvisions() -> None:
    assert (BACKGROUND, IGNORED) == (Matcher.BELOW_LOW_THRESHOLD, Matcher.BETWEEN_THRESHOLDS)
    assert CODER.bbox_xform_clip == MAX_LOG_RATIO


def test_an_object_outside_of_all_anchors_has_none_here_and_every_anchor_in_torchvision() -> None:
    outside_M4 = torch.tensor([[5000.0, 5000.0, 5010.0, 5010.0]])
    theirs_A = Matcher(0.5, 0.4, allow_low_quality_matches=True)(box_iou(outside_M4, ANCHORS_A4))
    assert (theirs_A == 0).all()
    ours_BA = assign(ANCHORS_A4, outside_M4[None], torch.tensor([[0]]), torch.tensor([[False]]))
    assert (ours_BA == BACKGROUND).all()


# Box coder, in double precision, where only the formulas can differ


@given(images_of_boxes, st.randoms(use_true_random=False))
def test_box_deltas(images: Images, random: Random) -> None:
    boxes_N4 = torch.tensor([box for boxes in images for box in boxes], dtype=torch.float64).reshape(-1, 4)
    boxes_N4 = boxes_N4[(boxes_N4[:, 2:] - boxes_N4[:, :2]).amin(dim=1) >= SMALLEST_SIDE]
    anchors_N4 = ANCHORS_A4[[random.randrange(NUM_ANCHORS) for _ in boxes_N4]].double().reshape(-1, 4)
    deltas_N4 = encode(boxes_N4, anchors_N4)
    torch.testing.assert_close(deltas_N4, CODER.encode_single(boxes_N4, anchors_N4), rtol=1e-9, atol=1e-9)
    unclipped_N = (deltas_N4[:, 2:] <= MAX_LOG_RATIO).all(dim=1)
    back_N4 = decode(deltas_N4, anchors_N4)[unclipped_N]
    torch.testing.assert_close(back_N4, boxes_N4[unclipped_N], rtol=1e-9, atol=1e-9)


@given(st.lists(st.tuples(*[st.floats(-50, 50)] * 4), min_size=1, max_size=20), st.integers(0, NUM_ANCHORS - 1))
def test_boxes_of_deltas_those_beyond_the_clip_included(deltas: list[tuple[float, ...]], anchor: int) -> None:
    deltas_N4 = torch.tensor(deltas)
    anchors_N4 = ANCHORS_A4[anchor].expand_as(deltas_N4)
    assert torch.equal(decode(deltas_N4, anchors_N4), CODER.decode_single(deltas_N4, anchors_N4))


def test_a_box_without_an_area_has_finite_deltas_here_and_infinite_ones_in_torchvision() -> None:
    flat_N4, anchor_N4 = torch.tensor([[8.0, 8.0, 8.0, 20.0]]), torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    assert CODER.encode_single(flat_N4, anchor_N4)[0, 2] == -torch.inf
    assert encode(flat_N4, anchor_N4)[0, 2].item() == pytest.approx(math.log(SMALLEST_SIDE / 16))


# Focal loss


@given(st.lists(st.tuples(st.floats(-200, 200, width=32), st.booleans()), min_size=1, max_size=50))
def test_focal_loss_and_its_gradient(pairs: list[tuple[float, bool]]) -> None:
    targets_N = torch.tensor([float(is_object) for _, is_object in pairs])
    ours_N, theirs_N = (torch.tensor([logit for logit, _ in pairs], requires_grad=True) for _ in range(2))
    loss = focal_loss(ours_N, targets_N, alpha=0.25, gamma=2.0)
    expected = sigmoid_focal_loss(theirs_N, targets_N, alpha=0.25, gamma=2.0)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-6)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    expected.sum().backward()
    torch.testing.assert_close(ours_N.grad, theirs_N.grad, rtol=1e-4, atol=1e-6)


# Class and box losses of a batch


def torchvision_losses(
    logits_BAK: Tensor, deltas_BA4: Tensor, targets: list[dict[str, Tensor]], loss_type: str = "l1"
) -> DetectionLosses:
    detector = torchvision_detector()
    detector.head.regression_head._loss_type = loss_type
    outputs = {"cls_logits": logits_BAK, "bbox_regression": deltas_BA4}
    losses = detector.compute_loss(targets, outputs, [ANCHORS_A4] * len(targets))
    return DetectionLosses(losses["classification"], losses["bbox_regression"])


@pytest.mark.parametrize(("loss_type", "beta"), [("l1", 0.0), ("smooth_l1", 1.0)])
@given(images=images_of_boxes, seed=st.integers(0, 999))
@settings(max_examples=50)
def test_losses_and_their_gradients(images: Images, seed: int, loss_type: str, beta: float) -> None:
    boxes_BM4, labels_BM, crowd_BM = batched(images)
    recipe = LossSettings(crowd_overlap=2.0, focal_gamma=2.0, box_beta=beta, per_image=True)
    ours, theirs = predictions(len(images), seed), predictions(len(images), seed)
    losses = detection_losses(*ours, ANCHORS_A4, boxes_BM4, labels_BM, crowd_BM, recipe)
    expected = torchvision_losses(*theirs, torchvision_targets(boxes_BM4, labels_BM), loss_type)
    torch.testing.assert_close(losses, expected, rtol=1e-4, atol=1e-5)
    (losses.classes + losses.boxes).backward()  # type: ignore[no-untyped-call]
    (expected.classes + expected.boxes).backward()  # type: ignore[no-untyped-call]
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-5)


OBJECTS: Images = [
    [[4.0, 4.0, 30.0, 28.0], [20.0, 10.0, 60.0, 50.0], [0.0, 0.0, 40.0, 40.0]],
    [],
    [[8.0, 30.0, 20.0, 44.0]],
]


def test_images_without_any_object() -> None:
    boxes_BM4, labels_BM, crowd_BM = batched([[], []])
    ours = predictions(2, 0)
    losses = detection_losses(*ours, ANCHORS_A4, boxes_BM4, labels_BM, crowd_BM, TORCHVISION_LOSS)
    no_objects = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    torch.testing.assert_close(losses, torchvision_losses(*ours, [no_objects] * 2))
    assert losses.boxes == 0


def test_crowd_regions_without_effect_are_crowd_regions_left_out() -> None:
    # torchvision's own training scripts drop crowd regions from the annotations.
    boxes_BM4, labels_BM, crowd_BM = batched(OBJECTS)
    crowd_BM[0, 2] = True
    ours = predictions(3, 1)
    losses = detection_losses(*ours, ANCHORS_A4, boxes_BM4, labels_BM, crowd_BM, TORCHVISION_LOSS)
    labels_BM[0, 2] = -1
    torch.testing.assert_close(losses, torchvision_losses(*ours, torchvision_targets(boxes_BM4, labels_BM)))


def test_a_crowd_region_takes_its_negative_anchors_out_of_the_class_loss_and_nothing_else() -> None:
    boxes_BM4, labels_BM, crowd_BM = batched(OBJECTS)
    crowd_BM[0, 2] = True
    ours = predictions(3, 2)
    recipe = LossSettings(crowd_overlap=0.5, focal_gamma=2.0, box_beta=0.0, per_image=True)
    losses = detection_losses(*ours, ANCHORS_A4, boxes_BM4, labels_BM, crowd_BM, recipe)
    shared_A = intersections(boxes_BM4[:1, 2:], ANCHORS_A4)[0, 0]
    labels_BM[0, 2] = -1
    without = torchvision_losses(*ours, torchvision_targets(boxes_BM4, labels_BM))
    matched_A = torchvision_matches(boxes_BM4[0], labels_BM[0])
    is_out_A = (matched_A == BACKGROUND) & (shared_A >= areas(ANCHORS_A4) / 2)
    assert is_out_A.sum() > 50
    logits_NK = ours[0][0, is_out_A]
    negatives = sigmoid_focal_loss(logits_NK, torch.zeros_like(logits_NK), reduction="sum")
    expected = without.classes - negatives / (matched_A >= 0).sum() / 3
    torch.testing.assert_close(losses.classes, expected)
    torch.testing.assert_close(losses.boxes, without.boxes)


def test_by_default_positives_of_the_whole_batch_divide_and_not_those_of_each_image() -> None:
    # With n_i positives and the loss L_i of image i alone: mean(L_i) in torchvision, sum(n_i L_i) / sum(n_i) here.
    boxes_BM4, labels_BM, crowd_BM = batched([OBJECTS[0], OBJECTS[2]])
    logits_BAK, deltas_BA4 = predictions(2, 3)
    recipe = LossSettings(crowd_overlap=2.0, focal_gamma=2.0, box_beta=0.0)
    losses = detection_losses(logits_BAK, deltas_BA4, ANCHORS_A4, boxes_BM4, labels_BM, crowd_BM, recipe)
    targets = torchvision_targets(boxes_BM4, labels_BM)
    alone = [torchvision_losses(logits_BAK[i : i + 1], deltas_BA4[i : i + 1], targets[i : i + 1]) for i in range(2)]
    counts = [int((torchvision_matches(boxes_BM4[i], labels_BM[i]) >= 0).sum()) for i in range(2)]
    assert counts[0] != counts[1]
    for part, value in zip(zip(*alone, strict=True), losses, strict=True):
        torch.testing.assert_close(value, (counts[0] * part[0] + counts[1] * part[1]) / sum(counts))


# Anchors


IMAGE = 128  # level 7 has one place, so every level has the stride that torchvision divides out


def torchvision_anchors(*, rounded: bool) -> list[Tensor]:
    """By level, (A, 4), in our order of scales and aspect ratios; levels 3 to 7, sides of 4 strides and up."""
    sizes = [[4.0 * 2**level * 2 ** (i / 3) for i in range(3)] for level in range(3, 8)]
    ratios = [1 / ratio for ratio in ASPECT_RATIOS]  # height by width
    generator = AnchorGenerator(tuple(sizes), (ratios,) * 5)
    if not rounded:  # anchors so much larger are rounded too, then made small again
        large = [[side * 2**20 for side in level] for level in sizes]
        generator.cell_anchors = [generator.generate_anchors(level, ratios) / 2**20 for level in large]
    features = [torch.zeros(1, 1, IMAGE // 2**level, IMAGE // 2**level) for level in range(3, 8)]
    images = ImageList(torch.zeros(1, 3, IMAGE, IMAGE), [(IMAGE, IMAGE)])
    levels = generator(images, features)[0].split([9 * feature.numel() for feature in features])
    return [level_A4.reshape(-1, 3, 3, 4).transpose(1, 2).reshape(-1, 4) for level_A4 in levels]


def test_anchors_are_torchvisions_half_a_stride_further_and_not_rounded() -> None:
    plan = resolve(REFERENCES["spinenet-49"].spec, TargetNetwork(image_size=IMAGE, head=RetinaNetHead()))
    plain_A4 = anchor_boxes(plan, scale=4.0, centre=0.0)
    torch.testing.assert_close(plain_A4, torch.cat(torchvision_anchors(rounded=False)), rtol=0, atol=1e-4)
    torch.testing.assert_close(plain_A4, torch.cat(torchvision_anchors(rounded=True)), rtol=0, atol=0.5)
    shift_A = torch.cat([torch.full((n,), 2**level / 2) for level, n in enumerate(anchors_by_level(plan), 3)])
    torch.testing.assert_close(anchor_boxes(plan, scale=4.0), plain_A4 + shift_A[:, None])
