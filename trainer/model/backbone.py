"""A backbone built from a NetworkPlan: stem, live blocks, neck.

Parameter names are part of the contract with the exports: ``stem``, ``blocks.{feature index}.edges.{k}``,
``blocks.{feature index}.layers.{r}``, ``endpoints.{level}``, ``laterals.{level}``, ``outputs.{level}``.

Legend: B images, C channels, H and W height and width.
"""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from search_space.plan import EdgeKind, NetworkPlan, PlannedBlock
from search_space.spec import Neck
from trainer.model.blocks import Activation, ConvNorm, activation_function, block_layers, halving_stride
from trainer.model.edges import ResampleEdge


class BackboneBlock(nn.Module):
    """One live block: its inputs resampled, summed and activated, then its layers."""

    def __init__(self, block: PlannedBlock, activate: Activation) -> None:
        super().__init__()
        self.index = block.index
        self.sources = tuple(edge.source for edge in block.edges)
        self.activate = activate
        self.edges = nn.ModuleDict(
            {str(k): ResampleEdge(e, activate) for k, e in enumerate(block.edges) if e.kind is EdgeKind.RESAMPLE}
        )
        self.layers = block_layers(block, activate)

    def forward(self, features: dict[int, Tensor]) -> Tensor:
        """The block's output; `features` are those computed before, by feature index (-1: the stem's pool)."""
        if not self.sources:
            stem_output_BCHW: Tensor = self.layers(features[self.index - 1])
            return stem_output_BCHW
        total_BCHW = self._brought(0, features[self.sources[0]])
        for k, source in enumerate(self.sources[1:], start=1):
            total_BCHW = total_BCHW + self._brought(k, features[source])
        output_BCHW: Tensor = self.layers(self.activate(total_BCHW))
        return output_BCHW

    def _brought(self, k: int, feature_BCHW: Tensor) -> Tensor:
        """The feature through edge `k`; unchanged where the edge is raw."""
        return self.edges[str(k)](feature_BCHW) if str(k) in self.edges else feature_BCHW


class Backbone(nn.Module):
    """Images to pyramid features of equal width."""

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        self.activate = activation_function(plan.activation)
        self.pools_first = plan.activation == "relu"
        self.stem = ConvNorm(3, plan.stem_channels, 7, stride=2)
        self.blocks = nn.ModuleDict({str(b.index): BackboneBlock(b, self.activate) for b in plan.blocks})
        self.sources = {endpoint.level: endpoint.source for endpoint in plan.endpoints}
        self.neck = plan.spec.neck
        if self.neck is Neck.ENDPOINTS:
            self.endpoints = nn.ModuleDict(
                {str(e.level): ConvNorm(e.in_channels, e.out_channels, 1) for e in plan.endpoints}
            )
        else:
            self.laterals, self.outputs = nn.ModuleDict(), nn.ModuleDict()
            for e in plan.endpoints:
                stride = halving_stride(plan.size(e.level - 1))
                if e.source is not None:
                    stride = 1
                    self.laterals[str(e.level)] = nn.ModuleDict({"conv": nn.Conv2d(e.in_channels, e.out_channels, 1)})
                self.outputs[str(e.level)] = ConvNorm(e.out_channels, e.out_channels, 3, stride, bias=True)

    def forward(self, images_BCHW: Tensor) -> list[Tensor]:
        """The pyramid features, lowest level (largest) first."""
        features = {-1: self._pooled_stem(images_BCHW)}
        for index, block in self.blocks.items():
            features[int(index)] = block(features)
        return self._endpoints(features) if self.neck is Neck.ENDPOINTS else self._pyramid(features)

    def _pooled_stem(self, images_BCHW: Tensor) -> Tensor:
        """Convolution, activation, max-pool. ReLU never falls, so it gives the same on the pool's quarter."""
        stem_BCHW = self.stem(images_BCHW)
        if self.pools_first:
            return self.activate(functional.max_pool2d(stem_BCHW, kernel_size=3, stride=2, padding=1))
        return functional.max_pool2d(self.activate(stem_BCHW), kernel_size=3, stride=2, padding=1)

    def _endpoints(self, features: dict[int, Tensor]) -> list[Tensor]:
        return [
            self.activate(self.endpoints[str(level)](features[source]))
            for level, source in self.sources.items()
            if source is not None
        ]

    def _pyramid(self, features: dict[int, Tensor]) -> list[Tensor]:
        """The feature pyramid of Lin et al. 2017: top-down sums, then a convolution, and strided ones above.

        The first strided one reads the top feature before its batch norm, the next an activated one.
        """
        merged: dict[int, Tensor] = {}
        for level, source in reversed(self.sources.items()):
            if source is not None:
                merged[level] = self._lateral(level)(features[source])
                if level + 1 in merged:
                    above_BCHW = functional.interpolate(
                        merged[level + 1], size=merged[level].shape[-2:], mode="nearest"
                    )
                    merged[level] = merged[level] + above_BCHW
        convolved: dict[int, Tensor] = {}
        for level, source in self.sources.items():
            if source is not None:
                input_BCHW = merged[level]
            elif self.sources[level - 1] is not None:
                input_BCHW = convolved[level - 1]
            else:
                input_BCHW = self.activate(convolved[level - 1].clone())  # it writes in place
            convolved[level] = self._output(level).conv(input_BCHW)
        return [self._output(level).norm(feature_BCHW) for level, feature_BCHW in convolved.items()]

    def _lateral(self, level: int) -> nn.Module:
        return cast(nn.ModuleDict, self.laterals[str(level)])["conv"]

    def _output(self, level: int) -> ConvNorm:
        return cast(ConvNorm, self.outputs[str(level)])
