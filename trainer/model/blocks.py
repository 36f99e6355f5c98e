"""Convolution with batch norm, and the two residual operations of SpineNet.

Legend: B images, C channels, H and W height and width.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_space.plan import PlannedBlock
from search_space.spec import BlockType

BATCH_NORM_MOMENTUM = 0.1
BATCH_NORM_EPSILON = 1e-3

Activation = Callable[[Tensor], Tensor]


def activation_function(name: str) -> Activation:
    """The activation of that name, ``relu`` (which overwrites its input) or ``swish``."""
    return torch.relu_ if name == "relu" else functional.silu


class BatchNorm(nn.BatchNorm2d):
    """Batch norm with the epsilon of the published detection recipes.

    It leaves out the counter of batches, which only a cumulative average needs: an operation for each layer.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The features normalised by the batch in training, by the running statistics otherwise."""
        statistics = (self.running_mean, self.running_var, self.weight, self.bias)
        return functional.batch_norm(features_BCHW, *statistics, self.training, self.momentum or 0.0, self.eps)


def halving_stride(in_size: int) -> int:
    """The stride of a 3x3 convolution that halves a feature of that size: 2, or 1 on a single pixel.

    There both give the same output. But the bfloat16 weight gradient that torch 2.15 computes on a CPU for stride
    2 on one pixel depends on memory that nobody wrote.
    """
    return 2 if in_size > 1 else 1


class ConvNorm(nn.Module):
    """A convolution, padded so that stride 1 keeps the size, then batch norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=bias)
        self.norm = BatchNorm(out_channels)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The normalised features, ceil(size / stride) a side."""
        normalised: Tensor = self.norm(self.conv(features_BCHW))
        return normalised


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, in_channels: int, width: int, stride: int, activate: Activation) -> None:
        super().__init__()
        self.conv1 = ConvNorm(in_channels, width, 3, stride)
        self.conv2 = ConvNorm(width, width, 3)
        self.shortcut = projection(in_channels, width, stride)
        self.activate = activate

    @property
    def last_norm(self) -> BatchNorm:
        """The batch norm just before the sum."""
        return self.conv2.norm

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The block's output, activated."""
        residual = self.conv2(self.activate(self.conv1(features_BCHW)))
        return self.activate(residual + self.shortcut(features_BCHW))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut; the output has four times the width (He et al. 2016)."""

    def __init__(self, in_channels: int, width: int, out_channels: int, stride: int, activate: Activation) -> None:
        super().__init__()
        self.conv1 = ConvNorm(in_channels, width, 1)
        self.conv2 = ConvNorm(width, width, 3, stride)
        self.conv3 = ConvNorm(width, out_channels, 1)
        self.shortcut = projection(in_channels, out_channels, stride)
        self.activate = activate

    @property
    def last_norm(self) -> BatchNorm:
        """The batch norm just before the sum."""
        return self.conv3.norm

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The block's output, activated."""
        residual = self.activate(self.conv1(features_BCHW))
        residual = self.conv3(self.activate(self.conv2(residual)))
        return self.activate(residual + self.shortcut(features_BCHW))


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """A 1x1 convolution with batch norm where the shape changes, else the identity."""
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return ConvNorm(in_channels, out_channels, 1, stride)


def block_layers(block: PlannedBlock, activate: Activation) -> nn.Sequential:
    """The block's operation, `repeats` times in a row; only the first one has its stride and projection."""
    layers: list[nn.Module] = []
    for repeat in range(block.repeats):
        in_channels = block.in_channels if repeat == 0 else block.out_channels
        stride = block.stride if repeat == 0 else 1
        if block.block_type is BlockType.BOTTLENECK:
            layers.append(Bottleneck(in_channels, block.mid_channels, block.out_channels, stride, activate))
        else:
            layers.append(Residual(in_channels, block.mid_channels, stride, activate))
    return nn.Sequential(*layers)
