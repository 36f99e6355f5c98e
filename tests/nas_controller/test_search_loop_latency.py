"""What the loop does in a search that asks for latencies: each network is timed on a device, then trained."""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nas_controller.algorithms.table import configured_algorithm
from nas_controller.algorithms.versions import versions_here
from nas_controller.dispatch.base import AttemptKey, AttemptOutcome
from nas_controller.dispatch.results import KeptResult, ResultSpool
from nas_controller.records import (
    AttemptState,
    EntryKind,
    Failure,
    FailureReason,
    Job,
    JobKind,
    JobState,
    SearchState,
    Trial,
    TrialKey,
    TrialState,
)
from nas_controller.replay import replay
from nas_controller.reward import aimed
from nas_controller.search_config import CostTarget
from nas_controller.search_loop import run_search
from nas_controller.store.open import open_store
from nas_controller.verification import verify
from search_space.spaces import find_space
from tests.conformance.store_cases import make_device, make_latency
from tests.nas_controller.test_search_loop import Bench, measured
from tests.nas_controller.test_search_loop_duplicates import REUSE, CollapsedBench
from trainer.latency_task import Latency, LatencyRequest

TARGET = {"cost": "latency_ms", "target": 20, "form": "soft"}
TIMED: dict[str, Any] = {
    "latency": {"image_size": 128, "rounds": 6},
    "reward": {"targets": [TARGET]},
    "reevaluate": {"top": 0},
}
UNSTEADY = Failure(reason=FailureReason.UNFIT_DEVICE, message="the device was slower than it can be in 4 of 6 rounds")
Measured = tuple[float, Latency | Failure]


def latency_of(request: LatencyRequest) -> Latency:
    """10 to 42 ms, that depend on the architecture only."""
    return make_latency(10.0 + sum(block.level for block in request.spec.blocks) ** 2 % 33)


def in_time(request: LatencyRequest) -> Measured:
    """Takes 2 s."""
    return 2.0, latency_of(request)


def scripted(first: Sequence[Latency | Failure], seconds: float = 2.0) -> Callable[[LatencyRequest], Measured]:
    """The first measurements give these, all others what `latency_of` says."""
    given = list(first)

    def measure(request: LatencyRequest) -> Measured:
        return seconds, given.pop(0) if given else latency_of(request)

    return measure


def jobs_of(bench: Bench, number: int) -> list[Job]:
    return bench.store.list_jobs(bench.search_id, number)


def trained(bench: Bench) -> list[Trial]:
    return bench.store.list_trials(bench.search_id, 1000, states=[TrialState.COMPLETED])


def latency_jobs(bench: Bench) -> list[Job]:
    return [job for job in bench.store.list_jobs(bench.search_id) if job.kind is JobKind.LATENCY]


def test_each_network_is_timed_then_trained_and_both_make_its_reward() -> None:
    bench, seen = Bench(trials=6, **TIMED), list[LatencyRequest]()

    def measure(request: LatencyRequest) -> Measured:
        seen.append(request)
        return in_time(request)

    assert bench.finish(bench.claim(measure=measure)) is SearchState.SUCCEEDED
    assert {(request.target.image_size, request.protocol.rounds) for request in seen} == {(128, 6)}
    target = CostTarget(cost="latency_ms", target=20)
    assert len(trained(bench)) == len(seen) == 6
    for trial in trained(bench):
        timing, proxy = jobs_of(bench, trial.number)
        assert (timing.kind, proxy.kind, timing.seed) == (JobKind.LATENCY, JobKind.PROXY, proxy.seed)
        assert trial.latency is not None
        assert trial.average_precision is not None
        assert trial.reward == aimed(trial.average_precision, [target], {"latency_ms": trial.latency.median_ms})
        assert trial.reward == pytest.approx(trial.average_precision * (trial.latency.median_ms / 20) ** -0.07)
        of_trial = [e.kind for e in bench.store.read_ledger("s1", limit=1000) if e.trial_number == trial.number]
        assert of_trial == [
            EntryKind.TRIAL_CREATED,
            EntryKind.TRIAL_STARTED,
            EntryKind.TRIAL_TIMED,
            EntryKind.TRIAL_STARTED,
            EntryKind.TRIAL_FINISHED,
        ]


def test_replay_and_verification_find_what_was_told() -> None:
    bench = Bench(trials=6, **TIMED)
    search = bench.claim(measure=in_time)
    bench.finish(search)
    algorithm = configured_algorithm(bench.config, find_space(bench.config.space))
    assert replay(bench.store, "s1", algorithm).num_told == search.replay.num_told
    assert algorithm.state_dict().keys() == search.algorithm.state_dict().keys()
    assert verify(bench.store, "s1", versions_here(), lambda _sequence, _last: None).difference is None


@pytest.mark.parametrize(
    ("tables", "what"), [(["trial"], "latency in ledger and row"), (["trial", "ledger"], "device of the latency")]
)
def test_verification_names_a_latency_that_is_not_as_it_was(tmp_path: Path, tables: list[str], what: str) -> None:
    """The last trial's is said to be of another processor: in its row only, or in the ledger as well."""
    store = open_store(f"sqlite:///{tmp_path / 'searches.sqlite'}")
    bench = Bench(trials=2, store=store, **TIMED)
    bench.finish(bench.claim(measure=in_time, workers=1))
    number = trained(bench)[-1].number
    columns = {"trial": ("latency", "number"), "ledger": ("payload", "trial_number")}
    with contextlib.closing(sqlite3.connect(tmp_path / "searches.sqlite")) as connection:
        for table in tables:
            column, key = columns[table]
            other = f"replace({column}, 'Example 9000', 'Other 1')"
            connection.execute(f"UPDATE {table} SET {column} = {other} WHERE {key} = {number}")
        connection.commit()
    difference = verify(store, "s1", versions_here(), lambda _sequence, _last: None).difference
    store.close()
    assert difference is not None
    assert (difference.trial_number, difference.mismatch.what) == (number, what)


def test_without_a_target_the_latency_is_noted_and_the_reward_is_the_metric() -> None:
    bench = Bench(trials=2, **{**TIMED, "reward": {"metric": "ap"}})
    bench.finish(bench.claim(measure=in_time))
    assert all(trial.latency is not None and trial.reward == trial.average_precision for trial in trained(bench))


def test_a_network_that_was_timed_is_not_timed_again() -> None:
    bench = CollapsedBench(num_networks=3, trials=7, **{**TIMED, "duplicates": {"policy": "remeasure"}})
    bench.finish(bench.claim(measure=in_time, workers=1))
    assert len(trained(bench)) == bench.num_proxy_jobs() == 7
    assert len(latency_jobs(bench)) == 3
    by_network: dict[str, set[float]] = {}
    for trial in trained(bench):
        assert trial.latency is not None
        by_network.setdefault(trial.draft.fingerprint, set()).add(trial.latency.median_ms)
    assert [len(latencies) for latencies in by_network.values()] == [1] * 3


def test_a_reused_reward_is_of_this_search_and_has_its_latency() -> None:
    first = CollapsedBench(num_networks=3, trials=6, **{**TIMED, "duplicates": REUSE})
    first.finish(first.claim(measure=in_time, workers=1))
    assert len(latency_jobs(first)) == first.num_proxy_jobs() == 3
    reused = [trial for trial in trained(first) if trial.reused_from is not None]
    assert len(reused) == 3
    for trial in reused:
        assert trial.reused_from is not None
        source = first.store.get_trial("s1", trial.reused_from.number)
        assert (trial.reward, trial.latency) == (source.reward, source.latency)
    second = CollapsedBench(num_networks=3, trials=6, after=first, **{**TIMED, "duplicates": REUSE})
    other = make_latency(5.0, device=make_device("Other 1"))
    second.finish(second.claim(measure=lambda request: (2.0, other), workers=1))
    assert len(latency_jobs(second)) == second.num_proxy_jobs() == 3, "its device is another"
    assert {trial.reused_from for trial in trained(second)} - {None} <= {
        TrialKey(search_id="s2", number=trial.number) for trial in trained(second)
    }


def test_a_latency_of_another_device_is_refused_and_measured_again() -> None:
    bench = Bench(trials=3, **TIMED)
    other = make_latency(1.0, device=make_device("Other 1"))
    first = make_latency(12.0)
    bench.finish(bench.claim(measure=scripted([first, other]), workers=1))
    assert [trial.latency and trial.latency.device for trial in trained(bench)] == [make_device()] * 3
    second = latency_jobs(bench)[1]
    refused, measured_again = bench.store.list_attempts(second.id)
    assert (refused.state, measured_again.state) == (AttemptState.FAILED, AttemptState.COMPLETED)
    assert refused.failure is not None
    assert refused.failure.reason is FailureReason.UNFIT_DEVICE
    message = f"measured on {other.device.describe()}; the latencies of this search are of {first.device.describe()}"
    assert refused.failure.message == message


def test_a_trial_fails_untold_where_its_device_stays_unsteady() -> None:
    bench, seen = Bench(trials=2, **{**TIMED, "limits": {"trials": 2, "failures": 1}}), list[str]()

    def measure(request: LatencyRequest) -> Measured:
        """Never of the first network."""
        seen.append(request.spec.name)
        return 2.0, UNSTEADY if request.spec.name == seen[0] else latency_of(request)

    bench.finish(bench.claim(measure=measure, workers=1))
    failed, other = (bench.store.get_trial("s1", job.trial_number) for job in latency_jobs(bench))
    assert (failed.state, failed.failure_reason) == (TrialState.FAILED, FailureReason.UNFIT_DEVICE)
    assert [job.kind for job in jobs_of(bench, failed.number)] == [JobKind.LATENCY]
    assert latency_jobs(bench)[0].num_attempts == 5
    assert other.state is TrialState.COMPLETED
    ended = bench.store.read_ledger("s1", limit=1000, kinds=[EntryKind.TRIAL_FINISHED])
    (told,) = [entry for entry in ended if entry.trial_number == failed.number]
    assert told.payload["consumed"] is False


def test_a_network_that_cannot_pass_fails_its_trial_and_the_algorithm_is_told() -> None:
    bench = Bench(trials=2, **{**TIMED, "limits": {"trials": 2, "failures": 1}})
    broken = Failure(reason=FailureReason.RAISED, message="RuntimeError: sizes do not fit")
    bench.finish(bench.claim(measure=scripted([broken]), workers=1))
    failed = bench.store.get_trial("s1", latency_jobs(bench)[0].trial_number)
    assert (failed.state, failed.failure) == (TrialState.FAILED, broken.message)
    ended = bench.store.read_ledger("s1", limit=1000, kinds=[EntryKind.TRIAL_FINISHED])
    (told,) = [entry for entry in ended if entry.trial_number == failed.number]
    assert told.payload["consumed"] is True


@pytest.mark.parametrize("turns", [1, 3, 4, 6])
def test_the_next_controller_goes_on_wherever_the_last_one_was(turns: int) -> None:
    bench = Bench(trials=3, **TIMED)
    states = run_search(bench.claim(measure=in_time, workers=2))
    for _ in range(turns):
        next(states)
    bench.clock.advance_to(bench.clock.seconds + 100)
    assert bench.finish(bench.claim(measure=in_time, workers=2)) is SearchState.SUCCEEDED
    assert len(trained(bench)) == 3
    for trial in trained(bench):
        assert [job.kind for job in jobs_of(bench, trial.number)] == [JobKind.LATENCY, JobKind.PROXY]
        assert {job.state for job in jobs_of(bench, trial.number)} == {JobState.COMPLETED}


def test_the_training_is_queued_in_the_transaction_of_the_latency() -> None:
    bench = Bench(trials=1, **TIMED)
    search = bench.claim(measure=in_time, workers=1)
    for _state in run_search(search):
        if len(jobs := bench.store.list_jobs("s1")) == 2:
            break
    assert [(job.kind, job.state) for job in jobs] == [
        (JobKind.LATENCY, JobState.COMPLETED),
        (JobKind.PROXY, JobState.QUEUED),
    ]
    assert [job.id for job in search.queued] == [jobs[1].id]


def test_a_late_latency_is_used_where_it_is_of_the_same_device(tmp_path: Path) -> None:
    """Two attempts of the second trial's latency are lost; what they measured comes while the third one runs."""
    bench = Bench(trials=2, artifact_dir=tmp_path, **TIMED)
    late = {1: make_latency(3.0, device=make_device("Other 1")), 2: make_latency(31.0)}
    lost = Failure(reason=FailureReason.WORKER_LOST, message="worker-1: gone")
    script: list[Latency | Failure] = [make_latency(12.0), lost, lost, make_latency(99.0)]
    search = bench.claim(measure=scripted(script, seconds=60.0), workers=1)
    for _state in run_search(search):
        if [key.number for key in search.running] == [3]:
            (third,) = search.running
            for number, latency in late.items():
                outcome = AttemptOutcome(key=AttemptKey(third.job_id, number), latency=latency)
                ResultSpool(tmp_path).put(KeptResult(outcome=outcome))
            search.looked_for_results_at = None
            late = {}
    assert [trial.latency for trial in trained(bench)] == [make_latency(12.0), make_latency(31.0)]
    states = [attempt.state for attempt in bench.store.list_attempts(latency_jobs(bench)[1].id)]
    assert states == [AttemptState.FAILED, AttemptState.COMPLETED, AttemptState.LOST]


def test_searches_that_ask_for_none_have_none() -> None:
    bench = Bench(trials=3, reevaluate={"top": 0})
    search = bench.claim(measured)
    bench.finish(search)
    assert {job.kind for job in bench.store.list_jobs("s1")} == {JobKind.PROXY}
    assert [trial.latency for trial in trained(bench)] == [None] * 3
    assert "latency" not in bench.store.get_search("s1").config
    with pytest.raises(ValueError, match="asks for no latency"):
        search.setup.latency_request(trained(bench)[0].draft)
