"""The control arm: the suite, who its trials are, and that nothing else changes."""

import pytest

from nas_controller.algorithms.base import SearchAlgorithm
from nas_controller.algorithms.controlled import Controlled
from nas_controller.algorithms.local_search import LocalSearch, LocalSearchSettings
from nas_controller.algorithms.random_search import RandomSearch
from search_space.decisions import SearchSpace
from search_space.spaces import R0_SP53, SPACES
from tests.conformance.algorithm_suite import AlgorithmSuite, assert_same, run


def make(space: SearchSpace, share: float, seed: int = 5) -> Controlled:
    return Controlled(space, seed, LocalSearch(space, seed, LocalSearchSettings(initial=5)), share)


class TestControlled(AlgorithmSuite):
    @pytest.fixture(params=["joint", "r35-sp18"])
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return SPACES[request.param]

    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return make(space, 0.3, seed)


def test_controls_are_a_share_of_the_trials_and_random_whatever_was_told() -> None:
    algorithm, random = make(R0_SP53, 0.25), RandomSearch(R0_SP53, 5)
    run(algorithm, range(1, 40))
    proposals = {number: algorithm.ask(number) for number in range(1, 401)}
    controls = {number: proposal for number, proposal in proposals.items() if proposal.arm == "control"}
    # A quarter of 400, and three standard deviations (8.7) to both sides.
    assert 74 <= len(controls) <= 126
    assert controls.keys() == {n for n in proposals if make(R0_SP53, 0.25).ask(n).arm == "control"}
    for number, proposal in controls.items():
        assert (proposal.genotype, proposal.log_probs) == (random.ask(number).genotype, random.ask(number).log_probs)
    assert {proposal.arm for proposal in proposals.values()} == {"control", "local_search"}


def test_the_algorithm_is_what_it_would_be_without() -> None:
    """It is told the controls too: told the same, it proposes the same for all other numbers."""
    algorithm = make(R0_SP53, 0.25)
    inner = LocalSearch(R0_SP53, 5, LocalSearchSettings(initial=5))
    controlled = Controlled(R0_SP53, 5, inner, 0.25)
    run(algorithm, range(1, 40))
    run(controlled, range(1, 40))
    assert_same(algorithm.state_dict(), inner.state_dict())
    for number in range(40, 60):
        if (proposal := controlled.ask(number)).arm != "control":
            assert proposal == inner.ask(number)
