"""Genotypes as parameters of an Optuna study.

Every decision point with more than one option is a parameter. Our points have as many options whatever was decided
before, so the space is fixed: no parameter depends on another one. Either options that rise are whole numbers and all
others categories; or each is a number in [0, 1), cut into as many equal parts as there are options, for samplers that
know nothing but numbers.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from search_space.decisions import DecisionKind, Genotype, SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Parameters = dict[str, Any]
_RISING = (DecisionKind.LEVEL_ADJUSTMENT, DecisionKind.RESOURCE_MULTIPLIER)


class Coding:
    """The parameters of a space's genotypes.

    Args:
        as_numbers: whether all are numbers in [0, 1).
    """

    def __init__(self, space: SearchSpace, *, as_numbers: bool) -> None:
        self._space = space
        self._as_numbers = as_numbers
        self._counts = {
            f"{position:03d} {space.describe_point(position)}": count
            for position, count in enumerate(space.option_counts)
            if count > 1
        }
        kinds = [kind for (kind, _), count in zip(space.points, space.option_counts, strict=True) if count > 1]
        self.distributions = {
            name: self._distribution(count, kind)
            for (name, count), kind in zip(self._counts.items(), kinds, strict=True)
        }

    def _distribution(self, count: int, kind: DecisionKind) -> "BaseDistribution":
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self._as_numbers:
            return FloatDistribution(0.0, 1.0)
        return IntDistribution(0, count - 1) if kind in _RISING else CategoricalDistribution(tuple(range(count)))

    def parameters(self, genotype: Genotype, draws: np.random.Generator) -> Parameters:
        """The parameters of a genotype's canonical form: twins of the pool, or parents in another order, are the same.

        Args:
            draws: where in its part a number lies. Were it always the middle, CMA-ES could lose all spread, and with it
                every other option.
        """
        canonical = self._space.encode(self._space.decode(genotype))
        options = [option for option, count in zip(canonical, self._space.option_counts, strict=True) if count > 1]
        if not self._as_numbers:
            return dict(zip(self._counts, options, strict=True))
        within = draws.random(len(options))
        return {
            name: (option + float(part)) / count
            for (name, count), option, part in zip(self._counts.items(), options, within, strict=True)
        }

    def genotype(self, parameters: Parameters, draws: np.random.Generator) -> Genotype:
        """The genotype of parameters; a decision that they leave out (NSGA-II where it mutates) is drawn uniformly."""
        names = iter(self._counts)
        return tuple(
            self._option(parameters, next(names), draws) if count > 1 else 0 for count in self._space.option_counts
        )

    def _option(self, parameters: Parameters, name: str, draws: np.random.Generator) -> int:
        count = self._counts[name]
        if name not in parameters:
            return int(draws.integers(count))
        if self._as_numbers:
            return min(int(parameters[name] * count), count - 1)
        return int(parameters[name])
