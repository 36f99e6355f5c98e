import threading
from pathlib import Path

import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.base import AttemptKey
from nas_controller.dispatch.detached import BUSY_SECONDS, IDLE_SECONDS, DetachedWorker, StoreProbe
from nas_controller.records import FailureReason
from tests.conformance import dispatch_evaluators
from tests.conformance.dispatch_evaluators import make_request
from trainer.session import TrainingSession
from trainer.task import Evaluation, EvaluationRequest

NAME = "tests.conformance.dispatch_evaluators:simulate"
KEY = AttemptKey("job", 1)


class Time:
    """A clock that a test moves; the worker's process never ends."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def worker(self, probe: StoreProbe | None = None) -> DetachedWorker:
        return DetachedWorker(NAME, probe, lambda: self.seconds, lambda code: None)


def test_a_probe_is_answered_where_both_see_the_same_store_and_leaves_nothing(tmp_path: Path) -> None:
    probe = StoreProbe(tmp_path, "s1/worker-1.ab")
    probe.ask()
    assert probe.problem() == f"what it wrote is not in the artifact store {tmp_path}"
    worker = Time().worker(probe)
    assert worker.start()[1] is None
    assert probe.problem() == ""
    assert StoreProbe(tmp_path, "s1/worker-1.cd").problem() != ""
    probe.forget()
    probe.forget()
    assert DirectoryArtifactStore(tmp_path).list() == []
    assert worker.start()[1] is None, "who was started before is not asked again"


@pytest.mark.parametrize("exists", [True, False])
def test_a_worker_whose_store_is_another_one_says_so_and_does_not_start(tmp_path: Path, exists: bool) -> None:
    there = tmp_path / "there"
    if exists:
        there.mkdir()
    failure = Time().worker(StoreProbe(there, "s1/worker-1.ab")).start()[1]
    assert failure is not None
    assert failure.reason is FailureReason.MACHINE_ERROR
    why = "what the controller wrote is not there" if exists else "there is no such folder"
    assert failure.message.endswith(f" does not reach the artifact store {there}: {why}")
    assert there.exists() == exists, "a folder of its own would hide what is wrong"


def test_a_worker_is_forgotten_when_nobody_speaks_to_it() -> None:
    time = Time()
    worker = time.worker()
    for speak in (worker.start, worker.touch, worker.work, lambda: worker.progress(KEY, 0)):
        speak()
        time.seconds += IDLE_SECONDS
        assert not worker.is_forgotten()
        time.seconds += 1
        assert worker.is_forgotten()


def test_a_worker_that_works_is_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    time, began, go_on = Time(), threading.Event(), threading.Event()

    def slow(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
        began.set()
        assert go_on.wait(60)
        return dispatch_evaluators.measure(make_request("ok"))

    monkeypatch.setattr(dispatch_evaluators, "simulate", slow)
    worker = time.worker()
    worker.start()
    assert worker.work() == (None, False)
    thread = threading.Thread(target=worker.evaluate, args=(KEY, make_request("ok")))
    thread.start()
    assert began.wait(60)
    time.seconds = BUSY_SECONDS
    assert not worker.is_forgotten()
    time.seconds += 1
    assert worker.is_forgotten()
    assert worker.work() == (KEY, True)
    go_on.set()
    thread.join(60)
    assert worker.work() == (KEY, False)
    time.seconds += IDLE_SECONDS + 1
    assert worker.is_forgotten()


def test_a_forgotten_worker_ends_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr("nas_controller.dispatch.detached.WATCH_SECONDS", 0.01)
    moments = iter([0.0, 0.0, *[IDLE_SECONDS + 1] * 1000])
    worker = DetachedWorker(NAME, None, lambda: next(moments), lambda code: ended.set())
    worker.start()
    assert ended.wait(60)
