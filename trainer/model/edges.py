"""How a feature reaches a block of another level and width (Du et al. 2020, section 3.2).

Legend: B images, C channels, H and W height and width.
"""

from torch import Tensor, nn
from torch.nn import functional

from search_space.plan import PlannedEdge
from trainer.model.blocks import Activation, ConvNorm, halving_stride


class ResampleEdge(nn.Module):
    """1x1 convolution, scale change, 1x1 convolution without activation."""

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
            features_BCHW = functional.interpolate(features_BCHW, size=(self.out_size, self.out_size), mode="nearest")
        resampled_BCHW: Tensor = self.expand(features_BCHW)
        return resampled_BCHW
