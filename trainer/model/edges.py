"""How features reach a block of another level and width, and become one input.

Legend: B images, C channels, H and W height and width, E inputs of a block.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_space.plan import EdgeKind, PlannedEdge, Size, feature_size
from trainer.model.blocks import Activation, ConvNorm, halving_stride

FUSION_EPSILON = 1e-4


def resampling(edge: PlannedEdge, activate: Activation) -> nn.Module:
    """The edge's operation, as `PlannedEdge` says; an edge of kind RAW has none.

    Raises:
        ValueError: a RAW edge.
    """
    if edge.kind is EdgeKind.RAW:
        raise ValueError(f"edge from feature {edge.source}: a raw edge has no operation")
    return ConvEdge(edge, activate) if edge.kind is EdgeKind.CONV else DepthwiseEdge(edge, activate)


class ConvEdge(nn.Module):
    """1x1 convolution, scale change, 1x1 convolution without activation (Du et al. 2020, section 3.2)."""

    def __init__(self, edge: PlannedEdge, activate: Activation) -> None:
        super().__init__()
        self.levels_down = edge.levels_down
        self.out_size = edge.out_size
        self.activate = activate
        self.reduce = ConvNorm(edge.in_channels, edge.mid_channels, 1)
        if edge.levels_down > 0:
            self.down = ConvNorm(edge.mid_channels, edge.mid_channels, 3, halving_stride(edge.in_size))
        self.expand = ConvNorm(edge.mid_channels, edge.out_channels, 1)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The source at the block's size and width, not activated."""
        features_BCHW = self.activate(self.reduce(features_BCHW))
        if self.levels_down > 0:
            features_BCHW = self.activate(self.down(features_BCHW))
            for _ in range(self.levels_down - 1):
                features_BCHW = functional.max_pool2d(features_BCHW, kernel_size=3, stride=2, padding=1)
        elif self.levels_down < 0:
            features_BCHW = enlarged(features_BCHW, self.out_size)
        resampled_BCHW: Tensor = self.expand(features_BCHW)
        return resampled_BCHW


class DepthwiseEdge(nn.Module):
    """Depthwise strided convolutions, or the way up; then a 1x1 convolution without activation.

    Of SPACE_TO_DEPTH the first level down makes channels of pixels instead (Du et al. 2020b, section 3.1).
    """

    def __init__(self, edge: PlannedEdge, activate: Activation) -> None:
        super().__init__()
        self.levels_down = edge.levels_down
        self.out_size = edge.out_size
        self.activate = activate
        self.makes_channels = edge.kind is EdgeKind.SPACE_TO_DEPTH and edge.levels_down > 0
        mid = edge.mid_channels
        self.down = nn.ModuleList(
            ConvNorm(mid, mid, 3, halving_stride(feature_size(edge.in_size, level)), groups=mid)
            for level in range(1 if self.makes_channels else 0, edge.levels_down)
        )
        self.expand = ConvNorm(mid, edge.out_channels, 1)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """The source at the block's size and width, not activated."""
        if self.makes_channels:
            features_BCHW = space_to_depth(features_BCHW)
        elif self.levels_down < 0:
            features_BCHW = enlarged(features_BCHW, self.out_size)
        for convolution in self.down:
            features_BCHW = self.activate(convolution(features_BCHW))
        resampled_BCHW: Tensor = self.expand(features_BCHW)
        return resampled_BCHW


def enlarged(features_BCHW: Tensor, size: Size) -> Tensor:
    """The features at another size, nearest neighbour."""
    if features_BCHW.device.type == "xla":
        return enlarged_by_index(features_BCHW, size)
    return functional.interpolate(features_BCHW, size=size, mode="nearest")


def enlarged_by_index(features_BCHW: Tensor, size: Size) -> Tensor:
    """The same in operations that torch_xla compiles with their gradients on every device."""
    (height, width), (out_height, out_width) = features_BCHW.shape[2:], size
    if out_height % height == 0 and out_width % width == 0:
        rows, columns = out_height // height, out_width // width
        return features_BCHW[:, :, :, None, :, None].expand(-1, -1, -1, rows, -1, columns).flatten(4, 5).flatten(2, 3)
    places = (torch.arange(float(side))[None, None] for side in (height, width))
    row_H, column_W = (functional.interpolate(p, size=s)[0, 0].long() for p, s in zip(places, size, strict=True))
    device = features_BCHW.device
    return features_BCHW.index_select(2, row_H.to(device)).index_select(3, column_W.to(device))


def space_to_depth(features_BCHW: Tensor) -> Tensor:
    """Four neighbours as channels, (B, 4 * C, ceil(H / 2), ceil(W / 2)); zeros stand beyond the end of an odd side.

    Channels 4c to 4c + 3 are those of channel c: top left, top right, bottom left, bottom right.
    """
    height, width = features_BCHW.shape[-2:]
    if height % 2 or width % 2:
        features_BCHW = functional.pad(features_BCHW, (0, width % 2, 0, height % 2))
    return functional.pixel_unshuffle(features_BCHW, 2)


def fused(inputs: Sequence[Tensor], weights_E: Tensor | None) -> Tensor:
    """Features of one shape as one: their sum, or with weights their fast normalised fusion.

    That is sum(w * x) / (epsilon + sum(w)) with w = relu(weight) (Tan et al. 2020, section 3.3).
    """
    if weights_E is not None:
        positive_E = torch.relu(weights_E)
        shares_E = positive_E / (FUSION_EPSILON + positive_E.sum())
        inputs = [share * feature for share, feature in zip(shares_E, inputs, strict=True)]
    total_BCHW = inputs[0]
    for feature_BCHW in inputs[1:]:
        total_BCHW = total_BCHW + feature_BCHW
    return total_BCHW
