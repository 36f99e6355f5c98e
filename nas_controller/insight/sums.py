"""Numbers added up so that their mean and its standard error can be told, and more numbers added."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Sums:
    """How many numbers there were, their sum, and the sum of their squares."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """One more number."""
        self.count += 1
        self.total += value
        self.squares += value * value

    def plus(self, other: "Sums") -> "Sums":
        """All numbers of both."""
        return Sums(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float | None:
        """Their mean; None where there are none."""
        return self.total / self.count if self.count else None

    @property
    def squared_deviations(self) -> float:
        """The sum of their squared distances from the mean."""
        return max(0.0, self.squares - self.total * self.total / self.count) if self.count else 0.0

    @property
    def standard_error(self) -> float | None:
        """Of the mean; None where there are fewer than two."""
        if self.count < 2:
            return None
        return math.sqrt(self.squared_deviations / (self.count - 1) / self.count)

    def to_document(self) -> list[float]:
        """The three as a list."""
        return [self.count, self.total, self.squares]

    @classmethod
    def from_document(cls, document: Sequence[float]) -> "Sums":
        """What `to_document` gave."""
        return cls(int(document[0]), float(document[1]), float(document[2]))
