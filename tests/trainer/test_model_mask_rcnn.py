"""From predictions of regions to objects with boxes and masks."""

import pytest
import torch
from torch import nn

from search_space.heads import MaskRCNNHead
from search_space.plan import TargetNetwork, resolve
from tests.trainer.architectures import ARCHITECTURES
from trainer.device import computes_bf16
from trainer.model.anchors import areas
from trainer.model.blocks import BatchNorm
from trainer.model.mask_rcnn import Instances, MaskRCNN, best_detections
from trainer.model.network import build_network

SIZE = (96, 130)
NUM_PROPOSALS, NUM_MASKS = 12, 5


def small_network(num_classes: int = 3) -> MaskRCNN:
    head = MaskRCNNHead(
        rpn_channels=8,
        num_box_convs=1,
        box_channels=8,
        fc_channels=16,
        num_mask_convs=1,
        mask_channels=8,
        num_proposals=NUM_PROPOSALS,
        num_masks=NUM_MASKS,
    )
    target = TargetNetwork(image_size=SIZE, width_scale=0.125, head=head, num_classes=num_classes, endpoint_channels=8)
    network = build_network(resolve(ARCHITECTURES["mixed"], target), torch.Generator().manual_seed(0))
    assert isinstance(network, MaskRCNN)
    return network.eval()


def found(network: MaskRCNN, *, bf16: bool = False) -> Instances:
    images_BCHW = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        instances = network(images_BCHW)
    assert isinstance(instances, Instances)
    return instances


def test_detections_by_hand() -> None:
    proposals_BP4 = torch.tensor([[[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 40, 30], [0, 0, 0, 0]]])
    # Probabilities of background, class 1 and class 2 for each proposal.
    shares = torch.tensor([[0.1, 0.7, 0.2], [0.1, 0.6, 0.3], [0.5, 0.1, 0.4], [0.0001, 0.4999, 0.5]])
    deltas_BPK4 = torch.zeros(1, 4, 3, 4)
    deltas_BPK4[0, 2, 2] = torch.tensor([0.5, -0.2, 0.0, torch.tensor(2.0).log()])
    boxes_BM4, scores_BM, labels_BM = best_detections(shares.log()[None], deltas_BPK4, proposals_BP4, (32, 100), 4)
    # Class 1: proposal 0 suppresses 1 (overlap 9/11), 2 is last. Class 2: proposal 2, its centre (30, 25) moved by half
    # its width and back by a fifth of its height to (40, 23), twice as high (13 to 33, clipped at 32); then 1,
    # which suppresses 0. The empty proposal is nothing however likely.
    assert labels_BM.tolist() == [[1, 2, 2, 1]]
    torch.testing.assert_close(scores_BM, torch.tensor([[0.7, 0.4, 0.3, 0.1]]))
    expected_M4 = torch.tensor([[0.0, 0, 10, 10], [30, 13, 50, 32], [1, 0, 11, 10], [20, 20, 40, 30]])
    torch.testing.assert_close(boxes_BM4, expected_M4[None])


def test_missing_detections_have_score_and_label_zero() -> None:
    proposals_BP4 = torch.tensor([[[0.0, 0, 10, 10]]])
    logits_BPK = torch.tensor([[[0.0, 0.0]]])
    boxes_BM4, scores_BM, labels_BM = best_detections(logits_BPK, torch.zeros(1, 1, 2, 4), proposals_BP4, SIZE, 3)
    assert boxes_BM4.tolist() == [[[0, 0, 10, 10], [0, 0, 0, 0], [0, 0, 0, 0]]]
    assert scores_BM.tolist() == [[0.5, 0, 0]]
    assert labels_BM.tolist() == [[1, 0, 0]]


def test_a_new_network_finds_boxes_inside_the_image() -> None:
    boxes_BM4, scores_BM, labels_BM, masks_BMHW = found(small_network())
    assert bool((areas(boxes_BM4) > 0).all())
    assert boxes_BM4.amin() >= 0
    assert boxes_BM4[..., [0, 2]].amax() <= SIZE[1]
    assert boxes_BM4[..., [1, 3]].amax() <= SIZE[0]
    assert set(labels_BM.flatten().tolist()) <= {1, 2}
    assert bool((scores_BM[:, 1:] <= scores_BM[:, :-1]).all())
    assert 0 < masks_BMHW.amin() < masks_BMHW.amax() < 1


def test_a_mask_is_that_of_its_label() -> None:
    network = small_network()
    nn.init.zeros_(network.mask_head.prediction.weight)
    assert network.mask_head.prediction.bias is not None
    network.mask_head.prediction.bias.data = torch.tensor([-1.0, 0.0, 2.0])
    instances = found(network)
    expected_BM = torch.tensor([-1.0, 0.0, 2.0]).sigmoid()[instances.labels_BM]
    torch.testing.assert_close(instances.masks_BMHW, expected_BM[:, :, None, None].expand(-1, -1, 28, 28))


def test_an_image_does_not_depend_on_the_others_of_its_batch() -> None:
    network = small_network()
    images_BCHW = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together, alone = network(images_BCHW), network(images_BCHW[1:])
    for both, single in zip(together, alone, strict=True):
        torch.testing.assert_close(both[1:], single, rtol=1e-3, atol=1e-4)


def test_region_norms_see_every_region_of_the_batch() -> None:
    network = small_network().train()
    shapes: dict[str, torch.Size] = {}
    for name, module in network.named_modules():
        if isinstance(module, BatchNorm) and "head" in name:
            module.register_forward_pre_hook(lambda _, inputs, name=name: shapes.update({name: inputs[0].shape}))
    network(torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(1)))
    assert shapes == {
        "box_head.tower.norms.regions.0": (2 * NUM_PROPOSALS, 8, 7, 7),
        "box_head.norm": (2 * NUM_PROPOSALS, 16),
        "mask_head.tower.norms.regions.0": (2 * NUM_MASKS, 8, 14, 14),
        "mask_head.norm": (2 * NUM_MASKS, 8, 28, 28),
    }


@pytest.mark.skipif(not computes_bf16(torch.device("cpu")), reason="this CPU has no bfloat16")
def test_it_runs_in_bf16() -> None:
    instances = found(small_network(), bf16=True)
    assert [tensor.dtype for tensor in instances] == [torch.float32, torch.float32, torch.int64, torch.float32]
    assert all(torch.isfinite(tensor).all() for tensor in instances)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="num_classes 1: a Mask R-CNN needs 2 or more"):
        small_network(num_classes=1)
