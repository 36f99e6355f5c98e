"""Full trainings that users ask for, in searches that run; in virtual time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas_controller.records import EntryKind, Job, JobKind, JobState, SearchState, TrialKey
from nas_controller.requests import RequestDraft, RequestState, RequestVerb
from nas_controller.search_loop import run_search
from nas_controller.setup import FULL_FACTOR
from nas_controller.store.base import ConflictError
from nas_controller.verification import verify
from tests.nas_controller.test_search_loop import SEARCH, Bench, measured
from tests.nas_controller.test_search_loop_progress import CurveBench
from trainer.task import Evaluation, EvaluationRequest, Split


def bench_of(trials: int = 6, **document: Any) -> Bench:
    few = {"reevaluate": {"top": 0}, "proxy": {"preset": "cpu-small"}, "algorithm": "random"}
    return Bench(trials=trials, **{**few, **document})


def promote(bench: Bench, number: int, **wanted: Any) -> None:
    source = TrialKey(search_id=bench.search_id, number=number)
    draft = RequestDraft(verb=RequestVerb.PROMOTE, source=source, **wanted)
    bench.store.add_requests(bench.search_id, [draft], bench.clock.now())


def until_completed(bench: Bench, turns: Iterator[SearchState], number: int = 1) -> int:
    """The first trial that ended, as soon as there are so many."""
    while len(done := bench.store.best_trials(SEARCH, 100)) < number:
        next(turns)
    return min(trial.number for trial in done)


def full_jobs(bench: Bench) -> list[Job]:
    return [job for job in bench.store.list_jobs(SEARCH) if job.kind is JobKind.FULL_TRAIN]


def test_a_promoted_trial_is_trained_in_full_before_more_is_proposed_and_is_no_trial() -> None:
    seen: list[EvaluationRequest] = []

    def watched(request: EvaluationRequest) -> Any:
        seen.append(request)
        return measured(request)

    bench = bench_of()
    turns = run_search(bench.claim(watched, workers=1))
    number = until_completed(bench, turns)
    trial = bench.store.get_trial(SEARCH, number)
    promote(bench, number, num_seeds=2)
    begun = len(bench.store.list_trials(SEARCH, 100))
    assert list(turns)[-1] is SearchState.SUCCEEDED
    jobs = full_jobs(bench)
    assert [(job.trial_number, job.state) for job in jobs] == [(number, JobState.COMPLETED)] * 2
    assert len({job.seed for job in jobs}) == 2
    # One worker: what it had been given, then the two, then what was proposed later.
    order = [request.is_full for request in seen]
    assert order == [False] * begun + [True, True] + [False] * (6 - begun)
    full = next(request for request in seen if request.is_full)
    steps = bench.config.task().steps
    assert steps is not None
    assert (full.task.steps, full.split, full.task.measure_at) == (FULL_FACTOR * steps, Split.VAL, ())
    assert full.spec.renamed("") == next(
        r for r in seen if not r.is_full and r.seed == proxy_seed(bench, number)
    ).spec.renamed("")
    # It counts as no trial, gives no reward, and is no part of the mean on val.
    assert bench.store.get_trial(SEARCH, number) == trial
    assert bench.store.count_trials(SEARCH).trained == 6
    told = [entry for entry in bench.store.read_ledger(SEARCH) if entry.kind is EntryKind.JOB_FINISHED]
    assert [(entry.payload["kind"], entry.payload["val_count"]) for entry in told] == [("full_train", 0)] * 2
    (request,) = bench.store.list_requests(SEARCH)
    assert (request.state, request.trial_number) == (RequestState.DONE, None)
    assert verify(bench.store, SEARCH, {}, lambda _sequence, _last: None).difference is None


def proxy_seed(bench: Bench, number: int) -> int:
    return next(job.seed for job in bench.store.list_jobs(SEARCH, number) if job.kind is JobKind.PROXY)


@pytest.mark.parametrize(
    ("proxy", "wanted", "expected", "seconds"),
    [
        ({"preset": "cpu-small"}, None, (1200, None), 2400.0),
        ({"preset": "cpu-small"}, 600, (600, None), 1200.0),
        ({"preset": "cpu-small"}, 30, (30, None), 600.0),
        ({"preset": "paper"}, None, (None, 20.0), 2400.0),
        ({"preset": "paper"}, 600, (600, None), None),
    ],
)
def test_its_length_is_what_was_asked_for_or_four_times_the_proxys_and_so_is_its_time(
    proxy: dict[str, Any], wanted: int | None, expected: tuple[int | None, float | None], seconds: float | None
) -> None:
    """`cpu-small` has 300 steps, `paper` 5 epochs; a proxy training may take ten minutes."""
    bench = bench_of(proxy=proxy, attempts={"time_limit_minutes": 10})
    search = bench.claim()
    turns = run_search(search)
    promote(bench, until_completed(bench, turns), num_steps=wanted)
    next(turns)
    (job,) = full_jobs(bench)
    request = search.setup.request(bench.store.get_trial(SEARCH, job.trial_number).draft, job)
    assert (request.task.steps, request.task.epochs) == expected
    assert request.time_limit_seconds == seconds
    assert job.num_steps == wanted


def test_a_search_waits_for_the_full_trainings_that_were_asked_for_at_its_end() -> None:
    bench = bench_of(trials=1)
    turns = run_search(bench.claim(workers=1))
    number = until_completed(bench, turns)
    promote(bench, number)
    assert list(turns)[-1] is SearchState.SUCCEEDED
    assert [job.state for job in full_jobs(bench)] == [JobState.COMPLETED]


def test_beyond_a_limit_on_time_or_money_it_is_refused() -> None:
    bench = bench_of(trials=50, limits={"trials": 50, "hours": 0.01})
    turns = run_search(bench.claim())
    number = until_completed(bench, turns)
    bench.clock.advance_to(bench.clock.seconds + 3600)
    promote(bench, number)
    assert list(turns)[-1] is SearchState.SUCCEEDED
    (request,) = bench.store.list_requests(SEARCH)
    assert (request.state, request.reason) == (
        RequestState.REFUSED,
        "limit reached: 0.01 hours: raise it, and ask again",
    )
    assert full_jobs(bench) == []


def test_nothing_is_asked_of_a_search_that_ended() -> None:
    bench = bench_of(trials=1)
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    with pytest.raises(ConflictError, match="search s1 is succeeded"):
        promote(bench, 1)


def test_a_paused_search_takes_it_when_it_goes_on() -> None:
    bench = bench_of()
    turns = run_search(bench.claim())
    number = until_completed(bench, turns)
    bench.store.request_state(SEARCH, SearchState.PAUSED, "", bench.clock.now())
    assert next(turns) is SearchState.PAUSED
    promote(bench, number)
    assert list(turns)[-1] is SearchState.PAUSED
    assert full_jobs(bench) == []
    bench.store.request_state(SEARCH, SearchState.PENDING, "", bench.clock.now())
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    assert [job.state for job in full_jobs(bench)] == [JobState.COMPLETED]


@pytest.mark.parametrize("cut", range(8))
def test_a_search_that_is_cut_trains_each_of_them_once(tmp_path: Path, cut: int) -> None:
    """It goes on from the checkpoint that the cut attempt left."""
    bench = CurveBench(trials=4, artifact_dir=tmp_path)
    turns = run_search(bench.claimed())
    promote(bench, until_completed(bench, turns), num_seeds=2)
    for _ in range(cut):
        next(turns)
    assert bench.finish(bench.claimed()) is SearchState.SUCCEEDED
    jobs = full_jobs(bench)
    assert [job.state for job in jobs] == [JobState.COMPLETED] * 2
    (request,) = bench.store.list_requests(SEARCH)
    assert request.state is RequestState.DONE
    assert bench.store.count_trials(SEARCH).trained == 4


def test_a_request_that_was_taken_in_part_gives_the_same_jobs() -> None:
    bench = bench_of()
    search = bench.claim()
    turns = run_search(search)
    number = until_completed(bench, turns)
    promote(bench, number, num_seeds=3)
    add_job = bench.store.add_job
    added: list[Job] = []

    def cut_after_one(*arguments: Any, **more: Any) -> Job:
        if added:
            raise KeyboardInterrupt
        added.append(add_job(*arguments, **more))
        return added[0]

    bench.store.add_job = cut_after_one  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        list(turns)
    bench.store.add_job = add_job  # type: ignore[method-assign]
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    jobs = full_jobs(bench)
    assert (len(jobs), jobs[0].id) == (3, added[0].id)
    assert all(isinstance(Evaluation.from_document(dict(job.evaluation or {})), Evaluation) for job in jobs)
