"""What a search that runs says of itself: heartbeats in the store, and lines of the log with their ids."""

import logging
from typing import Any

import pytest

from nas_controller.records import Failure, FailureReason, SearchState
from nas_controller.search_loop import run_search
from nas_controller.tallies import ProcessRole
from tests.nas_controller.test_search_loop import Bench, measured
from trainer.task import Evaluation, EvaluationRequest

IDS = ("search", "trial", "job", "attempt", "reason")


def diverging_once() -> Any:
    """Measures every request but the first, whose worker is lost."""
    seen: list[EvaluationRequest] = []

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        seen.append(request)
        if len(seen) == 1:
            return Failure(reason=FailureReason.WORKER_LOST, message="worker-1:\nno longer there")
        return measured(request)

    return evaluate


def ids(record: logging.LogRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in IDS if hasattr(record, name)}


def test_a_search_beats_while_it_runs() -> None:
    bench = Bench(trials=6)
    claim = bench.claim()
    assert list(run_search(claim))[-1] is SearchState.SUCCEEDED
    (heartbeat,) = bench.store.list_heartbeats()
    assert (heartbeat.name, heartbeat.role, heartbeat.search_id) == ("search:s1", ProcessRole.SEARCH, "s1")
    created = bench.store.count_trials("s1").total
    assert claim.stopwatch.counts["ask"] == claim.stopwatch.counts["draft"] == created
    assert claim.stopwatch.counts["tell"] == created
    assert claim.stopwatch.counts["turn"] > heartbeat.numbers["turn.count"] > 1
    assert 0 < heartbeat.numbers["entropy"] <= 1
    assert claim.stopwatch.seconds["wait"] <= claim.stopwatch.seconds["turn"]


def test_the_log_says_what_happened_with_ids(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(trials=2, reevaluate={"top": 0})
    with caplog.at_level(logging.INFO, "nas_controller"):
        list(run_search(bench.claim(evaluate=diverging_once(), workers=1)))
    lines = [(record.getMessage(), ids(record)) for record in caplog.records]
    number, second = (trial.number for trial in bench.store.list_trials("s1", 9999) if trial.started_at is not None)
    job = bench.store.list_jobs("s1", number)[0].id
    of_trial: dict[str, object] = {"search": "s1", "trial": number}
    assert lines[0] == ("the search is claimed, it has 0 trials", {"search": "s1"})
    assert (f"trial {number} created by policy", of_trial) in lines
    of_job = {**of_trial, "job": job}
    assert ("attempt 1 started on worker-1", {**of_job, "attempt": 1}) in lines
    lost = "attempt 1 failed (worker_lost), it is tried again: worker-1:\nno longer there"
    assert (lost, {**of_job, "attempt": 1, "reason": "worker_lost"}) in lines
    assert ("attempt 2 completed", {**of_job, "attempt": 2}) in lines
    reward = bench.store.get_trial("s1", second).reward
    assert (f"trial {second} completed, reward {reward}", {"search": "s1", "trial": second}) in lines
    assert ("the search is succeeded, reason: limit reached: 2 trials", {"search": "s1"}) in lines
    assert lines[-1] == ("the search is left succeeded", {"search": "s1"})


def test_a_lost_controllers_attempts_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(trials=4)
    first = bench.claim(workers=1)
    turns = run_search(first)
    while not first.running:
        next(turns)
    bench.clock.advance_to(100.0)
    with caplog.at_level(logging.WARNING, "nas_controller"):
        next(run_search(bench.claim(workers=1)))
    (job,) = first.running.values()
    (record,) = caplog.records
    assert record.getMessage() == "attempt lost with its controller: queued again"
    assert ids(record) == {"search": "s1", "trial": job.trial_number, "job": job.id, "attempt": 1}
