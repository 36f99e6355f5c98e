"""The papers' controller: the suite, and what its network knows."""

import numpy as np
import pytest

from nas_controller.algorithms.base import Proposal, SearchAlgorithm
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.reinforce_recurrent import RecurrentPolicy, RecurrentSettings, ReinforceRecurrent
from search_space.decisions import SearchSpace
from search_space.spaces import R0_SP53, SPINENET_49
from tests.conformance.algorithm_suite import AlgorithmSuite, run, told
from tests.nas_controller.test_algorithm_reinforce import planted_score, search


def make(space: SearchSpace, seed: int = 5, **settings: float) -> ReinforceRecurrent:
    return ReinforceRecurrent(space, seed, RecurrentSettings.from_mapping(settings))


class TestReinforceRecurrent(AlgorithmSuite):
    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return make(space, seed)


def first_pick(algorithm: ReinforceRecurrent, proposal: Proposal, pick: int) -> float:
    """Log-probability of a first pick, under a policy of the algorithm's parameters."""
    policy = RecurrentPolicy(R0_SP53, trial_draws(0, 0))
    policy.parameters.vector_P[...] = algorithm.state_dict()["parameters"]
    reading = policy.read((pick, *proposal.genotype[1:]))
    return float(reading.log_probs_N[pick])


def test_the_first_policy_is_nearly_uniform() -> None:
    """Weights are at most 0.08, and outputs far below 1: scores are little more than biases."""
    expected = np.log(1 / np.array(SPINENET_49.option_counts))
    np.testing.assert_allclose(make(SPINENET_49).ask(1).log_probs, expected, atol=0.2)


def test_it_tells_blocks_of_one_level_apart() -> None:
    """The pool is 2 3 3 3 ...: a classifier by position does not know that the second block and the third are alike."""
    algorithm = make(R0_SP53)
    run(algorithm, range(1, 20))
    proposal = algorithm.ask(1)
    assert first_pick(algorithm, proposal, 1) != pytest.approx(first_pick(algorithm, proposal, 2), abs=1e-3)


def test_what_was_taken_is_masked() -> None:
    """Position 4 of the pool stays position 4 when the one before it is gone; of a parent it is the feature."""
    policy = RecurrentPolicy(R0_SP53, trial_draws(0, 0))
    policy.parameters["biases_R"][4] = 50.0  # the fifth block of the pool
    for number in range(1, 6):
        genotype, log_probs = policy.sample(trial_draws(1, number))
        assert genotype[0] == 4
        assert log_probs[0] == pytest.approx(0.0, abs=1e-12)
        assert log_probs[1] < -1.0, "it is gone, and the others are alike"


def test_a_better_reward_makes_its_decisions_likelier() -> None:
    algorithm = make(R0_SP53, entropy_start=0.0)
    for number in range(1, 6):
        algorithm.tell(told(number, algorithm.ask(number), reward=0.1 + 0.01 * number))
    proposal = algorithm.ask(6)
    algorithm.tell(told(6, proposal, reward=0.9))
    policy = RecurrentPolicy(R0_SP53, trial_draws(0, 0))
    policy.parameters.vector_P[...] = algorithm.state_dict()["parameters"]
    reading = policy.read(proposal.genotype)
    assert reading.log_probs_N[reading.offers.taken_T].sum() > sum(proposal.log_probs)


def test_it_learns_a_planted_objective() -> None:
    """Random search stays at 0 with a standard error of 0.14 over 50 trials."""
    scores = search(make(SPINENET_49, seed=0, horizon=200), planted_score(0), trials=200, lag=4)
    assert np.mean(scores[-50:]) > np.mean(scores[:50]) + 0.6
