"""The rules of early stopping, by hand and against their definitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_controller.early_stopping.base import StoppingRule
from nas_controller.early_stopping.median import MedianRule
from nas_controller.early_stopping.successive_halving import SuccessiveHalvingRule
from nas_controller.early_stopping.table import make_rule
from nas_controller.search_config import EarlyStopping

VALUES = st.lists(st.floats(0, 1), max_size=40)
RULES = [MedianRule(min_trials=4), SuccessiveHalvingRule(eta=3, min_trials=4)]


@pytest.mark.parametrize(
    ("others", "value", "ends"),
    [
        ([0.1, 0.2, 0.3], 0.19, True),  # median 0.2
        ([0.3, 0.1, 0.2], 0.2, False),
        ([0.1, 0.2, 0.3, 0.6], 0.24, True),  # median 0.25
        ([0.1, 0.2, 0.3, 0.6], 0.26, False),
        ([0.5, 0.5], 0.0, False),  # too few
        ([0.0, 0.0, 0.0], 0.0, False),
    ],
)
def test_the_median_rule_ends_what_is_below_the_median(others: list[float], value: float, ends: bool) -> None:
    assert MedianRule(min_trials=3).decide(others, value) is ends


@pytest.mark.parametrize(
    ("others", "value", "ends"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], 0.45, False),  # six at the rung, two go on: 0.5 and this one
        ([0.1, 0.2, 0.3, 0.4, 0.5], 0.39, True),  # 0.5 and 0.4 go on
        ([0.1, 0.2, 0.3, 0.4, 0.5], 0.4, False),  # as good as the second
        ([0.1, 0.2, 0.3, 0.4], 0.45, False),  # five at the rung, one goes on: the best
        ([0.1, 0.2, 0.3, 0.5], 0.45, True),
        ([0.9, 0.8], 0.1, False),  # too few
        ([0.0] * 9, 0.0, False),
    ],
)
def test_successive_halving_keeps_the_best_third(others: list[float], value: float, ends: bool) -> None:
    assert SuccessiveHalvingRule(eta=3, min_trials=3).decide(others, value) is ends


def test_of_fewer_than_eta_trials_nobody_ends() -> None:
    rule = SuccessiveHalvingRule(eta=4, min_trials=1)
    assert not rule.decide([0.9, 0.8], 0.1)
    assert rule.decide([0.9, 0.8, 0.7], 0.1)


@given(others=VALUES, value=st.floats(0, 1))
@pytest.mark.parametrize("rule", RULES, ids=["median", "halving"])
def test_what_is_good_enough_stays_so_when_it_is_better(rule: StoppingRule, others: list[float], value: float) -> None:
    assert rule.decide(others, value) == rule.decide(others[::-1], value)
    assert not rule.decide(others, max([value, *others]))
    if not rule.decide(others, value):
        assert not rule.decide(others, (value + 1) / 2)
    if len(others) < 4:
        assert not rule.decide(others, value)


@given(
    values=st.lists(st.floats(0, 1), min_size=9, max_size=60, unique=True), eta=st.sampled_from([2.0, 2.5, 3.0, 4.0])
)
def test_so_many_are_kept_of_those_that_come_last(values: list[float], eta: float) -> None:
    """Each is judged with all others before it: those kept are the best floor(n / eta)."""
    rule = SuccessiveHalvingRule(eta, min_trials=1)
    kept = [v for v in values if not rule.decide([other for other in values if other != v], v)]
    assert sorted(kept) == sorted(values)[len(values) - int(len(values) / eta) :]


def test_rules_by_name() -> None:
    assert make_rule(EarlyStopping()) is None
    assert isinstance(make_rule(EarlyStopping(rule="median")), MedianRule)
    halving = make_rule(EarlyStopping(rule="successive_halving", eta=2, min_trials=1))
    assert halving is not None
    assert halving.decide([0.5], 0.4)  # two at the rung, one goes on
    assert not halving.decide([0.5], 0.6)
    median = make_rule(EarlyStopping(rule="median", min_trials=2))
    assert median is not None
    assert not median.decide([0.5], 0.4)
