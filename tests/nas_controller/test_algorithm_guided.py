"""The guided search: the suite, that its state is all of it, and that it learns faster than evolution."""

from collections.abc import Callable

import numpy as np
import pytest

from nas_controller.algorithms.base import Proposal, SearchAlgorithm
from nas_controller.algorithms.evolution import EvolutionSettings, RegularizedEvolution
from nas_controller.algorithms.guided import Guided, GuidedSettings
from nas_controller.records import TrialState
from search_space.decisions import SearchSpace
from search_space.spaces import R0_SP53, R35_SP18, SPACES
from tests.conformance.algorithm_suite import AlgorithmSuite, run, told


def make(space: SearchSpace, seed: int = 5, **settings: float) -> Guided:
    return Guided(space, seed, GuidedSettings.from_mapping(settings))


class TestGuided(AlgorithmSuite):
    """In a small space, and in one of multipliers alone; the others take long."""

    @pytest.fixture(
        params=[
            pytest.param(name, marks=[] if name in ("eff-spinenet-b0", "r23-sp30") else pytest.mark.slow)
            for name in sorted(SPACES)
        ]
    )
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return SPACES[request.param]

    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return make(space, seed, initial=5)


def score(proposal: Proposal) -> float:
    """The share of parents at an even place: 0.5 of random networks, with a spread of 0.09."""
    parents = [parent for block in R0_SP53.decode(proposal.genotype).blocks for parent in block.parents]
    return sum(parent % 2 == 0 for parent in parents) / len(parents)


def search(algorithm: SearchAlgorithm, count: int, value: Callable[[Proposal], float] = score) -> list[float]:
    values = []
    for number in range(1, count + 1):
        proposal = algorithm.ask(number)
        values.append(value(proposal))
        algorithm.tell(told(number, proposal, reward=values[-1]))
    return values


def test_it_begins_at_random_and_is_fitted_now_and_then() -> None:
    algorithm = make(R0_SP53, initial=10)
    search(algorithm, 9)
    assert algorithm.ask(10).arm == "random"
    algorithm.tell(told(10, algorithm.ask(10), reward=0.5))
    assert algorithm.ask(11).arm == "guided"
    fitted = [algorithm.diagnostics()["fitted_at"]]
    for number in range(11, 60):
        proposal = algorithm.ask(number)
        algorithm.tell(told(number, proposal, reward=score(proposal)))
        fitted.append(algorithm.diagnostics()["fitted_at"])
    # Every fourth trial, from 30 on every sixth part of those known.
    assert sorted(set(fitted)) == [10, 14, 18, 22, 26, 30, 35, 40, 46, 53]


def test_proposals_of_one_fit_differ_and_say_where_they_come_from() -> None:
    algorithm = make(R0_SP53, initial=20)
    search(algorithm, 20)
    proposals = [algorithm.ask(number) for number in range(21, 101)]
    assert len({R0_SP53.encode(R0_SP53.decode(proposal.genotype)) for proposal in proposals}) == 80
    for proposal in proposals:
        (parent,) = proposal.parents
        assert 1 <= parent <= 20
        assert proposal.edits


def test_it_learns_faster_than_evolution() -> None:
    """The mean of the last 20 of 80 trials, for two seeds."""
    for seed in (1, 2):
        guided = search(make(R0_SP53, seed, initial=20), 80)[-20:]
        evolution = search(RegularizedEvolution(R0_SP53, seed, EvolutionSettings(population=20, sample=5)), 80)[-20:]
        assert np.mean(guided) > np.mean(evolution) + 0.03


def test_failures_count_as_bad_and_infeasible_ones_as_nothing() -> None:
    algorithm = make(R35_SP18, initial=10)
    for number in range(1, 10):
        algorithm.tell(told(number, algorithm.ask(number), reward=0.1 * number))
    algorithm.tell(told(10, algorithm.ask(10), TrialState.INFEASIBLE))
    assert algorithm.ask(11).arm == "random", "nine trials say something"
    algorithm.tell(told(11, algorithm.ask(11), TrialState.FAILED))
    assert algorithm.ask(12).arm == "guided"
    assert all(11 not in algorithm.ask(number).parents for number in range(12, 140))


def test_a_space_that_is_nearly_exhausted_is_survived() -> None:
    """R35-SP18 has few neighbours: proposals go on, new ones as long as there are any."""
    algorithm = make(R35_SP18, initial=5)
    proposals = run(algorithm, range(1, 150))
    assert len({R35_SP18.encode(R35_SP18.decode(proposal.genotype)) for proposal in proposals}) > 100
