"""Local search: the suite, where it climbs from, and that it learns."""

from random import Random

from nas_controller.algorithms.base import Proposal, SearchAlgorithm
from nas_controller.algorithms.local_search import LocalSearch, LocalSearchSettings
from nas_controller.records import TrialState
from search_space.decisions import SearchSpace, random_genotype
from search_space.spaces import R0_SP53, R35_SP18
from tests.conformance.algorithm_suite import AlgorithmSuite, told


def make(space: SearchSpace, seed: int = 5, **settings: float) -> LocalSearch:
    return LocalSearch(space, seed, LocalSearchSettings.from_mapping(settings))


class TestLocalSearch(AlgorithmSuite):
    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return make(space, seed, initial=5, parents=2)


def tell(algorithm: SearchAlgorithm, number: int, reward: float, state: TrialState = TrialState.COMPLETED) -> None:
    genotype = random_genotype(R0_SP53, Random(number))
    proposal = Proposal(genotype=genotype, arm="", log_probs=(0.0,) * len(genotype))
    algorithm.tell(told(number, proposal, state, reward))


def test_it_climbs_from_the_best_so_far() -> None:
    algorithm = make(R0_SP53, initial=3)
    for number, reward in enumerate([0.1, 0.3, 0.2], start=1):
        assert algorithm.ask(number).arm == "random"
        tell(algorithm, number, reward)
    assert algorithm.ask(4).parents == (2,)
    tell(algorithm, 4, 0.3)
    assert algorithm.ask(5).parents == (2,), "the first of equals stays"
    tell(algorithm, 5, 0.31)
    assert algorithm.ask(6).parents == (5,)
    tell(algorithm, 6, 0.9, TrialState.STOPPED_EARLY)
    assert algorithm.ask(7).parents == (5,), "what was measured on the way compares with none"


def test_several_parents_take_turns() -> None:
    algorithm = make(R0_SP53, initial=4, parents=2)
    for number, reward in enumerate([0.1, 0.4, 0.2, 0.3], start=1):
        tell(algorithm, number, reward)
    assert {algorithm.ask(number).parents for number in range(5, 45)} == {(2,), (4,)}


def test_where_all_neighbours_are_known_it_looks_further() -> None:
    """R35-SP18 has one block to permute: after enough trials moves are longer than one."""
    algorithm = make(R35_SP18, initial=1)
    lengths = set()
    for number in range(1, 400):
        proposal = algorithm.ask(number)
        lengths.add(len(proposal.edits))
        reward = 0.5 if number == 1 else 0.1
        algorithm.tell(told(number, proposal, reward=reward))
    assert {0, 1, 2} <= lengths


def test_it_reaches_a_peak_that_random_does_not() -> None:
    """The sum of all parents' positions is highest where each block takes the last two before it."""

    def score(proposal: Proposal) -> float:
        blocks = R0_SP53.decode(proposal.genotype).blocks
        return sum(parent for block in blocks for parent in block.parents) / 300

    best = sum(2 * feature - 3 for feature in range(2, 17)) / 300
    for seed in (1, 2, 3):
        algorithm = make(R0_SP53, seed, initial=10)
        scores = []
        for number in range(1, 301):
            proposal = algorithm.ask(number)
            algorithm.tell(told(number, proposal, reward=score(proposal)))
            scores.append(score(proposal))
        assert max(scores) > max(scores[:10]) + 0.5 * (best - max(scores[:10]))
