"""Random search: the suite, and that it is uniform."""

import math
from collections import Counter

from nas_controller.algorithms.base import SearchAlgorithm
from nas_controller.algorithms.random_search import RandomSearch
from search_space.decisions import SearchSpace
from search_space.spaces import SPINENET_49
from tests.conformance.algorithm_suite import AlgorithmSuite, run


class TestRandomSearch(AlgorithmSuite):
    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return RandomSearch(space, seed)


def test_log_probs_are_those_of_uniform_options() -> None:
    proposal = RandomSearch(SPINENET_49, 0).ask(1)
    assert proposal.log_probs == tuple(-math.log(count) for count in SPINENET_49.option_counts)


def test_every_option_is_taken_about_equally_often() -> None:
    search = RandomSearch(SPINENET_49, 0)
    genotypes = [search.ask(number).genotype for number in range(1, 1001)]
    for position, count in enumerate(SPINENET_49.option_counts):
        taken = Counter(genotype[position] for genotype in genotypes)
        # Five standard deviations of a binomial of 1,000 draws with probability 1 / count.
        spread = 5 * math.sqrt(1000 * (1 / count) * (1 - 1 / count))
        assert all(abs(taken[option] - 1000 / count) <= spread for option in range(count))


def test_what_is_told_does_not_matter() -> None:
    search = RandomSearch(SPINENET_49, 3)
    assert run(search, range(1, 10)) == [RandomSearch(SPINENET_49, 3).ask(number) for number in range(1, 10)]
