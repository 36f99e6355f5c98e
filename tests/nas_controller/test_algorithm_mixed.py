"""The mixture: the suite, whose proposals it makes, and that what pays gets more of them."""

import math
from collections import Counter
from dataclasses import replace

import pytest

from nas_controller.algorithms.base import SearchAlgorithm, StateDict
from nas_controller.algorithms.local_search import LocalSearch, LocalSearchSettings
from nas_controller.algorithms.mixed import ARMS, Mixed, MixedSettings
from nas_controller.algorithms.policy_gradient import PolicyGradientSettings
from nas_controller.algorithms.reinforce import Reinforce
from search_space.decisions import SearchSpace
from search_space.spaces import R23_SP30, SPACES
from tests.conformance.algorithm_suite import AlgorithmSuite, assert_same, told

POLICY_SETTINGS = PolicyGradientSettings(effective_share=0.0)
NAMES = tuple(arm.name for arm in ARMS)


def make(space: SearchSpace, seed: int = 5, **settings: float) -> Mixed:
    return Mixed(space, seed, MixedSettings.from_mapping(settings))


class TestMixed(AlgorithmSuite):
    """In a small space; the others take long, and the suite of each part runs on several."""

    @pytest.fixture(
        params=[pytest.param(name, marks=[] if name == "r23-sp30" else pytest.mark.slow) for name in sorted(SPACES)]
    )
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return SPACES[request.param]

    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return make(space, seed, initial=5)


def part_of(algorithm: Mixed, name: str) -> StateDict:
    """The state of a part."""
    state = algorithm.state_dict()
    return {key.removeprefix(f"{name}."): array for key, array in state.items() if key.startswith(f"{name}.")}


def test_it_begins_at_random_and_then_every_part_proposes_by_its_share() -> None:
    algorithm = make(R23_SP30, initial=55)
    for number in range(1, 56):
        proposal = algorithm.ask(number)
        assert proposal.arm == "random"
        algorithm.tell(told(number, proposal))
    counts = Counter(algorithm.ask(number).arm for number in range(56, 256))
    assert set(counts) == set(NAMES)
    for name in NAMES:
        share = algorithm.diagnostics()[f"share_{name}"]
        # Three standard deviations of a count of 200 draws.
        assert counts[name] == pytest.approx(200 * share, abs=3 * (200 * share * (1 - share)) ** 0.5)


@pytest.mark.parametrize(
    ("settings", "initial"),
    [({}, 20), ({"horizon": 20}, 5), ({"horizon": 3}, 5), ({"horizon": 64}, 12), ({"horizon": 20, "initial": 9}, 9)],
)
def test_a_short_search_has_fewer_random_trials(settings: dict[str, float], initial: int) -> None:
    assert MixedSettings.from_mapping(settings).initial == initial


def test_every_part_is_told_every_trial() -> None:
    """A part's state is what it would be had it been told alone; its proposals are those that it would make."""
    algorithm = make(R23_SP30, initial=5)
    alone = LocalSearch(R23_SP30, 5, LocalSearchSettings(initial=5))
    for number in range(1, 21):
        proposal = algorithm.ask(number)
        for each in (algorithm, alone):
            each.tell(told(number, proposal))
    assert_same(part_of(algorithm, "local_search"), alone.state_dict())
    climbing = [number for number in range(21, 61) if algorithm.ask(number).arm == "local_search"]
    assert climbing
    assert all(algorithm.ask(number) == alone.ask(number) for number in climbing)


def test_the_policy_learns_from_other_parts_as_if_they_had_drawn_uniformly() -> None:
    """From what a user took as ever: each decision was certain."""
    algorithm, alone = make(R23_SP30, initial=50), Reinforce(R23_SP30, 5, POLICY_SETTINGS)
    uniform = tuple(-math.log(count) for count in R23_SP30.option_counts)
    for number in range(1, 13):
        proposal = alone.ask(number)
        trial = told(number, replace(proposal, arm=("policy", "guided", "enqueued")[number % 3]))
        certain = replace(trial, log_probs=(0.0,) * len(uniform))
        algorithm.tell(trial if trial.arm == "policy" else certain)
        alone.tell({"policy": trial, "guided": replace(trial, log_probs=uniform), "enqueued": certain}[trial.arm])
    assert_same(part_of(algorithm, "policy"), alone.state_dict())
