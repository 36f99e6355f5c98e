"""The multiply-adds that a candidate may cost, and how many of a space's candidates do.

A budget is on the target network's live backbone with its endpoints, without the head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from search_space.cost import cost
from search_space.decisions import Rounding, SearchSpace, random_genotype
from search_space.intervals import wilson_interval
from search_space.plan import TargetNetwork, resolve
from search_space.reference import reference
from search_space.resources import shared_by_paper, shared_exactly
from search_space.spec import ArchitectureSpec

EXACT_TOLERANCE = 0.01
"""How near the widths of an exactly shared candidate come to a budget that allows more."""

WIDE = 0.3
"""A tolerance above this says less than the ends do."""


@dataclass(frozen=True, slots=True)
class FlopsBudget:
    """Multiply-adds within `tolerance * centre` of `centre`, both ends included.

    Args:
        centre: multiply-adds.
        tolerance: relative distance, above 0 and at most 1.
    """

    centre: int
    tolerance: float

    def __post_init__(self) -> None:
        if self.centre < 1:
            raise ValueError(f"budget of {self.centre} multiply-adds: must be at least 1")
        if not 0 < self.tolerance <= 1:
            raise ValueError(f"budget tolerance {self.tolerance}: must be above 0 and at most 1")

    def contains(self, multiply_adds: int) -> bool:
        """Whether a backbone of that cost is inside."""
        return abs(multiply_adds - self.centre) <= self.tolerance * self.centre

    def describe(self) -> str:
        """The budget for people, a wide one by its ends.

        >>> FlopsBudget(28_261_990_400, 0.05).describe()
        '28.26 B multiply-adds ± 5%'
        >>> FlopsBudget(40_000_000_000, 0.5).describe()
        '20 B to 60 B multiply-adds'
        """
        if self.tolerance > WIDE:
            low, high = ((1 + sign * self.tolerance) * self.centre for sign in (-1, 1))
            return f"{in_billions(low)} to {in_billions(high)} multiply-adds"
        return f"{in_billions(self.centre)} multiply-adds ± {100 * self.tolerance:.3g}%"


def in_billions(multiply_adds: float) -> str:
    """A number of multiply-adds for people, to four digits: ``28.26 B``."""
    return f"{multiply_adds / 1e9:.4g} B"


def backbone_multiply_adds(spec: ArchitectureSpec, target: TargetNetwork) -> int:
    """What budgets are on: multiply-adds of the live backbone with its endpoints at the target."""
    return cost(resolve(spec, target)).backbone.multiply_adds


def decode_within(
    space: SearchSpace, genotype: Sequence[int], target: TargetNetwork, budget: FlopsBudget, name: str = ""
) -> ArchitectureSpec:
    """The architecture of a genotype with every width settled: what is held against the budget, trained and kept.

    Raises:
        ValueError: the genotype is not of the space.
    """
    spec = space.decode(genotype, name)
    if space.rounding is Rounding.PAPER:
        return shared_by_paper(spec, target)
    if space.rounding is Rounding.EXACT:
        return shared_exactly(spec, target, budget.centre, min(budget.tolerance, EXACT_TOLERANCE))
    return spec


def own_budget(space: SearchSpace, target: TargetNetwork) -> FlopsBudget:
    """The budget of a search that names none: around the space's reference at the target."""
    return budget_from(target, relative_to=space.budget_reference, tolerance=space.budget_tolerance)


def budget_from(
    target: TargetNetwork, *, relative_to: str | None = None, multiply_adds: float | None = None, tolerance: float
) -> FlopsBudget:
    """The budget around a reference architecture at the same target, or around an absolute number.

    Raises:
        ValueError: not exactly one of the two is given, the reference is unknown, or a number is out of range.
    """
    if (relative_to is None) == (multiply_adds is None):
        raise ValueError("budget: give exactly one of relative_to and multiply_adds")
    if relative_to is not None:
        multiply_adds = backbone_multiply_adds(reference(relative_to), target)
    assert multiply_adds is not None
    return FlopsBudget(round(multiply_adds), tolerance)


@dataclass(frozen=True, slots=True)
class FeasibleShare:
    """How many uniform draws of a space are inside a budget.

    Args:
        share, interval: the share and its 95 % Wilson interval.
        low, high: 5 % and 95 % quantiles of the draws' multiply-adds.
        smallest, largest: of the draws.
    """

    share: float
    interval: tuple[float, float]
    low: int
    high: int
    smallest: int
    largest: int
    draws: int

    def describe(self) -> str:
        """What the space offers, for the message about a budget that nothing meets."""
        return (
            f"{100 * self.share:.1f}% of {self.draws} random architectures are inside; they cost "
            f"{in_billions(self.smallest)} to {in_billions(self.largest)} multiply-adds, "
            f"nine in ten {in_billions(self.low)} to {in_billions(self.high)}"
        )


def feasible_share(
    space: SearchSpace, budget: FlopsBudget, target: TargetNetwork, draws: int, seed: int
) -> FeasibleShare:
    """The share of `draws` uniform genotypes inside the budget, and the range of what they cost.

    Raises:
        ValueError: no draws.
    """
    if draws < 1:
        raise ValueError(f"{draws} draws: must be at least 1")
    rng = Random(seed)
    specs = (decode_within(space, random_genotype(space, rng), target, budget) for _ in range(draws))
    costs = sorted(backbone_multiply_adds(spec, target) for spec in specs)
    inside = sum(budget.contains(multiply_adds) for multiply_adds in costs)
    return FeasibleShare(
        share=inside / draws,
        interval=wilson_interval(inside, draws),
        low=costs[round(0.05 * (draws - 1))],
        high=costs[round(0.95 * (draws - 1))],
        smallest=costs[0],
        largest=costs[-1],
        draws=draws,
    )
