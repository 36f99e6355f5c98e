"""Parameters and multiply-adds of a network plan, part by part: `cost(plan) -> NetworkCostReport`.

Multiply-adds are those of convolutions and fully connected layers; batch norm, activations, sums, products,
pools, up-sampling and region pooling count zero, as in `torch.utils.flop_counter`, which counts two for each
multiply-add. Parameters are the trained ones: weights, biases, the two vectors of each batch norm, fusion weights.
What an operation consists of is said by the records of `search_space.plan` and `search_space.heads`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from search_space.head_cost import head_cost
from search_space.operations import Cost, area, convolution, convolution_norm, separable_convolution
from search_space.plan import (
    EdgeKind,
    NetworkPlan,
    PlannedBlock,
    PlannedEdge,
    PlannedEndpoint,
    PlannedLayer,
    Size,
    feature_size,
)
from search_space.spec import ArchitectureSpec, BlockType, Fusion, Neck, StemKind


class CostRow(NamedTuple):
    """One part of the network.

    Args:
        name: for people, e.g. ``block 5``, ``block 5 inputs``, ``P3``, ``class subnet``.
        kind: ``stem``, a block type, ``resampling``, ``endpoint`` or ``head``.
        level: of its output; 0 for the head.
    """

    name: str
    kind: str
    level: int
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCostReport:
    """What a plan costs.

    Args:
        backbone: live stem and blocks with the neck's endpoints, without the head; budgets are on this.
        endpoints: the neck's share of `backbone`.
        head: zero for a plan without a head.
        per_block: every part in the order of computation; their sum is the whole network.
    """

    backbone: Cost
    endpoints: Cost
    head: Cost
    per_block: tuple[CostRow, ...]

    @property
    def parameters(self) -> int:
        """Parameters of the whole network."""
        return self.backbone.parameters + self.head.parameters

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the whole network on one image."""
        return self.backbone.multiply_adds + self.head.multiply_adds


def cost(plan: NetworkPlan) -> NetworkCostReport:
    """Counted parameters and multiply-adds of the plan, backbone, endpoints and head apart."""
    rows = [CostRow("stem", "stem", 1, *stem_cost(plan.spec, plan.stem_channels, plan.stem_size))]
    for block in plan.blocks:
        if block.edges:
            rows.append(CostRow(f"block {block.index} inputs", "resampling", block.level, *block_inputs(block)))
        rows.append(CostRow(f"block {block.index}", block.block_type.value, block.level, *block_layers(block)))
    body = _total(rows)
    ends = [CostRow(f"P{end.level}", "endpoint", end.level, *endpoint(end, plan.spec.neck)) for end in plan.endpoints]
    heads = [CostRow(name, "head", 0, *part) for name, part in head_cost(plan)]
    endpoints = _total(ends)
    return NetworkCostReport(
        backbone=body.plus(endpoints), endpoints=endpoints, head=_total(heads), per_block=(*rows, *ends, *heads)
    )


def _total(rows: Iterable[CostRow]) -> Cost:
    parameters = multiply_adds = 0
    for row in rows:
        parameters += row.parameters
        multiply_adds += row.multiply_adds
    return Cost(parameters, multiply_adds)


def stem_cost(spec: ArchitectureSpec, channels: int, size: Size) -> Cost:
    """The first convolution: 7x7 or 3x3 from the image's three channels, stride 2, with batch norm."""
    kernel = 7 if spec.stem.kind is StemKind.CONV7_POOL else 3
    return convolution_norm(kernel, 3, channels, area(size))


def block_inputs(block: PlannedBlock) -> Cost:
    """The block's edges, and one fusion weight for each where it has them."""
    parameters = len(block.edges) if block.fusion is Fusion.WEIGHTED else 0
    multiply_adds = 0
    for one in block.edges:
        part = edge(one)
        parameters += part.parameters
        multiply_adds += part.multiply_adds
    return Cost(parameters, multiply_adds)


def edge(edge: PlannedEdge) -> Cost:
    """RAW: zero. CONV: 1x1 c_in->m at in_size, going down 3x3 m->m at half of it, 1x1 m->c_out at out_size.

    DEPTHWISE, SPACE_TO_DEPTH: going down 3x3 depthwise on m at each level (but the first, for the latter), then 1x1
    m->c_out at out_size.
    """
    mid, down = edge.mid_channels, edge.levels_down
    if edge.kind is EdgeKind.RAW:
        return Cost(0, 0)
    expand = mid * edge.out_channels
    parameters, multiply_adds = expand + 2 * edge.out_channels, expand * area(edge.out_size)
    if edge.kind is EdgeKind.CONV:
        reduce = edge.in_channels * mid
        parameters += reduce + 2 * mid
        multiply_adds += reduce * area(edge.in_size)
        if down > 0:
            parameters += 9 * mid * mid + 2 * mid
            multiply_adds += 9 * mid * mid * area(feature_size(edge.in_size, 1))
        return Cost(parameters, multiply_adds)
    for level in range(1 if edge.kind is EdgeKind.DEPTHWISE else 2, down + 1):
        parameters += 9 * mid + 2 * mid
        multiply_adds += 9 * mid * area(feature_size(edge.in_size, level))
    return Cost(parameters, multiply_adds)


def block_layers(block: PlannedBlock) -> Cost:
    """The first layer, and the others, which are all alike."""
    first = layer(block.block_type, block.kernel, block.layers[0])
    if len(block.layers) == 1:
        return first
    return first.plus(layer(block.block_type, block.kernel, block.layers[1]).times(len(block.layers) - 1))


def layer(block_type: BlockType, kernel: int, layer: PlannedLayer) -> Cost:
    """One copy of a block's operation."""
    if block_type is BlockType.BOTTLENECK:
        return bottleneck(layer)
    return residual(layer) if block_type is BlockType.RESIDUAL else mbconv(kernel, layer)


def bottleneck(layer: PlannedLayer) -> Cost:
    """1x1 c_in->m at in_size, 3x3 m->m and 1x1 m->c_out at size, + the projection."""
    mid, out = layer.mid_channels, layer.out_channels
    reduce, rest = layer.in_channels * mid, 9 * mid * mid + mid * out
    multiply_adds = reduce * area(layer.in_size) + rest * area(layer.size)
    return Cost(reduce + rest + 4 * mid + 2 * out, multiply_adds).plus(projection(layer))


def residual(layer: PlannedLayer) -> Cost:
    """3x3 c_in->m and 3x3 m->c_out at size, + the projection."""
    mid, out = layer.mid_channels, layer.out_channels
    weights = 9 * mid * (layer.in_channels + out)
    return Cost(weights + 2 * mid + 2 * out, weights * area(layer.size)).plus(projection(layer))


def projection(layer: PlannedLayer) -> Cost:
    """The shortcut: 1x1 c_in->c_out where channels change or the stride is above 1, else zero."""
    if layer.in_channels == layer.out_channels and layer.stride == 1:
        return Cost(0, 0)
    return convolution_norm(1, layer.in_channels, layer.out_channels, area(layer.size))


def mbconv(kernel: int, layer: PlannedLayer) -> Cost:
    """1x1 c_in->m at in_size, kxk depthwise on m at size, 1x1 m->s and s->m with bias on 1 pixel, 1x1 m->c_out."""
    mid, squeeze, out = layer.mid_channels, layer.squeeze_channels, layer.out_channels
    rest = kernel * kernel * mid + mid * out
    parameters, multiply_adds = rest + 2 * mid + 2 * out, rest * area(layer.size)
    if mid != layer.in_channels:
        expand = layer.in_channels * mid
        parameters += expand + 2 * mid
        multiply_adds += expand * area(layer.in_size)
    if squeeze:
        parameters += 2 * mid * squeeze + squeeze + mid
        multiply_adds += 2 * mid * squeeze
    return Cost(parameters, multiply_adds)


def endpoint(end: PlannedEndpoint, neck: Neck) -> Cost:
    """ENDPOINTS: 1x1 c_in->c. FPN: lateral 1x1 with bias where the stem has the level; 3x3 c->c; batch norm."""
    size, channels = area(end.size), end.out_channels
    if neck is Neck.ENDPOINTS:
        return convolution_norm(1, end.in_channels, channels, size)
    lateral = convolution(1, end.in_channels, channels, size) if end.source is not None else Cost(0, 0)
    output = separable_convolution if neck is Neck.SEPARABLE_FPN else convolution
    return lateral.plus(output(3, channels, channels, size)).plus(Cost(2 * channels, 0))
