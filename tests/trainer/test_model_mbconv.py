"""MBConv by hand on a few pixels."""

import math

import pytest
import torch
from torch import Tensor, nn

from search_space.plan import PlannedLayer
from trainer.model.blocks import BATCH_NORM_EPSILON, activation_function
from trainer.model.mbconv import MBConv, SqueezeExcitation

NORM = 1 / math.sqrt(1 + BATCH_NORM_EPSILON)
"""What a new batch norm multiplies by in eval mode."""


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def swish(x: float) -> float:
    return x * sigmoid(x)


def planned(*, mid: int = 24, out: int = 4, squeeze: int = 2, stride: int = 1) -> PlannedLayer:
    """Four channels of 6x5 pixels."""
    size = (6 // stride, math.ceil(5 / stride))
    return PlannedLayer(4, mid, out, squeeze, stride, in_size=(6, 5), size=size)


def mbconv(layer: PlannedLayer, kernel: int = 3, activation: str = "swish") -> MBConv:
    return MBConv(kernel, layer, activation_function(activation)).eval()


def filled(module: nn.Module, value: float) -> None:
    """Sets every convolution weight of the module."""
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.constant_(conv.weight, value)


def test_squeeze_and_excitation() -> None:
    gate = SqueezeExcitation(channels=2, squeeze_channels=1)
    gate.load_state_dict(
        {
            "reduce.weight": torch.tensor([2.0, -1.0]).reshape(1, 2, 1, 1),
            "reduce.bias": torch.tensor([0.5]),
            "expand.weight": torch.tensor([1.0, -3.0]).reshape(2, 1, 1, 1),
            "expand.bias": torch.tensor([0.0, 1.0]),
        }
    )
    features_BCHW = torch.tensor([[[[1.0, 3.0]], [[0.0, 2.0]]]])
    # Means 2 and 1: 2 * 2 - 1 + 0.5 = 3.5 inside; then one gate for each channel.
    inside = swish(3.5)
    first, second = sigmoid(inside), sigmoid(1 - 3 * inside)
    expected_BCHW = torch.tensor([[[[first, 3 * first]], [[0.0, 2 * second]]]])
    torch.testing.assert_close(gate(features_BCHW), expected_BCHW)


def test_an_mbconv_without_squeeze_by_hand() -> None:
    # One channel to two; every weight 1. The middle pixel of 1x3 sees all three pixels, the ends two.
    layer = PlannedLayer(1, 2, 3, 0, 1, (1, 3), (1, 3))
    block = mbconv(layer)
    filled(block, 1.0)
    values = [swish(NORM * pixel) for pixel in (1.0, -2.0, 3.0)]
    sums = [values[0] + values[1], sum(values), values[1] + values[2]]
    # The two channels are equal and added at the end, without activation; one more for the input is not there (1 to 3).
    expected_BCHW = torch.tensor([[[[2 * NORM * swish(NORM * total) for total in sums]]]]).repeat(1, 3, 1, 1)
    torch.testing.assert_close(block(torch.tensor([[[[1.0, -2.0, 3.0]]]])), expected_BCHW)


def test_an_mbconv_is_its_parts() -> None:
    torch.manual_seed(0)
    block = mbconv(planned(), kernel=5)
    features_BCHW = torch.randn(2, 4, 6, 5)
    assert block.expand is not None
    assert block.squeeze is not None
    inner_BCHW = nn.functional.silu(block.expand(features_BCHW))
    inner_BCHW = nn.functional.silu(block.depthwise(inner_BCHW))
    expected_BCHW = block.project(block.squeeze(inner_BCHW)) + features_BCHW
    torch.testing.assert_close(block(features_BCHW), expected_BCHW)
    assert bool((expected_BCHW < 0).any())  # no activation at the end


def test_relu_does_not_overwrite_the_input() -> None:
    # Without a first convolution nothing but the skip lies between a block's input and its in-place activation.
    for layer in (planned(), planned(mid=4)):
        features_BCHW = torch.randn(1, 4, 6, 5)
        before_BCHW = features_BCHW.clone()
        mbconv(layer, activation="relu")(features_BCHW)
        assert torch.equal(features_BCHW, before_BCHW)


@pytest.mark.parametrize(("stride", "out_channels", "has_skip"), [(1, 4, True), (2, 4, False), (1, 5, False)])
def test_the_input_is_added_where_the_shape_stays(stride: int, out_channels: int, has_skip: bool) -> None:
    block = mbconv(planned(stride=stride, out=out_channels))
    nn.init.zeros_(block.last_norm.weight)
    features_BCHW = torch.randn(1, 4, 6, 5)
    output_BCHW: Tensor = block(features_BCHW)
    assert output_BCHW.shape == (1, out_channels, 6 // stride, math.ceil(5 / stride))
    expected_BCHW = features_BCHW if has_skip else torch.zeros_like(output_BCHW)
    assert torch.equal(output_BCHW, expected_BCHW)


def test_parts_that_a_layer_leaves_out_have_no_parameters() -> None:
    full = set(mbconv(planned()).state_dict())
    assert {name.rpartition(".")[0] for name in full} == {
        *(f"{part}.{kind}" for part in ("expand", "depthwise", "project") for kind in ("conv", "norm")),
        "squeeze.reduce",
        "squeeze.expand",
    }
    plain = set(mbconv(planned(mid=4, squeeze=0)).state_dict())
    assert plain == {name for name in full if name.startswith(("depthwise", "project"))}
    shapes = {name: tuple(value.shape) for name, value in mbconv(planned(), kernel=7).state_dict().items()}
    assert shapes["depthwise.conv.weight"] == (24, 1, 7, 7)
    assert shapes["squeeze.reduce.weight"] == (2, 24, 1, 1)
    assert shapes["squeeze.expand.bias"] == (24,)
