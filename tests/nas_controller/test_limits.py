"""Limits of a search: looked at before each trial is started, told from what is stored."""

from datetime import datetime
from itertools import count, pairwise
from typing import Any

import pytest

from nas_controller.limits import Plateau
from nas_controller.records import Attempt, Failure, FailureReason, SearchState, TrialState
from nas_controller.requests import SearchEdit
from nas_controller.search_config import SMOOTHED_OVER
from nas_controller.search_loop import run_search
from nas_controller.store.memory import MemoryStore
from tests.conformance.store_cases import MODEL_FAILURE, claimed, finished, started, stopped
from tests.nas_controller.test_search_loop import SEARCH, Bench, measured
from trainer.task import Evaluation, EvaluationRequest

POOLS = [{"count": 1, "gpus": 2, "cpus": 4}, {"count": 2, "gpus": 0, "cpus": 1}]


def attempts(bench: Bench) -> list[Attempt]:
    return [each for job in bench.store.list_jobs(SEARCH) for each in bench.store.list_attempts(job.id)]


def limited(trials: int = 500, workers: object = POOLS, **document: Any) -> Bench:
    """A search without re-evaluation, so that its last attempts are those of its last trials."""
    return Bench(trials=trials, algorithm="random", workers=workers, **{"reevaluate": {"top": 0}, **document})


def seconds_before(bench: Bench, worker: str, moment: datetime) -> float:
    """How long a worker was at work up to a moment."""
    spans = [(each.started_at, each.finished_at) for each in attempts(bench) if each.worker == worker]
    return sum((min(end, moment) - start).total_seconds() for start, end in spans if end and start < moment)


def test_gpu_hours_count_the_gpus_of_the_worker_that_did_the_work() -> None:
    bench = limited(limits={"trials": 500, "gpu_hours": 0.05})
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    assert bench.store.get_search(SEARCH).reason == "limit reached: 0.05 GPU hours"
    # 0.05 hours are 180 s of one GPU, and worker-1 has two.
    starts = [each.started_at for each in attempts(bench)]
    assert all(2 * seconds_before(bench, "worker-1", at) < 180 for at in starts)
    assert 180 <= 2 * seconds_before(bench, "worker-1", bench.clock.now()) < 180 + 2 * 20


def test_failed_attempts_and_those_of_a_controller_that_died_count_too() -> None:
    calls = count()

    def failing(request: EvaluationRequest) -> Evaluation | Failure:
        lost = Failure(reason=FailureReason.WORKER_LOST, message="gone")
        return lost if next(calls) % 5 == 0 else measured(request)

    bench = limited(limits={"trials": 500, "gpu_hours": 0.1})
    for turn, _ in enumerate(run_search(bench.claim(failing))):
        if turn == 40:
            break
    assert bench.finish(bench.claim(failing)) is SearchState.SUCCEEDED
    assert bench.store.get_search(SEARCH).reason == "limit reached: 0.1 GPU hours"
    ended = {each.state.value for each in attempts(bench) if each.worker == "worker-1"}
    assert ended >= {"completed", "failed", "lost"}
    assert 360 <= 2 * seconds_before(bench, "worker-1", bench.clock.now()) < 360 + 2 * 20


def test_cost_is_that_of_all_workers() -> None:
    price = {"gpu_hour": 3.6, "cpu_hour": 0.36, "currency": "CHF"}
    bench = limited(limits={"trials": 500, "cost": 0.2}, price=price)
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    assert bench.store.get_search(SEARCH).reason == "limit reached: a cost of 0.2 CHF"

    def cost(moment: datetime) -> float:
        first, others = (
            seconds_before(bench, "worker-1", moment),
            sum(seconds_before(bench, name, moment) for name in ("worker-2", "worker-3")),
        )
        return first * (2 * 0.001 + 4 * 0.0001) + others * 0.0001

    assert all(cost(each.started_at) < 0.2 for each in attempts(bench))
    assert 0.2 <= cost(bench.clock.now()) < 0.3


def test_a_plateau_ends_a_search_that_gets_no_better() -> None:
    def always_the_same(request: EvaluationRequest) -> Evaluation | Failure:
        evaluation = measured(request)
        assert isinstance(evaluation, Evaluation)
        return Evaluation.from_document({**evaluation.to_document(), "average_precision": 0.25})

    bench = limited(workers=[{"count": 1}], limits={"trials": 500, "plateau": 7})
    search = bench.claim(always_the_same, workers=1)
    for turn, _ in enumerate(run_search(search)):
        if turn == 150:
            break
    assert bench.store.count_trials(SEARCH).trained < SMOOTHED_OVER + 7
    assert bench.finish(bench.claim(always_the_same, workers=1)) is SearchState.SUCCEEDED
    assert bench.store.get_search(SEARCH).reason == "limit reached: a plateau of 7 trials"
    assert bench.store.count_trials(SEARCH).trained == SMOOTHED_OVER + 7


def test_a_plateau_is_of_the_mean_of_whole_rewards() -> None:
    store = MemoryStore()
    lease = claimed(store)
    plateau, number = Plateau(), 0

    def followed() -> tuple[float | None, int]:
        plateau.follow(store, "s1")
        return plateau.best and round(plateau.best, 9), plateau.num_since

    for number in range(1, SMOOTHED_OVER):
        finished(store, lease, number, 0.9 if number == 1 else 0.1)
    assert followed() == (None, 0)  # a lucky beginning is no best
    finished(store, lease, number + 1, 0.1)
    mean = (0.9 + 0.1 * (SMOOTHED_OVER - 1)) / SMOOTHED_OVER
    assert followed() == (round(mean, 9), 0)
    stopped(store, lease, number + 2, 0.99)  # of a part of the training
    failing = started(store, lease, number + 3)
    store.fail_attempt(lease, failing.id, 1, MODEL_FAILURE, False, failing.created_at)
    finished(store, lease, number + 4, 0.1)  # the lucky one leaves the mean
    assert followed() == (round(mean, 9), 3)
    finished(store, lease, number + 5, 0.99)
    assert followed() == (round((0.99 + 0.1 * (SMOOTHED_OVER - 1)) / SMOOTHED_OVER, 9), 0)
    again = Plateau()
    again.follow(store, "s1")
    assert again == plateau


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_run_at_once_than_the_limit_allows(most: int) -> None:
    bench = limited(trials=6, limits={"trials": 6, "concurrent_trials": most}, reevaluate={"top": 1, "seeds": 2})
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    events = [(each.started_at, 1) for each in attempts(bench)]
    events += [(each.finished_at, -1) for each in attempts(bench) if each.finished_at is not None]
    at_once = [0]
    for _, change in sorted(events, key=lambda event: (event[0], event[1])):
        at_once.append(at_once[-1] + change)
    assert max(at_once) == most


def test_limits_that_are_edited_hold_from_the_next_turn_on() -> None:
    bench = limited(trials=20)
    search = bench.claim()
    limits = bench.store.get_search(SEARCH).config["limits"]
    for turn, _ in enumerate(run_search(search)):
        if turn == 10:
            bench.store.edit_search(SEARCH, SearchEdit(limits={**limits, "trials": 9}), bench.clock.now())
    assert bench.store.get_search(SEARCH).state is SearchState.SUCCEEDED
    assert bench.store.get_search(SEARCH).reason == "limit reached: 9 trials"
    assert bench.store.count_trials(SEARCH).trained == 9
    assert search.failures.limits.trials == 9


def test_limits_below_what_was_used_stop_the_search_with_what_runs() -> None:
    bench = limited(trials=20)
    limits = bench.store.get_search(SEARCH).config["limits"]
    started_before = 0
    for turn, _ in enumerate(run_search(bench.claim())):
        if turn == 30:
            bench.store.edit_search(SEARCH, SearchEdit(limits={**limits, "trials": 2}), bench.clock.now())
        if turn == 31:  # which ended with the new limits
            started_before = bench.store.count_trials(SEARCH).total
    counts = bench.store.count_trials(SEARCH)
    assert started_before > 2
    assert (counts.total, counts[TrialState.CANCELLED]) == (started_before, 0)
    assert bench.store.get_search(SEARCH).reason == "limit reached: 2 trials"


def test_an_edit_while_nobody_runs_the_search_is_no_running_time() -> None:
    bench = limited(trials=3)
    first = bench.claim()
    for turn, _ in enumerate(run_search(first)):
        if turn == 4:
            break
    ran = bench.clock.seconds
    bench.clock.advance_to(10_000)
    bench.store.edit_search(SEARCH, SearchEdit(notes="what became of it?"), bench.clock.now())
    second = bench.claim()
    turns = run_search(second)
    next(turns)
    assert second.running_seconds() <= ran
    *_, last = turns
    assert last is SearchState.SUCCEEDED
    sequences = [entry.sequence for entry in bench.store.read_ledger(SEARCH)]
    assert all(after == before + 1 for before, after in pairwise(sequences))
