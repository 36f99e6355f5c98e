import doctest

from hypothesis import given
from hypothesis import strategies as st

from nas_controller.insight import buckets, many_tests
from nas_controller.insight.buckets import limits, paired, widened


def test_examples() -> None:
    for module in (buckets, many_tests):
        results = doctest.testmod(module)
        assert results.attempted > 0
        assert results.failed == 0


@given(st.integers(1, 10**6), st.integers(1, 60), st.integers(1, 20))
def test_buckets_are_no_wider_than_they_must(trial_number: int, max_buckets: int, width: int) -> None:
    wide = widened(trial_number, width, max_buckets)
    assert trial_number <= wide * max_buckets
    assert wide == width or trial_number > wide // 2 * max_buckets
    first, last = limits((trial_number - 1) // wide, wide, trial_number)
    assert first <= trial_number == last


@given(st.lists(st.integers()))
def test_pairs_keep_the_sum_and_halve_the_number(items: list[int]) -> None:
    pairs = paired(items, int.__add__)
    assert sum(pairs) == sum(items)
    assert len(pairs) == -(-len(items) // 2)
