"""What every policy must do: draw and read alike, and give gradients that finite differences confirm."""

from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.pointer_policy import PointerPolicy
from nas_controller.algorithms.policy import Policy
from nas_controller.algorithms.reinforce_recurrent import RecurrentPolicy
from search_space.decisions import SearchSpace, random_genotype
from search_space.spaces import EFF_SPINENET_B0, JOINT, SPINENET_49

STEP = 1e-6
POLICIES: dict[str, Callable[[SearchSpace], Policy]] = {
    "pointer": lambda space: PointerPolicy(space, trial_draws(5, 0)),
    "recurrent": lambda space: RecurrentPolicy(space, trial_draws(5, 0)),
}
each_policy = pytest.mark.parametrize("make", POLICIES.values(), ids=list(POLICIES))
each_space = pytest.mark.parametrize("space", [SPINENET_49, JOINT, EFF_SPINENET_B0], ids=lambda space: space.name)


def moved(policy: Policy) -> Policy:
    """The policy with parameters as after some learning, none of them zero."""
    policy.parameters.vector_P += np.random.default_rng(1).normal(0.0, 0.3, len(policy.parameters.vector_P))
    return policy


@each_space
@each_policy
def test_what_is_drawn_is_read_with_the_same_probabilities(
    make: Callable[[SearchSpace], Policy], space: SearchSpace
) -> None:
    policy = moved(make(space))
    for number in (1, 2):
        genotype, log_probs = policy.sample(trial_draws(7, number))
        reading = policy.read(genotype)
        np.testing.assert_allclose(reading.log_probs_N[reading.offers.taken_T], log_probs, rtol=0, atol=1e-10)
        assert tuple(reading.offers.counts_T) == space.option_counts
        totals_T = np.add.reduceat(np.exp(reading.log_probs_N), reading.offers.starts_T)
        np.testing.assert_allclose(totals_T, 1.0, atol=1e-12)


@each_policy
def test_gradients_are_those_of_finite_differences(make: Callable[[SearchSpace], Policy]) -> None:
    """Of a weighted sum of all log-probabilities, whose gradient by the scores is w - p * (sum of w at the point)."""
    policy, draws = moved(make(JOINT)), np.random.default_rng(2)
    genotype = random_genotype(JOINT, Random(3))
    reading = policy.read(genotype)
    offers, weights_N = reading.offers, draws.normal(size=len(reading.log_probs_N))
    totals_N = np.add.reduceat(weights_N, offers.starts_T)[offers.points_N]
    gradient_P = reading.backward(weights_N - np.exp(reading.log_probs_N) * totals_N)
    touched_P = np.flatnonzero(gradient_P)
    vector_P = policy.parameters.vector_P
    for name in policy.parameters.shapes:  # some of each array that matters
        low = np.flatnonzero(policy.parameters.filled({key: float(key == name) for key in policy.parameters.shapes}))
        inside = np.intersect1d(touched_P, low)
        for place in draws.permutation(inside)[:4]:
            before = vector_P[place]
            values = []
            for shift in (STEP, -STEP):
                vector_P[place] = before + shift
                values.append(float(weights_N @ policy.read(genotype).log_probs_N))
            vector_P[place] = before
            assert gradient_P[place] == pytest.approx((values[0] - values[1]) / (2 * STEP), rel=1e-4, abs=1e-6)


def test_only_the_recurrent_policy_remembers_what_was_taken() -> None:
    """Types of blocks 2 and 3 of the same levels, first type taken or second."""
    makers = {name: moved(make(SPINENET_49)) for name, make in POLICIES.items()}
    genotype = (0,) * SPINENET_49.genotype_length
    place = 10 + 5 + 10
    other = (*genotype[:place], 1, *genotype[place + 1 :])
    differ = {}
    for name, policy in makers.items():
        one, two = policy.read(genotype), policy.read(other)
        differ[name] = one.log_probs_N[one.offers.taken_T[place + 1]] != two.log_probs_N[two.offers.taken_T[place + 1]]
    assert differ == {"pointer": False, "recurrent": True}
