"""Rows of convolutions on several features, and the mean of a pyramid."""

import math

import torch
from torch import nn

from trainer.model.blocks import BATCH_NORM_EPSILON, Separable, activation_function, square_convolution
from trainer.model.tower import Tower, mean_feature

NORM = 1 / math.sqrt(1 + BATCH_NORM_EPSILON)
"""What a new batch norm multiplies by in eval mode."""


def test_features_share_convolutions_but_not_norms() -> None:
    tower = Tower(1, 1, 1, ["3", "4"], activation_function("relu"), separable=False).eval()
    conv = tower.convs[0]
    assert isinstance(conv, nn.Conv2d)
    nn.init.ones_(conv.weight)
    assert conv.bias is not None
    nn.init.constant_(conv.bias, 0.5)
    tower.load_state_dict({"norms.4.0.bias": torch.tensor([-10.0])}, strict=False)
    first, second = tower([torch.ones(1, 1, 1, 3), torch.ones(1, 1, 1, 1)])
    # Windows of two, three and two pixels, and of one pixel; the second norm then lowers it below zero.
    torch.testing.assert_close(first, NORM * torch.tensor([[[[2.5, 3.5, 2.5]]]]))
    assert second.tolist() == [[[[0.0]]]]


def test_a_tower_without_convolutions_is_its_input() -> None:
    features = [torch.randn(1, 3, 4, 4)]
    tower = Tower(3, 8, 0, ["3"], activation_function("relu"), separable=True)
    assert tower.out_channels == 3
    assert torch.equal(tower(features)[0], features[0])


def test_a_separable_convolution_is_a_dense_one_of_rank_one() -> None:
    torch.manual_seed(0)
    separable = square_convolution(3, 5, (1, 2), separable=True)
    assert isinstance(separable, Separable)
    dense = square_convolution(3, 5, (1, 2), separable=False)
    assert isinstance(dense, nn.Conv2d)
    # Output o sums input c through pointwise[o, c] * depthwise[c].
    dense.weight.data = separable.pointwise.weight * separable.depthwise.weight.permute(1, 0, 2, 3)
    assert separable.bias is not None
    dense.bias = nn.Parameter(separable.bias.detach().clone())
    features_BCHW = torch.randn(2, 3, 5, 6)
    assert dense(features_BCHW).shape == (2, 5, 5, 3)
    torch.testing.assert_close(separable(features_BCHW), dense(features_BCHW))


def test_the_mean_of_features_of_several_sizes() -> None:
    pyramid = [torch.tensor([[[[1.0, 2.0, 3.0]]]]), torch.tensor([[[[10.0, 20.0]]]]), torch.tensor([[[[300.0]]]])]
    # Column j of 3 reads column floor(j * 2 / 3) = 0, 0, 1 of the second feature.
    expected_BCHW = torch.tensor([[[[311.0 / 3, 312.0 / 3, 323.0 / 3]]]])
    torch.testing.assert_close(mean_feature(pyramid, (1, 3)), expected_BCHW)
