"""What RetinaNet minimises: focal loss on classes and a smooth L1 loss on box deltas.

Legend: B images, M boxes of an image, A anchors, K classes, 4 = x0, y0, x1, y1 or box deltas.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from trainer.model.anchors import BACKGROUND, CROWD_OVERLAP, IGNORED, NEGATIVE_OVERLAP, POSITIVE_OVERLAP, assign, encode

FOCAL_ALPHA = 0.25
FOCAL_GAMMA = 1.5
BOX_LOSS_BETA = 0.1
BOX_LOSS_WEIGHT = 1.0


def focal_loss(logits: Tensor, targets: Tensor, alpha: float = FOCAL_ALPHA, gamma: float = FOCAL_GAMMA) -> Tensor:
    """The focal loss of each logit against its target 0 or 1 (Lin et al. 2017, equation 5)."""
    is_object = targets.bool()
    wrong_logits = torch.where(is_object, -logits, logits)
    cross_entropy = functional.softplus(wrong_logits)  # -log(1 - p), p the probability of the wrong answer
    log_wrong = wrong_logits - cross_entropy  # log(p); an exponential is cheaper than a power, and its gradient too
    weight = torch.where(is_object, alpha, 1 - alpha)
    return weight * torch.exp(gamma * log_wrong) * cross_entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """What the loss depends on besides predictions and objects; by default the proxy's recipe.

    Args:
        positive_overlap, negative_overlap, crowd_overlap: as in `anchors.assign`.
        box_beta: where the box loss turns from quadratic to linear, in deltas; 0 for L1.
        box_weight: of the box loss in the sum.
        per_image: divides each image's losses by its own positives and takes the mean over images, as torchvision
            does; an anchor of an image with many objects then counts less. Otherwise all positives of the batch divide.
    """

    positive_overlap: float = POSITIVE_OVERLAP
    negative_overlap: float = NEGATIVE_OVERLAP
    crowd_overlap: float = CROWD_OVERLAP
    focal_alpha: float = FOCAL_ALPHA
    focal_gamma: float = FOCAL_GAMMA
    box_beta: float = BOX_LOSS_BETA
    box_weight: float = BOX_LOSS_WEIGHT
    per_image: bool = False


PROXY_LOSS = LossSettings()


class DetectionLosses(NamedTuple):
    """Both parts of the loss of a batch, scalars, each divided by positives; the box loss has not its weight yet."""

    classes: Tensor
    boxes: Tensor


def detection_loss(
    logits_BAK: Tensor,
    deltas_BA4: Tensor,
    anchors_A4: Tensor,
    boxes_BM4: Tensor,
    labels_BM: Tensor,
    crowd_BM: Tensor,
    settings: LossSettings = PROXY_LOSS,
) -> Tensor:
    """The loss of a batch, a scalar: class loss and weighted box loss of `detection_losses`."""
    losses = detection_losses(logits_BAK, deltas_BA4, anchors_A4, boxes_BM4, labels_BM, crowd_BM, settings)
    return losses.classes + settings.box_weight * losses.boxes


def detection_losses(
    logits_BAK: Tensor,
    deltas_BA4: Tensor,
    anchors_A4: Tensor,
    boxes_BM4: Tensor,
    labels_BM: Tensor,
    crowd_BM: Tensor,
    settings: LossSettings = PROXY_LOSS,
) -> DetectionLosses:
    """The losses of a batch, each summed and divided by the number of positives.

    An image without objects is all background. With no positive anchor to divide by the divisor is one.
    """
    with torch.no_grad():
        overlaps = (settings.positive_overlap, settings.negative_overlap, settings.crowd_overlap)
        matched_BA = assign(anchors_A4, boxes_BM4, labels_BM, crowd_BM, *overlaps)
        is_positive_BA = matched_BA >= 0
        index_BA = matched_BA.clamp(min=0)
        label_BA = torch.where(is_positive_BA, labels_BM.gather(1, index_BA), BACKGROUND)
        target_BAK = label_BA[:, :, None] == torch.arange(logits_BAK.shape[2], device=label_BA.device)
        box_BA4 = boxes_BM4.gather(1, index_BA[:, :, None].expand(-1, -1, 4))
        target_BA4 = encode(box_BA4, anchors_A4)
        divisor_B = _divisors(is_positive_BA, settings.per_image)
    class_BAK = focal_loss(logits_BAK.float(), target_BAK, settings.focal_alpha, settings.focal_gamma)
    class_B = class_BAK.masked_fill(matched_BA[:, :, None] == IGNORED, 0.0).sum(dim=(1, 2))
    delta_BA4 = functional.smooth_l1_loss(deltas_BA4.float(), target_BA4, reduction="none", beta=settings.box_beta)
    box_B = delta_BA4.masked_fill(~is_positive_BA[:, :, None], 0.0).sum(dim=(1, 2))
    return DetectionLosses((class_B / divisor_B).sum(), (box_B / divisor_B).sum())


def _divisors(is_positive_BA: Tensor, per_image: bool) -> Tensor:
    """What each image's sums are divided by, (B,), such that their sum is the loss of the batch."""
    num_positives_B = is_positive_BA.sum(dim=1)
    if per_image:
        return num_positives_B.clamp(min=1) * len(num_positives_B)
    return num_positives_B.sum().clamp(min=1).expand_as(num_positives_B)
