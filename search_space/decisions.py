"""A search space as a sequence of decisions: options, decode, encode, mutate.

A genotype is the tuple of options taken, one index for each decision point. Whatever offered options are
taken, the architecture is valid.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import lt
from random import Random
from typing import NamedTuple

from search_space.plan import TargetNetwork
from search_space.size import SpaceSize
from search_space.spec import ArchitectureSpec

Genotype = tuple[int, ...]


class DecisionKind(StrEnum):
    """What a decision point decides."""

    INTERMEDIATE_LEVEL = "intermediate_level"  # which block of the intermediate pool comes next
    OUTPUT_LEVEL = "output_level"  # which output block comes next
    LEVEL_ADJUSTMENT = "level_adjustment"
    BLOCK_TYPE = "block_type"
    PARENT = "parent"  # two points for each block; the order of the two means nothing
    RESOURCE_MULTIPLIER = "resource_multiplier"


class Option(NamedTuple):
    """One thing that can be decided, and what it means; features that do not apply are zero or empty.

    Args:
        label: for people.
        feature: the candidate parent's feature index, or the pool position of the block picked; else -1.
        level: level that the block has, or gets.
        block_type: type of the candidate parent, or the type chosen.
        distance: how many features back a candidate parent is, 1 for the one just before.
        adjustment: the level adjustment chosen.
        multiplier: the resource multiplier chosen.
    """

    label: str
    feature: int = -1
    level: int = 0
    block_type: str = ""
    distance: int = 0
    adjustment: int = 0
    multiplier: float = 0.0


class DecisionPoint(NamedTuple):
    """The next thing to decide.

    Args:
        kind: what it decides.
        subject: feature index of the block that it is about.
        subject_level, subject_type: that block's level and type as far as they are decided, else 0 and "";
            a level to be adjusted is the pool's.
        options: what can be taken, never empty.
    """

    kind: DecisionKind
    subject: int
    options: tuple[Option, ...]
    subject_level: int = 0
    subject_type: str = ""


class Decision(NamedTuple):
    """What was decided at a decision point: the option taken there, and what the point was about."""

    kind: DecisionKind
    subject: int
    option: Option
    subject_level: int = 0
    subject_type: str = ""


class Rounding(StrEnum):
    """How the multipliers of a genotype become widths (Du et al. 2020b, equation 4); see `resources`.

    NONE: the space has no multipliers. PAPER: shares of the base network's block cost, each width to the nearest
    multiple of 8; the cost spreads around the base network's. EXACT: one factor on all widths so that the whole
    backbone meets the budget.
    """

    NONE = "none"
    PAPER = "paper"
    EXACT = "exact"


@dataclass(frozen=True, kw_only=True)
class SearchSpace(ABC):
    """What can be decided about a backbone.

    Algorithms call `options` along a growing prefix, or draw from `option_counts`; the controller decodes what they
    took. All methods are pure. Widths that depend on multipliers are settled afterwards, by
    `budget.decode_within`.

    Args:
        source: where the pool and the rules come from.
        template: the architecture whose settings (widths, resampling, activation, ...) every candidate has.
        budget_reference, budget_tolerance: the budget of a search that names none.
        target: the network that a search wants that says nothing else.
        multipliers: what each block's share of resources may be, rising; a single 1 where that is not searched.
        rounding: how widths follow from them.
    """

    name: str
    source: str
    template: ArchitectureSpec
    budget_reference: str
    budget_tolerance: float
    target: TargetNetwork
    multipliers: tuple[float, ...] = (1.0,)
    rounding: Rounding = Rounding.NONE

    def __post_init__(self) -> None:
        rising = self.multipliers == tuple(sorted(set(self.multipliers)))
        if not rising or not self.multipliers or self.multipliers[0] <= 0:
            raise ValueError(f"space {self.name!r}: multipliers {self.multipliers}: must be positive and rise")
        if (len(self.multipliers) > 1) == (self.rounding is Rounding.NONE):
            raise ValueError(f"space {self.name!r}: rounding {self.rounding}: goes with several multipliers only")

    @property
    @abstractmethod
    def option_counts(self) -> tuple[int, ...]:
        """Number of options at each decision point; it does not depend on what was decided before."""

    @property
    @abstractmethod
    def num_searched_blocks(self) -> int:
        """Blocks about which something is decided, the stem left out: N in the papers."""

    @abstractmethod
    def options(self, prefix: Sequence[int]) -> DecisionPoint | None:
        """The next decision after `prefix`, or None where the genotype is complete.

        Raises:
            ValueError: the prefix is too long, or an index in it was not offered.
        """

    def walk(self, choose: Callable[[DecisionPoint], int]) -> Genotype:
        """The genotype that `choose` makes: it is given each decision point in turn, and says which option is taken.

        Raises:
            ValueError: an index that was not offered.
        """
        taken: list[int] = []

        def take(point: DecisionPoint) -> int:
            index = choose(point)
            if not 0 <= index < len(point.options):
                raise ValueError(f"genotype[{len(taken)}] = {index}: must be 0 to {len(point.options) - 1}")
            taken.append(index)
            return index

        self._visit(take)
        return tuple(taken)

    def _visit(self, take: Callable[[DecisionPoint], int]) -> None:
        """Gives `take` each decision point, as those before were decided by what it returned."""
        prefix: Genotype = ()
        while (point := self.options(prefix)) is not None:
            prefix = (*prefix, take(point))

    @property
    def points(self) -> tuple[tuple[DecisionKind, int], ...]:
        """Kind and subject of each decision point; they do not depend on what was decided before."""
        decisions = self.decisions((0,) * self.genotype_length)
        return tuple((decision.kind, decision.subject) for decision in decisions)

    def decisions(self, genotype: Sequence[int]) -> tuple[Decision, ...]:
        """What a complete genotype decided, point by point: the options that a walk along `options` takes.

        Raises:
            ValueError: the genotype has another length, or an index was not offered.
        """
        self.check(genotype)
        decided = []
        for position, index in enumerate(genotype):
            point = self.options(genotype[:position])
            assert point is not None
            option = point.options[index]
            decided.append(Decision(point.kind, point.subject, option, point.subject_level, point.subject_type))
        return tuple(decided)

    @abstractmethod
    def decode(self, genotype: Sequence[int], name: str = "") -> ArchitectureSpec:
        """The architecture that a complete genotype decided.

        Raises:
            ValueError: the genotype has another length, or an index was not offered.
        """

    @abstractmethod
    def encode(self, spec: ArchitectureSpec) -> Genotype:
        """The canonical genotype of an architecture; `decode` gives the architecture back, but for settled widths.

        Raises:
            ValueError: the architecture is not in the space; the message names the first difference.
        """

    @abstractmethod
    def mutate(self, genotype: Sequence[int], seed: int) -> tuple[Genotype, tuple[str, ...]]:
        """Another architecture of the space, one move away, and what the move was.

        Raises:
            ValueError: the genotype is not of this space.
        """

    @abstractmethod
    def size(self) -> SpaceSize:
        """How many architectures there are, by the papers' formula and without duplicates."""

    @property
    def genotype_length(self) -> int:
        """Number of decision points, the same for every genotype."""
        return len(self.option_counts)

    def check(self, genotype: Sequence[int], *, is_prefix: bool = False) -> None:
        """Every index was offered, and the length is the space's (or at most, for a prefix).

        Raises:
            ValueError: the first thing that is wrong.
        """
        length = len(genotype)
        if length > self.genotype_length or (length < self.genotype_length and not is_prefix):
            raise ValueError(f"genotype of length {length}: {self.name} has {self.genotype_length} decisions")
        # Nearly always nothing is wrong, which this finds in a fraction of the time.
        if all(map(lt, genotype, self.option_counts)) and min(genotype, default=0) >= 0:
            return
        for position, (index, count) in enumerate(zip(genotype, self.option_counts, strict=False)):
            if not 0 <= index < count:
                what = self.describe_point(position)
                raise ValueError(f"genotype[{position}] = {index}: must be 0 to {count - 1} ({what})")

    @abstractmethod
    def describe_point(self, position: int) -> str:
        """What a decision point decides, for messages: ``parent of block 7``."""


def random_genotype(space: SearchSpace, rng: Random) -> Genotype:
    """A genotype that takes one of the options uniformly at each decision point."""
    return tuple(rng.randrange(count) for count in space.option_counts)
