"""From a spec to a network with every integer settled: `resolve(spec, target) -> NetworkPlan`.

The cost model and the torch builder both read the plan, so they cannot disagree about a channel, a stride
or a dead block. Sizes are squares: a feature of level L of an image of n pixels has ceil(n / 2**L) of them a
side, which is what stride-2 convolutions and pools of kernel 3 and padding 1 give for any n.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from search_space.graph import live_features, orphans_by_output
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, Neck

BOTTLENECK_EXPANSION = 4
MULTIPLIER_DIVISOR = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RetinaNetHead:
    """The dense RetinaNet head (Lin et al. 2017): two subnets shared by all levels, batch norm for each level.

    A subnet is `num_convs` 3x3 convolutions with bias, each followed by batch norm and the activation, then one
    3x3 convolution with bias to `anchors_per_location * num_classes` (class) or `anchors_per_location * 4`
    (box) channels. Convolutions are shared by the levels; every level has its own batch norms.

    Args:
        channels: width of the subnets.
        num_convs: 3x3 convolutions in each subnet, before the prediction.
        anchors_per_location: 9 in the papers: three scales times three aspect ratios.
    """

    channels: int = 256
    num_convs: int = 4
    anchors_per_location: int = 9

    def __post_init__(self) -> None:
        if self.channels < 1 or self.num_convs < 0 or self.anchors_per_location < 1:
            raise ValueError(f"{self}: channels and anchors must be at least 1, num_convs at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNetwork:
    """The network that is wanted: everything that a spec leaves open.

    Args:
        image_size: side of the square input in pixels, 32 or more.
        width_scale: factor on every block width; widths are truncated as in the published code.
        head: None for a backbone alone.
        num_classes: sigmoid outputs for each anchor; 91 in the papers.
        endpoint_channels, resampling_alpha: None for what the spec says.
    """

    image_size: int
    width_scale: float = 1.0
    head: RetinaNetHead | None = RetinaNetHead()
    num_classes: int = 91
    endpoint_channels: int | None = None
    resampling_alpha: float | None = None

    def __post_init__(self) -> None:
        if self.image_size < 32:
            raise ValueError(f"image_size {self.image_size}: must be at least 32")
        if not 0 < self.width_scale <= 16:
            raise ValueError(f"width_scale {self.width_scale}: must be above 0 and at most 16")
        if self.num_classes < 1:
            raise ValueError(f"num_classes {self.num_classes}: must be at least 1")
        if self.endpoint_channels is not None and self.endpoint_channels < 1:
            raise ValueError(f"endpoint_channels {self.endpoint_channels}: must be at least 1")
        if self.resampling_alpha is not None and not 0 < self.resampling_alpha <= 4:
            raise ValueError(f"resampling_alpha {self.resampling_alpha}: must be above 0 and at most 4")


class EdgeKind(StrEnum):
    """RESAMPLE: 1x1, scale change, 1x1. RAW: the feature itself, added unchanged."""

    RESAMPLE = "resample"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class PlannedEdge:
    """One input of a block: feature `source`, brought to the block's level and width.

    RESAMPLE (Du et al. 2020, section 3.2): 1x1 convolution to `mid_channels`, batch norm, activation; going
    down, one 3x3 stride-2 convolution, batch norm, activation, and then `levels_down - 1` 3x3 stride-2
    max-pools; going up, nearest neighbour to `out_size`; then 1x1 to `out_channels` and batch norm, without
    activation. No convolution has a bias. Both 1x1 convolutions stay where levels and widths agree.

    Args:
        levels_down: level of the block less level of the source; negative is up-sampling.
        in_size, out_size: side of the source and of the block, in pixels.
        is_orphan: the source had no consumer and joins its level's output block.
    """

    source: int
    kind: EdgeKind
    in_channels: int
    mid_channels: int
    out_channels: int
    levels_down: int
    in_size: int
    out_size: int
    is_orphan: bool = False


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    """One live block.

    The inputs are summed and activated; then come `repeats` copies of the operation. `stride` and a change of
    channels belong to the first copy; the others go from `out_channels` to `out_channels` at `size`.
    No convolution has a bias, each is followed by batch norm, and the activation comes after all but the last
    batch norm and after the shortcut is added.

    BOTTLENECK: 1x1 to `mid_channels`, 3x3 with the stride, 1x1 to `out_channels`. RESIDUAL: 3x3 with the stride
    to `mid_channels`, 3x3 to `out_channels`. The shortcut is the copy's input, through a 1x1 convolution with the
    stride and batch norm only where channels change or the stride is above 1.

    Args:
        index: its feature index in the spec.
        size: side of its output in pixels; in_size: of its input (twice as large where stride is 2).
        in_channels, mid_channels, out_channels: input, 3x3 convolution, output.
        edges: its inputs, summed and activated; empty for a stem block, whose input is the feature before it.
    """

    index: int
    level: int
    block_type: BlockType
    repeats: int
    stride: int
    in_size: int
    size: int
    in_channels: int
    mid_channels: int
    out_channels: int
    edges: tuple[PlannedEdge, ...] = ()
    is_stem: bool = False
    is_output: bool = False


@dataclass(frozen=True, slots=True)
class PlannedEndpoint:
    """One pyramid feature of `out_channels`.

    ENDPOINTS neck: a 1x1 convolution without bias from the output block of the level, batch norm, activation.

    FPN neck (Lin et al. 2017): where the stem has the level, a lateral 1x1 convolution with bias from `source`,
    plus the merged feature above (nearest neighbour to `size`), then a 3x3 convolution with bias. Above the stem's
    levels (`source` None), a 3x3 stride-2 convolution with bias from the feature below, activated first
    unless it is the top level of the stem (P6 reads P5, P7 reads the activated P6). At the end every level has
    a batch norm, without activation; features above are computed from those before batch norm.

    Args:
        source: feature index; None above the stem's levels.
        in_channels: of the source, or of the feature below.
        size: side in pixels.
    """

    level: int
    source: int | None
    in_channels: int
    out_channels: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """A spec with every integer settled. `blocks` holds live blocks only, in the order of computation."""

    spec: ArchitectureSpec
    target: TargetNetwork
    stem_channels: int
    activation: str
    blocks: tuple[PlannedBlock, ...]
    endpoints: tuple[PlannedEndpoint, ...]
    head: RetinaNetHead | None
    num_classes: int
    num_dead_blocks: int

    def size(self, level: int) -> int:
        """Side in pixels of a feature of a level."""
        return feature_size(self.target.image_size, level)


def feature_size(image_size: int, level: int) -> int:
    """Side of a feature: ceil(image_size / 2**level).

    >>> feature_size(640, 3), feature_size(100, 7)
    (80, 1)
    """
    return math.ceil(image_size / (1 << level))


def scaled(channels: float, scale: float) -> int:
    """`channels * scale` truncated, at least 1, as the published code does (41 for 64 * 0.65).

    The small addend keeps products that are whole in decimal, such as 100 * 0.29, from falling below.
    """
    return max(1, math.floor(channels * scale + 1e-6))


def block_width(spec: ArchitectureSpec, block: BlockSpec, width_scale: float) -> int:
    """Channels of a block's 3x3 convolution: base width, times the multiplier's root, times the scale.

    With a multiplier the width is rounded to the nearest multiple of 8 at full scale (Du et al. 2020b).
    """
    width = spec.base_width(block.level)
    if block.resource_multiplier != 1.0:
        exact = width * math.sqrt(block.resource_multiplier)
        width = max(MULTIPLIER_DIVISOR, MULTIPLIER_DIVISOR * math.floor(exact / MULTIPLIER_DIVISOR + 0.5))
    return scaled(width, width_scale)


def resolve(spec: ArchitectureSpec, target: TargetNetwork) -> NetworkPlan:
    """Settles every channel, size and edge of `spec` at `target`; dead blocks are left out and counted."""
    orphans = orphans_by_output(spec)
    planned: dict[int, PlannedBlock] = {}
    for index in sorted(live_features(spec)):
        if index < spec.num_stem_blocks:
            planned[index] = _stem_block(spec, target, index)
        else:
            planned[index] = _searched_block(spec, target, index, orphans.get(index, ()), planned)
    endpoints = _endpoints(spec, target, planned)
    return NetworkPlan(
        spec=spec,
        target=target,
        stem_channels=spec.stem.channels,
        activation=spec.activation,
        blocks=tuple(planned.values()),
        endpoints=endpoints,
        head=target.head,
        num_classes=target.num_classes,
        num_dead_blocks=len(spec.all_blocks) - len(planned),
    )


def _channels(block_type: BlockType, width: int) -> int:
    """Input and output channels of a block whose 3x3 convolution has `width` channels."""
    return width * BOTTLENECK_EXPANSION if block_type is BlockType.BOTTLENECK else width


def _stem_block(spec: ArchitectureSpec, target: TargetNetwork, index: int) -> PlannedBlock:
    block = spec.stem.blocks[index]
    width = block_width(spec, block, target.width_scale)
    before = spec.stem.blocks[index - 1] if index else None
    before_channels = spec.stem.channels
    if before is not None:
        before_channels = _channels(before.block_type, block_width(spec, before, target.width_scale))
    stride = 2 if before is not None and before.level < block.level else 1
    return PlannedBlock(
        index=index,
        level=block.level,
        block_type=block.block_type,
        repeats=block.repeats,
        stride=stride,
        in_size=feature_size(target.image_size, block.level - (stride - 1)),
        size=feature_size(target.image_size, block.level),
        in_channels=before_channels,
        mid_channels=width,
        out_channels=_channels(block.block_type, width),
        is_stem=True,
    )


def _searched_block(
    spec: ArchitectureSpec,
    target: TargetNetwork,
    index: int,
    orphans: tuple[int, ...],
    planned: dict[int, PlannedBlock],
) -> PlannedBlock:
    block = spec.all_blocks[index]
    width = block_width(spec, block, target.width_scale)
    channels = _channels(block.block_type, width)
    size = feature_size(target.image_size, block.level)
    alpha = spec.resampling_alpha if target.resampling_alpha is None else target.resampling_alpha
    edges = []
    for source in (*block.parents, *orphans):
        parent = planned[source]
        is_orphan = source in orphans
        is_raw = is_orphan and parent.out_channels == channels
        edges.append(
            PlannedEdge(
                source=source,
                kind=EdgeKind.RAW if is_raw else EdgeKind.RESAMPLE,
                in_channels=parent.out_channels,
                mid_channels=scaled(parent.mid_channels, alpha),
                out_channels=channels,
                levels_down=block.level - parent.level,
                in_size=parent.size,
                out_size=size,
                is_orphan=is_orphan,
            )
        )
    return PlannedBlock(
        index=index,
        level=block.level,
        block_type=block.block_type,
        repeats=block.repeats,
        stride=1,
        in_size=size,
        size=size,
        in_channels=channels,
        mid_channels=width,
        out_channels=channels,
        edges=tuple(edges),
        is_output=block.is_output,
    )


def _endpoints(
    spec: ArchitectureSpec, target: TargetNetwork, planned: dict[int, PlannedBlock]
) -> tuple[PlannedEndpoint, ...]:
    width = spec.endpoint_channels if target.endpoint_channels is None else target.endpoint_channels
    sources: dict[int, PlannedBlock] = {}
    for block in planned.values():
        if block.is_output or spec.neck is Neck.FPN:
            sources[block.level] = block  # FPN: the last stem block of a level wins
    return tuple(
        PlannedEndpoint(
            level=level,
            source=sources[level].index if level in sources else None,
            in_channels=sources[level].out_channels if level in sources else width,
            out_channels=width,
            size=feature_size(target.image_size, level),
        )
        for level in range(spec.min_level, spec.max_level + 1)
    )
