"""The Wilson interval against an independent implementation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from search_space.intervals import wilson_interval


@given(st.integers(1, 10_000), st.data())
def test_agrees_with_scipy(draws: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, draws))
    expected = binomtest(successes, draws).proportion_ci(0.95, method="wilson")
    assert wilson_interval(successes, draws) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("successes", "draws"), [(0, 0), (3, 2), (-1, 5)])
def test_refuses_what_is_no_share(successes: int, draws: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} successes in {draws} draws"):
        wilson_interval(successes, draws)
