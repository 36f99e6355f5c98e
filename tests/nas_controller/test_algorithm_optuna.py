"""Optuna's samplers: the suite, what enters the study, and that each learns."""

import subprocess
import sys
from random import Random

import numpy as np
import pytest

from nas_controller.algorithms.base import Proposal, SearchAlgorithm
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.optuna_coding import Coding
from nas_controller.algorithms.optuna_search import OptunaCmaEs, OptunaNsga2, OptunaSearch, OptunaTpe
from nas_controller.records import TrialState
from search_space.decisions import SearchSpace, random_genotype
from search_space.spaces import JOINT, R0_SP53, R35_SP18, SPACES
from tests.conformance.algorithm_suite import AlgorithmSuite, assert_same, told

KINDS = (OptunaTpe, OptunaNsga2, OptunaCmaEs)


class OptunaSuite(AlgorithmSuite):
    """On the smallest space that permutes, and on the one that has multipliers only: others are alike to a sampler."""

    @pytest.fixture(params=["r35-sp18", "eff-spinenet-b0"])
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return SPACES[request.param]


class TestOptunaTpe(OptunaSuite):
    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return OptunaTpe(space, seed, {"initial": 5})


class TestOptunaNsga2(OptunaSuite):
    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return OptunaNsga2(space, seed, {"population": 5})


class TestOptunaCmaEs(OptunaSuite):
    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return OptunaCmaEs(space, seed, {"population": 4})


def random_proposal(space: SearchSpace, number: int) -> Proposal:
    genotype = random_genotype(space, Random(number))
    return Proposal(genotype=genotype, arm="", log_probs=(0.0,) * len(genotype))


@pytest.mark.parametrize("as_numbers", [False, True])
def test_parameters_and_genotypes_are_each_others_inverse(as_numbers: bool) -> None:
    coding = Coding(JOINT, as_numbers=as_numbers)
    for number in range(1, 30):
        genotype = random_proposal(JOINT, number).genotype
        parameters = coding.parameters(genotype, trial_draws(0, number))
        assert set(parameters) == set(coding.distributions)
        canonical = JOINT.encode(JOINT.decode(genotype))
        assert coding.genotype(parameters, trial_draws(0, number)) == canonical


def test_genotypes_of_one_network_are_the_same_parameters() -> None:
    """The order in which a block takes its two parents means nothing."""
    coding = Coding(R35_SP18, as_numbers=False)
    first = R35_SP18.points.index(("parent", 11))
    genotype = [0] * R35_SP18.genotype_length
    one, other = list(genotype), list(genotype)
    one[first : first + 2] = [0, 1]  # the first candidate, then of those left the second: the third
    other[first : first + 2] = [2, 0]  # the third, then the first
    assert R35_SP18.decode(one).blocks == R35_SP18.decode(other).blocks
    draws = trial_draws(0, 1)
    assert coding.parameters(tuple(one), draws) == coding.parameters(tuple(other), draws)


def test_numbers_fill_the_part_of_their_option() -> None:
    coding = Coding(R0_SP53, as_numbers=True)
    name = next(iter(coding.distributions))
    genotype = (3, *(0,) * (R0_SP53.genotype_length - 1))
    first = [coding.parameters(genotype, trial_draws(0, number))[name] for number in range(1, 200)]
    count = R0_SP53.option_counts[0]
    canonical = R0_SP53.encode(R0_SP53.decode(genotype))[0]
    assert canonical / count <= min(first) < (canonical + 0.05) / count
    assert (canonical + 0.95) / count < max(first) < (canonical + 1) / count


@pytest.mark.parametrize("kind", KINDS)
def test_many_unknown_trials_are_thinned_and_the_state_goes_on(
    kind: type[OptunaSearch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 20 that are full the newest 10 stay, and of the others the best 5."""
    monkeypatch.setattr("nas_controller.algorithms.optuna_search.CAPACITY", 20)
    algorithm, later = kind(R35_SP18, 5, {}), kind(R35_SP18, 5, {})
    for number in range(1, 22):
        proposal = random_proposal(R35_SP18, number)
        algorithm.tell(told(number, proposal, reward=(number * 7 % 11) / 11))
        algorithm.ask(number + 1)
    # Rewards of 1 to 10: 7 3 10 6 2 9 5 1 8 4; the best five are of trials 3, 6, 9, 1 and 4.
    assert algorithm.state_dict()["kept.numbers"].tolist() == [1, 3, 4, 6, 9, *range(11, 22), 0, 0, 0, 0]
    later.load_state_dict(algorithm.state_dict())
    assert [later.ask(number) for number in range(22, 26)] == [algorithm.ask(number) for number in range(22, 26)]


def test_tpe_avoids_what_was_not_trained_to_its_end() -> None:
    """All that fail have the first multiplier of the first block: after that it is proposed less than one in five."""
    space = SPACES["eff-spinenet-b0"]
    algorithm = OptunaTpe(space, 5, {})
    states = [TrialState.FAILED, TrialState.INFEASIBLE, TrialState.STOPPED_EARLY]
    for number in range(1, 61):
        proposal = random_proposal(space, number)
        is_bad = proposal.genotype[0] == 0
        algorithm.tell(told(number, proposal, states[number % 3] if is_bad else TrialState.COMPLETED))
    assert sum(algorithm.ask(number).genotype[0] == 0 for number in range(61, 121)) < 6


@pytest.mark.parametrize(
    ("kind", "settings", "num_trials"),
    [(OptunaTpe, {}, 80), (OptunaNsga2, {"population": 20}, 160), (OptunaCmaEs, {}, 160)],
)
def test_it_learns_what_is_good_at_each_place(
    kind: type[OptunaSearch], settings: dict[str, float], num_trials: int
) -> None:
    """The reward is the mean multiplier index, 2 for random ones, with a deviation of about 0.35."""
    space = SPACES["eff-spinenet-b0"]
    algorithm = kind(space, 3, settings)
    rewards = []
    for number in range(1, num_trials + 1):
        proposal = algorithm.ask(number)
        rewards.append(float(np.mean(proposal.genotype)))
        algorithm.tell(told(number, proposal, reward=rewards[-1]))
    assert np.mean(rewards[-20:]) > 2.35


def test_asking_leaves_the_study_alone() -> None:
    """What a sampler notes on the trial of an ask is not there at the next one, in whatever order."""
    one, other = OptunaCmaEs(R35_SP18, 5, {"population": 4}), OptunaCmaEs(R35_SP18, 5, {"population": 4})
    for number in range(1, 12):
        proposal = random_proposal(R35_SP18, number)
        for algorithm in (one, other):
            algorithm.tell(told(number, proposal))
        one.ask(number + 30)
    assert [one.ask(number) for number in (40, 41)] == [other.ask(number) for number in (40, 41)]
    assert_same(one.state_dict(), other.state_dict())


def test_optuna_is_imported_when_it_is_wanted() -> None:
    code = (
        "import sys; from nas_controller.algorithms import optuna_search; from search_space.spaces import JOINT; "
        "names = ('optuna', 'cmaes'); before = [name in sys.modules for name in names]; "
        "optuna_search.OptunaCmaEs(JOINT, 1, {}); sys.exit(any(before) or 'optuna' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
