"""Focal and box loss."""

import torch
from torchvision.ops import sigmoid_focal_loss

from trainer.model.anchors import encode
from trainer.model.loss import detection_loss, focal_loss

ANCHORS_A4 = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])


def no_boxes(num_images: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.zeros(num_images, 1, 4),
        torch.full((num_images, 1), -1),
        torch.zeros(num_images, 1, dtype=torch.bool),
    )


def test_focal_loss_equals_torchvision() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 50, 3, generator=generator) * 4
    targets = (torch.rand(4, 50, 3, generator=generator) < 0.2).float()
    for gamma in (1.5, 2.0):
        expected = sigmoid_focal_loss(logits, targets, alpha=0.25, gamma=gamma)
        torch.testing.assert_close(focal_loss(logits, targets, alpha=0.25, gamma=gamma), expected)


def test_loss_of_one_object_by_hand() -> None:
    # One image, three anchors far apart. The object lies on anchor 0 and its class is 1 of 2; all logits are 0, so
    # p = 1/2. Focal loss of a positive: 0.25 * 0.5**1.5 * ln 2, of a negative 0.75 * 0.5**1.5 * ln 2; one positive
    # and five negatives give 4 * 0.5**1.5 * ln 2 in all. The box is off by 1 in one delta: smooth L1 with
    # beta 0.1 is 1 - 0.05. One positive anchor divides.
    boxes_BM4 = torch.tensor([[[0.0, 0, 10, 10]]])
    deltas_BA4 = torch.zeros(1, 3, 4)
    deltas_BA4[0, 0, 2] = 1.0
    deltas_BA4[0, 1] = 9.0  # no object there, so it does not count
    loss = detection_loss(
        torch.zeros(1, 3, 2), deltas_BA4, ANCHORS_A4, boxes_BM4, torch.tensor([[1]]), torch.tensor([[False]])
    )
    expected = 4 * 0.5**1.5 * torch.log(torch.tensor(2.0)) + 0.95
    torch.testing.assert_close(loss, expected)


def test_perfect_predictions_cost_nothing() -> None:
    boxes_BM4 = torch.tensor([[[1.0, 0, 10, 10]]])
    logits_BAK = torch.full((1, 3, 2), -30.0)
    logits_BAK[0, 0, 1] = 30.0
    deltas_BA4 = encode(boxes_BM4.expand(1, 3, 4), ANCHORS_A4)
    loss = detection_loss(
        logits_BAK, deltas_BA4, ANCHORS_A4, boxes_BM4, torch.tensor([[1]]), torch.zeros(1, 1, dtype=torch.bool)
    )
    assert loss.item() < 1e-6


def test_empty_images_are_background() -> None:
    logits_BAK = torch.zeros(2, 3, 2, requires_grad=True)
    deltas_BA4 = torch.zeros(2, 3, 4, requires_grad=True)
    loss = detection_loss(logits_BAK, deltas_BA4, ANCHORS_A4, *no_boxes(2))
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert logits_BAK.grad is not None
    assert (logits_BAK.grad > 0).all()  # every score is pushed down
    assert deltas_BA4.grad is not None
    assert not deltas_BA4.grad.any()


def test_anchors_in_a_crowd_have_no_gradient() -> None:
    logits_BAK = torch.zeros(1, 3, 2, requires_grad=True)
    boxes_BM4 = torch.tensor([[[0.0, 0, 10, 10]]])
    loss = detection_loss(
        logits_BAK, torch.zeros(1, 3, 4), ANCHORS_A4, boxes_BM4, torch.tensor([[0]]), torch.tensor([[True]])
    )
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits_BAK.grad is not None
    assert not logits_BAK.grad[0, 0].any()
    assert logits_BAK.grad[0, 1:].all()
