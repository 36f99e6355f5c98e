"""How often a uniform draw of a space repeats a network that was drawn before."""

from dataclasses import dataclass, replace
from random import Random

from search_space.budget import decode_within, own_budget
from search_space.decisions import SearchSpace, random_genotype
from search_space.fingerprint import fingerprint
from search_space.intervals import wilson_interval
from search_space.plan import resolve


@dataclass(frozen=True, slots=True)
class DuplicateRate:
    """Share of uniform draws whose network was drawn before, with its 95 % Wilson interval."""

    share: float
    interval: tuple[float, float]
    draws: int


def measure_duplicates(space: SearchSpace, draws: int, seed: int) -> DuplicateRate:
    """Share of `draws` uniform genotypes whose network has the fingerprint of an earlier draw.

    Widths are settled at the space's own target and budget. At least one draw.
    """
    rng = Random(seed)
    target = replace(space.target, head=None)
    budget = own_budget(space, target)
    specs = (decode_within(space, random_genotype(space, rng), target, budget) for _ in range(draws))
    repeated = draws - len({fingerprint(resolve(spec, target)) for spec in specs})
    return DuplicateRate(interval=wilson_interval(repeated, draws), share=repeated / draws, draws=draws)
