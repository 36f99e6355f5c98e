"""The loop over real parts: the memory store, simulated workers, and an AP that is a function of the architecture."""

import hashlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from nas_controller.algorithms.base import Proposal, SearchAlgorithm
from nas_controller.algorithms.table import configured_algorithm
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.simulated import Measure, SimulatedDispatcher, VirtualClock
from nas_controller.early_stopping.table import make_rule
from nas_controller.records import (
    AttemptState,
    EntryKind,
    Failure,
    FailureReason,
    JobKind,
    SearchLease,
    SearchState,
    TrialState,
)
from nas_controller.replay import replay
from nas_controller.running_search import RunningSearch
from nas_controller.search_config import SearchConfig
from nas_controller.search_loop import run_search
from nas_controller.setup import SearchSetup, measurement_key
from nas_controller.store.base import LeaseLostError, Store
from nas_controller.store.memory import MemoryStore
from search_space.spaces import find_space
from trainer.task import CocoSource, DataSource, Evaluation, EvaluationRequest, Split

SEARCH = "s1"
NOWHERE = CocoSource(images=Path("images"), annotations=Path("a.json"))


def closed_form_ap(request: EvaluationRequest) -> float:
    """An AP in [0, 1) that depends on the architecture and the split, and by a little on the seed."""
    text = request.spec.renamed("").to_json() + request.split
    shape = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32
    return 0.9 * shape + 0.1 * (request.seed % 1000) / 1000


def measured(request: EvaluationRequest) -> Evaluation | Failure:
    return Evaluation(
        average_precision=closed_form_ap(request),
        num_images=1,
        train_seconds=1.0,
        eval_seconds=1.0,
        setup_seconds=1.0,
        parameters=1,
        multiply_adds=1,
        peak_memory_bytes=1,
        device="simulated",
    )


def seconds(request: EvaluationRequest) -> float:
    """Between 10 and 20 s, so that results come back out of order."""
    return 10 + request.seed % 11


class Bench:
    """A search over a memory store in virtual time; `claim` starts a controller, also a second one.

    Args:
        after: another search, in whose store and time this is the second one.
        artifact_dir: where simulated workers put checkpoints, and the controller snapshots; None for nowhere.
        store: None for one in memory.
    """

    def __init__(
        self,
        trials: int = 12,
        space: str = "r0-sp53",
        algorithm: str = "reinforce",
        after: "Bench | None" = None,
        artifact_dir: Path | None = None,
        store: Store | None = None,
        **document: object,
    ) -> None:
        self.search_id = SEARCH if after is None else "s2"
        document = SearchConfig.from_document(
            {
                "space": space,
                "data": "generated",
                "budget": {"relative_to": "r0-sp53", "tolerance": 0.2},
                "algorithm": {"name": algorithm, "seed": 3},
                "proxy": {"preset": "paper"},
                "limits": {"trials": trials},
                "workers": [{"count": 3}],
                "reevaluate": {"top": 2, "seeds": 3},
                **document,
            }
        ).to_document()
        self.config = SearchConfig.from_document(document)
        self.clock: VirtualClock = VirtualClock() if after is None else after.clock
        self.store: Store = store or (MemoryStore() if after is None else after.store)
        self.artifact_dir = artifact_dir
        self.artifacts = None if artifact_dir is None else DirectoryArtifactStore(artifact_dir)
        self.store.create_search(self.search_id, "test", document, self.clock.now())

    def algorithm(self) -> SearchAlgorithm:
        return configured_algorithm(self.config, find_space(self.config.space))

    def claim(
        self,
        evaluate: Callable[..., Evaluation | Failure] = measured,
        workers: int = 3,
        seconds: Callable[[EvaluationRequest], float] = seconds,
        measure: Measure | None = None,
    ) -> RunningSearch:
        lease = self.store.claim_search(self.search_id, f"owner-{id(self)}", self.clock.now(), 60.0)
        assert lease is not None
        return RunningSearch(
            setup=SearchSetup(
                search_id=self.search_id,
                config=self.config,
                space=find_space(self.config.space),
                budget=self.config.flops_budget(),
                target=self.config.target_network(),
                task=self.config.task(),
                data=DataSource(train=NOWHERE, val=NOWHERE),
                num_classes=3,
                measurement_key=measurement_key(self.config, "hash of the data"),
                artifact_dir=self.artifact_dir,
            ),
            store=self.store,
            algorithm=self.algorithm(),
            stopping_rule=make_rule(self.config.early_stopping),
            dispatcher=SimulatedDispatcher(workers, seconds, evaluate, self.clock, measure=measure),
            artifacts=self.artifacts,
            lease=lease,
            now=self.clock.now,
        )

    def finish(self, search: RunningSearch) -> SearchState:
        return list(run_search(search))[-1]


def test_a_search_trains_as_many_trials_as_its_limit_and_then_measures_the_best_on_val() -> None:
    bench = Bench(trials=12)
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    search = bench.store.get_search(SEARCH)
    assert search.reason == "limit reached: 12 trials"
    counts = bench.store.count_trials(SEARCH)
    assert counts[TrialState.COMPLETED] == 12
    best = bench.store.best_trials(SEARCH, 2)
    references = bench.store.reference_trials(SEARCH)
    assert [trial.draft.name for trial in references] == ["resnet-50-fpn", "spinenet-49"]
    for trial in [*best, *references]:
        assert trial.val_count == 3
        assert trial.val_average_precision is not None
        assert trial.val_standard_error is not None
    reevaluations = [j for j in bench.store.list_jobs(SEARCH) if j.kind is JobKind.REEVALUATE]
    assert len(reevaluations) == 4 * 3
    proxy_seeds = {job.seed for job in bench.store.list_jobs(SEARCH) if job.kind is JobKind.PROXY}
    assert proxy_seeds.isdisjoint(job.seed for job in reevaluations)


def test_val_is_read_by_reevaluation_only() -> None:
    asked: list[tuple[Split, SearchState]] = []
    bench = Bench(trials=4)

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        asked.append((request.split, bench.store.get_search(SEARCH).state))
        return measured(request)

    bench.finish(bench.claim(evaluate))
    assert [split for split, _ in asked] == [Split.REWARD] * 4 + [Split.VAL] * 12


def test_a_candidate_off_budget_is_recorded_and_never_trained() -> None:
    bench = Bench(trials=10, budget={"relative_to": "r0-sp53", "tolerance": 0.03})
    bench.finish(bench.claim())
    infeasible = bench.store.list_trials(SEARCH, 1000, states=[TrialState.INFEASIBLE])
    assert infeasible
    for trial in infeasible:
        assert not bench.config.flops_budget().contains(trial.draft.target_cost.backbone_multiply_adds)
        assert bench.store.list_jobs(SEARCH, trial.number) == []
    for trial in bench.store.list_trials(SEARCH, 1000, states=[TrialState.COMPLETED]):
        if trial.draft.arm != "reference":
            assert bench.config.flops_budget().contains(trial.draft.target_cost.backbone_multiply_adds)


@pytest.mark.parametrize("stop_after", [1, 2, 5, 9, 14])
def test_a_search_cut_at_any_turn_goes_on_and_tells_what_the_ledger_says(stop_after: int) -> None:
    bench = Bench(trials=8)
    first = bench.claim()
    for turn, _ in enumerate(run_search(first)):
        if turn == stop_after:
            break
    second = bench.claim()
    with pytest.raises(LeaseLostError):
        for _ in run_search(first):
            pass
    assert bench.finish(second) is SearchState.SUCCEEDED
    assert bench.store.count_trials(SEARCH)[TrialState.COMPLETED] == 8
    for job in bench.store.list_jobs(SEARCH):
        completed = [a for a in bench.store.list_attempts(job.id) if a.state is AttemptState.COMPLETED]
        assert len(completed) == 1
    replayed = bench.algorithm()
    replay(bench.store, SEARCH, replayed)
    state, expected = replayed.state_dict(), second.algorithm.state_dict()
    assert state.keys() == expected.keys()
    assert all(state[name].tobytes() == expected[name].tobytes() for name in state)


def test_an_infrastructure_failure_is_tried_again_and_the_trial_completes() -> None:
    bench = Bench(trials=3)
    calls: dict[int, int] = {}

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        calls[request.seed] = calls.get(request.seed, 0) + 1
        if calls[request.seed] < 3 and request.split is Split.REWARD:
            return Failure(reason=FailureReason.WORKER_LOST, message="the worker was lost")
        return measured(request)

    assert bench.finish(bench.claim(evaluate)) is SearchState.SUCCEEDED
    counts = bench.store.count_trials(SEARCH)
    assert (counts[TrialState.COMPLETED], counts[TrialState.FAILED]) == (3, 0)
    proxies = [job for job in bench.store.list_jobs(SEARCH) if job.kind is JobKind.PROXY]
    assert [job.num_attempts for job in proxies] == [3, 3, 3]


def test_a_model_failure_fails_its_trial_once_and_the_search_goes_on() -> None:
    bench = Bench(trials=8)
    failing: set[int] = set()

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        if request.split is Split.REWARD and len(failing) < 2:
            failing.add(request.seed)
            return Failure(reason=FailureReason.DIVERGED, message="loss is not a number at step 3")
        return measured(request)

    assert bench.finish(bench.claim(evaluate)) is SearchState.SUCCEEDED
    failed = bench.store.list_trials(SEARCH, 100, states=[TrialState.FAILED])
    assert [trial.failure for trial in failed] == ["loss is not a number at step 3"] * 2
    assert all(trial.reward is None for trial in failed)


def test_too_many_failures_pause_the_search_with_the_reason() -> None:
    bench = Bench(trials=20)

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        return Failure(reason=FailureReason.OUT_OF_MEMORY, message="out of memory")

    assert bench.finish(bench.claim(evaluate)) is SearchState.PAUSED
    assert "failed" in bench.store.get_search(SEARCH).reason
    assert 5 < bench.store.count_trials(SEARCH)[TrialState.FAILED] <= 8


def test_a_broken_data_set_fails_the_search_and_names_the_file() -> None:
    bench = Bench(trials=5)

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        return Failure(reason=FailureReason.BROKEN_DATA, message="images/7.jpg: truncated")

    assert bench.finish(bench.claim(evaluate)) is SearchState.FAILED
    assert bench.store.get_search(SEARCH).reason == "images/7.jpg: truncated"
    assert bench.store.list_jobs(SEARCH, open_only=True) == []


def test_pause_drains_and_resume_goes_on_to_the_same_limit() -> None:
    bench = Bench(trials=6)
    search = bench.claim()
    for turn, _ in enumerate(run_search(search)):
        if turn == 3:
            bench.store.request_state(SEARCH, SearchState.PAUSED, "", bench.clock.now())
    assert bench.store.get_search(SEARCH).state is SearchState.PAUSED
    assert not bench.store.count_trials(SEARCH)[TrialState.RUNNING]
    bench.store.request_state(SEARCH, SearchState.PENDING, "", bench.clock.now())
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    assert bench.store.count_trials(SEARCH)[TrialState.COMPLETED] == 6


def test_stop_drains_and_succeeds_with_what_is_there() -> None:
    bench = Bench(trials=100)
    for turn, _ in enumerate(run_search(bench.claim())):
        if turn == 30:
            bench.store.request_state(SEARCH, SearchState.STOPPING, "", bench.clock.now())
    search = bench.store.get_search(SEARCH)
    assert (search.state, search.reason) == (SearchState.SUCCEEDED, "stopped by the user")
    assert 0 < bench.store.count_trials(SEARCH)[TrialState.COMPLETED] < 100
    assert bench.store.list_jobs(SEARCH, open_only=True) == []


def test_cancel_ends_running_trials_without_telling_them() -> None:
    bench = Bench(trials=100)
    for turn, _ in enumerate(run_search(bench.claim())):
        if turn == 20:
            bench.store.request_state(SEARCH, SearchState.CANCELLED, "", bench.clock.now())
    assert bench.store.get_search(SEARCH).state is SearchState.CANCELLED
    assert bench.store.count_trials(SEARCH)[TrialState.CANCELLED] > 0
    assert bench.store.list_jobs(SEARCH, open_only=True) == []


def test_a_cancel_in_the_middle_of_a_turn_ends_the_search_quietly() -> None:
    bench = Bench(trials=100)
    search = bench.claim()
    ask = search.algorithm.ask

    def ask_while_the_user_cancels(trial_number: int) -> Proposal:
        if trial_number == 5:
            bench.store.request_state(SEARCH, SearchState.CANCELLED, "", bench.clock.now())
        return ask(trial_number)

    search.algorithm.ask = ask_while_the_user_cancels  # type: ignore[method-assign]
    assert bench.finish(search) is SearchState.CANCELLED


def test_hours_count_running_time_only() -> None:
    bench = Bench(trials=10_000, limits={"trials": 10_000, "hours": 0.1})
    for turn, _ in enumerate(run_search(bench.claim())):
        if turn == 20:
            bench.store.request_state(SEARCH, SearchState.PAUSED, "", bench.clock.now())
    bench.clock.advance_to(bench.clock.seconds + 3600)
    bench.store.request_state(SEARCH, SearchState.PENDING, "", bench.clock.now())
    resumed_at = bench.clock.seconds
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    assert bench.store.get_search(SEARCH).reason == "limit reached: 0.1 hours"
    assert bench.clock.seconds > resumed_at + 60
    assert bench.store.count_trials(SEARCH)[TrialState.COMPLETED] < 100


def test_a_free_worker_never_waits_for_a_batch() -> None:
    """Three workers whose trials take 10 to 20 s: whenever one ends, its next trial starts at the same virtual time."""
    bench = Bench(trials=30, reevaluate={"top": 0})
    bench.finish(bench.claim())
    attempts = [a for job in bench.store.list_jobs(SEARCH) for a in bench.store.list_attempts(job.id)]
    for worker in {attempt.worker for attempt in attempts}:
        own = sorted((a for a in attempts if a.worker == worker), key=lambda a: a.started_at)
        gaps = [
            (after.started_at - before.finished_at).total_seconds()
            for before, after in pairwise(own)
            if before.finished_at is not None
        ]
        assert max(gaps) <= 1.0


def test_the_same_seed_and_order_of_results_give_the_same_search() -> None:
    genotypes = []
    for _ in range(2):
        bench = Bench(trials=15)
        bench.finish(bench.claim())
        genotypes.append([t.draft.genotype for t in bench.store.list_trials(SEARCH, 1000)])
    assert genotypes[0] == genotypes[1]


def test_a_target_of_a_cost_is_in_the_reward_and_not_in_the_ap() -> None:
    bench = Bench(reward={"targets": [{"cost": "parameters", "target": "10M", "form": "hard"}]})
    bench.finish(bench.claim())
    trained = [trial for trial in bench.store.list_trials(SEARCH, 1000) if trial.reward is not None]
    above = [trial for trial in trained if trial.draft.target_cost.backbone_parameters > 10e6]
    assert above
    for trial in above:
        assert trial.average_precision is not None
        fine = 10e6 / trial.draft.target_cost.backbone_parameters
        assert trial.reward == pytest.approx(trial.average_precision * fine, rel=1e-12)


def test_every_ask_and_tell_is_in_the_ledger_without_a_gap() -> None:
    bench = Bench(trials=10)
    bench.finish(bench.claim())
    entries = bench.store.read_ledger(SEARCH, limit=100_000)
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    created = [e.trial_number for e in entries if e.kind is EntryKind.TRIAL_CREATED]
    assert created == list(range(1, len(created) + 1))
    told = [e.trial_number for e in entries if e.kind is EntryKind.TRIAL_FINISHED and e.payload["consumed"]]
    assert len(told) == len(set(told))


def test_a_controller_that_lost_its_lease_writes_nothing() -> None:
    bench = Bench(trials=10)
    search = bench.claim()
    turns = run_search(search)
    next(turns)
    taken: SearchLease | None = bench.store.claim_search(SEARCH, "another", search.lease.expires_at, 60.0)
    assert taken is not None
    before = bench.store.get_search(SEARCH).last_sequence
    with pytest.raises(LeaseLostError):
        for _ in turns:
            pass
    assert bench.store.get_search(SEARCH).last_sequence == before
