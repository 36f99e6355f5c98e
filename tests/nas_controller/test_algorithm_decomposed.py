"""The search for a front: the suite, who proposes, and what each part is told."""

from dataclasses import replace

import pytest

from nas_controller.algorithms.base import SearchAlgorithm, StateDict
from nas_controller.algorithms.decomposed import Decomposed, Part
from nas_controller.algorithms.evolution import EvolutionSettings, RegularizedEvolution
from nas_controller.algorithms.local_search import LocalSearch, LocalSearchSettings
from nas_controller.algorithms.population import Population
from nas_controller.algorithms.table import configured_algorithm
from nas_controller.records import TrialState
from nas_controller.reward import TargetForm
from nas_controller.search_config import CostTarget, SearchConfig
from search_space.decisions import SearchSpace
from search_space.spaces import R23_SP30, SPACES
from tests.conformance.algorithm_suite import BILLION, AlgorithmSuite, assert_same, run, told

TARGETS = (22 * BILLION, 28 * BILLION)


def target(multiply_adds: int, form: TargetForm = TargetForm.HARD) -> CostTarget:
    return CostTarget(cost="multiply_adds", target=multiply_adds, form=form)


def make(space: SearchSpace, seed: int = 5) -> Decomposed:
    algorithms = [LocalSearch(space, seed, LocalSearchSettings(initial=5)) for _ in TARGETS]
    return Decomposed(space, [Part(*pair) for pair in zip(algorithms, map(target, TARGETS), strict=True)])


def part_of(algorithm: SearchAlgorithm, place: int) -> StateDict:
    """The state of a part."""
    own = f"{place}."
    return {k.removeprefix(own): array for k, array in algorithm.state_dict().items() if k.startswith(own)}


class TestDecomposed(AlgorithmSuite):
    @pytest.fixture(params=["joint", "r35-sp18"])
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return SPACES[request.param]

    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return make(space, seed)


@pytest.mark.slow
class TestDecomposedMixture(AlgorithmSuite):
    """The default algorithm, as a document has it."""

    @pytest.fixture(params=["r23-sp30"])
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return SPACES[request.param]

    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return configured_algorithm(
            SearchConfig.from_document(
                {
                    "space": space.name,
                    "data": "generated",
                    "front": {"low": "20G", "high": "30G", "points": 2},
                    "algorithm": {"seed": seed, "settings": {"initial": 5}},
                }
            ),
            space,
        )


def test_parts_take_turns_and_know_of_each_others_trials() -> None:
    """Each part is what it would be alone, told the same trials with its own rewards."""
    algorithm = make(R23_SP30)
    alone = [LocalSearch(R23_SP30, 5, LocalSearchSettings(initial=5)) for _ in TARGETS]
    for number in range(1, 30):
        proposal = algorithm.ask(number)
        assert proposal == alone[number % 2].ask(number)
        trial = replace(told(number, proposal, reward=0.3), multiply_adds=(18 + number) * BILLION)
        algorithm.tell(trial)
        for part, most in zip(alone, (22, 28), strict=True):
            part.tell(replace(trial, reward=0.3 * min(1.0, most / (18 + number))))
    assert algorithm.ask(30) != algorithm.ask(31)
    for place, part in enumerate(alone):
        population = part_of(algorithm, place)["population.rewards"]
        assert population == pytest.approx(part.state_dict()["population.rewards"], rel=1e-12)


def test_what_has_no_reward_is_told_as_it_is() -> None:
    algorithm, alone = make(R23_SP30), LocalSearch(R23_SP30, 5, LocalSearchSettings(initial=5))
    for number, state in enumerate((TrialState.INFEASIBLE, TrialState.FAILED), start=1):
        trial = told(number, algorithm.ask(number), state)
        algorithm.tell(trial)
        alone.tell(trial)
    assert_same(part_of(algorithm, 0), alone.state_dict())
    assert_same(part_of(algorithm, 1), alone.state_dict())


def test_a_trial_that_nobody_counted_is_refused_and_changes_nothing() -> None:
    algorithm = make(R23_SP30)
    run(algorithm, range(1, 8))
    before = algorithm.state_dict()
    with pytest.raises(ValueError, match="trial 9: 0 multiply-adds: must be at least 1"):
        algorithm.tell(replace(told(9, algorithm.ask(9)), multiply_adds=0))
    assert_same(algorithm.state_dict(), before)


def test_where_widths_are_settled_one_part_serves_all_targets() -> None:
    """Its rewards are the metric in the soft form for the target in the middle."""
    document = {
        "space": "joint",
        "data": "generated",
        "front": {"low": "15G", "high": "60G", "points": 3},
        "algorithm": {"name": "evolution", "seed": 5},
    }
    space = SPACES["joint"]
    algorithm = configured_algorithm(SearchConfig.from_document(document), space)
    alone = RegularizedEvolution(space, 5, EvolutionSettings())
    expected = Population(space, 50)
    for number, (cost, factor) in enumerate(((30, 1.0), (60, 2**-0.07), (15, 2**0.07)), start=1):
        proposal = algorithm.ask(number)
        assert proposal == alone.ask(number)
        trial = replace(told(number, proposal, reward=0.2), multiply_adds=cost * BILLION)
        algorithm.tell(trial)
        expected.add(replace(trial, reward=0.2 * factor))
    rewards = part_of(algorithm, 0)["population.rewards"]
    assert rewards == pytest.approx(expected.state_dict()["population.rewards"], rel=1e-9)
