"""A process that stands still until its lease is over, and then goes on, does no harm: a controller, a worker."""

import logging
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from nas_controller.dispatch.base import WorkerPool
from nas_controller.dispatch.ray_cluster import RayDispatcher
from nas_controller.dispatch.simulated import EPOCH
from nas_controller.dispatch.standing import Slot
from nas_controller.records import Attempt, AttemptState, FailureReason, JobKind
from nas_controller.search_loop import LEASE_SECONDS as SEARCH_LEASE_SECONDS
from nas_controller.search_loop import run_search
from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from tests.chaos.oracle import check_search
from tests.chaos.points import Points, watched
from tests.chaos.searching import SAME_OWNER, SEARCH, Notes, Scenario, put_together, run, start
from tests.chaos.stalling import HOLD_NEXT, HOLD_VAL, STANDS_STILL
from tests.integration.service import wait_until

LEASE_SECONDS = 4.0
"""Of a worker."""


def test_a_process_that_was_stopped_past_its_lease_leaves_the_search_to_the_next(tmp_path: Path) -> None:
    scenario = Scenario(folder=tmp_path / "search", trials=6, algorithm="random")
    scenario.create()
    stopped = start(scenario, "owner-1", "before store.complete_attempt", 3, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(stopped.pid).status() == psutil.STATUS_STOPPED, 120)
    assert run(scenario, "owner-2") == 0
    check_search(scenario)
    last_sequence = sequence_of(scenario)
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.join()
    assert stopped.exitcode == 1, "the lease is lost"
    assert sequence_of(scenario) == last_sequence
    check_search(scenario)


def sequence_of(scenario: Scenario) -> int:
    with opened(scenario) as store:
        return store.get_search(SEARCH).last_sequence


@contextmanager
def opened(scenario: Scenario) -> Iterator[Store]:
    store = open_store(scenario.url)
    try:
        yield store
    finally:
        store.close()


class CutOff(RayDispatcher):
    """A cluster on which a worker that stands still cannot be reached, not by a kill either."""

    def _kill(self, slot: Slot) -> None:
        if slot.serves and slot.silent_seconds > LEASE_SECONDS:
            # Kept, for Ray ends an actor that nobody knows.
            self._actors[f"{slot.name}, out of reach"] = self._actors.pop(slot.name)
        else:
            super()._kill(slot)


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    scenario = Scenario(folder=tmp_path / "search", trials=5, workers=2, algorithm="random")
    scenario.create()
    return scenario


@pytest.mark.chaos
def test_a_worker_that_was_stopped_past_its_lease_is_ended_and_its_attempt_made_again(scenario: Scenario) -> None:
    search_on_ray(RayDispatcher, scenario, lambda attempts: None)
    wait_until(lambda: not psutil.pid_exists(stopped_pid(scenario)), 30)
    first, second = attempts_of_stopped(scenario)
    assert (first.state, second.state) == (AttemptState.FAILED, AttemptState.COMPLETED)
    assert first.failure is not None
    assert first.failure.reason is FailureReason.WORKER_LOST
    assert re.fullmatch(f"{first.worker}: the worker did not answer for [0-9]+ s", first.failure.message)


@pytest.mark.chaos
def test_a_worker_out_of_reach_that_goes_on_after_its_lease_may_still_be_the_first(
    scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    (scenario.folder / HOLD_NEXT).touch()

    def go_on(attempts: list[AttemptState]) -> None:
        if attempts == [AttemptState.FAILED, AttemptState.RUNNING]:
            os.kill(stopped_pid(scenario), signal.SIGCONT)

    with caplog.at_level(logging.INFO, "nas_controller"):
        search_on_ray(CutOff, scenario, go_on)
    assert "late result of attempt 1: used, it is the first" in caplog.messages
    first, second = attempts_of_stopped(scenario)
    assert (first.state, second.state) == (AttemptState.COMPLETED, AttemptState.LOST)


@pytest.mark.chaos
def test_a_worker_out_of_reach_that_goes_on_when_its_successor_has_ended_is_refused(
    scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    held, refusal = scenario.folder / HOLD_VAL, "late result of attempt 1: refused, the job is completed"
    held.touch()

    def go_on(attempts: list[AttemptState]) -> None:
        if attempts == [AttemptState.FAILED, AttemptState.COMPLETED]:
            os.kill(stopped_pid(scenario), signal.SIGCONT)
        if refusal in caplog.messages:
            held.unlink(missing_ok=True)

    with caplog.at_level(logging.INFO, "nas_controller"):
        search_on_ray(CutOff, scenario, go_on)
    assert not held.exists()
    first, second = attempts_of_stopped(scenario)
    assert (first.state, second.state) == (AttemptState.FAILED, AttemptState.COMPLETED)


def search_on_ray(
    dispatcher: type[RayDispatcher], scenario: Scenario, watch: Callable[[list[AttemptState]], None]
) -> None:
    """Runs the search to its end and checks it.

    Args:
        watch: called after each turn with what became of the attempts of the trial whose first one was stopped.
    """
    began, pools = time.monotonic(), [WorkerPool(count=scenario.workers)]

    def now() -> datetime:
        return EPOCH + timedelta(seconds=time.monotonic() - began)

    workers = dispatcher(pools, "tests.chaos.stalling:evaluate", lease_seconds=LEASE_SECONDS)
    with closing(workers), opened(scenario) as plain, closing(Notes(scenario.folder, began)) as notes:
        points = Points()
        store = watched(plain, Store, "store", points, notes.returned)  # type: ignore[type-abstract]
        lease = store.claim_search(SEARCH, SAME_OWNER, now(), SEARCH_LEASE_SECONDS)
        assert lease is not None
        for _state in run_search(put_together(scenario, store, lease, workers, now, points)):
            watch([attempt.state for attempt in attempts_of_stopped(scenario)])
    check_search(scenario)


def attempts_of_stopped(scenario: Scenario) -> list[Attempt]:
    """Of the trial whose first attempt was stopped; [] before there is one."""
    path = scenario.folder / STANDS_STILL
    if not path.exists() or not (text := path.read_text()):
        return []
    with opened(scenario) as store:
        jobs = store.list_jobs(SEARCH, int(text.rpartition("-")[2]))
        (job,) = [job for job in jobs if job.kind is JobKind.PROXY]
        return store.list_attempts(job.id)


def stopped_pid(scenario: Scenario) -> int:
    return int((scenario.folder / STANDS_STILL).read_text().split()[0])
