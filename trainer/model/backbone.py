"""A backbone built from a NetworkPlan: stem, live blocks, neck.

Parameter names are part of the contract with the exports: ``stem``, ``blocks.{feature index}.edges.{k}``,
``blocks.{feature index}.fusion``, ``blocks.{feature index}.layers.{r}``, ``endpoints.{level}``, ``laterals.{level}``,
``outputs.{level}``.

Legend: B images, C channels, H and W height and width.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_space.plan import EdgeKind, NetworkPlan, PlannedBlock
from search_space.spec import BlockType, Fusion, Neck, StemKind
from trainer.model.blocks import (
    Activation,
    BatchNorm,
    Bottleneck,
    ConvNorm,
    Residual,
    activation_function,
    halving_stride,
    square_convolution,
)
from trainer.model.edges import enlarged, fused, resampling
from trainer.model.mbconv import MBConv


def block_layers(block: PlannedBlock, activate: Activation) -> nn.Sequential:
    """The block's operation, once for each of its planned layers."""
    if block.block_type is BlockType.MBCONV:
        return nn.Sequential(*(MBConv(block.kernel, layer, activate) for layer in block.layers))
    operation = Bottleneck if block.block_type is BlockType.BOTTLENECK else Residual
    return nn.Sequential(*(operation(layer, activate) for layer in block.layers))


class BackboneBlock(nn.Module):
    """One live block: its inputs resampled, fused and activated, then its layers."""

    fusion: nn.Parameter | None

    def __init__(self, block: PlannedBlock, activate: Activation) -> None:
        super().__init__()
        self.index = block.index
        self.sources = tuple(edge.source for edge in block.edges)
        self.activate = activate
        self.edges = nn.ModuleDict(
            {str(k): resampling(e, activate) for k, e in enumerate(block.edges) if e.kind is not EdgeKind.RAW}
        )
        is_weighted = block.fusion is Fusion.WEIGHTED and self.sources
        self.register_parameter("fusion", nn.Parameter(torch.ones(len(self.sources))) if is_weighted else None)
        self.layers = block_layers(block, activate)

    def forward(self, features: dict[int, Tensor]) -> Tensor:
        """The block's output; `features` are those computed before, by feature index (-1: the stem's end)."""
        if not self.sources:
            stem_output_BCHW: Tensor = self.layers(features[self.index - 1])
            return stem_output_BCHW
        inputs = [self._brought(k, features[source]) for k, source in enumerate(self.sources)]
        output_BCHW: Tensor = self.layers(self.activate(fused(inputs, self.fusion)))
        return output_BCHW

    def _brought(self, k: int, feature_BCHW: Tensor) -> Tensor:
        """The feature through edge `k`; unchanged where the edge is raw."""
        return self.edges[str(k)](feature_BCHW) if str(k) in self.edges else feature_BCHW


class Backbone(nn.Module):
    """Images to pyramid features of equal width."""

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        self.activate = activation_function(plan.activation)
        self.has_pool = plan.spec.stem.kind is StemKind.CONV7_POOL
        self.pools_first = plan.activation == "relu"
        self.stem = ConvNorm(3, plan.stem_channels, 7 if self.has_pool else 3, stride=2)
        self.blocks = nn.ModuleDict({str(b.index): BackboneBlock(b, self.activate) for b in plan.blocks})
        self.sources = {endpoint.level: endpoint.source for endpoint in plan.endpoints}
        self.neck = plan.spec.neck
        if self.neck is Neck.ENDPOINTS:
            self.endpoints = nn.ModuleDict(
                {str(e.level): ConvNorm(e.in_channels, e.out_channels, 1) for e in plan.endpoints}
            )
        else:
            self._add_pyramid(plan)

    def _add_pyramid(self, plan: NetworkPlan) -> None:
        """The convolutions of an FPN; an output's two parts are apart, as higher levels read between them."""
        separable = self.neck is Neck.SEPARABLE_FPN
        self.laterals, self.outputs = nn.ModuleDict(), nn.ModuleDict()
        for e in plan.endpoints:
            stride = halving_stride(e.in_size) if e.source is None else (1, 1)
            if e.source is not None:
                self.laterals[str(e.level)] = nn.ModuleDict({"conv": nn.Conv2d(e.in_channels, e.out_channels, 1)})
            conv = square_convolution(e.out_channels, e.out_channels, stride, separable=separable)
            self.outputs[str(e.level)] = nn.ModuleDict({"conv": conv, "norm": BatchNorm(e.out_channels)})

    def forward(self, images_BCHW: Tensor) -> list[Tensor]:
        """The pyramid features, lowest level (largest) first."""
        features = {-1: self._first_feature(images_BCHW)}
        for index, block in self.blocks.items():
            features[int(index)] = block(features)
        return self._endpoints(features) if self.neck is Neck.ENDPOINTS else self._pyramid(features)

    def _first_feature(self, images_BCHW: Tensor) -> Tensor:
        """Convolution, activation, max-pool if any. ReLU never falls, so it gives the same on the pool's quarter."""
        stem_BCHW = self.stem(images_BCHW)
        if not self.has_pool:
            return self.activate(stem_BCHW)
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
                lateral_BCHW = self._part(self.laterals, level, "conv")(features[source])
                if level + 1 in merged:
                    height, width = lateral_BCHW.shape[-2:]
                    lateral_BCHW = lateral_BCHW + enlarged(merged[level + 1], (height, width))
                merged[level] = lateral_BCHW
        convolved: dict[int, Tensor] = {}
        for level, source in self.sources.items():
            if source is not None:
                input_BCHW = merged[level]
            elif self.sources[level - 1] is not None:
                input_BCHW = convolved[level - 1]
            else:
                input_BCHW = self.activate(convolved[level - 1].clone())  # it writes in place
            convolved[level] = self._part(self.outputs, level, "conv")(input_BCHW)
        return [self._part(self.outputs, level, "norm")(feature) for level, feature in convolved.items()]

    @staticmethod
    def _part(of_levels: nn.ModuleDict, level: int, name: str) -> nn.Module:
        return cast(nn.ModuleDict, of_levels[str(level)])[name]
