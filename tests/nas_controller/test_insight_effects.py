import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from nas_controller.insight.effects import effect_of, f_survival, importances
from nas_controller.insight.many_tests import adjusted
from nas_controller.insight.sums import Sums

groups = st.lists(st.lists(st.integers(-40, 40), min_size=1, max_size=12), min_size=2, max_size=6)


def sums_of(values: list[float]) -> Sums:
    sums = Sums()
    for value in values:
        sums.add(value)
    return sums


@given(groups)
def test_the_effect_is_that_of_an_analysis_of_variance(drawn: list[list[int]]) -> None:
    values = [[each / 8 for each in group] for group in drawn]
    everything = [each for group in values for each in group]
    effect = effect_of([sums_of(group) for group in values])
    residual_degrees = len(everything) - len(values)
    if residual_degrees < 10:
        assert effect is None
        return
    assert effect is not None
    mean = math.fsum(everything) / len(everything)
    means = [math.fsum(group) / len(group) for group in values]
    between = math.fsum(len(group) * (own - mean) ** 2 for group, own in zip(values, means, strict=True))
    within = math.fsum((each - own) ** 2 for group, own in zip(values, means, strict=True) for each in group)
    if between + within == 0:
        assert (effect.omega_squared, effect.chance) == (0.0, 1.0)
        return
    mean_within = within / residual_degrees
    share = (between - (len(values) - 1) * mean_within) / (between + within + mean_within)
    assert effect.omega_squared == pytest.approx(max(0.0, share), abs=1e-9)
    if within:
        ratio = between / (len(values) - 1) / mean_within
        assert effect.chance == pytest.approx(special.fdtrc(len(values) - 1, residual_degrees, ratio), rel=1e-6)
    else:
        assert effect.chance == 0.0


@given(st.floats(1e-6, 1e3), st.integers(1, 120), st.integers(10, 100_000))
def test_the_tail_of_f_is_scipys(value: float, degrees: int, residual_degrees: int) -> None:
    expected = special.fdtrc(degrees, residual_degrees, value)
    assert f_survival(value, degrees, residual_degrees) == pytest.approx(expected, rel=1e-8, abs=1e-200)


def test_options_that_no_reward_is_known_of_change_nothing() -> None:
    taken = [sums_of([float(each) for each in range(8)]), sums_of([float(each) for each in range(2, 10)])]
    assert effect_of([*taken, Sums()]) == effect_of(taken)


def test_a_decision_that_was_never_taken_otherwise_has_no_effect() -> None:
    assert importances([[sums_of([0.5, 0.25] * 8)]]) == [0.0]


def test_where_few_rewards_are_known_nothing_is_said() -> None:
    # Eleven rewards less two options leave nine.
    assert importances([[sums_of([0.0] * 5), sums_of([1.0] * 6)]]) == [None]
    assert importances([[sums_of([0.0] * 6), sums_of([1.0] * 6)]]) == [1.0]


def test_noise_is_no_importance() -> None:
    """Two hundred decisions without an effect on a hundred rewards, fifty times: anything is named about twice."""
    rng, named = Random(11), 0
    for _ in range(50):
        rewards = [rng.gauss(0, 1) for _ in range(100)]
        decisions = []
        for _ in range(200):
            options = [Sums() for _ in range(4)]
            for reward in rewards:
                rng.choice(options).add(reward)
            decisions.append(options)
        named += any(importances(decisions))
    # 5 % of 50 is 2.5; nine and more have a probability under 0.1 %.
    assert named < 9


def test_the_share_is_not_biased() -> None:
    """Four options whose means differ with variance 1, noise of variance 3: the share is a quarter."""
    rng, shares = Random(12), []
    means = [-math.sqrt(1.8), -math.sqrt(0.2), math.sqrt(0.2), math.sqrt(1.8)]
    for _ in range(300):
        options = [sums_of([mean + rng.gauss(0, math.sqrt(3)) for _ in range(10)]) for mean in means]
        effect = effect_of(options)
        assert effect is not None
        shares.append(effect.omega_squared)
    # The uncorrected share is 0.30 on average; this one's own error is 0.006.
    assert sum(shares) / len(shares) == pytest.approx(0.25, abs=0.02)


def test_holms_procedure() -> None:
    # Of four: the least times 4, the next times 3, ..., never falling.
    assert adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjusted([0.5, 0.9]) == [1.0, 1.0]
    assert adjusted([]) == []
