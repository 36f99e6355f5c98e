"""Regularized evolution: the suite, who lives, who has children, and that it learns."""

from random import Random

import pytest

from nas_controller.algorithms.base import Proposal, SearchAlgorithm
from nas_controller.algorithms.evolution import EvolutionSettings, RegularizedEvolution
from nas_controller.records import TrialState
from search_space.decisions import SearchSpace, random_genotype
from search_space.spaces import R0_SP53, SPINENET_49
from tests.conformance.algorithm_suite import AlgorithmSuite, run, told


def make(space: SearchSpace, seed: int = 5, **settings: float) -> RegularizedEvolution:
    return RegularizedEvolution(space, seed, EvolutionSettings.from_mapping(settings))


class TestRegularizedEvolution(AlgorithmSuite):
    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return make(space, seed, population=6, sample=3)


def tell(algorithm: SearchAlgorithm, number: int, reward: float, state: TrialState = TrialState.COMPLETED) -> None:
    genotype = random_genotype(R0_SP53, Random(number))
    proposal = Proposal(genotype=genotype, arm="", log_probs=(0.0,) * len(genotype))
    algorithm.tell(told(number, proposal, state, reward if state is not TrialState.FAILED else None))


def test_trials_are_random_until_the_population_is_full() -> None:
    algorithm = make(R0_SP53, population=4, sample=4)
    for number in range(1, 5):
        assert algorithm.ask(number).arm == "random"
        tell(algorithm, number, number / 10)
    assert algorithm.ask(5).arm == "evolution"


def test_the_oldest_dies_and_the_best_of_a_sample_has_a_child() -> None:
    """Of rewards 9, 1, 2, 3 the first is the best; when a fifth trial is told it is dead."""
    algorithm = make(R0_SP53, population=4, sample=200)
    for number, reward in enumerate([0.9, 0.1, 0.2, 0.3], start=1):
        tell(algorithm, number, reward)
    assert algorithm.ask(5).parents == (1,)
    tell(algorithm, 5, 0.05)
    assert algorithm.ask(6).parents == (4,)


def test_the_sample_bounds_how_greedy_it_is() -> None:
    """With a sample of one every living trial has children, about equally many."""
    algorithm = make(R0_SP53, population=4, sample=1)
    for number in range(1, 5):
        tell(algorithm, number, number / 10)
    parents = [algorithm.ask(number).parents[0] for number in range(5, 405)]
    # Five standard deviations of a binomial of 400 draws with probability 1/4: 43.
    assert all(abs(parents.count(parent) - 100) <= 44 for parent in (1, 2, 3, 4))


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.STOPPED_EARLY])
def test_who_was_not_trained_to_the_end_has_no_children(state: TrialState) -> None:
    algorithm = make(R0_SP53, population=2, sample=50)
    tell(algorithm, 1, 0.1)
    tell(algorithm, 2, 0.2)
    tell(algorithm, 3, 0.9, state)
    assert {algorithm.ask(number).parents for number in range(4, 10)} == {(2,)}


def test_a_child_is_a_move_away_and_says_which() -> None:
    algorithm = make(SPINENET_49, population=6, sample=3)
    proposals = run(algorithm, range(1, 40))
    children = [proposal for proposal in proposals if proposal.arm == "evolution"]
    asked = dict(enumerate(proposals, start=1))
    assert len(children) > 20
    for child in children:
        (parent,) = child.parents
        assert child.genotype != asked[parent].genotype
        assert len(child.edits) == 1


def test_a_network_that_was_told_is_not_proposed_again() -> None:
    """Also where its genotype is another: the two parents of each block the other way round."""
    algorithm = make(R0_SP53, population=2, sample=2)
    tell(algorithm, 1, 0.1)
    tell(algorithm, 2, 0.2)
    known: set[tuple[int, ...]] = set()
    for number in range(3, 60):
        proposal = algorithm.ask(number)
        canonical = R0_SP53.encode(R0_SP53.decode(proposal.genotype))
        assert canonical not in known
        known.add(canonical)
        algorithm.tell(told(number, proposal, TrialState.INFEASIBLE))


def test_children_become_better_than_random_trials() -> None:
    """The share of parents at an even place is 0.5 of random networks, with a spread of 0.09; for three seeds."""

    def score(proposal: Proposal) -> float:
        parents = [parent for block in R0_SP53.decode(proposal.genotype).blocks for parent in block.parents]
        return sum(parent % 2 == 0 for parent in parents) / len(parents)

    for seed in (1, 2, 3):
        algorithm = make(R0_SP53, seed, population=30, sample=10)
        scores = []
        for number in range(1, 301):
            proposal = algorithm.ask(number)
            scores.append(score(proposal))
            algorithm.tell(told(number, proposal, reward=scores[-1]))
        assert sum(scores[:30]) / 30 < 0.55
        assert sum(scores[-50:]) / 50 > 0.7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 3}, "algorithm.settings.size: unknown; known are population, sample"),
        ({"population": 1}, "algorithm.settings.population: 1: must be 2 to 2000"),
        ({"sample": 2.5}, "algorithm.settings.sample: 2.5: must be a whole number"),
    ],
)
def test_what_is_wrong_is_named(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is compared below
        EvolutionSettings.from_mapping(settings)
    assert str(error.value) == message
