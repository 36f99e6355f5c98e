"""From predictions to detections: the best candidates, non-maximum suppression, at most 100 an image.

All shapes are known beforehand, and nothing waits for the device: what an image lacks is padded. Only on a CPU, where
waiting is free, suppression is left to torchvision's compiled kernel, which is quicker there.

Legend: B images, A anchors, K classes, Q (anchor, class) pairs of a level, P candidates of an image, D detections of
an image, S survivors of the batch, 4 = x0, y0, x1, y1.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from trainer.model.anchors import areas, decode

MIN_SCORE = 0.05
CANDIDATES_PER_LEVEL = 1000
MAX_OVERLAP = 0.5
DETECTIONS_PER_IMAGE = 100

Suppression = Callable[[Tensor, Tensor, Tensor, float, int], tuple[Tensor, Tensor]]


class Detections(NamedTuple):
    """Found objects of each image, best first, then padding.

    Args:
        boxes_BD4: in pixels of the resized image, clipped to it.
        scores_BD: in [0, 1]; 0 for padding.
        labels_BD: 0 to K - 1.
        is_real_BD: False for padding.
    """

    boxes_BD4: Tensor
    scores_BD: Tensor
    labels_BD: Tensor
    is_real_BD: Tensor


def detect(
    logits_BAK: Tensor,
    deltas_BA4: Tensor,
    anchors_A4: Tensor,
    anchors_by_level: tuple[int, ...],
    valid_sizes_B2: Tensor,
    *,
    min_score: float = MIN_SCORE,
    candidates_per_level: int = CANDIDATES_PER_LEVEL,
    max_overlap: float = MAX_OVERLAP,
    detections_per_image: int = DETECTIONS_PER_IMAGE,
    suppress: Suppression | None = None,
) -> Detections:
    """The detections of a batch.

    Candidates are ranked by logit, not by score as in torchvision: in float32 many large logits share the score 1.

    Args:
        anchors_by_level: number of anchors of each level.
        valid_sizes_B2: height and width that boxes are clipped to.
        min_score: only candidates above it are kept; at least 0.
        candidates_per_level: so many (anchor, class) pairs each level sends at most.
        max_overlap: of two boxes of a class that overlap (IoU) more, the better one is kept.
        suppress: one of the two functions below; None for the one that suits the device.
    """
    scores_BP, anchor_BP, labels_BP = _candidates(logits_BAK.float(), anchors_by_level, candidates_per_level)
    scores_BP = scores_BP.masked_fill(scores_BP <= min_score, 0.0)
    deltas_BP4 = deltas_BA4.gather(1, anchor_BP[:, :, None].expand(-1, -1, 4))
    limits_B14 = valid_sizes_B2.flip(1).repeat(1, 2)[:, None].to(anchors_A4)
    boxes_BP4 = torch.minimum(decode(deltas_BP4.float(), anchors_A4[anchor_BP]).clamp(min=0), limits_B14)
    suppress = suppress or (suppress_by_kernel if logits_BAK.device.type == "cpu" else suppress_by_rounds)
    best_BD, is_real_BD = suppress(boxes_BP4, scores_BP, labels_BP, max_overlap, detections_per_image)
    return Detections(
        boxes_BP4.gather(1, best_BD[:, :, None].expand(-1, -1, 4)),
        scores_BP.gather(1, best_BD) * is_real_BD,
        labels_BP.gather(1, best_BD),
        is_real_BD,
    )


def _candidates(
    logits_BAK: Tensor, anchors_by_level: tuple[int, ...], candidates_per_level: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, anchors and labels (B, P) of each level's best (anchor, class) pairs, of all where there are no more."""
    num_images, _, num_classes = logits_BAK.shape
    logits, pairs = [], []
    first = 0
    for level_BAK in torch.split(logits_BAK, list(anchors_by_level), dim=1):
        logits_BQ = level_BAK.reshape(num_images, -1)
        if logits_BQ.shape[1] > candidates_per_level:
            logits_BQ, pair_BQ = logits_BQ.topk(candidates_per_level, dim=1, sorted=False)
        else:
            pair_BQ = torch.arange(logits_BQ.shape[1], device=logits_BAK.device).expand(num_images, -1)
        logits.append(logits_BQ)
        pairs.append(pair_BQ + first)
        first += level_BAK.shape[1] * num_classes
    pair_BP = torch.cat(pairs, 1)
    anchor_BP = pair_BP // num_classes
    return torch.cat(logits, 1).sigmoid(), anchor_BP, pair_BP - anchor_BP * num_classes


def suppress_by_rounds(
    boxes_BP4: Tensor, scores_BP: Tensor, labels_BP: Tensor, max_overlap: float, count: int
) -> tuple[Tensor, Tensor]:
    """Positions (B, `count`) in P of the boxes to keep, best first, and which of them are no padding.

    In each round every image keeps the best box that it has left, which takes away those of its class that it
    overlaps by more than `max_overlap`. Shapes and number of operations do not depend on the values.

    Args:
        scores_BP: 0 where there is no candidate.
    """
    x0_BP, y0_BP, x1_BP, y1_BP = boxes_BP4.unbind(2)
    area_BP = areas(boxes_BP4)
    left_BP = scores_BP.clone()
    positions, scores = [], []
    for _ in range(count):
        score_B1, best_B1 = left_BP.max(dim=1, keepdim=True)
        x0, y0, x1, y1, area, label = (
            of_BP.gather(1, best_B1) for of_BP in (x0_BP, y0_BP, x1_BP, y1_BP, area_BP, labels_BP)
        )
        width_BP = (torch.minimum(x1_BP, x1) - torch.maximum(x0_BP, x0)).clamp_(min=0)
        shared_BP = (torch.minimum(y1_BP, y1) - torch.maximum(y0_BP, y0)).clamp_(min=0).mul_(width_BP)
        is_same_BP = (shared_BP / (area_BP + area - shared_BP) > max_overlap) & (labels_BP == label)
        left_BP.masked_fill_(is_same_BP, 0.0).scatter_(1, best_B1, 0.0)
        positions.append(best_B1)
        scores.append(score_B1)
    return torch.cat(positions, 1), torch.cat(scores, 1) > 0


def suppress_by_kernel(
    boxes_BP4: Tensor, scores_BP: Tensor, labels_BP: Tensor, max_overlap: float, count: int
) -> tuple[Tensor, Tensor]:
    """The same as `suppress_by_rounds`, by torchvision's kernel on the candidates alone."""
    num_images = len(scores_BP)
    image_S, position_S = torch.nonzero(scores_BP, as_tuple=True)
    scores_S = scores_BP[image_S, position_S].double()
    # Classes lie apart, so that torchvision goes by image; in double precision, which such distances need.
    boxes_S4 = boxes_BP4[image_S, position_S].double()
    boxes_S4 += (labels_BP[image_S, position_S] * (boxes_BP4.amax().double() + 1))[:, None]
    kept = batched_nms(boxes_S4, scores_S, image_S, max_overlap).sort().values
    kept = kept[scores_S[kept].argsort(descending=True, stable=True)]
    kept = kept[image_S[kept].argsort(stable=True)]
    image_S, position_S = image_S[kept], position_S[kept]
    counts_B = torch.bincount(image_S, minlength=num_images)
    rank_S = torch.arange(len(image_S)) - (counts_B.cumsum(0) - counts_B)[image_S]
    is_first_S = rank_S < count
    best_BD = torch.zeros(num_images, count, dtype=torch.int64)
    best_BD[image_S[is_first_S], rank_S[is_first_S]] = position_S[is_first_S]
    return best_BD, torch.arange(count) < counts_B[:, None]
