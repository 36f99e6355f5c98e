"""From a spec to a network with every integer settled: `resolve(spec, target) -> NetworkPlan`.

The cost model and the torch builder both read the plan, so they cannot disagree about a channel, a stride
or a dead block. A feature of level L of an image of n pixels a side has ceil(n / 2**L) of them, which is what
stride-2 convolutions and pools of kernel 3 and padding 1 give for any n.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from search_space.graph import live_among, orphans_by_output
from search_space.heads import Head, RetinaNetHead
from search_space.spec import MAX_LEVEL, ArchitectureSpec, BlockSpec, BlockType, Fusion, Neck, SpecError, StemKind

BOTTLENECK_EXPANSION = 4
MBCONV_EXPANSION = 6
SPACE_TO_DEPTH_CHANNELS = 4

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNetwork:
    """The network that is wanted: everything that a spec leaves open.

    Args:
        image_size: side of the square input in pixels, 32 or more; or its height and width.
        width_scale: factor on every block width; widths are truncated as in the published code.
        head: None for a backbone alone.
        num_classes: sigmoid outputs for each anchor, or scores; 91 in the papers' detectors.
        endpoint_channels, resampling_alpha: None for what the spec says.
    """

    image_size: int | Size
    width_scale: float = 1.0
    head: Head | None = field(default_factory=RetinaNetHead)
    num_classes: int = 91
    endpoint_channels: int | None = None
    resampling_alpha: float | None = None

    def __post_init__(self) -> None:
        if min(self.height_and_width) < 32:
            raise ValueError(f"image_size {self.image_size}: must be at least 32")
        if not 0 < self.width_scale <= 16:
            raise ValueError(f"width_scale {self.width_scale}: must be above 0 and at most 16")
        if self.num_classes < 1:
            raise ValueError(f"num_classes {self.num_classes}: must be at least 1")
        if self.endpoint_channels is not None and self.endpoint_channels < 1:
            raise ValueError(f"endpoint_channels {self.endpoint_channels}: must be at least 1")
        if self.resampling_alpha is not None and not 0 < self.resampling_alpha <= 4:
            raise ValueError(f"resampling_alpha {self.resampling_alpha}: must be above 0 and at most 4")

    @property
    def height_and_width(self) -> Size:
        """Of the input, in pixels."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size


class EdgeKind(StrEnum):
    """How an input reaches its block; RAW: the feature itself, unchanged."""

    CONV = "conv"
    DEPTHWISE = "depthwise"
    SPACE_TO_DEPTH = "space-to-depth"
    RAW = "raw"


class PlannedEdge(NamedTuple):
    """One input of a block: feature `source`, brought to the block's level and width.

    No convolution has a bias; batch norm follows each. Going up is nearest neighbour to `out_size`.

    CONV (Du et al. 2020, section 3.2): 1x1 convolution to `mid_channels`, batch norm, activation; going
    down, one 3x3 stride-2 convolution, batch norm, activation, and then `levels_down - 1` 3x3 stride-2
    max-pools; or going up; then 1x1 to `out_channels` and batch norm, without activation. Both 1x1 convolutions
    stay where levels and widths agree.
    DEPTHWISE (released mobile SpineNet code): going down, for each level one 3x3 stride-2 depthwise convolution,
    batch norm, activation; or going up; then 1x1 to `out_channels` and batch norm, without activation.
    SPACE_TO_DEPTH (Du et al. 2020b, section 3.1): going down, the first level makes four neighbours into channels
    (`mid_channels` = 4 * `in_channels`; an odd side is padded with zeros at its end), each further level is a 3x3
    stride-2 depthwise convolution, batch norm, activation; or going up; then 1x1 to `out_channels` and batch norm,
    without activation. Where level and width agree the edge is RAW.

    Args:
        mid_channels: of the strided convolutions.
        levels_down: level of the block less level of the source; negative is up-sampling.
        in_size, out_size: of the source and of the block.
        is_orphan: the source had no consumer and joins its level's output block.
    """

    source: int
    kind: EdgeKind
    in_channels: int
    mid_channels: int
    out_channels: int
    levels_down: int
    in_size: Size
    out_size: Size
    is_orphan: bool = False


class PlannedLayer(NamedTuple):
    """One copy of a block's operation; no convolution has a bias but those of squeeze-and-excitation.

    BOTTLENECK: 1x1 to `mid_channels`, 3x3 with the stride, 1x1 to `out_channels`. RESIDUAL: 3x3 with the stride
    to `mid_channels`, 3x3 to `out_channels`. Each is followed by batch norm, and the activation comes after all but
    the last batch norm and after the shortcut is added. The shortcut is the input, through a 1x1 convolution with the
    stride and batch norm only where channels change or the stride is above 1.

    MBCONV (Tan and Le 2019): 1x1 to `mid_channels` (left out where these are `in_channels`), depthwise convolution
    of the block's kernel with the stride, each with batch norm and activation; squeeze-and-excitation (mean over the
    feature, 1x1 with bias to `squeeze_channels`, swish, 1x1 with bias back, sigmoid, product), left out
    where `squeeze_channels` is 0; 1x1 to `out_channels` and batch norm, without activation. The input is added where
    channels and size do not change.
    """

    in_channels: int
    mid_channels: int
    out_channels: int
    squeeze_channels: int
    stride: int
    in_size: Size
    size: Size


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    """One live block: its inputs fused and activated, then its layers.

    Args:
        index: its feature index in the spec.
        width: channels of the 3x3 convolution, or of an MBConv's output.
        layers: the operation, once for each repeat; only the first has a stride or changes channels.
        edges: its inputs; empty for a stem block, whose input is the feature before it.
        fusion: how several inputs become one: their sum, or fast normalised fusion with one trained weight for each
            (start 1, epsilon 1e-4).
    """

    index: int
    level: int
    block_type: BlockType
    kernel: int
    width: int
    layers: tuple[PlannedLayer, ...]
    edges: tuple[PlannedEdge, ...] = ()
    fusion: Fusion = Fusion.SUM
    is_stem: bool = False
    is_output: bool = False

    @property
    def in_channels(self) -> int:
        """Channels of the fused input."""
        return self.layers[0].in_channels

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return self.layers[-1].out_channels

    @property
    def size(self) -> Size:
        """Size of the output."""
        return self.layers[-1].size


@dataclass(frozen=True, slots=True)
class PlannedEndpoint:
    """One pyramid feature of `out_channels`.

    ENDPOINTS neck: a 1x1 convolution without bias from the output block of the level, batch norm, activation.

    FPN neck (Lin et al. 2017): where the stem has the level, a lateral 1x1 convolution with bias from `source`,
    plus the merged feature above (nearest neighbour to `size`), then a 3x3 convolution with bias. Above the stem's
    levels (`source` None), a 3x3 stride-2 convolution with bias from the feature below, activated first
    unless it is the top level of the stem (P6 reads P5, P7 reads the activated P6). At the end every level has
    a batch norm, without activation; features above are computed from those before batch norm.
    SEPARABLE_FPN: each 3x3 convolution is a 3x3 depthwise one without bias, then a 1x1 with bias.

    Args:
        source: feature index; None above the stem's levels.
        in_channels: of the source, or of the feature below.
        in_size: of the source, or of the feature below.
    """

    level: int
    source: int | None
    in_channels: int
    out_channels: int
    in_size: Size
    size: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """A spec with every integer settled. `blocks` holds live blocks only, in the order of computation.

    Args:
        stem_channels, stem_size: of the first convolution's output.
    """

    spec: ArchitectureSpec
    target: TargetNetwork
    stem_channels: int
    stem_size: Size
    activation: str
    blocks: tuple[PlannedBlock, ...]
    endpoints: tuple[PlannedEndpoint, ...]
    head: Head | None
    num_classes: int
    num_dead_blocks: int

    def size(self, level: int) -> Size:
        """Of a feature of a level."""
        return feature_size(self.target.height_and_width, level)


def feature_size(image_size: Size, level: int) -> Size:
    """Height and width of a feature: ceil(side / 2**level) each.

    >>> feature_size((640, 640), 3), feature_size((100, 200), 7)
    ((80, 80), (1, 2))
    """
    height, width = image_size
    return -(-height >> level), -(-width >> level)


def scaled(channels: float, scale: float) -> int:
    """`channels * scale` truncated, at least 1, as the published code does (41 for 64 * 0.65).

    The small addend keeps products that are whole in decimal, such as 100 * 0.29, from falling below.
    """
    return max(1, math.floor(channels * scale + 1e-6))


def resolve(spec: ArchitectureSpec, target: TargetNetwork) -> NetworkPlan:
    """Settles every channel, size and edge of `spec` at `target`; dead blocks are left out and counted.

    Raises:
        SpecError: a live block's level is too deep for the image.
    """
    planner = BlockPlanner(spec, target, [spec.block_width(block) for block in spec.all_blocks])
    planned: dict[int, PlannedBlock] = {}
    for index in planner.live:
        planned[index] = planner.block(index, planned)
    return NetworkPlan(
        spec=spec,
        target=target,
        stem_channels=planner.stem_channels,
        stem_size=planner.size(1),
        activation=spec.activation,
        blocks=tuple(planned.values()),
        endpoints=planner.endpoints(planned),
        head=target.head,
        num_classes=target.num_classes,
        num_dead_blocks=len(spec.all_blocks) - len(planned),
    )


class BlockPlanner:
    """Plans one block at a time, for widths that may still change.

    Args:
        widths: channels of each feature's 3x3 convolution at width scale 1.
    """

    def __init__(self, spec: ArchitectureSpec, target: TargetNetwork, widths: Sequence[int]) -> None:
        self.spec, self.target, self.widths = spec, target, widths
        self.orphans = orphans_by_output(spec)
        self.live = sorted(live_among(spec, self.orphans))
        self.alpha = spec.resampling_alpha if target.resampling_alpha is None else target.resampling_alpha
        self._blocks = spec.all_blocks
        self._num_stem = spec.num_stem_blocks
        self._edge_kind = EdgeKind(spec.resampling)
        self._sizes = [feature_size(target.height_and_width, level) for level in range(MAX_LEVEL + 1)]
        self._check_levels()

    def _check_levels(self) -> None:
        """A feature of less than half a pixel is refused: level 7 needs 64 pixels."""
        side = min(self.target.height_and_width)
        deepest = side.bit_length()
        for index in self.live:
            level = self._blocks[index].level
            if level > deepest:
                raise SpecError(f"block {index}: level {level}: an image of {side} pixels holds levels 1 to {deepest}")
        if self.spec.max_level > deepest:
            level = self.spec.max_level
            raise SpecError(f"endpoint P{level}: an image of {side} pixels holds levels 1 to {deepest}")

    @property
    def stem_channels(self) -> int:
        """Output channels of the first convolution."""
        channels = self.spec.stem.channels
        return channels if self.spec.stem.kind is StemKind.CONV7_POOL else scaled(channels, self.target.width_scale)

    def size(self, level: int) -> Size:
        """Of a feature of a level."""
        return self._sizes[level]

    def block(self, index: int, planned: Mapping[int, PlannedBlock]) -> PlannedBlock:
        """The block with its inputs, all of which are in `planned`."""
        block = self._blocks[index]
        width = scaled(self.widths[index], self.target.width_scale)
        channels = width * BOTTLENECK_EXPANSION if block.block_type is BlockType.BOTTLENECK else width
        in_channels, stride, edges = channels, 1, []
        if index < self._num_stem:
            in_channels = planned[index - 1].out_channels if index else self.stem_channels
            stride = 2 if index and self._blocks[index - 1].level < block.level else 1
        else:
            orphans = self.orphans.get(index, ())
            edges = [self._edge(planned[source], block.level, channels) for source in block.parents]
            edges += [self._edge(planned[source], block.level, channels, is_orphan=True) for source in orphans]
        return PlannedBlock(
            index=index,
            level=block.level,
            block_type=block.block_type,
            kernel=block.kernel,
            width=width,
            layers=self._layers(block, in_channels, width, channels, stride),
            edges=tuple(edges),
            fusion=self.spec.fusion,
            is_stem=index < self._num_stem,
            is_output=block.is_output,
        )

    def _layers(
        self, block: BlockSpec, in_channels: int, width: int, channels: int, stride: int
    ) -> tuple[PlannedLayer, ...]:
        size = self._sizes[block.level]
        mid, squeeze = self._inside(block, in_channels, width)
        first = PlannedLayer(in_channels, mid, channels, squeeze, stride, self._sizes[block.level - stride + 1], size)
        if block.repeats == 1:
            return (first,)
        mid, squeeze = self._inside(block, channels, width)
        return (first, *(PlannedLayer(channels, mid, channels, squeeze, 1, size, size),) * (block.repeats - 1))

    def _inside(self, block: BlockSpec, in_channels: int, width: int) -> tuple[int, int]:
        """Channels of the middle of a layer, and inside its squeeze-and-excitation."""
        if block.block_type is not BlockType.MBCONV:
            return width, 0
        expansion = MBCONV_EXPANSION if block.expansion is None else block.expansion
        return expansion * in_channels, scaled(in_channels, self.spec.se_ratio) if self.spec.se_ratio else 0

    def _edge(self, parent: PlannedBlock, level: int, channels: int, *, is_orphan: bool = False) -> PlannedEdge:
        kind, mid = self._edge_kind, parent.out_channels
        is_same = parent.level == level and mid == channels
        if is_same and (is_orphan or kind is EdgeKind.SPACE_TO_DEPTH):
            kind = EdgeKind.RAW
        elif kind is EdgeKind.CONV:
            mid = scaled(parent.width, self.alpha)
        elif kind is EdgeKind.SPACE_TO_DEPTH and level > parent.level:
            mid = SPACE_TO_DEPTH_CHANNELS * parent.out_channels
        size = self._sizes[level]
        down = level - parent.level
        return PlannedEdge(parent.index, kind, parent.out_channels, mid, channels, down, parent.size, size, is_orphan)

    def endpoints(self, planned: Mapping[int, PlannedBlock]) -> tuple[PlannedEndpoint, ...]:
        """The pyramid features that the head reads, lowest level first."""
        spec = self.spec
        width = spec.endpoint_channels if self.target.endpoint_channels is None else self.target.endpoint_channels
        sources: dict[int, PlannedBlock] = {}
        for block in planned.values():
            if block.is_output or spec.neck is not Neck.ENDPOINTS:
                sources[block.level] = block  # FPN: the last stem block of a level wins
        return tuple(
            PlannedEndpoint(
                level=level,
                source=sources[level].index if level in sources else None,
                in_channels=sources[level].out_channels if level in sources else width,
                out_channels=width,
                in_size=self._sizes[level if level in sources else level - 1],
                size=self._sizes[level],
            )
            for level in range(spec.min_level, spec.max_level + 1)
        )
