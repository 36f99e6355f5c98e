"""The inverted bottleneck of EfficientNet (Tan and Le 2019).

Legend: B images, C channels, H and W height and width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_space.plan import PlannedLayer
from trainer.model.blocks import Activation, BatchNorm, ConvNorm


class SqueezeExcitation(nn.Module):
    """Each channel times a gate in (0, 1) that the means of all channels decide (Hu et al. 2018)."""

    def __init__(self, channels: int, squeeze_channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeeze_channels, 1)
        self.expand = nn.Conv2d(squeeze_channels, channels, 1)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The gated features."""
        mean_BC11 = features_BCHW.mean((2, 3), keepdim=True)
        gate_BC11 = torch.sigmoid(self.expand(functional.silu(self.reduce(mean_BC11))))
        return features_BCHW * gate_BC11


class MBConv(nn.Module):
    """1x1 convolution to more channels, depthwise convolution, squeeze-and-excitation, 1x1 convolution back.

    What is left out where: see `search_space.plan.PlannedLayer`.
    """

    def __init__(self, kernel: int, layer: PlannedLayer, activate: Activation) -> None:
        super().__init__()
        mid = layer.mid_channels
        self.expand = ConvNorm(layer.in_channels, mid, 1) if mid != layer.in_channels else None
        self.depthwise = ConvNorm(mid, mid, kernel, layer.stride, groups=mid)
        self.squeeze = SqueezeExcitation(mid, layer.squeeze_channels) if layer.squeeze_channels else None
        self.project = ConvNorm(mid, layer.out_channels, 1)
        self.has_skip = layer.in_channels == layer.out_channels and layer.stride == 1
        self.activate = activate

    @property
    def last_norm(self) -> BatchNorm:
        """The batch norm at the end, just before the sum where there is one."""
        return self.project.norm

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The block's output, not activated."""
        inner_BCHW = features_BCHW
        if self.expand is not None:
            inner_BCHW = self.activate(self.expand(inner_BCHW))
        inner_BCHW = self.activate(self.depthwise(inner_BCHW))
        if self.squeeze is not None:
            inner_BCHW = self.squeeze(inner_BCHW)
        output_BCHW: Tensor = self.project(inner_BCHW)
        return output_BCHW + features_BCHW if self.has_skip else output_BCHW
