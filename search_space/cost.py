"""Parameters and multiply-adds of a network plan, operation by operation: `cost(plan) -> NetworkCostReport`.

Multiply-adds are those of convolutions; batch norm, activations, sums, pools and up-sampling count zero, as
in `torch.utils.flop_counter`, which counts two for each multiply-add. Parameters are the trained ones: weights,
biases, and the two vectors of each batch norm. Where a convolution has a bias or a batch norm is said
by the records of `search_space.plan`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from search_space.plan import EdgeKind, NetworkPlan, PlannedBlock, PlannedEdge, PlannedEndpoint, RetinaNetHead
from search_space.spec import BlockType, Neck

IMAGE_CHANNELS = 3
BOX_NUMBERS = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters and multiply-adds of one operation, or of a sum of them."""

    parameters: int = 0
    multiply_adds: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)

    def times(self, count: int) -> "Cost":
        """`count` separate copies of the operation."""
        return Cost(self.parameters * count, self.multiply_adds * count)


@dataclass(frozen=True, slots=True)
class CostRow:
    """One part of the network.

    Args:
        name: for people, e.g. ``block 5``, ``block 5 inputs``, ``P3``.
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
    rows = [_row("stem", "stem", 1, stem_convolution(plan.stem_channels, plan.size(1)))]
    for block in plan.blocks:
        if block.edges:
            rows.append(_row(f"block {block.index} inputs", "resampling", block.level, _total(map(edge, block.edges))))
        rows.append(_row(f"block {block.index}", block.block_type.value, block.level, block_group(block)))
    num_body_rows = len(rows)
    rows += [_row(f"P{end.level}", "endpoint", end.level, _endpoint(plan, end)) for end in plan.endpoints]
    endpoints = _total(rows[num_body_rows:])
    backbone = _total(rows)
    head = Cost()
    if plan.head is not None:
        head = retinanet_head(plan.head, plan.endpoints, plan.num_classes)
        rows.append(_row("head", "head", 0, head))
    return NetworkCostReport(backbone=backbone, endpoints=endpoints, head=head, per_block=tuple(rows))


def _row(name: str, kind: str, level: int, part: Cost) -> CostRow:
    return CostRow(name, kind, level, part.parameters, part.multiply_adds)


def _total(parts: Iterable[Cost | CostRow]) -> Cost:
    total = Cost()
    for part in parts:
        total += Cost(part.parameters, part.multiply_adds)
    return total


def convolution(kernel: int, in_channels: int, out_channels: int, size: int, *, bias: bool = False) -> Cost:
    """Parameters k*k*c_in*c_out (+ c_out with bias); multiply-adds k*k*c_in*c_out * size**2, `size` of the output."""
    weights = kernel * kernel * in_channels * out_channels
    return Cost(weights + (out_channels if bias else 0), weights * size * size)


def batch_norm(channels: int) -> Cost:
    """Parameters 2*c; multiply-adds 0."""
    return Cost(2 * channels)


def convolution_norm(kernel: int, in_channels: int, out_channels: int, size: int) -> Cost:
    """`convolution` without bias + `batch_norm`."""
    weights = kernel * kernel * in_channels * out_channels
    return Cost(weights + 2 * out_channels, weights * size * size)


def stem_convolution(channels: int, size: int) -> Cost:
    """7x7 from the image to `channels`, stride 2, with batch norm; `size` of its output."""
    return convolution_norm(7, IMAGE_CHANNELS, channels, size)


def bottleneck(in_channels: int, mid: int, out_channels: int, stride: int, in_size: int, size: int) -> Cost:
    """1x1 c_in->m at in_size, 3x3 m->m and 1x1 m->c_out at size, + 1x1 c_in->c_out where shapes change."""
    operation = (
        convolution_norm(1, in_channels, mid, in_size)
        + convolution_norm(3, mid, mid, size)
        + convolution_norm(1, mid, out_channels, size)
    )
    return operation + projection(in_channels, out_channels, stride, size)


def residual(in_channels: int, mid: int, out_channels: int, stride: int, size: int) -> Cost:
    """3x3 c_in->m and 3x3 m->c_out at size, + 1x1 c_in->c_out where shapes change."""
    operation = convolution_norm(3, in_channels, mid, size) + convolution_norm(3, mid, out_channels, size)
    return operation + projection(in_channels, out_channels, stride, size)


def projection(in_channels: int, out_channels: int, stride: int, size: int) -> Cost:
    """The shortcut: 1x1 c_in->c_out where channels change or the stride is above 1, else zero."""
    if in_channels == out_channels and stride == 1:
        return Cost()
    return convolution_norm(1, in_channels, out_channels, size)


def block_group(block: PlannedBlock) -> Cost:
    """The first copy with stride and projection, + (repeats - 1) copies c_out->c_out at size."""
    mid, out, size = block.mid_channels, block.out_channels, block.size
    if block.block_type is BlockType.BOTTLENECK:
        first = bottleneck(block.in_channels, mid, out, block.stride, block.in_size, size)
        return first + bottleneck(out, mid, out, 1, size, size).times(block.repeats - 1)
    first = residual(block.in_channels, mid, out, block.stride, size)
    return first + residual(out, mid, out, 1, size).times(block.repeats - 1)


def edge(edge: PlannedEdge) -> Cost:
    """RAW: zero. RESAMPLE: 1x1 c_in->m at in_size, going down 3x3 m->m at half of it, 1x1 m->c_out at out_size."""
    if edge.kind is EdgeKind.RAW:
        return Cost()
    mid = edge.mid_channels
    total = convolution_norm(1, edge.in_channels, mid, edge.in_size)
    if edge.levels_down > 0:
        total += convolution_norm(3, mid, mid, -(-edge.in_size // 2))
    return total + convolution_norm(1, mid, edge.out_channels, edge.out_size)


def _endpoint(plan: NetworkPlan, endpoint: PlannedEndpoint) -> Cost:
    channels_and_size = endpoint.in_channels, endpoint.out_channels, endpoint.size
    if plan.spec.neck is Neck.ENDPOINTS:
        return convolution_norm(1, *channels_and_size)
    return fpn_level(*channels_and_size, is_lateral=endpoint.source is not None)


def fpn_level(in_channels: int, out_channels: int, size: int, *, is_lateral: bool) -> Cost:
    """Lateral: 1x1 c_in->c + 3x3 c->c; above: 3x3 c->c; all with bias; + batch norm."""
    lateral = convolution(1, in_channels, out_channels, size, bias=True) if is_lateral else Cost()
    return lateral + convolution(3, out_channels, out_channels, size, bias=True) + batch_norm(out_channels)


def retinanet_head(head: RetinaNetHead, endpoints: tuple[PlannedEndpoint, ...], num_classes: int) -> Cost:
    """Two subnets: parameters once, plus the batch norms of each level; multiply-adds on each level.

    A subnet is n 3x3 convolutions c_in->c, c->c, ... and one 3x3 c->anchors*numbers, all with bias.
    """
    total = Cost()
    for numbers in (num_classes, BOX_NUMBERS):
        for level, endpoint in enumerate(endpoints):
            part = _subnet(head, endpoint, head.anchors_per_location * numbers)
            norms = batch_norm(head.channels).times(head.num_convs)
            total += norms + (part if level == 0 else Cost(0, part.multiply_adds))
    return total


def _subnet(head: RetinaNetHead, endpoint: PlannedEndpoint, out_channels: int) -> Cost:
    channels = endpoint.out_channels
    total = Cost()
    for _ in range(head.num_convs):
        total += convolution(3, channels, head.channels, endpoint.size, bias=True)
        channels = head.channels
    return total + convolution(3, channels, out_channels, endpoint.size, bias=True)
