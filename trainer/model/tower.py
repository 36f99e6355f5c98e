"""A row of 3x3 convolutions, of which most heads consist, and the mean of a pyramid.

Legend: B images or regions, C channels, H and W height and width.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from search_space.plan import Size
from trainer.model.blocks import Activation, BatchNorm, square_convolution
from trainer.model.edges import enlarged


class Tower(nn.Module):
    """3x3 convolutions with bias, each followed by batch norm and the activation.

    Several features share the convolutions; each has its own batch norms.

    Args:
        features: a name for each feature, e.g. its level.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_convs: int,
        features: Sequence[str],
        activate: Activation,
        *,
        separable: bool,
    ) -> None:
        super().__init__()
        self.activate = activate
        widths = [in_channels] + [channels] * num_convs
        self.out_channels = widths[-1]
        self.convs = nn.ModuleList(
            square_convolution(widths[i], channels, separable=separable) for i in range(num_convs)
        )
        self.norms = nn.ModuleDict(
            {name: nn.ModuleList(BatchNorm(channels) for _ in range(num_convs)) for name in features}
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Each feature convolved, of `out_channels` and its own size; the input itself where there are none."""
        convolved = []
        for feature_BCHW, norms in zip(features, self.norms.values(), strict=True):
            for conv, norm in zip(self.convs, cast(nn.ModuleList, norms), strict=True):
                feature_BCHW = self.activate(norm(conv(feature_BCHW)))
            convolved.append(feature_BCHW)
        return convolved


def mean_feature(pyramid: list[Tensor], size: Size) -> Tensor:
    """The mean of all features, each brought to `size` by nearest neighbour (Du et al. 2020, section 4.2)."""
    total_BCHW = enlarged(pyramid[0], size)
    for feature_BCHW in pyramid[1:]:
        total_BCHW = total_BCHW + enlarged(feature_BCHW, size)
    return total_BCHW / len(pyramid)
