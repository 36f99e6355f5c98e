"""What RetinaNet minimises: focal loss on classes and a smooth L1 loss on box deltas.

Legend: B images, M boxes of an image, A anchors, K classes, 4 = x0, y0, x1, y1 or box deltas.
"""

import torch
from torch import Tensor
from torch.nn import functional

from trainer.model.anchors import IGNORED, assign, encode

FOCAL_ALPHA = 0.25
FOCAL_GAMMA = 1.5
BOX_LOSS_BETA = 0.1
BOX_LOSS_WEIGHT = 1.0


def focal_loss(logits: Tensor, targets: Tensor, alpha: float = FOCAL_ALPHA, gamma: float = FOCAL_GAMMA) -> Tensor:
    """The focal loss of each logit against its target 0 or 1 (Lin et al. 2017, equation 5)."""
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    probability_of_wrong = torch.sigmoid(torch.where(targets > 0, -logits, logits))
    weight = torch.where(targets > 0, alpha, 1 - alpha)
    return weight * probability_of_wrong**gamma * cross_entropy


def detection_loss(
    logits_BAK: Tensor,
    deltas_BA4: Tensor,
    anchors_A4: Tensor,
    boxes_BM4: Tensor,
    labels_BM: Tensor,
    crowd_BM: Tensor,
) -> Tensor:
    """The loss of a batch, a scalar: class and box losses, each summed and divided by the number of positives.

    An image without objects is all background. With no positive anchor in the batch the divisor is one.
    """
    with torch.no_grad():
        matched_BA = assign(anchors_A4, boxes_BM4, labels_BM, crowd_BM)
        is_positive_BA = matched_BA >= 0
        index_BA = matched_BA.clamp(min=0)
        label_BA = labels_BM.gather(1, index_BA).clamp_(min=0)
        target_BAK = functional.one_hot(label_BA, logits_BAK.shape[2]) * is_positive_BA[:, :, None]
        box_BA4 = boxes_BM4.gather(1, index_BA[:, :, None].expand(-1, -1, 4))
        target_BA4 = encode(box_BA4, anchors_A4)
        num_positives = is_positive_BA.sum().clamp(min=1)
    class_BAK = focal_loss(logits_BAK.float(), target_BAK.float())
    class_loss = class_BAK.masked_fill(matched_BA[:, :, None] == IGNORED, 0.0).sum()
    box_BA4 = functional.smooth_l1_loss(deltas_BA4.float(), target_BA4, reduction="none", beta=BOX_LOSS_BETA)
    box_loss = box_BA4.masked_fill(~is_positive_BA[:, :, None], 0.0).sum()
    return (class_loss + BOX_LOSS_WEIGHT * box_loss) / num_positives
