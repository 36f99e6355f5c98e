"""The probability of improvement: who is compared, the number, and its interval against the formulas."""

from random import Random

import pytest

from nas_controller.insight.improvement import (
    MAX_KEPT,
    Improvement,
    Rewards,
    improvement_fields,
    interval,
    probability_of_improvement,
)
from nas_controller.records import TrialState
from tests.nas_controller.insight_cases import TrialLedger, folded

Z = 1.959964


def ledger_of(*trials: tuple[str, float]) -> TrialLedger:
    ledger = TrialLedger()
    for arm, reward in trials:
        ledger.finish(ledger.create(arm=arm), reward)
    return ledger


def test_searched_trials_are_compared_with_those_of_the_control_arm() -> None:
    ledger = ledger_of(("random", 0.9), ("policy", 0.1), ("control", 0.2), ("enqueued", 0.9), ("guided", 0.3))
    ledger.finish(ledger.create(arm="guided"), 0.0, TrialState.STOPPED_EARLY, stopped_at_step=75)
    ledger.fail(ledger.create(arm="control"), "diverged", "loss is nan")
    ledger.finish(ledger.create(arm="guided"), 0.4)
    fields = improvement_fields(folded(ledger.entries).improvement)
    assert fields is not None
    assert (fields["against"], fields["searched"], fields["random"]) == ("control", 3, 1)
    assert fields["all"]["probability"] == pytest.approx(2 / 3)
    assert fields["newest_half"]["probability"] == 1.0, "0.3 and 0.4 are the newest of three"


def test_without_a_control_arm_an_algorithm_is_compared_with_its_beginning() -> None:
    fields = improvement_fields(
        folded(ledger_of(("random", 0.2), ("random", 0.4), ("evolution", 0.3)).entries).improvement
    )
    assert fields is not None
    assert (fields["against"], fields["all"]["probability"]) == ("random", 0.5)


@pytest.mark.parametrize("arms", [(), ("random", "random"), ("guided", "reference", "enqueued")])
def test_where_one_of_both_is_missing_nothing_is_said(arms: tuple[str, ...]) -> None:
    assert improvement_fields(folded(ledger_of(*((arm, 0.2) for arm in arms)).entries).improvement) is None


def test_the_interval_solves_the_score_equation() -> None:
    """For groups of one the variance is that of a single draw: Wilson's interval with n = 1. Else each end is z
    standard deviations away, with Hanley and McNeil's variance in its own form: Q1 = p / (2 - p), Q2 = 2 p p / (1 + p).
    """
    assert interval(1.0, 1, 1) == pytest.approx((1 / (1 + Z * Z), 1.0), abs=1e-6)
    assert interval(0.0, 1, 1) == pytest.approx((0.0, Z * Z / (1 + Z * Z)), abs=1e-6)
    for probability, num_searched, num_random in ((0.7, 30, 10), (0.5, 8, 200), (0.97, 50, 50)):
        size = (num_searched + num_random) / 2
        for end in interval(probability, num_searched, num_random):
            excess = (size - 1) * (end / (2 - end) + 2 * end * end / (1 + end) - 2 * end * end)
            variance = (end * (1 - end) + excess) / (num_searched * num_random)
            assert abs(end - probability) == pytest.approx(Z * variance**0.5, abs=1e-6)


def test_the_interval_holds_what_is_true_about_as_often_as_it_says() -> None:
    """Two groups of exponential rewards, the mean of one twice that of the other: the probability is 2/3."""
    rng, held = Random(1), 0
    for _ in range(400):
        searched = [rng.expovariate(1.0) for _ in range(40)]
        random = [rng.expovariate(2.0) for _ in range(10)]
        low, high = interval(probability_of_improvement(searched, random), 40, 10)
        held += low <= 2 / 3 <= high
    # 95 % of 400, and three of its standard deviations (4.4) to both sides.
    assert 367 <= held <= 393


def test_what_is_kept_is_bounded_and_evenly_spread() -> None:
    rewards = Rewards()
    for number in range(1, 5001):
        rewards.add(number, number / 5000)
    assert rewards.count == 5000
    assert [number for number, _ in rewards.kept] == list(range(8, 5001, 8))
    assert len(rewards.kept) <= MAX_KEPT
    improvement = folded(ledger_of(("control", 0.1), ("policy", 0.2)).entries).improvement
    improvement.groups["searched"] = rewards
    assert Improvement.from_document(improvement.to_document()) == improvement


def test_a_reused_reward_is_no_measurement() -> None:
    ledger = ledger_of(("control", 0.1), ("guided", 0.2))
    number = ledger.create(arm="guided")
    ledger.finish(number, 0.3, reused_from={"search": "s1", "trial": 2})
    improvement = folded(ledger.entries).improvement
    assert improvement.groups["searched"].kept == [(2, 0.2)]
