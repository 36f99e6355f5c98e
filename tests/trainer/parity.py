"""What the tests of parity with torchvision share: settings, anchors, drawn boxes, a RetinaNet without a backbone.

Legend: B images, M boxes of an image, A anchors, K classes, 4 = x0, y0, x1, y1 in pixels.
"""

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet
from torchvision.ops import box_iou

from search_space.heads import RetinaNetHead
from search_space.plan import TargetNetwork, resolve
from search_space.reference import REFERENCES
from trainer.model.anchors import anchor_boxes
from trainer.model.loss import LossSettings

SIZE = 64
NUM_CLASSES = 3
TORCHVISION_LOSS = LossSettings(crowd_overlap=2.0, focal_gamma=2.0, box_beta=0.0, per_image=True)
SMALLEST_SIDE = 1e-3
"""Below it our box targets differ on purpose: torchvision's are infinite."""

ANCHORS_A4 = anchor_boxes(resolve(REFERENCES["spinenet-49"].spec, TargetNetwork(image_size=SIZE, head=RetinaNetHead())))


def _box(corner: tuple[float, float], sides: tuple[float, float]) -> list[float]:
    return [corner[0], corner[1], corner[0] + sides[0], corner[1] + sides[1]]


_places = st.floats(-20, SIZE, width=32)
_ordinary = st.builds(_box, st.tuples(_places, _places), st.tuples(*[st.floats(2, 2 * SIZE, width=32)] * 2))
_tiny = st.builds(_box, st.tuples(_places, _places), st.tuples(*[st.floats(2**-8, 1, width=32)] * 2))
_flat = st.builds(_box, st.tuples(_places, _places), st.tuples(st.just(0.0), st.sampled_from([0.0, 10.0])))
_outside = st.builds(_box, st.tuples(*[st.floats(4096, 8192, width=32)] * 2), st.tuples(st.just(8.0), st.just(16.0)))
_on_anchor = st.integers(0, len(ANCHORS_A4) - 1).map(lambda a: list(ANCHORS_A4[a].tolist()))

boxes_of_image = st.lists(_ordinary | _tiny | _flat | _outside | _on_anchor, max_size=5).flatmap(
    lambda boxes: st.integers(0, 2).map(lambda copies: boxes + boxes[:1] * copies)
)
"""No box at all, and boxes of all kinds: tiny, without an area, outside of the image and of all anchors, identical to
an anchor or to each other."""

images_of_boxes = st.lists(boxes_of_image, min_size=1, max_size=3)


def batched(images: list[list[list[float]]]) -> tuple[Tensor, Tensor, Tensor]:
    """The boxes (B, M, 4), labels (B, M) and crowd flags (B, M) of images, padded; labels go round the classes."""
    num_boxes = max([1, *map(len, images)])
    boxes_BM4 = torch.zeros(len(images), num_boxes, 4)
    labels_BM = torch.full((len(images), num_boxes), -1)
    for b, boxes in enumerate(images):
        if boxes:
            boxes_BM4[b, : len(boxes)] = torch.tensor(boxes)
            labels_BM[b, : len(boxes)] = torch.arange(len(boxes)) % NUM_CLASSES
    return boxes_BM4, labels_BM, torch.zeros_like(labels_BM, dtype=torch.bool)


def indices_with_anchor(boxes_M4: Tensor, labels_M: Tensor) -> Tensor:
    """Which boxes of an image overlap an anchor at all. An other one has no anchor with us; torchvision's matcher
    makes every anchor that it does not overlap positive."""
    overlaps_M = box_iou(boxes_M4, ANCHORS_A4).amax(dim=1) > 0
    return torch.nonzero((labels_M >= 0) & overlaps_M).flatten()


def torchvision_targets(boxes_BM4: Tensor, labels_BM: Tensor) -> list[dict[str, Tensor]]:
    """The boxes that overlap an anchor, as torchvision wants them."""
    targets = []
    for boxes_M4, labels_M in zip(boxes_BM4, labels_BM, strict=True):
        kept_M = indices_with_anchor(boxes_M4, labels_M)
        targets.append({"boxes": boxes_M4[kept_M], "labels": labels_M[kept_M]})
    return targets


class NoBackbone(nn.Module):
    """As much of a backbone as torchvision's RetinaNet asks for where only its losses and post-processing are used."""

    out_channels = 8


def torchvision_detector() -> RetinaNet:
    """torchvision's RetinaNet at its own settings, for `NUM_CLASSES` classes."""
    return RetinaNet(NoBackbone(), NUM_CLASSES)
