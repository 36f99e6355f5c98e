"""Searches of the benchmark: deterministic, with noise and failures; incumbents are judged by the truth."""

import math

import pytest

from search_space.spaces import R0_SP53
from spinesearch.bench.objectives.base import Standardised
from spinesearch.bench.objectives.synthetic import Additive
from spinesearch.bench.simulated_search import AP_SPREAD, FAILING_SHARE, MEAN_AP, NOISE, Course, Workload, run_simulated

NUM_TRIALS = 150


@pytest.fixture(scope="module")
def objective() -> Standardised:
    return Additive(R0_SP53, 1).standardise()


def workload(objective: Standardised, **changes: object) -> Workload:
    fields: dict[str, object] = {"algorithm": "random", "seed": 1, "num_trials": NUM_TRIALS, "num_workers": 10}
    return Workload(objective=objective, **{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def course(objective: Standardised) -> Course:
    return run_simulated(workload(objective))


def test_a_search_is_a_function_of_its_seed(objective: Standardised, course: Course) -> None:
    again = run_simulated(workload(objective))
    assert (again.observed, again.true, again.virtual_seconds) == (
        course.observed,
        course.true,
        course.virtual_seconds,
    )
    assert run_simulated(workload(objective, seed=2)).true != course.true


def test_every_trial_ends_once_and_some_fail(course: Course) -> None:
    assert len(course.observed) == len(course.true) == NUM_TRIALS
    failed = sum(reward is None for reward in course.observed)
    # Five standard deviations of a binomial of 150 draws with probability 0.02: 8.6.
    assert 0 < failed <= NUM_TRIALS * FAILING_SHARE + 9
    assert list(course.virtual_seconds) == sorted(course.virtual_seconds)


def test_rewards_are_the_truth_with_noise(course: Course) -> None:
    errors = [
        (observed - MEAN_AP) / AP_SPREAD - true
        for observed, true in zip(course.observed, course.true, strict=True)
        if observed is not None and true is not None
    ]
    deviation = math.sqrt(sum(error**2 for error in errors) / len(errors))
    # The standard error of a deviation of 145 draws is 6 % of it.
    assert deviation == pytest.approx(NOISE, rel=0.3)


def test_the_incumbent_is_chosen_by_what_was_observed() -> None:
    course = Course(
        observed=(0.3, None, 0.5, 0.4),
        true=(1.0, None, 0.2, 3.0),
        multiply_adds=(1, 1, 1, 1),
        virtual_seconds=(1, 2, 3, 4),
        arms=("random",) * 4,
        controller_seconds=0.0,
    )
    assert [course.incumbent_at(number) for number in (1, 2, 3, 4)] == [1.0, 1.0, 0.2, 0.2]


def test_more_workers_end_sooner(objective: Standardised, course: Course) -> None:
    single = run_simulated(workload(objective, num_workers=1, num_trials=30))
    assert single.virtual_seconds[-1] / 30 > 5 * course.virtual_seconds[-1] / NUM_TRIALS
