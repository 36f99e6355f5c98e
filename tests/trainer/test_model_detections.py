"""Post-processing against a plain loop over images with torchvision's functions."""

import torch
from torchvision.ops import batched_nms

from trainer.model.anchors import decode
from trainer.model.detections import CANDIDATES_PER_LEVEL, detect, suppress_by_kernel, suppress_by_rounds

SIZE = 64.0
LEVELS = (600, 40)


def predictions(num_images: int, num_classes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    num_anchors = sum(LEVELS)
    corner_A2 = torch.rand(num_anchors, 2, generator=generator) * SIZE * 0.7
    anchors_A4 = torch.cat([corner_A2, corner_A2 + 4 + torch.rand(num_anchors, 2, generator=generator) * 20], dim=1)
    logits_BAK = torch.randn(num_images, num_anchors, num_classes, generator=generator) * 2 - 2
    deltas_BA4 = torch.randn(num_images, num_anchors, 4, generator=generator) * 0.2
    return logits_BAK, deltas_BA4, anchors_A4


def reference(
    logits_AK: torch.Tensor, deltas_A4: torch.Tensor, anchors_A4: torch.Tensor, height: float, width: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Boxes, scores and labels of one image, as torchvision's RetinaNet finds them."""
    boxes, scores, labels = [], [], []
    first = 0
    for num_anchors in LEVELS:
        level = slice(first, first + num_anchors)
        scores_Q = logits_AK[level].sigmoid().flatten()
        kept_Q = torch.where(scores_Q > 0.05)[0]
        best_Q = kept_Q[scores_Q[kept_Q].topk(min(CANDIDATES_PER_LEVEL, len(kept_Q))).indices]
        anchor_Q = best_Q // logits_AK.shape[1]
        boxes.append(decode(deltas_A4[level][anchor_Q], anchors_A4[level][anchor_Q]))
        scores.append(scores_Q[best_Q])
        labels.append(best_Q % logits_AK.shape[1])
        first += num_anchors
    boxes_D4, scores_D, labels_D = torch.cat(boxes), torch.cat(scores), torch.cat(labels)
    boxes_D4 = torch.minimum(boxes_D4.clamp(min=0), torch.tensor([width, height, width, height]))
    kept_D = batched_nms(boxes_D4, scores_D, labels_D, 0.5)[:100]
    return boxes_D4[kept_D], scores_D[kept_D], labels_D[kept_D]


def test_detections_equal_the_reference() -> None:
    logits_BAK, deltas_BA4, anchors_A4 = predictions(3, 4)
    logits_BAK[1] = -20.0  # nothing to be found in the second image
    sizes_B2 = torch.tensor([[64, 64], [64, 64], [40, 50]])
    found = detect(logits_BAK, deltas_BA4, anchors_A4, LEVELS, sizes_B2)
    counts = []
    for b in range(3):
        boxes_D4, scores_D, labels_D = reference(
            logits_BAK[b], deltas_BA4[b], anchors_A4, float(sizes_B2[b, 0]), float(sizes_B2[b, 1])
        )
        is_mine_D = found.is_real_BD[b]
        torch.testing.assert_close(found.boxes_BD4[b, is_mine_D], boxes_D4)
        torch.testing.assert_close(found.scores_BD[b, is_mine_D], scores_D)
        assert torch.equal(found.labels_BD[b, is_mine_D], labels_D)
        counts.append(len(scores_D))
    assert counts[0] == 100  # the limit for an image was reached
    assert counts[1] == 0


def test_no_detection_at_all() -> None:
    logits_BAK, deltas_BA4, anchors_A4 = predictions(2, 3)
    found = detect(logits_BAK - 100, deltas_BA4, anchors_A4, LEVELS, torch.full((2, 2), 64))
    assert [tuple(column.shape) for column in found] == [(2, 100, 4), (2, 100), (2, 100), (2, 100)]
    assert not found.is_real_BD.any()
    assert not found.scores_BD.any()


def test_of_equal_scores_the_first_stays_in_both_ways_of_suppression() -> None:
    # Two places, four boxes each, all with the score 1/2; a third class' box lies on the first place.
    boxes_BP4 = torch.tensor([[[0.0, 0, 8, 8]] * 4 + [[20.0, 0, 28, 8]] * 4 + [[0.0, 0, 8, 8]]])
    labels_BP = torch.tensor([[1] * 8 + [2]])
    for suppress in (suppress_by_kernel, suppress_by_rounds):
        best_BD, is_real_BD = suppress(boxes_BP4, torch.full((1, 9), 0.5), labels_BP, 0.5, 5)
        assert is_real_BD.tolist() == [[True] * 3 + [False] * 2]
        assert best_BD[0, :3].tolist() == [0, 4, 8]


def test_nothing_depends_on_the_values_where_waiting_costs() -> None:
    # A tensor on the meta device has a shape and no values: whatever asked for one would fail.
    logits_BAK, deltas_BA4, anchors_A4 = (tensor.to("meta") for tensor in predictions(2, 3))
    found = detect(logits_BAK, deltas_BA4, anchors_A4, LEVELS, torch.full((2, 2), 64, device="meta"))
    assert [tuple(column.shape) for column in found] == [(2, 100, 4), (2, 100), (2, 100), (2, 100)]
