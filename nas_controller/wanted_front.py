"""A whole front instead of one budget: targets for multiply-adds, and which trial is for which of them."""

import math
from typing import Self

from pydantic import Field, model_validator

from nas_controller.section import Number, Section, Whole
from search_space.budget import EXACT_TOLERANCE, FlopsBudget

LEAST_RATIO = 1.05
"""Of two targets next to each other: widths that are settled at one of them are not taken for those of another."""


class WantedFront(Section):
    """In place of a budget: the best architectures under each of some targets, in one search. Targets are multiply-adds
    of the target's live backbone with endpoints, evenly spread over their logarithm, the two ends included. Whatever
    costs as much as one of the ends or lies between them is trained."""

    low: Number = Field(ge=1, description="the smallest target, e.g. 15G")
    high: Number = Field(ge=1, description="the largest target, e.g. 60G")
    points: Whole = Field(default=5, ge=2, le=20, description="how many targets there are")

    @model_validator(mode="after")
    def _are_apart(self) -> Self:
        if self.high / self.low < LEAST_RATIO ** (self.points - 1):
            raise ValueError(
                f"{self.points} targets need a high of at least {LEAST_RATIO ** (self.points - 1):.3g} low"
            )
        return self

    @property
    def targets(self) -> tuple[int, ...]:
        """The targets, rising."""
        ratio = self.high / self.low
        return tuple(round(self.low * ratio ** (place / (self.points - 1))) for place in range(self.points))

    @property
    def ceilings(self) -> tuple[int, ...]:
        """What an architecture under each target costs at most: settled widths come as near as `EXACT_TOLERANCE`."""
        return tuple(math.floor(target * (1 + EXACT_TOLERANCE)) for target in self.targets)

    def budget(self) -> FlopsBudget:
        """What candidates are held against: from the smallest to the largest target, as near as widths come."""
        low, high = self.low * (1 - EXACT_TOLERANCE), self.high * (1 + EXACT_TOLERANCE)
        return FlopsBudget(round((low + high) / 2), (high - low) / (high + low))

    def is_for_same_target(self, number: int, other: int) -> bool:
        """Whether an algorithm proposes two trials, by their numbers, for one target."""
        return number % self.points == other % self.points

    def budget_for(self, number: int) -> FlopsBudget:
        """Where the widths of a proposal are settled, in spaces where they are: around the target of its number."""
        return FlopsBudget(self.targets[number % self.points], EXACT_TOLERANCE)

    def budget_near(self, multiply_adds: int) -> FlopsBudget:
        """The same of an architecture that somebody names: around the target that is nearest to what it costs."""
        nearest = min(self.targets, key=lambda target: abs(math.log(target / multiply_adds)))
        return FlopsBudget(nearest, EXACT_TOLERANCE)
