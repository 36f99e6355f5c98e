"""What an algorithm is measured on: a value for each architecture, known without training.

Values are standardised: over uniform genotypes of the space the mean is 0 and the standard deviation 1. So 3 is what
one in about a thousand random architectures has, and what random search cannot reach in reasonable time begins at 4.
"""

import math
from abc import ABC, abstractmethod
from random import Random
from typing import ClassVar

from search_space.decisions import SearchSpace, random_genotype
from search_space.spec import ArchitectureSpec

NUM_REFERENCE = 1000
"""Random architectures that the standardisation is made of."""


class Objective(ABC):
    """One instance: a function of the architecture alone, drawn from its kind by a seed."""

    num_reference: ClassVar[int] = NUM_REFERENCE
    spaces: ClassVar[tuple[str, ...] | None] = None
    """What it is defined on; None for every space."""
    tolerance: float = 1.0
    """Of the budget of its searches: by default nothing that random draws give is off it."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space = space
        self.seed = seed

    @property
    @abstractmethod
    def kind(self) -> str:
        """The name of its family."""

    @abstractmethod
    def raw(self, spec: ArchitectureSpec) -> float:
        """The value before it is standardised."""

    def random_architecture(self, rng: Random) -> ArchitectureSpec:
        """The architecture of a uniform genotype."""
        return self.space.decode(random_genotype(self.space, rng))

    def standardise(self) -> "Standardised":
        """The objective with mean 0 and standard deviation 1 over `num_reference` uniform genotypes."""
        rng = Random(f"reference {self.seed}")
        raw = [self.raw(self.random_architecture(rng)) for _ in range(self.num_reference)]
        mean = sum(raw) / len(raw)
        spread = math.sqrt(sum((value - mean) ** 2 for value in raw) / (len(raw) - 1))
        return Standardised(self, mean, spread)


class Standardised:
    """An objective in units of what random architectures spread."""

    def __init__(self, objective: Objective, mean: float, spread: float) -> None:
        self.objective = objective
        self._mean = mean
        self._spread = spread

    def in_its_units(self, objective: Objective) -> "Standardised":
        """Another objective, of another space for instance, in the units of this one."""
        return Standardised(objective, self._mean, self._spread)

    def value(self, spec: ArchitectureSpec) -> float:
        """The true value of an architecture, free of noise."""
        return (self.objective.raw(spec) - self._mean) / self._spread
