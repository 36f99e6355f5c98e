import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from nas_controller.dispatch.base import AttemptKey, Dispatcher, WorkerPool
from nas_controller.dispatch.local import LocalDispatcher
from nas_controller.dispatch.memory_kills import memory_kills
from nas_controller.records import FailureReason
from tests.conformance.dispatch_evaluators import make_request
from tests.conformance.dispatcher_suite import (
    LEASE_SECONDS,
    DispatcherSuite,
    next_outcomes,
    next_reports,
    until_free,
    watch,
)
from tests.conformance.log_suite import LogSuite
from trainer.session import Checkpoint, Measurement, Progress

EVALUATOR = "tests.conformance.dispatch_evaluators:evaluate"

# Importable here, and in a worker only once the file beside it is there.
SHY_EVALUATOR = """
import multiprocessing, pathlib
from tests.conformance.dispatch_evaluators import evaluate
if multiprocessing.parent_process() and not pathlib.Path(__file__).with_name("now").exists():
    raise ImportError("not yet")
"""

PARENT = f"""
from nas_controller.dispatch.base import AttemptKey, WorkerPool
from nas_controller.dispatch.local import LocalDispatcher
from tests.conformance.dispatch_evaluators import make_request
from tests.conformance.dispatcher_suite import until_free
if __name__ == "__main__":
    dispatcher = LocalDispatcher([WorkerPool(count=2)], "{EVALUATOR}")
    busy, idle = until_free(dispatcher, 2)
    dispatcher.submit(busy, AttemptKey("a", 1), make_request("sleep:3600"))
    print("up", flush=True)
    {{then}}
"""


class TestLocalDispatcher(DispatcherSuite, LogSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def dispatcher(cls) -> Iterator[Dispatcher]:
        dispatcher = LocalDispatcher([WorkerPool(count=2, cpus=2)], EVALUATOR, lease_seconds=LEASE_SECONDS)
        yield dispatcher
        dispatcher.close()

    def test_another_dispatcher_starts_after_the_first_and_its_processes_end_with_it(self) -> None:
        pools = [WorkerPool(count=1, cpus=1), WorkerPool(count=1, cpus=2)]
        dispatcher = LocalDispatcher(pools, EVALUATOR + "_alone")
        pids, threads = [], []
        for worker in until_free(dispatcher, 2):
            dispatcher.submit(worker, AttemptKey(worker, 1), make_request("ok"))
            (outcome,) = next_outcomes(dispatcher)
            assert outcome.evaluation is not None
            seen = outcome.evaluation.provenance
            pids.append(int(seen["pid"]))
            threads.append((seen["threads"], seen["OMP_NUM_THREADS"]))
        assert threads == [("1", "1"), ("2", "2")]
        assert os.getpid() not in pids
        assert all(psutil.pid_exists(pid) for pid in pids)
        dispatcher.close()
        assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_missing_evaluator_and_an_accelerator_are_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="no_such_module"):
        LocalDispatcher([WorkerPool(count=1)], "no_such_module:evaluate")
    with pytest.raises(ValueError, match="gpus and tpus need Ray"):
        LocalDispatcher([WorkerPool(count=1, gpus=0.5)], EVALUATOR)


def test_a_worker_that_cannot_start_says_why_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shy_evaluator.py").write_text(SHY_EVALUATOR)
    monkeypatch.syspath_prepend(tmp_path)
    dispatcher = LocalDispatcher([WorkerPool(count=1)], "shy_evaluator:evaluate")
    try:
        while not dispatcher.placement():
            assert dispatcher.wait(0.1) == []
        reason = "worker-1 could not start: ValueError: evaluator 'shy_evaluator:evaluate': not yet"
        assert dispatcher.placement() == f"waiting for 1 of 1 workers: {reason}"
        (tmp_path / "now").touch()
        assert until_free(dispatcher, 1) == ["worker-1"]
        assert dispatcher.placement() == ""
    finally:
        dispatcher.close()


def test_a_checkpoint_outlives_a_kill_and_the_next_attempt_goes_on_from_it(tmp_path: Path) -> None:
    request = replace(make_request("steps:1000:0.02"), artifact_dir=tmp_path, checkpoint_seconds=0.0)
    first, second = AttemptKey("long", 1), AttemptKey("long", 2)
    dispatcher = LocalDispatcher([WorkerPool(count=1)], EVALUATOR)
    try:
        (worker,) = until_free(dispatcher, 1)
        dispatcher.submit(worker, AttemptKey("who", 1), make_request("ok"))
        (answer,) = next_outcomes(dispatcher)
        assert answer.evaluation is not None
        pid = int(answer.evaluation.provenance["pid"])
        dispatcher.submit(worker, first, request)
        events: list[Progress] = []
        while len(events) < 10:
            events += [event for _, event in next_reports(dispatcher)]
        os.kill(pid, signal.SIGKILL)
        last_events, outcome = watch(dispatcher, first)
        assert outcome.failure is not None
        assert outcome.failure.reason is FailureReason.WORKER_LOST
        assert outcome.failure.message == f"{worker}: the worker was ended by SIGKILL"
        newest = [event for event in [*events, *last_events] if isinstance(event, Checkpoint)][-1]
        until_free(dispatcher, 1)
        dispatcher.submit(worker, second, replace(request, resume_from=newest.key))
        (_, report), *_ = next_reports(dispatcher)
        assert isinstance(report, Measurement | Checkpoint)
        assert report.step == newest.step + 1
        dispatcher.stop(second)
        assert watch(dispatcher, second)[1].evaluation is not None
    finally:
        dispatcher.close()


def test_a_worker_that_the_kernel_killed_for_memory_says_so_and_another_kill_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    membership, counters = tmp_path / "membership", tmp_path / "memory.events"
    membership.write_text("0::/\n")
    counters.write_text("oom_kill 4\n")
    reasons = []
    dispatcher = LocalDispatcher([WorkerPool(count=1)], EVALUATOR, partial(memory_kills, tmp_path, membership))
    try:
        for number, kills in enumerate((4, 5, 5)):
            (worker,) = until_free(dispatcher, 1)
            dispatcher.submit(worker, AttemptKey("dies", number), make_request("kill"))
            counters.write_text(f"oom_kill {kills}\n")
            _, outcome = watch(dispatcher, AttemptKey("dies", number))
            assert outcome.failure is not None
            reasons.append(outcome.failure.reason)
    finally:
        dispatcher.close()
    assert reasons == [FailureReason.WORKER_LOST, FailureReason.OUT_OF_MEMORY, FailureReason.WORKER_LOST]
    lost = [vars(record) for record in caplog.records if record.name == "nas_controller.dispatch.standing"]
    assert [(line["worker"], line["job"], line["attempt"]) for line in lost] == [
        ("worker-1", "dies", number) for number in range(3)
    ]
    assert [line["reason"] for line in lost] == reasons
    assert "ended by SIGKILL" in lost[0]["message"]


@pytest.mark.parametrize("then", ["import time; time.sleep(3600)", "pass", "raise SystemExit(1)"])
def test_workers_end_with_their_parent_however_it_ends(tmp_path: Path, then: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(then=then))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        workers = []
        if "sleep" in then:
            assert parent.stdout.readline() == b"up\n"
            workers = psutil.Process(parent.pid).children(recursive=True)
            assert len(workers) >= 2
            parent.kill()
        parent.wait(60)
        assert psutil.wait_procs(workers, timeout=30)[1] == []
