"""What every algorithm must do. A subclass gives `make`; `space` is one of the named spaces."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
import torch

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.records import TrialState
from search_space.decisions import SearchSpace, random_genotype
from search_space.spaces import SPACES

MAX_STATE_BYTES = 4_000_000
BILLION = 10**9
FEWEST_OF_TEN = 6
"""Different ones of ten proposals: who asks for neighbours of a few networks cannot know what is being trained."""


def told(
    number: int, proposal: Proposal, state: TrialState = TrialState.COMPLETED, reward: float | None = None
) -> ToldTrial:
    """What became of a proposal; a rewarded trial without a given reward gets one that depends on its genotype."""
    if state in (TrialState.COMPLETED, TrialState.STOPPED_EARLY) and reward is None:
        reward = sum(proposal.genotype) % 17 / 40
    return ToldTrial(
        number=number,
        genotype=proposal.genotype,
        log_probs=proposal.log_probs,
        state=state,
        reward=reward,
        arm=proposal.arm,
        multiply_adds=BILLION * (20 + sum(proposal.genotype) % 13),
    )


def run(algorithm: SearchAlgorithm, numbers: Sequence[int], lag: int = 3) -> list[Proposal]:
    """Asks for the numbers and tells each `lag` asks later, newest first, one in six infeasible, one failed."""
    asked: list[tuple[int, Proposal]] = []
    proposals = []
    for number in numbers:
        asked.append((number, algorithm.ask(number)))
        proposals.append(asked[-1][1])
        if len(asked) > lag:
            while asked:
                past, proposal = asked.pop()
                state = {0: TrialState.INFEASIBLE, 1: TrialState.FAILED}.get(past % 6, TrialState.COMPLETED)
                algorithm.tell(told(past, proposal, state))
    return proposals


def assert_same(state: StateDict, other: StateDict) -> None:
    """Fails unless two states are equal bit for bit."""
    assert set(state) == set(other)
    for name, array in state.items():
        assert array.dtype == other[name].dtype
        assert array.shape == other[name].shape
        assert array.tobytes() == other[name].tobytes(), name


class AlgorithmSuite(ABC):
    """Runs on every named space."""

    @pytest.fixture(params=sorted(SPACES))
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return SPACES[request.param]

    @abstractmethod
    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        """A fresh algorithm of the kind under test."""

    def test_a_proposal_is_a_complete_genotype_with_its_log_probs(self, space: SearchSpace) -> None:
        for proposal in run(self.make(space), range(1, 12)):
            assert space.decode(proposal.genotype).blocks
            assert len(proposal.log_probs) == len(proposal.genotype)
            assert all(math.isfinite(log_prob) and log_prob <= 0 for log_prob in proposal.log_probs)
            assert proposal.arm

    def test_asking_changes_nothing_and_repeats(self, space: SearchSpace) -> None:
        algorithm = self.make(space)
        run(algorithm, range(1, 10))
        before = algorithm.state_dict()
        first = algorithm.ask(20)
        algorithm.ask(21)
        assert algorithm.ask(20) == first
        assert_same(algorithm.state_dict(), before)

    def test_global_random_numbers_are_neither_used_nor_moved(self, space: SearchSpace) -> None:
        first = run(self.make(space), range(1, 6))
        np.random.seed(1)
        torch.manual_seed(1)
        before = torch.get_rng_state()
        following = np.random.random()
        np.random.seed(1)
        assert run(self.make(space), range(1, 6)) == first
        assert np.random.random() == following
        assert torch.equal(torch.get_rng_state(), before)

    def test_numbers_differ_and_seeds_differ(self, space: SearchSpace) -> None:
        algorithm, other = self.make(space, seed=5), self.make(space, seed=6)
        genotypes = {algorithm.ask(number).genotype for number in range(1, 11)}
        assert len(genotypes) == 10
        assert [algorithm.ask(n) for n in range(1, 6)] != [other.ask(n) for n in range(1, 6)]

    def test_one_seed_gives_one_sequence(self, space: SearchSpace) -> None:
        assert run(self.make(space), range(1, 15)) == run(self.make(space), range(1, 15))

    def test_a_loaded_state_goes_on_bit_for_bit(self, space: SearchSpace) -> None:
        original, copy = self.make(space), self.make(space)
        run(original, range(1, 11))
        copy.load_state_dict({name: array.copy() for name, array in original.state_dict().items()})
        assert copy.diagnostics() == original.diagnostics()
        assert run(copy, range(11, 19)) == run(original, range(11, 19))
        assert_same(copy.state_dict(), original.state_dict())
        assert copy.diagnostics() == original.diagnostics()

    def test_a_state_does_not_change_after_it_was_given(self, space: SearchSpace) -> None:
        algorithm = self.make(space)
        run(algorithm, range(1, 8))
        state = algorithm.state_dict()
        kept = {name: array.copy() for name, array in state.items()}
        run(algorithm, range(8, 13))
        assert_same(state, kept)

    def test_state_is_bounded(self, space: SearchSpace) -> None:
        algorithm = self.make(space)
        before = sum(array.nbytes for array in algorithm.state_dict().values())
        run(algorithm, range(1, 20))
        assert sum(array.nbytes for array in algorithm.state_dict().values()) == before
        assert before <= MAX_STATE_BYTES

    def test_a_wrong_state_is_refused_and_the_old_kept(self, space: SearchSpace) -> None:
        algorithm = self.make(space)
        run(algorithm, range(1, 8))
        before = dict(algorithm.state_dict())
        name = min(before)
        wrong: list[StateDict] = [
            {},
            {key: array for key, array in before.items() if key != name},
            {**before, "unknown": np.zeros(2)},
            {**before, name: np.zeros((3, 1, 2), dtype=before[name].dtype)},
            {**before, name: before[name].astype(np.complex64)},
        ]
        for state in wrong:
            with pytest.raises(ValueError, match="state"):
                algorithm.load_state_dict(state)
            assert_same(algorithm.state_dict(), before)

    def test_any_order_lag_and_outcome_is_taken(self, space: SearchSpace) -> None:
        algorithm = self.make(space)
        asked = {number: algorithm.ask(number) for number in range(1, 13)}
        states = [TrialState.FAILED, TrialState.INFEASIBLE, TrialState.STOPPED_EARLY, TrialState.COMPLETED]
        for number in (12, 3, 1, 7, 9, 2, 4, 8):  # 5, 6, 10 and 11 were cancelled
            algorithm.tell(told(number, asked[number], states[number % 4]))
        assert space.decode(algorithm.ask(13).genotype).blocks
        assert all(math.isfinite(value) for value in algorithm.diagnostics().values())

    @pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.INFEASIBLE, TrialState.STOPPED_EARLY])
    def test_nothing_but_bad_news_is_survived(self, space: SearchSpace, state: TrialState) -> None:
        algorithm = self.make(space)
        for number in range(1, 13):
            algorithm.tell(told(number, algorithm.ask(number), state))
        assert len({algorithm.ask(number).genotype for number in range(13, 23)}) >= FEWEST_OF_TEN

    def test_a_trial_that_it_never_proposed_is_learned_from(self, space: SearchSpace) -> None:
        """A user's architecture: each decision was certain. Asks and states go on as a fold over all tells."""
        rng = Random(11)
        algorithm, again = self.make(space), self.make(space)
        states = [TrialState.COMPLETED, TrialState.FAILED, TrialState.STOPPED_EARLY]
        for number in range(1, 13):
            proposal = algorithm.ask(number)
            if number % 2:
                genotype = random_genotype(space, rng)
                proposal = Proposal(genotype=genotype, arm="enqueued", log_probs=(0.0,) * len(genotype))
            for each in (algorithm, again):
                each.tell(told(number, proposal, states[number % 3]))
        assert all(np.isfinite(array).all() for array in algorithm.state_dict().values())
        assert all(math.isfinite(value) for value in algorithm.diagnostics().values())
        assert_same(algorithm.state_dict(), again.state_dict())
        assert len({algorithm.ask(number).genotype for number in range(13, 23)}) >= FEWEST_OF_TEN

    def test_equal_rewards_are_survived(self, space: SearchSpace) -> None:
        algorithm = self.make(space)
        for number in range(1, 13):
            algorithm.tell(told(number, algorithm.ask(number), reward=0.0))
        assert len({algorithm.ask(number).genotype for number in range(13, 23)}) >= FEWEST_OF_TEN

    def test_what_cannot_be_learned_from_is_refused_and_changes_nothing(self, space: SearchSpace) -> None:
        algorithm = self.make(space)
        run(algorithm, range(1, 8))
        before = algorithm.state_dict()
        good = algorithm.ask(9)
        short = Proposal(genotype=good.genotype[:-1], arm="", log_probs=good.log_probs[:-1])
        absent = Proposal(genotype=(99, *good.genotype[1:]), arm="", log_probs=good.log_probs)
        unlikely = Proposal(genotype=good.genotype, arm="", log_probs=(math.nan, *good.log_probs[1:]))
        fewer = Proposal(genotype=good.genotype, arm="", log_probs=good.log_probs[1:])
        wrong = [
            *(told(9, proposal) for proposal in (short, absent, unlikely, fewer)),
            *(told(9, good, reward=reward) for reward in (math.nan, math.inf, -math.inf)),
            *(told(9, good, state) for state in (TrialState.RUNNING, TrialState.CANCELLED)),
            told(9, good, TrialState.INFEASIBLE, reward=0.1),
            *(
                ToldTrial(number=9, genotype=good.genotype, log_probs=good.log_probs, state=state, reward=None)
                for state in (TrialState.COMPLETED, TrialState.STOPPED_EARLY)
            ),
        ]
        for trial in wrong:
            with pytest.raises(ValueError, match=r"trial 9|genotype"):
                algorithm.tell(trial)
            assert_same(algorithm.state_dict(), before)
