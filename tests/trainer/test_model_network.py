"""What the built networks compute, and how they begin."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from search_space.heads import ClassificationHead, MaskRCNNHead, RetinaNetHead, SegmentationHead
from search_space.plan import NetworkPlan, Size, TargetNetwork, feature_size, resolve
from search_space.reference import REFERENCES
from search_space.spec import ArchitectureSpec
from tests.trainer.architectures import ARCHITECTURES, HEADS
from trainer.model.anchors import anchor_boxes
from trainer.model.backbone import Backbone, BackboneBlock
from trainer.model.classification import ImageClassifier
from trainer.model.mask_rcnn import MaskRCNN
from trainer.model.mbconv import MBConv
from trainer.model.network import build_network
from trainer.model.retinanet import RetinaNet, build_retinanet
from trainer.model.segmentation import Segmenter

SPINENET_49 = REFERENCES["spinenet-49"].spec
NUM_CLASSES = 3


def small_plan(
    image_size: int | Size = 64, reference: str | ArchitectureSpec = "spinenet-49", head: str = "retinanet"
) -> NetworkPlan:
    spec = REFERENCES[reference].spec if isinstance(reference, str) else reference
    target = TargetNetwork(
        image_size=image_size, width_scale=0.125, head=HEADS[head], num_classes=NUM_CLASSES, endpoint_channels=8
    )
    return resolve(spec, target)


def output_shapes(plan: NetworkPlan, num_images: int) -> list[tuple[int, ...]]:
    """What the heads promise."""
    height, width = plan.target.height_and_width
    match plan.head:
        case None:
            return [(num_images, 8, *feature_size((height, width), level)) for level in (3, 4, 5, 6, 7)]
        case RetinaNetHead():
            num_anchors = 9 * sum(math.ceil(height / 2**level) * math.ceil(width / 2**level) for level in range(3, 8))
            return [(num_images, num_anchors, NUM_CLASSES), (num_images, num_anchors, 4)]
        case MaskRCNNHead() as head:
            rows = (num_images, head.num_masks)
            return [(*rows, 4), rows, rows, (*rows, 28, 28)]
        case ClassificationHead():
            return [(num_images, NUM_CLASSES)]
        case SegmentationHead():
            return [(num_images, NUM_CLASSES, math.ceil(height / 8), math.ceil(width / 8))]


@pytest.mark.parametrize(
    ("name", "image_size", "head"),
    [
        *product(ARCHITECTURES, [(64, 200)], HEADS),
        *product(ARCHITECTURES, [96, (224, 160)], ["none"]),
        *product(["mixed"], [96, 224, (320, 512)], HEADS),
    ],
)
def test_outputs_have_the_promised_shapes(name: str, image_size: int | Size, head: str) -> None:
    plan = small_plan(image_size, ARCHITECTURES[name], head)
    network = build_network(plan, torch.Generator().manual_seed(0)).eval()
    images_BCHW = torch.randn(1, 3, *plan.target.height_and_width, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        outputs: list[Tensor] = list(network(images_BCHW))
    assert [tuple(output.shape) for output in outputs] == output_shapes(plan, num_images=1)
    assert all(torch.isfinite(output).all() for output in outputs)


def test_the_head_decides_the_network() -> None:
    kinds = {name: type(build_network(small_plan(head=name), torch.Generator())) for name in HEADS}
    assert kinds == {
        "retinanet": RetinaNet,
        "retinanet-separable": RetinaNet,
        "mask-rcnn": MaskRCNN,
        "mask-rcnn-separable": MaskRCNN,
        "classification": ImageClassifier,
        "segmentation": Segmenter,
        "segmentation-separable": Segmenter,
        "none": Backbone,
    }


@pytest.mark.parametrize("network", [RetinaNet, MaskRCNN, ImageClassifier, Segmenter])
def test_another_head_or_none_is_refused(network: type[nn.Module]) -> None:
    others = [head for head in HEADS if type(build_network(small_plan(head=head), torch.Generator())) is not network]
    for head in others:
        with pytest.raises(ValueError, match="head"):
            network(small_plan(head=head))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_live_parameter_learns(name: str) -> None:
    network = build_network(small_plan(96, ARCHITECTURES[name], "none"), torch.Generator().manual_seed(0))
    for module in network.modules():  # the last norms of residual blocks start at zero, and stop the gradient
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    images_BCHW = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    sum(feature.square().sum() for feature in network(images_BCHW)).backward()
    idle = {key for key, parameter in network.named_parameters() if parameter.grad is None}
    assert idle == set()


def test_no_parameter_is_left_as_memory_was() -> None:
    # Two models from one generator state are equal only if every weight is set; junk in between makes memory differ.
    states = []
    for junk_value in (1e4, math.nan):
        junk = [torch.full((2**power,), junk_value) for power in range(3, 16) for _ in range(8)]
        del junk
        plans = [small_plan(reference=ARCHITECTURES["mixed"], head=head) for head in HEADS]
        states.append([build_network(plan, torch.Generator().manual_seed(5)).state_dict() for plan in plans])
    for first, second in zip(*states, strict=True):
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert all(torch.isfinite(first[key]).all() for key in first)


def test_residual_blocks_begin_as_identities_and_fusion_with_equal_weights() -> None:
    network = build_network(small_plan(96, ARCHITECTURES["mobile-space-to-depth"], "none"), torch.Generator())
    blocks = [block for block in network.modules() if isinstance(block, BackboneBlock)]
    layers = [module for module in network.modules() if isinstance(module, MBConv)]
    # Only the second block of the stem, which has a stride, has no skip.
    assert [layer.has_skip for layer in layers] == [True, False] + [True] * 16
    for layer in layers:
        assert torch.equal(layer.last_norm.weight, torch.full_like(layer.last_norm.weight, float(not layer.has_skip)))
    inputs = torch.randn(2, layers[5].last_norm.num_features, 12, 12)
    assert torch.equal(layers[5](inputs), inputs)
    # Two parents each; the output of level 5 has the orphan too. The stem reads what is before it.
    assert [0 if block.fusion is None else len(block.fusion) for block in blocks] == [0, 0, *[2] * 13, 3, 2, 2]
    assert all(bool((block.fusion == 1).all()) for block in blocks if block.fusion is not None)


def test_weights_are_drawn_by_fan_in_or_as_published() -> None:
    plan = small_plan(96, ARCHITECTURES["mobile-space-to-depth"], "mask-rcnn-separable")
    network = build_network(plan, torch.Generator().manual_seed(0))
    weights = dict(network.named_parameters())

    def deviations(*parts: str) -> Tensor:
        found = [value.detach().flatten() for key, value in weights.items() if all(part in key for part in parts)]
        return torch.cat(found).std()

    # He et al. 2015: sqrt(2 / fan-in), of 3x3 depthwise convolutions 9 whatever the number of channels.
    torch.testing.assert_close(
        deviations("depthwise", "weight", "conv"), torch.tensor((2 / 9) ** 0.5), rtol=0.05, atol=0
    )
    torch.testing.assert_close(
        deviations("proposal_subnet", "depthwise"), torch.tensor((2 / 9) ** 0.5), rtol=0.2, atol=0
    )
    torch.testing.assert_close(deviations("proposal_subnet", "pointwise.weight"), torch.tensor(0.01), rtol=0.2, atol=0)
    # 8 channels of 7x7 pixels are 392 inputs of the fully connected layer.
    torch.testing.assert_close(deviations("hidden.weight"), torch.tensor((2 / 392) ** 0.5), rtol=0.1, atol=0)
    # Each output of the transposed convolution reads one pixel of 8 channels.
    torch.testing.assert_close(deviations("mask_head.up.weight"), torch.tensor((2 / 8) ** 0.5), rtol=0.25, atol=0)
    torch.testing.assert_close(deviations("class_prediction.weight"), torch.tensor(0.01), rtol=0.3, atol=0)


@pytest.mark.parametrize("reference", ["spinenet-49", "resnet-50-fpn"])
@pytest.mark.parametrize("image_size", [64, 100, (131, 70)])
def test_predictions_are_one_for_each_anchor(image_size: int | Size, reference: str) -> None:
    plan = small_plan(image_size, reference)
    model = build_retinanet(plan, torch.Generator().manual_seed(0))
    logits_BAK, deltas_BA4 = model(torch.randn(2, 3, *plan.target.height_and_width))
    num_anchors = len(anchor_boxes(plan))
    assert logits_BAK.shape == (2, num_anchors, 3)
    assert deltas_BA4.shape == (2, num_anchors, 4)
    # The class bias gives every class about the prior probability at the start (Lin et al. 2017, section 4.1).
    assert logits_BAK.sigmoid().mean().item() == pytest.approx(0.01, rel=0.2)


def test_predictions_are_ordered_as_the_anchors() -> None:
    plan = small_plan(64)
    model = build_retinanet(plan, torch.Generator().manual_seed(0)).eval()
    prediction = model.box_subnet.prediction
    assert isinstance(prediction, nn.Conv2d)
    nn.init.zeros_(prediction.weight)
    assert prediction.bias is not None
    prediction.bias.data = torch.arange(36.0)  # anchor a of a place answers 4a, 4a + 1, 4a + 2, 4a + 3
    _, deltas_BA4 = model(torch.randn(1, 3, 64, 64))
    expected_A4 = torch.arange(36.0).reshape(9, 4).repeat(deltas_BA4.shape[1] // 9, 1)
    torch.testing.assert_close(deltas_BA4[0], expected_A4)


def test_relu_before_or_after_the_stem_pool_is_the_same() -> None:
    model = build_retinanet(small_plan(), torch.Generator().manual_seed(0))
    images_BCHW = torch.randn(2, 3, 64, 64)
    pooled_first_BCHW = model.backbone._first_feature(images_BCHW)
    model.backbone.pools_first = False
    torch.testing.assert_close(model.backbone._first_feature(images_BCHW), pooled_first_BCHW, rtol=0, atol=0)


def test_parameter_names_are_those_the_exports_use() -> None:
    names = set(build_retinanet(small_plan(), torch.Generator()).state_dict())
    expected = {
        "stem.conv.weight",
        "stem.norm.running_var",
        "blocks.0.layers.0.shortcut.conv.weight",
        "blocks.2.edges.1.reduce.norm.bias",
        "blocks.3.edges.0.down.conv.weight",
        "blocks.14.edges.0.expand.conv.weight",
        "blocks.16.layers.0.conv3.conv.weight",
        "endpoints.7.norm.weight",
    }
    assert {f"backbone.{name}" for name in expected} <= names
    # Block 14 (L5) has a third input, the orphan 11 of the same width: raw, so without parameters.
    assert not any(name.startswith("backbone.blocks.14.edges.2") for name in names)


def test_weights_come_from_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = build_retinanet(small_plan(), torch.Generator().manual_seed(5)).state_dict()
    torch.manual_seed(2)
    second = build_retinanet(small_plan(), torch.Generator().manual_seed(5)).state_dict()
    other = build_retinanet(small_plan(), torch.Generator().manual_seed(6)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["backbone.stem.conv.weight"], other["backbone.stem.conv.weight"])
