"""Convolutions with and without batch norm, and the two residual operations of SpineNet.

Legend: B images, C channels, H and W height and width.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_space.plan import PlannedLayer, Size

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
        statistics = (self.weight, self.bias, self.running_mean, self.running_var)
        return torch.batch_norm(
            features_BCHW,
            *statistics,
            self.training,
            self.momentum or 0.0,
            self.eps,
            torch.backends.cudnn.enabled,
        )


def halving_stride(in_size: Size) -> Size:
    """The stride of a 3x3 convolution that halves a feature of that size: 2, or 1 along a side of a single pixel.

    There both give the same output. But the bfloat16 weight gradient that torch 2.15 computes on a CPU for stride
    2 along a side of one pixel depends on memory that nobody wrote.
    """
    height, width = in_size
    return min(2, height), min(2, width)


class ConvNorm(nn.Module):
    """A convolution, padded so that stride 1 keeps the size, then batch norm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int | Size = 1, *, groups: int = 1
    ) -> None:
        super().__init__()
        pad = kernel // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, pad, groups=groups, bias=False)
        self.norm = BatchNorm(out_channels)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The normalised features, ceil(size / stride) a side."""
        normalised: Tensor = self.norm(self.conv(features_BCHW))
        return normalised


class Separable(nn.Module):
    """A depthwise 3x3 convolution without bias, then a 1x1 convolution with bias."""

    def __init__(self, in_channels: int, out_channels: int, stride: int | Size = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    @property
    def bias(self) -> Tensor | None:
        """What is added to each output channel, as of a dense convolution."""
        return self.pointwise.bias

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The convolved features, ceil(size / stride) a side."""
        convolved: Tensor = self.pointwise(self.depthwise(features_BCHW))
        return convolved


def square_convolution(
    in_channels: int, out_channels: int, stride: int | Size = 1, *, separable: bool
) -> nn.Conv2d | Separable:
    """A 3x3 convolution with bias, dense or separable."""
    if separable:
        return Separable(in_channels, out_channels, stride)
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1)


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, layer: PlannedLayer, activate: Activation) -> None:
        super().__init__()
        self.conv1 = ConvNorm(layer.in_channels, layer.mid_channels, 3, layer.stride)
        self.conv2 = ConvNorm(layer.mid_channels, layer.out_channels, 3)
        self.shortcut = projection(layer)
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

    def __init__(self, layer: PlannedLayer, activate: Activation) -> None:
        super().__init__()
        self.conv1 = ConvNorm(layer.in_channels, layer.mid_channels, 1)
        self.conv2 = ConvNorm(layer.mid_channels, layer.mid_channels, 3, layer.stride)
        self.conv3 = ConvNorm(layer.mid_channels, layer.out_channels, 1)
        self.shortcut = projection(layer)
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


def projection(layer: PlannedLayer) -> nn.Module:
    """A 1x1 convolution with batch norm where the shape changes, else the identity."""
    if layer.in_channels == layer.out_channels and layer.stride == 1:
        return nn.Identity()
    return ConvNorm(layer.in_channels, layer.out_channels, 1, layer.stride)
