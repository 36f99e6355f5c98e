"""How many architectures a space has, counted exactly."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from search_space.moves import Offer


@dataclass(frozen=True, slots=True)
class SpaceSize:
    """How large a space is.

    Args:
        formula: as the papers count (Du et al. 2020, section 3.1): every permutation of labelled blocks, every
            pair of earlier features, every adjustment, type and multiplier.
        within_window: the same with the parent candidates that intermediate blocks really have.
        architectures: different architecture specs: `within_window` after merging the permutations and
            adjustments that give the same sequence of levels.
    """

    formula: int
    within_window: int
    architectures: int


def count_space(offer: Offer) -> SpaceSize:
    """(N-5)! * 5! * prod C(candidates, 2) * adjustments**(N-5) * types**N * multipliers**(m+N), and two refinements."""
    num_searched, num_inner = len(offer.candidates), len(offer.pool)
    types = len(offer.block_types) ** num_searched * len(offer.multipliers) ** (offer.first + num_searched)
    outputs = math.factorial(num_searched - num_inner)
    all_pairs = math.prod(math.comb(offer.first + place, 2) for place in range(num_searched))
    pairs = math.prod(math.comb(len(candidates), 2) for candidates in offer.candidates)
    inner = math.factorial(num_inner) * len(offer.adjustments) ** num_inner
    return SpaceSize(
        formula=inner * outputs * all_pairs * types,
        within_window=inner * outputs * pairs * types,
        architectures=count_level_sequences(offer.pool, offer.adjustments) * outputs * pairs * types,
    )


def count_level_sequences(pool: Sequence[int], adjustments: Sequence[int]) -> int:
    """Number of different level sequences that permuting and adjusting the pool gives."""
    levels = range(min(pool) + min(adjustments), max(pool) + max(adjustments) + 1)
    total = 0
    for multiset in combinations_with_replacement(levels, len(pool)):
        if levels_can_match(multiset, pool, adjustments):
            repeats = math.prod(math.factorial(count) for count in Counter(multiset).values())
            total += math.factorial(len(pool)) // repeats
    return total


def levels_can_match(levels: Sequence[int], pool: Sequence[int], adjustments: Sequence[int]) -> bool:
    """Whether the levels can be paired with the pool's so that each difference is an adjustment.

    The adjustments are consecutive, so if any pairing works, the one of both in rising order does.
    """
    return all(level - base in adjustments for level, base in zip(sorted(levels), sorted(pool), strict=True))
