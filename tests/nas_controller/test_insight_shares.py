import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nas_controller.insight.shares import Share, difference_interval, exact_chance

counts = st.integers(1, 60).flatmap(lambda number: st.tuples(st.integers(0, number), st.just(number)))


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        # Newcombe 1998, "Interval estimation for the difference between independent proportions", Table II, method 10.
        (Share(56, 70), Share(48, 80), 0.0524, 0.3339),
        (Share(9, 10), Share(3, 10), 0.1705, 0.8090),
        (Share(5, 56), Share(0, 29), -0.0381, 0.1926),
        (Share(0, 10), Share(0, 10), -0.2775, 0.2775),
        (Share(10, 10), Share(0, 10), 0.6075, 1.0000),
    ],
)
def test_intervals_are_the_published_ones(one: Share, other: Share, low: float, high: float) -> None:
    assert list(difference_interval(one, other)) == pytest.approx([low, high], abs=5e-5)


@given(counts, counts)
def test_an_interval_holds_the_difference(one: tuple[int, int], other: tuple[int, int]) -> None:
    low, high = difference_interval(Share(*one), Share(*other))
    assert -1 <= low <= Share(*one).value - Share(*other).value <= high <= 1


@given(counts, counts)
def test_the_exact_chance_is_scipys(one: tuple[int, int], other: tuple[int, int]) -> None:
    (count, number), (other_count, other_number) = one, other
    table = [[count, number - count], [other_count, other_number - other_count]]
    expected = stats.fisher_exact(table).pvalue
    assert exact_chance(Share(count, number), Share(other_count, other_number)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("count", "other_count"), [(50, 20), (0, 99_000), (50, 99_950), (0, 0), (20, 50_000)])
def test_the_exact_chance_of_a_hundred_thousand_trials(count: int, other_count: int) -> None:
    table = [[count, 50 - count], [other_count, 99_950 - other_count]]
    expected = stats.fisher_exact(table).pvalue
    assert exact_chance(Share(count, 50), Share(other_count, 99_950)) == pytest.approx(expected, rel=1e-5)
