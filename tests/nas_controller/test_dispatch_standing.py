"""The lease of a worker, where the test must know its process or its start: on both kinds of standing workers."""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from nas_controller.dispatch.base import AttemptKey, Dispatcher, WorkerPool
from nas_controller.dispatch.local import LocalDispatcher
from nas_controller.dispatch.ray_cluster import RayDispatcher
from nas_controller.records import FailureReason
from tests.conformance.dispatch_evaluators import make_request
from tests.conformance.dispatcher_suite import LEASE_SECONDS, next_outcomes, until_free

EVALUATOR = "tests.conformance.dispatch_evaluators:evaluate"
START_SECONDS = 6.0

# Importable here; in a worker that takes until the file beside it is there.
SLOW_EVALUATOR = f"""
import os, pathlib, time
from tests.conformance.dispatch_evaluators import evaluate
while os.getpid() != {os.getpid()} and not pathlib.Path(__file__).with_name("now").exists():
    time.sleep(0.1)
"""

Open = Callable[..., Dispatcher]


def process_of(dispatcher: Dispatcher) -> psutil.Process:
    """The process of the only worker, which is free."""
    (worker,) = until_free(dispatcher, 1)
    dispatcher.submit(worker, AttemptKey("who", 1), make_request("ok"))
    (outcome,) = next_outcomes(dispatcher)
    assert outcome.evaluation is not None
    return psutil.Process(int(outcome.evaluation.provenance["pid"]))


class TestLease:
    """Of the only worker; `LEASE_SECONDS` long."""

    @pytest.fixture(scope="class", params=[LocalDispatcher, RayDispatcher])
    @classmethod
    def dispatcher(cls, request: pytest.FixtureRequest) -> Iterator[Dispatcher]:
        dispatcher: Dispatcher = request.param([WorkerPool(count=1)], EVALUATOR, lease_seconds=LEASE_SECONDS)
        yield dispatcher
        dispatcher.close()

    def test_an_attempt_that_is_given_to_a_worker_which_stands_still_is_lost(self, dispatcher: Dispatcher) -> None:
        process = process_of(dispatcher)
        process.suspend()
        (worker,) = dispatcher.free_workers()
        dispatcher.submit(worker, AttemptKey("a", 1), make_request("ok"))
        (outcome,) = next_outcomes(dispatcher)
        assert outcome.failure is not None
        assert outcome.failure.reason is FailureReason.WORKER_LOST
        assert outcome.failure.message.startswith(f"{worker}: the worker did not answer for ")
        assert process_of(dispatcher).pid != process.pid
        assert not process.is_running()

    def test_an_idle_worker_that_stands_still_is_replaced_before_anybody_needs_it(self, dispatcher: Dispatcher) -> None:
        process = process_of(dispatcher)
        process.suspend()
        deadline = time.monotonic() + 60
        while process.is_running():
            assert time.monotonic() < deadline
            assert dispatcher.wait(0.1) == []
        assert process_of(dispatcher).pid != process.pid

    def test_a_worker_is_not_blamed_for_the_time_in_which_nobody_listened(self, dispatcher: Dispatcher) -> None:
        process = process_of(dispatcher)
        (worker,) = dispatcher.free_workers()
        dispatcher.submit(worker, AttemptKey("slow", 1), make_request(f"sleep:{2 * LEASE_SECONDS}", 7))
        time.sleep(1.5 * LEASE_SECONDS)
        assert dispatcher.free_workers() == []
        (outcome,) = next_outcomes(dispatcher)
        assert outcome.evaluation is not None
        assert process_of(dispatcher).pid == process.pid


@pytest.mark.parametrize("open_dispatcher", [LocalDispatcher, RayDispatcher])
def test_a_start_that_never_ends_is_given_up_and_tried_again(
    open_dispatcher: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_evaluator.py").write_text(SLOW_EVALUATOR)
    monkeypatch.syspath_prepend(tmp_path)
    dispatcher = open_dispatcher([WorkerPool(count=1)], "slow_evaluator:evaluate", start_seconds=START_SECONDS)
    try:
        while "could not start" not in dispatcher.placement():
            assert dispatcher.wait(0.1) == []
        said = re.fullmatch(
            r"waiting for 1 of 1 workers: worker-1 could not start: the worker did not answer for (\d+) s",
            dispatcher.placement(),
        )
        assert said is not None
        assert int(said[1]) >= START_SECONDS
        (tmp_path / "now").touch()
        assert until_free(dispatcher, 1) == ["worker-1"]
    finally:
        dispatcher.close()
