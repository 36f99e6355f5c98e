"""Exact counts against formulas written out and against enumeration."""

import math
from itertools import permutations, product

from hypothesis import given
from hypothesis import strategies as st

from search_space.size import count_level_sequences, levels_can_match
from search_space.spaces import R0_SP53, SPINENET_49

pools = st.lists(st.integers(2, 5), min_size=1, max_size=4)
adjustments = st.sampled_from([(0,), (-1, 0), (0, 1), (-1, 0, 1), (-1, 0, 1, 2)])


def all_sequences(pool: list[int], changes: tuple[int, ...]) -> set[tuple[int, ...]]:
    return {
        tuple(base + change for base, change in zip(order, chosen, strict=True))
        for order in permutations(pool)
        for chosen in product(changes, repeat=len(pool))
    }


@given(pools, adjustments)
def test_level_sequences_are_counted_as_by_enumeration(pool: list[int], changes: tuple[int, ...]) -> None:
    assert count_level_sequences(pool, changes) == len(all_sequences(pool, changes))


@given(pools, adjustments, st.data())
def test_matching_is_exact(pool: list[int], changes: tuple[int, ...], data: st.DataObject) -> None:
    levels = data.draw(st.lists(st.integers(1, 7), min_size=len(pool), max_size=len(pool)))
    assert levels_can_match(levels, pool, changes) == (tuple(levels) in all_sequences(pool, changes))


def test_spinenet_49_by_the_papers_formula() -> None:
    size = SPINENET_49.size()
    pairs = math.prod(math.comb(i, 2) for i in range(2, 17))  # N = 15, two stem blocks
    assert size.formula == math.factorial(10) * math.factorial(5) * pairs * 4**10 * 2**15
    assert f"{size.formula:.2e}" == "1.25e+40"
    window = math.prod(math.comb(min(i, 5), 2) for i in range(2, 12)) * math.prod(
        math.comb(i, 2) for i in range(12, 17)
    )
    assert size.within_window == math.factorial(10) * math.factorial(5) * window * 4**10 * 2**15
    assert f"{size.within_window:.2e}" == "1.59e+37"
    assert size.architectures < size.within_window


def test_r0_sp53_after_merging_equal_levels() -> None:
    # Pool {L2: 1, L3: 3, L4: 5, L5: 1}: 10! / (3! 5!) orders that differ in level, times 5! of the outputs.
    size = R0_SP53.size()
    labelled = math.factorial(10) * math.factorial(5)
    assert size.architectures * labelled == size.within_window * 604_800
