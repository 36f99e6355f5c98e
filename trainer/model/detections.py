"""From predictions to detections: the best candidates, non-maximum suppression, at most 100 an image.

Legend: B images, A anchors, K classes, P candidates of an image, D detections of the batch, 4 = x0, y0, x1, y1.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from trainer.model.anchors import decode

MIN_SCORE = 0.05
CANDIDATES_PER_LEVEL = 1000
MAX_OVERLAP = 0.5
DETECTIONS_PER_IMAGE = 100


class Detections(NamedTuple):
    """Found objects, by image, best first.

    Args:
        image_D: position of the image in the batch.
        boxes_D4: in pixels of the resized image, clipped to it.
        scores_D: in [0, 1].
        labels_D: 0 to K - 1.
    """

    image_D: Tensor
    boxes_D4: Tensor
    scores_D: Tensor
    labels_D: Tensor


def detect(
    logits_BAK: Tensor,
    deltas_BA4: Tensor,
    anchors_A4: Tensor,
    anchors_by_level: tuple[int, ...],
    valid_sizes_B2: Tensor,
    *,
    min_score: float = MIN_SCORE,
) -> Detections:
    """The detections of a batch.

    Args:
        anchors_by_level: number of anchors of each level; each level sends its 1,000 best (anchor, class) pairs.
        valid_sizes_B2: height and width that boxes are clipped to.
        min_score: only candidates above it are kept.
    """
    num_classes = logits_BAK.shape[2]
    scores_BP, anchor_BP, label_BP = _candidates(logits_BAK.float(), anchors_by_level)
    image_C, column_C = torch.nonzero(scores_BP > min_score, as_tuple=True)
    anchor_C, label_C = anchor_BP[image_C, column_C], label_BP[image_C, column_C]
    scores_C = scores_BP[image_C, column_C]
    boxes_C4 = decode(deltas_BA4[image_C, anchor_C].float(), anchors_A4[anchor_C])
    limits_C4 = valid_sizes_B2.flip(1).repeat(1, 2)[image_C].to(boxes_C4)
    boxes_C4 = torch.minimum(boxes_C4.clamp(min=0), limits_C4)
    kept_D = batched_nms(boxes_C4, scores_C, image_C * num_classes + label_C, MAX_OVERLAP)
    kept_D = kept_D[_best_of_each_image(image_C[kept_D], logits_BAK.shape[0])]
    return Detections(image_C[kept_D], boxes_C4[kept_D], scores_C[kept_D], label_C[kept_D])


def _candidates(logits_BAK: Tensor, anchors_by_level: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, anchors and labels (B, P) of each level's best (anchor, class) pairs."""
    num_images, _, num_classes = logits_BAK.shape
    scores, anchors, labels = [], [], []
    first = 0
    for num_anchors in anchors_by_level:
        pairs_BQ = logits_BAK[:, first : first + num_anchors].reshape(num_images, -1)
        best = pairs_BQ.topk(min(CANDIDATES_PER_LEVEL, pairs_BQ.shape[1]), dim=1)
        scores.append(best.values.sigmoid())
        anchors.append(best.indices // num_classes + first)
        labels.append(best.indices % num_classes)
        first += num_anchors
    return torch.cat(scores, 1), torch.cat(anchors, 1), torch.cat(labels, 1)


def _best_of_each_image(image_D: Tensor, num_images: int) -> Tensor:
    """Positions of the first 100 of each image, by image, in the given order."""
    order_D = torch.argsort(image_D, stable=True)
    counts_B = torch.bincount(image_D, minlength=num_images)
    starts_B = counts_B.cumsum(0) - counts_B
    rank_D = torch.arange(len(order_D), device=image_D.device) - starts_B[image_D[order_D]]
    return order_D[rank_D < DETECTIONS_PER_IMAGE]
