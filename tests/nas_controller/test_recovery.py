"""What becomes of attempts whose controller or worker was lost, in virtual time."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from nas_controller.dispatch.base import AttemptKey, AttemptOutcome
from nas_controller.dispatch.results import FOLDER, KeptResult, ResultSpool
from nas_controller.records import AttemptState, Failure, FailureReason, Job, JobState, SearchState, TrialState
from nas_controller.recovery import LATE_RESULT_SECONDS, sweep_results
from nas_controller.running_search import RunningSearch
from nas_controller.search_loop import run_search
from nas_controller.setup import SearchSetup
from tests.nas_controller.test_search_loop import Bench, measured
from trainer.task import Evaluation, EvaluationRequest, KeptFile

LOST = Failure(reason=FailureReason.WORKER_LOST, message="worker-1: gone")
DIVERGED = Failure(reason=FailureReason.DIVERGED, message="loss is nan at step 3")


class LeftBench(Bench):
    """A search whose first controller stops between two turns, while some attempts run."""

    def __init__(self, artifact_dir: Path, trials: int = 6) -> None:
        super().__init__(trials, artifact_dir=artifact_dir, algorithm="random", reevaluate={"top": 0})
        self.results = ResultSpool(artifact_dir)
        self.setup: SearchSetup | None = None

    def leave(self, num_running: int = 3, workers: int = 3) -> RunningSearch:
        search = self.claim(workers=workers)
        self.setup = search.setup
        turns = run_search(search)
        while len(search.running) < num_running:
            next(turns)
        return search

    def keep(self, key: AttemptKey, job: Job, given: Evaluation | Failure | None = None) -> None:
        trial = self.store.get_trial("s1", job.trial_number)
        assert self.setup is not None
        request = self.setup.request(trial.draft, job)
        self.results.put(KeptResult(outcome=AttemptOutcome.of(key, given or measured(request))))

    def states(self, job: Job) -> list[AttemptState]:
        return [attempt.state for attempt in self.store.list_attempts(job.id)]


def test_the_next_controller_uses_kept_results_adopts_what_runs_and_queues_the_rest_again(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path)
    first = bench.leave()
    (kept, kept_job), (failed, failed_job), (_, lost_job) = first.running.items()
    bench.keep(kept, kept_job)
    bench.keep(failed, failed_job, DIVERGED)
    second = bench.claim()
    turns = run_search(second)
    next(turns)
    assert set(second.running) == {kept, failed}
    assert bench.store.get_job(lost_job.id).state is JobState.QUEUED
    next(turns)
    assert bench.store.get_trial("s1", kept_job.trial_number).state is TrialState.COMPLETED
    assert bench.store.get_trial("s1", failed_job.trial_number).failure == DIVERGED.message
    assert bench.states(lost_job) == [AttemptState.LOST, AttemptState.RUNNING]
    assert bench.results.list() == []
    assert list(turns)[-1] is SearchState.SUCCEEDED
    assert (bench.states(kept_job), bench.states(failed_job)) == ([AttemptState.COMPLETED], [AttemptState.FAILED])
    assert bench.store.count_trials("s1").trained == 6


def test_attempts_that_still_run_on_workers_are_adopted_and_end_once(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path)
    first = bench.leave()
    second = bench.claim()
    second.dispatcher = first.dispatcher
    assert bench.finish(second) is SearchState.SUCCEEDED
    for job in first.running.values():
        assert bench.states(job) == [AttemptState.COMPLETED]


def test_a_kept_result_of_broken_data_fails_the_search(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path)
    ((key, job), *_) = bench.leave().running.items()
    bench.keep(key, job, Failure(reason=FailureReason.BROKEN_DATA, message="images/3.jpg: is truncated"))
    assert bench.finish(bench.claim()) is SearchState.FAILED
    assert bench.store.get_search("s1").reason == "images/3.jpg: is truncated"


def test_the_time_until_another_controller_came_is_not_counted(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path)
    first = bench.leave()
    ((key, job), *_) = first.running.items()
    bench.keep(key, job)
    bench.clock.advance_to(bench.clock.seconds + 10_000)
    second = bench.claim()
    assert bench.finish(second) is SearchState.SUCCEEDED
    assert second.running_seconds() < 1000


def late_and_again(bench: LeftBench) -> tuple[RunningSearch, Iterator[SearchState], AttemptKey, Job]:
    """A controller that has started an attempt again which an earlier one had left."""
    ((key, job), *_) = bench.leave(1, workers=1).running.items()
    second = bench.claim(workers=1, seconds=lambda request: 1000.0)
    turns = run_search(second)
    while AttemptKey(job.id, 2) not in second.running:
        next(turns)
    return second, turns, key, job


def test_the_first_late_result_is_used_and_what_runs_in_its_place_is_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = LeftBench(tmp_path, trials=1)
    second, turns, key, job = late_and_again(bench)
    bench.keep(key, job)
    with caplog.at_level(logging.INFO, "nas_controller"):
        before = bench.clock.seconds
        assert list(turns)[-1] is SearchState.SUCCEEDED
    assert bench.clock.seconds - before <= LATE_RESULT_SECONDS + 2
    assert bench.states(job) == [AttemptState.COMPLETED, AttemptState.LOST]
    assert bench.store.count_trials("s1")[TrialState.COMPLETED] == 1
    assert bench.results.list() == []
    assert "late result of attempt 1: used, it is the first" in [record.getMessage() for record in caplog.records]
    assert second.replay.num_told == bench.store.count_trials("s1").total


@pytest.mark.parametrize("given", [DIVERGED, None])
def test_a_late_failure_or_a_second_result_is_refused_politely(
    tmp_path: Path, given: Failure | None, caplog: pytest.LogCaptureFixture
) -> None:
    bench = LeftBench(tmp_path, trials=2)
    second, turns, key, job = late_and_again(bench)
    if given is None:
        bench.store.complete_attempt(second.lease, job.id, 1, {"average_precision": 0.5}, 0.5, bench.clock.now())
        bench.keep(key, job)
    else:
        bench.keep(key, job, given)
    with caplog.at_level(logging.INFO, "nas_controller"):
        assert list(turns)[-1] is SearchState.SUCCEEDED
    state = "running" if given else "completed"
    what = "failure" if given else "result"
    messages = [record.getMessage() for record in caplog.records]
    assert f"late {what} of attempt 1: refused, the job is {state}" in messages
    assert bench.store.count_trials("s1")[TrialState.COMPLETED] == 2
    assert bench.results.list() == []


def test_a_worker_that_dies_after_it_has_kept_its_result_costs_nothing(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path, trials=3)
    seen: list[EvaluationRequest] = []

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        seen.append(request)
        return LOST if len(seen) == 1 else measured(request)

    search = bench.claim(evaluate, workers=1)
    turns = run_search(search)
    while not search.running:
        next(turns)
    ((key, job),) = search.running.items()
    trial = bench.store.get_trial("s1", job.trial_number)
    bench.results.put(KeptResult(outcome=AttemptOutcome.of(key, measured(search.setup.request(trial.draft, job)))))
    assert list(turns)[-1] is SearchState.SUCCEEDED
    assert bench.states(job) == [AttemptState.COMPLETED]


def test_a_damaged_result_counts_as_none_and_is_removed_at_the_end(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path)
    ((key, job), *_) = bench.leave().running.items()
    bench.keep(key, job)
    (path,) = (tmp_path / FOLDER).iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    assert bench.states(job) == [AttemptState.LOST, AttemptState.COMPLETED]
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_results_that_nobody_wants_are_swept_after_an_hour(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path)
    search, unknown = bench.leave(), AttemptKey("s9.1.proxy.a", 1)
    (wanted, job), (ended, other), _ = search.running.items()
    for key in (wanted, ended, unknown):
        bench.keep(key, job)
    bench.store.complete_attempt(search.lease, other.id, 1, {"average_precision": 0.5}, 0.5, bench.clock.now())
    put_at = (tmp_path / FOLDER).stat().st_mtime
    at = bench.clock.now().fromtimestamp(put_at, bench.clock.now().tzinfo)
    sweep_results(bench.store, bench.results, at + timedelta(minutes=59))
    assert len(bench.results.list()) == 3
    sweep_results(bench.store, bench.results, at + timedelta(minutes=61))
    assert bench.results.list() == [wanted]


def test_results_of_attempts_that_the_store_does_not_know_are_removed(tmp_path: Path) -> None:
    """It was set back: what is asked from there may be another architecture, whose attempt has the same name."""
    before, bench = LeftBench(tmp_path / "before"), LeftBench(tmp_path / "set back")
    ((key, job), *_) = before.leave().running.items()
    bench.results.put(KeptResult(outcome=AttemptOutcome.of(key, DIVERGED)))
    turns = run_search(bench.claim())
    next(turns)
    assert bench.results.list() == []
    bench.results.put(KeptResult(outcome=AttemptOutcome.of(AttemptKey(job.id, 9), DIVERGED)))
    assert list(turns)[-1] is SearchState.SUCCEEDED
    assert bench.store.count_trials("s1")[TrialState.FAILED] == 0
    assert bench.results.list() == []


def test_files_of_a_result_belong_to_its_trial(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path, trials=1)
    ((key, job), *_) = bench.leave(1, workers=1).running.items()
    file = KeptFile(name="a.json", key="ab" * 32, media_type="application/json", num_bytes=7)
    assert bench.setup is not None
    request = bench.setup.request(bench.store.get_trial("s1", 1).draft, job)
    evaluation = measured(request)
    assert isinstance(evaluation, Evaluation)
    bench.keep(key, job, replace(evaluation, files=(file,)))
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    (artifact,) = bench.store.list_artifacts("s1", 1)
    assert (artifact.key, artifact.name) == (file.key, f"proxy-{job.seed:x}/a.json")
    assert (artifact.media_type, artifact.num_bytes) == ("application/json", 7)
