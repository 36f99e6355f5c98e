"""Published numbers beside counted ones: `published_table() -> rows`.

Published multiply-adds are those of a profiler that counts small elementwise terms too. What it counts exactly is not
known; one multiply-add for each element of a batch norm, added to those of convolutions and fully connected
layers, comes nearest. So each row has both counts, and ratios are of the first, the one that everything else here uses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from search_space.cost import cost
from search_space.normalisation import normalised_elements
from search_space.operations import Cost, area
from search_space.plan import EdgeKind, NetworkPlan, resolve
from search_space.published_rows import PublishedRow, Reading, published_rows

MILLION, BILLION = 10**6, 10**9


class Agreement(StrEnum):
    """Which published number of a row the count gives, to the decimals printed.

    Multiply-adds agree with or without those of batch norm.
    """

    BOTH = "both"
    PARAMETERS = "parameters"
    MULTIPLY_ADDS = "multiply-adds"
    NEITHER = "neither"
    NOT_PUBLISHED = ""


@dataclass(frozen=True, slots=True)
class CountedReading:
    """A reading and its counts.

    Args:
        with_batch_norm: multiply-adds with one more for each element of a batch norm.
    """

    reading: Reading
    cost: Cost
    with_batch_norm: int


@dataclass(frozen=True, slots=True)
class CountedRow:
    """A published row, the count of our reading, and those of the readings not taken."""

    published: PublishedRow
    counted: CountedReading
    others: tuple[CountedReading, ...]

    @property
    def parameters_ratio(self) -> float | None:
        """Counted over published; None where nothing was published."""
        return _ratio(self.counted.cost.parameters, self.published.parameters, MILLION)

    @property
    def multiply_adds_ratio(self) -> float | None:
        """Counted over published, without batch norm; None where nothing was published."""
        return _ratio(self.counted.cost.multiply_adds, self.published.multiply_adds, BILLION)

    @property
    def agreement(self) -> Agreement:
        """Which numbers agree to the decimals printed."""
        row, counted = self.published, self.counted
        if row.parameters is None or row.multiply_adds is None:
            return Agreement.NOT_PUBLISHED
        parameters = prints_as(counted.cost.parameters, row.parameters, MILLION)
        multiply_adds = any(
            prints_as(count, row.multiply_adds, BILLION)
            for count in (counted.cost.multiply_adds, counted.with_batch_norm)
        )
        if parameters and multiply_adds:
            return Agreement.BOTH
        if parameters:
            return Agreement.PARAMETERS
        return Agreement.MULTIPLY_ADDS if multiply_adds else Agreement.NEITHER


def prints_as(count: int, printed: Decimal, unit: int) -> bool:
    """Whether `printed`, in units, is `count` rounded or truncated to as many decimals: the papers mix both.

    >>> [prints_as(count, Decimal("28.5"), MILLION) for count in (28_449_999, 28_450_000, 28_599_999, 28_600_000)]
    [False, True, True, False]
    """
    step = Decimal(1).scaleb(int(printed.as_tuple().exponent))
    excess = Decimal(count) / unit - printed
    return -step / 2 <= excess < step


def published_table(rows: Sequence[PublishedRow] | None = None) -> list[CountedRow]:
    """Every published row with what the cost model counts for it.

    Args:
        rows: None for all.
    """
    return [
        CountedRow(row, count(row.reading), (*map(count, row.others), *_in_another_order(row)))
        for row in (published_rows() if rows is None else rows)
    ]


def count(reading: Reading) -> CountedReading:
    """What the network costs."""
    plan = resolve(reading.spec, reading.target)
    report = cost(plan)
    total = Cost(report.parameters, report.multiply_adds)
    return CountedReading(reading, total, report.multiply_adds + normalised_elements(plan))


def _in_another_order(row: PublishedRow) -> tuple[CountedReading, ...]:
    """For a published network with mobile or Efficient SpineNet's edges, its count with two other orders in them."""
    plan = resolve(row.reading.spec, row.reading.target)
    parameters, multiply_adds = reordering_saves(plan)
    if row.parameters is None or not multiply_adds:
        return ()
    label = "1x1 before up-sampling" + (", space-to-depth as the last step" if parameters else "")
    counted = count(replace(row.reading, label=label))
    total = Cost(counted.cost.parameters - parameters, counted.cost.multiply_adds - multiply_adds)
    return (replace(counted, cost=total, with_batch_norm=counted.with_batch_norm - multiply_adds),)


def reordering_saves(plan: NetworkPlan) -> Cost:
    """What two other orders of the same operations save in DEPTHWISE and SPACE_TO_DEPTH edges.

    The 1x1 convolution before nearest-neighbour up-sampling, which gives the same feature, saves multiply-adds.
    Space-to-depth after the strided depthwise convolutions, which is another network, leaves these a quarter of the
    channels at four times the area: fewer parameters (9 weights and 2 of batch norm a channel), as many multiply-adds.
    """
    parameters = multiply_adds = 0
    for edge in (edge for block in plan.blocks for edge in block.edges):
        if edge.kind is EdgeKind.SPACE_TO_DEPTH and edge.levels_down > 1:
            parameters += 11 * (edge.mid_channels - edge.in_channels) * (edge.levels_down - 1)
        if edge.kind in (EdgeKind.DEPTHWISE, EdgeKind.SPACE_TO_DEPTH) and edge.levels_down < 0:
            multiply_adds += edge.in_channels * edge.out_channels * (area(edge.out_size) - area(edge.in_size))
    return Cost(parameters, multiply_adds)


def _ratio(count: int, printed: Decimal | None, unit: int) -> float | None:
    return None if printed is None else float(Decimal(count) / unit / printed)
