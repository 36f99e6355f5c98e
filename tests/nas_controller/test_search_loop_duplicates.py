"""What the loop does with a network that it meets again, by each policy of `duplicates`."""

import pytest

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.random_search import RandomSearch
from nas_controller.records import JobKind, SearchState, Trial, TrialKey, TrialState
from nas_controller.replay import replay
from nas_controller.search_loop import run_search
from nas_controller.setup import derive_seed
from search_space.spaces import find_space
from tests.nas_controller.test_search_loop import Bench

REUSE = {"policy": "reuse"}


class Collapsed(SearchAlgorithm):
    """Learns as another algorithm does, and proposes the same few genotypes in turn, as a policy at its end."""

    def __init__(self, learner: SearchAlgorithm, space: str, num_networks: int) -> None:
        self._learner = learner
        self._proposer = RandomSearch(find_space(space), seed=3)
        self._num_networks = num_networks

    def ask(self, trial_number: int) -> Proposal:
        return self._proposer.ask(trial_number % self._num_networks)

    def tell(self, trial: ToldTrial) -> None:
        self._learner.tell(trial)

    def state_dict(self) -> StateDict:
        return self._learner.state_dict()

    def load_state_dict(self, state: StateDict) -> None:
        self._learner.load_state_dict(state)

    def diagnostics(self) -> dict[str, float]:
        return dict(self._learner.diagnostics())


class CollapsedBench(Bench):
    """A search whose algorithm proposes `num_networks` genotypes in turn; all are inside its wide budget."""

    def __init__(self, num_networks: int = 4, after: Bench | None = None, **document: object) -> None:
        self.num_networks = num_networks
        wide = {"relative_to": "r0-sp53", "tolerance": 0.9}
        super().__init__(after=after, **{"trials": 20, "budget": wide, "reevaluate": {"top": 0}, **document})  # type: ignore[arg-type]

    def algorithm(self) -> SearchAlgorithm:
        return Collapsed(super().algorithm(), self.config.space, self.num_networks)

    def trials(self) -> list[Trial]:
        return self.store.list_trials(self.search_id, 1000)

    def num_proxy_jobs(self) -> int:
        return sum(job.kind is JobKind.PROXY for job in self.store.list_jobs(self.search_id))


def test_by_default_a_repeated_network_is_trained_again_with_a_seed_of_its_own() -> None:
    bench = CollapsedBench()
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    assert len({trial.draft.fingerprint for trial in bench.trials()}) == 4
    assert [trial.reused_from for trial in bench.trials()] == [None] * 20
    seeds = [job.seed for job in bench.store.list_jobs(bench.search_id)]
    assert seeds == [derive_seed(3, "proxy", number) for number in range(1, 21)]
    assert len(set(seeds)) == 20


def test_reuse_trains_a_network_until_it_is_measured_and_never_again() -> None:
    bench = CollapsedBench(duplicates=REUSE)
    assert bench.finish(bench.claim(workers=3)) is SearchState.SUCCEEDED
    trials = bench.trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETED] * 20
    for trial in trials:
        twins = [t for t in trials if t.draft.fingerprint == trial.draft.fingerprint and t.reused_from is None]
        first = min(twins, key=lambda twin: (twin.finished_at, twin.number))
        assert first.finished_at is not None
        if trial.reused_from is None:
            assert trial is first or trial.created_at < first.finished_at  # both ran at the same time
        else:
            assert trial.reused_from == TrialKey(search_id=bench.search_id, number=first.number)
            assert (trial.reward, trial.average_precision) == (first.reward, first.average_precision)
            assert first.finished_at <= trial.created_at
            assert bench.store.list_jobs(bench.search_id, trial.number) == []
    trained = [trial for trial in trials if trial.reused_from is None]
    assert 4 <= len(trained) < 20
    assert bench.num_proxy_jobs() == len(trained)


def test_one_worker_trains_each_network_once_and_a_collapsed_policy_ends_at_its_limit() -> None:
    bench = CollapsedBench(duplicates=REUSE)
    bench.finish(bench.claim(workers=1))
    # Number n is genotype n % 4: 1 to 4 are the first of theirs, later ones repeat them.
    assert [trial.reused_from and trial.reused_from.number for trial in bench.trials()] == [
        *[None] * 4,
        *[(number - 1) % 4 + 1 for number in range(5, 21)],
    ]
    assert bench.store.get_search(bench.search_id).reason == "limit reached: 20 trials"


def test_twins_that_run_at_the_same_time_are_all_trained() -> None:
    bench = CollapsedBench(num_networks=1, duplicates=REUSE)
    bench.finish(bench.claim(workers=3))
    assert [trial.number for trial in bench.trials() if trial.reused_from is None] == [1, 2, 3]
    first = min(bench.trials()[:3], key=lambda twin: (twin.finished_at, twin.number))
    assert {trial.reused_from.number for trial in bench.trials() if trial.reused_from} == {first.number}


@pytest.mark.parametrize("stop_after", [1, 4, 9, 16])
def test_a_search_cut_at_any_turn_folds_reused_rewards_from_its_ledger(stop_after: int) -> None:
    bench = CollapsedBench(duplicates=REUSE)
    for turn, _ in enumerate(run_search(bench.claim())):
        if turn == stop_after:
            break
    second = bench.claim()
    assert bench.finish(second) is SearchState.SUCCEEDED
    assert any(trial.reused_from for trial in bench.trials())
    replayed = bench.algorithm()
    replay(bench.store, bench.search_id, replayed)
    state, expected = replayed.state_dict(), second.algorithm.state_dict()
    assert state.keys() == expected.keys()
    assert all(state[name].tobytes() == expected[name].tobytes() for name in state)


def test_rewards_are_reused_from_another_search_of_the_store() -> None:
    first = CollapsedBench()
    first.finish(first.claim())
    second = CollapsedBench(after=first, duplicates=REUSE, limits={"trials": 7}, reevaluate={"top": 1, "seeds": 2})
    assert second.finish(second.claim()) is SearchState.SUCCEEDED
    assert second.num_proxy_jobs() == 0
    sampled = [trial for trial in second.trials() if trial.draft.arm != "reference"]
    assert len(sampled) == 7
    for trial in sampled:
        twins = [twin for twin in first.trials() if twin.draft.fingerprint == trial.draft.fingerprint]
        source = min(twins, key=lambda twin: (twin.finished_at, twin.number))
        assert trial.reused_from == TrialKey(search_id="s1", number=source.number)
        assert trial.reward == source.reward
    # What is measured on val is trained, references too: the best and two references, two seeds each.
    reevaluations = second.store.list_jobs(second.search_id)
    assert [job.kind for job in reevaluations] == [JobKind.REEVALUATE] * 6
    assert all(job.num_attempts == 1 for job in reevaluations)


def test_a_reward_of_another_proxy_task_is_not_reused() -> None:
    first = CollapsedBench()
    first.finish(first.claim())
    longer = {"preset": "paper", "epochs": 6}
    second = CollapsedBench(after=first, duplicates=REUSE, proxy=longer)
    second.finish(second.claim(workers=1))
    assert second.num_proxy_jobs() == 4
    assert {trial.reused_from.search_id for trial in second.trials() if trial.reused_from} == {"s2"}
