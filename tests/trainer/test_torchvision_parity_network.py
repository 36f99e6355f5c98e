"""Ours against torchvision's RetinaNet, at its settings: post-processing, and the whole detector with copied weights.

Legend: B images, C channels, A anchors, K classes, Q (anchor, class) pairs, D detections, 4 = x0, y0, x1, y1.
"""

from collections import OrderedDict
from typing import cast

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet as TorchvisionRetinaNet
from torchvision.models.detection.image_list import ImageList

from search_space.heads import RetinaNetHead
from search_space.plan import TargetNetwork, resolve
from search_space.reference import REFERENCES
from tests.trainer.parity import NUM_CLASSES, TORCHVISION_LOSS, batched, torchvision_detector
from trainer.model.anchors import anchors_by_level
from trainer.model.backbone import Backbone
from trainer.model.blocks import BATCH_NORM_EPSILON
from trainer.model.detections import Detections, Suppression, detect, suppress_by_kernel, suppress_by_rounds
from trainer.model.loss import detection_losses
from trainer.model.retinanet import RetinaNet, Subnet, build_retinanet

LEVELS = (120, 30, 7)
IMAGE, CHANNELS = 128, 8
PLAN = resolve(
    REFERENCES["spinenet-49"].spec,
    TargetNetwork(
        image_size=IMAGE,
        width_scale=0.125,
        head=RetinaNetHead(channels=CHANNELS, num_convs=4),
        num_classes=NUM_CLASSES,
        endpoint_channels=CHANNELS,
    ),
)
SUPPRESSIONS = pytest.mark.parametrize("suppress", [suppress_by_kernel, suppress_by_rounds])


def assert_same(found: Detections, theirs: list[dict[str, Tensor]], tolerance: float) -> None:
    for b, image in enumerate(theirs):
        expected = {name: column if name == "labels" else column.float() for name, column in image.items()}
        is_real_D = found.is_real_BD[b]
        assert is_real_D.tolist() == [True] * len(expected["scores"]) + [False] * int((~is_real_D).sum())
        torch.testing.assert_close(found.scores_BD[b, is_real_D], expected["scores"], rtol=1e-5, atol=tolerance)
        torch.testing.assert_close(found.boxes_BD4[b, is_real_D], expected["boxes"], rtol=1e-5, atol=tolerance)
        assert torch.equal(found.labels_BD[b, is_real_D], expected["labels"])


# Post-processing


def drawn_predictions(num_images: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Anchors on a grid of whole pixels, identical, partly outside and empty ones too; shifts by eighths of a side of
    8 pixels and no change of size. So all overlaps are ratios of small whole numbers, equal in every precision. All
    logits of an image differ; one is 0."""
    generator = torch.Generator().manual_seed(seed)
    corner_A2 = torch.randint(-16, 64, (sum(LEVELS), 2), generator=generator).float()
    sides_A2 = 8.0 * torch.randint(0, 4, (sum(LEVELS), 2), generator=generator)
    anchors_A4 = torch.cat([corner_A2, corner_A2 + sides_A2], dim=1)
    anchors_A4[1::7] = anchors_A4[0]
    deltas_BA4 = torch.zeros(num_images, sum(LEVELS), 4)
    deltas_BA4[..., :2] = torch.randint(-4, 5, (num_images, sum(LEVELS), 2), generator=generator) / 8
    num_pairs = sum(LEVELS) * NUM_CLASSES
    values_Q = (torch.arange(num_pairs) - num_pairs // 2) * (12 / num_pairs)
    logits = [values_Q[torch.randperm(len(values_Q), generator=generator)] for _ in range(num_images)]
    return torch.stack(logits).reshape(num_images, sum(LEVELS), NUM_CLASSES), deltas_BA4, anchors_A4


@SUPPRESSIONS
@given(
    seed=st.integers(0, 2**31),
    min_score=st.sampled_from([0.0, 0.05, 0.5, 0.99, 1.0]),
    candidates=st.sampled_from([1, 20, 200, 1000]),
    max_overlap=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    count=st.sampled_from([1, 10, 100, 300]),
)
@example(seed=0, min_score=0.5, candidates=1000, max_overlap=1.0, count=300)
@settings(max_examples=40)
def test_post_processing(
    suppress: Suppression, seed: int, min_score: float, candidates: int, max_overlap: float, count: int
) -> None:
    logits_BAK, deltas_BA4, anchors_A4 = drawn_predictions(2, seed)
    sizes = [(64, 64), (40, 50)]
    detector = torchvision_detector()
    detector.score_thresh, detector.topk_candidates = min_score, candidates
    detector.nms_thresh, detector.detections_per_img = max_overlap, count
    outputs = {
        "cls_logits": torch.split(logits_BAK, list(LEVELS), dim=1),
        "bbox_regression": torch.split(deltas_BA4, list(LEVELS), dim=1),
    }
    theirs = detector.postprocess_detections(outputs, [torch.split(anchors_A4, list(LEVELS))] * 2, sizes)
    found = detect(
        logits_BAK,
        deltas_BA4,
        anchors_A4,
        LEVELS,
        torch.tensor(sizes),
        min_score=min_score,
        candidates_per_level=candidates,
        max_overlap=max_overlap,
        detections_per_image=count,
        suppress=suppress,
    )
    assert found.boxes_BD4.shape == (2, count, 4)
    assert_same(found, theirs, tolerance=0.0)


def test_post_processing_of_a_large_batch_with_many_classes() -> None:
    # More than 1,000 candidates, as many as torchvision suppresses class by class.
    generator = torch.Generator().manual_seed(0)
    anchors_A4 = torch.rand(400, 4, generator=generator) * 320
    anchors_A4[:, 2:] = anchors_A4[:, :2] + 40 + anchors_A4[:, 2:]
    logits_BAK, deltas_BA4 = torch.randn(8, 400, 80, generator=generator) * 3 - 3, torch.zeros(8, 400, 4)
    detector = torchvision_detector()
    outputs = {"cls_logits": [logits_BAK], "bbox_regression": [deltas_BA4]}
    theirs = detector.postprocess_detections(outputs, [[anchors_A4]] * 8, [(640, 640)] * 8)
    found = detect(logits_BAK, deltas_BA4, anchors_A4, (400,), torch.full((8, 2), 640), detections_per_image=300)
    assert found.is_real_BD.sum() > 1000
    assert_same(found, theirs, tolerance=1e-5)


# The whole detector


class SharedBackbone(nn.Module):
    """One of our backbones as torchvision wants it."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone, self.out_channels = backbone, CHANNELS

    def forward(self, images_BCHW: Tensor) -> "OrderedDict[str, Tensor]":
        return OrderedDict((str(level), feature) for level, feature in enumerate(self.backbone(images_BCHW), 3))


def both_detectors() -> tuple[RetinaNet, TorchvisionRetinaNet]:
    """Ours with the weights of torchvision's head, and torchvision's on the same backbone; in evaluation mode.

    torchvision's head has no batch norm; one that has seen nothing only divides by sqrt(1 + epsilon), which the
    weights make good. In double precision, in which both find the same order of scores.
    """
    generator = torch.Generator().manual_seed(0)
    ours = build_retinanet(PLAN, generator).eval()
    backbone, norm = SharedBackbone(ours.backbone), {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    theirs = TorchvisionRetinaNet(backbone, NUM_CLASSES, min_size=IMAGE, max_size=IMAGE, **norm).eval()
    for parameter in theirs.head.parameters():  # at its initial weights nothing would be found
        nn.init.normal_(parameter, std=0.08, generator=generator)
    with torch.no_grad():
        copy_head(theirs.head.classification_head.conv, theirs.head.classification_head.cls_logits, ours.class_subnet)
        copy_head(theirs.head.regression_head.conv, theirs.head.regression_head.bbox_reg, ours.box_subnet)
    return ours.double(), theirs.double()


def copy_head(convs: nn.Sequential, prediction: nn.Conv2d, subnet: Subnet) -> None:
    for block, conv in zip(convs, subnet.convs, strict=True):
        weights = cast(nn.Sequential, block)[0].state_dict()
        conv.load_state_dict({name: value * (1 + BATCH_NORM_EPSILON) ** 0.5 for name, value in weights.items()})
    subnet.prediction.load_state_dict(prediction.state_dict())


@pytest.fixture(scope="module")
def detectors() -> tuple[RetinaNet, TorchvisionRetinaNet]:
    return both_detectors()


def drawn_images() -> list[Tensor]:
    """Two images with longer sides of `IMAGE`, so that torchvision leaves their size; it pads the second with zeros."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(3, *size, generator=generator, dtype=torch.float64) for size in ((IMAGE, IMAGE), (IMAGE, 90))]


def padded(images: list[Tensor]) -> Tensor:
    images_BCHW = torch.zeros(len(images), 3, IMAGE, IMAGE, dtype=torch.float64)
    for image_CHW, place_CHW in zip(images, images_BCHW, strict=True):
        place_CHW[:, : image_CHW.shape[1], : image_CHW.shape[2]] = image_CHW
    return images_BCHW


def torchvision_anchors(theirs: TorchvisionRetinaNet, images_BCHW: Tensor) -> Tensor:
    features = list(theirs.backbone(images_BCHW).values())
    anchors_A4 = theirs.anchor_generator(ImageList(images_BCHW, [(IMAGE, IMAGE)]), features)[0]
    return cast(Tensor, anchors_A4.float())


def test_the_whole_detector_finds_the_same(detectors: tuple[RetinaNet, TorchvisionRetinaNet]) -> None:
    ours, theirs = detectors
    images = drawn_images()
    with torch.inference_mode():
        expected = theirs(images)
        anchors_A4 = torchvision_anchors(theirs, padded(images))
        sizes_B2 = torch.tensor([image_CHW.shape[1:] for image_CHW in images])
        logits_BAK, deltas_BA4 = ours(padded(images))
        found = detect(logits_BAK, deltas_BA4, anchors_A4, anchors_by_level(PLAN), sizes_B2, detections_per_image=300)
    assert [len(one["scores"]) > 100 for one in expected] == [True, True]
    assert_same(found, expected, tolerance=1e-3)


@pytest.mark.parametrize(
    "objects",
    [
        [[[10.0, 10.0, 60.0, 50.0], [30.0, 20.0, 110.0, 100.0]], [[5.0, 8.0, 40.0, 80.0]]],
        [[[10.0, 10.0, 60.0, 50.0], [10.0, 10.0, 60.0, 50.0]], []],
        [[], []],
    ],
)
def test_the_whole_detector_has_the_same_losses(
    detectors: tuple[RetinaNet, TorchvisionRetinaNet], objects: list[list[list[float]]]
) -> None:
    ours, theirs = detectors
    images = drawn_images()
    boxes_BM4, labels_BM, crowd_BM = batched(objects)
    targets = [
        {
            "boxes": torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4),
            "labels": torch.arange(len(boxes)) % NUM_CLASSES,
        }
        for boxes in objects
    ]
    theirs.training = True  # of this module alone: the batch norms of the backbone stay as they are
    try:
        expected = theirs(images, targets)
    finally:
        theirs.training = False
    anchors_A4 = torchvision_anchors(theirs, padded(images))
    logits_BAK, deltas_BA4 = ours(padded(images))
    losses = detection_losses(logits_BAK, deltas_BA4, anchors_A4, boxes_BM4, labels_BM, crowd_BM, TORCHVISION_LOSS)
    assert set(expected) == {"classification", "bbox_regression"}
    torch.testing.assert_close(losses.classes, expected["classification"].float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses.boxes, expected["bbox_regression"].float(), rtol=1e-4, atol=1e-5)
    weight = next(ours.backbone.parameters())
    mine = torch.autograd.grad(losses.classes + losses.boxes, weight)
    other = torch.autograd.grad(expected["classification"] + expected["bbox_regression"], weight)
    torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-3)
