"""The estimator by hand, and its gradient by finite differences."""

from random import Random

import numpy as np
import pytest

from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.estimator import Importance, decision_weights, entropies, ratios, score_gradient
from nas_controller.algorithms.pointer_policy import PointerPolicy
from nas_controller.algorithms.policy import Reading
from nas_controller.algorithms.progress import NUM_RECENT, RecentRatios
from search_space.decisions import random_genotype
from search_space.spaces import SPINENET_49

RATIOS_T = np.array([0.5, 1.0, 2.0])


def drawn_reading(scores_N: np.ndarray | None = None) -> Reading:
    """A genotype with scores drawn at random."""
    policy = PointerPolicy(SPINENET_49, trial_draws(1, 0))
    genotype = random_genotype(SPINENET_49, Random(1))
    reading = policy.read(genotype)
    if scores_N is None:
        scores_N = np.random.default_rng(2).normal(size=len(reading.log_probs_N))
    return Reading(reading.points, reading.offers, reading.offers.log_softmax(scores_N), reading.backward)


@pytest.mark.parametrize(
    ("importance", "advantage", "expected"),
    [
        (Importance.NONE, 1.0, [1.0, 1.0, 1.0]),
        (Importance.NONE, -1.0, [1.0, 1.0, 1.0]),
        (Importance.TRUNCATED, 1.0, [0.5, 1.0, 1.0]),
        (Importance.TRUNCATED, -1.0, [0.5, 1.0, 1.0]),
        (Importance.TRUNCATED_BELOW, 1.0, [1.0, 1.0, 1.0]),
        (Importance.TRUNCATED_BELOW, -1.0, [0.5, 1.0, 1.0]),
    ],
)
def test_a_ratio_weighs_a_decision(importance: Importance, advantage: float, expected: list[float]) -> None:
    np.testing.assert_array_equal(decision_weights(RATIOS_T, advantage, importance, ratio_clip=0.0), expected)


@pytest.mark.parametrize(
    ("ratio_clip", "advantage", "expected"),
    [(0.2, 1.0, [1.0, 1.0, 0.0]), (0.2, -1.0, [0.0, 1.0, 1.0]), (1.5, 1.0, [1.0, 1.0, 1.0])],
)
def test_what_moved_far_enough_already_weighs_nothing(
    ratio_clip: float, advantage: float, expected: list[float]
) -> None:
    np.testing.assert_array_equal(decision_weights(RATIOS_T, advantage, Importance.NONE, ratio_clip), expected)


def test_ratios_are_those_of_probabilities_and_finite() -> None:
    reading = drawn_reading()
    taken_T = reading.log_probs_N[reading.offers.taken_T]
    np.testing.assert_allclose(ratios(reading, taken_T - np.log(0.25)), 0.25)
    assert np.isfinite(np.square(ratios(reading, taken_T - 1e6))).all()


def test_the_gradient_is_that_of_finite_differences() -> None:
    draws = np.random.default_rng(5)
    number = len(drawn_reading().log_probs_N)
    scores_N, step, beta, guard = draws.normal(size=number), 1e-6, 0.3, 0.7
    weighted_T = draws.normal(size=SPINENET_49.genotype_length)

    def gain(scores_N: np.ndarray) -> float:
        reading = drawn_reading(scores_N)
        entropy_T, uniform_T = entropies(reading)
        mean_T = np.add.reduceat(reading.log_probs_N, reading.offers.starts_T) / reading.offers.counts_T
        even_T = (beta * entropy_T + guard * mean_T) / uniform_T
        return float(weighted_T @ reading.log_probs_N[reading.offers.taken_T] + even_T.sum())

    gradient_N = score_gradient(drawn_reading(scores_N), weighted_T, beta, guard)
    for place in draws.permutation(number)[:20]:
        shift_N = step * (np.arange(number) == place)
        difference = (gain(scores_N + shift_N) - gain(scores_N - shift_N)) / (2 * step)
        assert gradient_N[place] == pytest.approx(difference, abs=1e-7)


def test_entropies_are_one_where_all_options_are_alike_and_count_nothing_without_a_choice() -> None:
    reading = drawn_reading(np.zeros(len(drawn_reading().log_probs_N)))
    entropy_T, uniform_T = entropies(reading)
    expected = [float(count > 1) for count in SPINENET_49.option_counts]
    np.testing.assert_allclose(entropy_T / uniform_T, expected, atol=1e-12)


def test_the_effective_share_of_the_last_results() -> None:
    """Ratios 1 and 3: (1 + 3)**2 / (2 * (1 + 9)) = 0.8. What is older than the last 64 results is forgotten."""
    recent = RecentRatios()
    assert recent.effective_share == 1.0
    recent.add(np.array([1.0, 3.0]))
    assert recent.effective_share == pytest.approx(0.8)
    for _ in range(NUM_RECENT - 1):
        recent.add(np.ones(2))
    assert recent.effective_share < 1.0
    recent.add(np.ones(2))
    assert recent.effective_share == 1.0
