from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_controller.dispatch.base import AttemptKey, Dispatcher
from nas_controller.dispatch.simulated import EPOCH, SimulatedDispatcher, VirtualClock
from nas_controller.dispatch.worker import run_evaluation
from nas_controller.records import Failure, FailureReason
from tests.conformance.dispatch_evaluators import make_request, measurement, seconds_of, simulate
from tests.conformance.dispatcher_suite import LEASE_SECONDS, DispatcherSuite, watch
from tests.conformance.store_cases import make_latency
from trainer.latency_task import Latency, LatencyRequest
from trainer.session import Checkpoint, TrainingSession
from trainer.task import Evaluation, EvaluationRequest


def seconds(request: EvaluationRequest) -> float:
    return LEASE_SECONDS if request.spec.name == "stand still" else seconds_of(request)


def evaluate(request: EvaluationRequest, session: TrainingSession) -> Evaluation | Failure:
    if request.spec.name == "kill":
        return Failure(reason=FailureReason.WORKER_LOST, message="worker-1: the worker was killed by the script")
    if request.spec.name == "stand still":
        message = f"worker-1: the worker did not answer for {LEASE_SECONDS:.0f} s"
        return Failure(reason=FailureReason.WORKER_LOST, message=message)
    return run_evaluation(simulate, request, session)


def measure(request: LatencyRequest) -> tuple[float, Latency | Failure]:
    return 0.5, make_latency(12.0)


class TestSimulatedDispatcher(DispatcherSuite):
    clock = VirtualClock()

    @pytest.fixture(scope="class")
    @classmethod
    def dispatcher(cls) -> Dispatcher:
        return SimulatedDispatcher(2, seconds, evaluate, cls.clock, start_seconds=0.25, measure=measure)

    def let_pass(self, seconds: float) -> None:
        self.clock.advance_to(self.clock.seconds + seconds)


def test_waiting_moves_the_clock_to_the_next_outcome_and_no_further() -> None:
    clock = VirtualClock()
    dispatcher = SimulatedDispatcher(2, lambda request: request.seed, evaluate, clock)
    dispatcher.submit("worker-1", AttemptKey("a", 1), make_request("ok", 30))
    dispatcher.submit("worker-2", AttemptKey("b", 1), make_request("ok", 20))
    assert dispatcher.wait(15.0) == []
    assert clock.seconds == 15.0
    assert [outcome.key.job_id for outcome in dispatcher.wait(100.0)] == ["b"]
    assert clock.now() == EPOCH + timedelta(seconds=20)
    assert dispatcher.free_workers() == ["worker-2"]


def test_a_lost_worker_needs_its_time_to_start_again() -> None:
    clock = VirtualClock()
    dispatcher = SimulatedDispatcher(1, lambda request: 10.0, evaluate, clock, start_seconds=5.0)
    assert dispatcher.free_workers() == []
    assert dispatcher.wait(100.0) == []
    assert clock.seconds == 5.0
    dispatcher.submit("worker-1", AttemptKey("a", 1), make_request("kill"))
    assert len(dispatcher.wait(100.0)) == 1
    assert clock.seconds == 15.0
    assert dispatcher.free_workers() == []
    assert dispatcher.wait(100.0) == []
    assert clock.seconds == 20.0
    assert dispatcher.free_workers() == ["worker-1"]


def test_measurements_come_at_their_share_of_the_time_and_a_stopped_attempt_ends_with_one() -> None:
    clock = VirtualClock()
    dispatcher = SimulatedDispatcher(1, seconds_of, evaluate, clock)
    key = AttemptKey("a", 1)
    dispatcher.submit("worker-1", key, make_request("steps:4:10"))
    assert dispatcher.wait(100.0) == []
    assert clock.seconds == 10.0
    assert dispatcher.progress() == [(key, measurement(1, 4))]
    clock.advance_to(15.0)
    dispatcher.stop(key)
    assert dispatcher.wait(100.0) == []
    assert clock.seconds == 20.0
    (outcome,) = dispatcher.wait(100.0)
    assert (clock.seconds, dispatcher.free_workers(), dispatcher.progress()) == (20.0, ["worker-1"], [])
    assert outcome.evaluation is not None
    assert outcome.evaluation.stopped_at_step == 2


def test_checkpoints_are_wanted_in_virtual_time(tmp_path: Path) -> None:
    dispatcher = SimulatedDispatcher(1, seconds_of, evaluate, VirtualClock())
    request = replace(make_request("steps:6:10"), artifact_dir=tmp_path, checkpoint_seconds=20.0)
    dispatcher.submit("worker-1", AttemptKey("a", 1), request)
    events, _ = watch(dispatcher, AttemptKey("a", 1))
    # A step is asked about after the measurement of the one before: 20 s have passed at steps 3 and 5.
    assert [event.step for event in events if isinstance(event, Checkpoint)] == [3, 5]


@given(st.integers(1, 5), st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_any_durations_end_in_order_once_each_and_as_if_each_worker_took_the_next(
    num_workers: int, durations: list[int]
) -> None:
    clock = VirtualClock()
    dispatcher = SimulatedDispatcher(num_workers, lambda request: request.seed, evaluate, clock)
    expected_free_at, expected_ends = [0] * num_workers, []
    for duration in durations:
        soonest = expected_free_at.index(min(expected_free_at))
        expected_free_at[soonest] += duration
        expected_ends.append(expected_free_at[soonest])
    waiting = list(enumerate(durations))
    ends: dict[str, float] = {}
    while len(ends) < len(durations):
        for worker in dispatcher.free_workers():
            if waiting:
                number, duration = waiting.pop(0)
                dispatcher.submit(worker, AttemptKey(str(number), 1), make_request("ok", duration))
        for outcome in dispatcher.wait(1e9):
            assert outcome.key.job_id not in ends
            ends[outcome.key.job_id] = clock.seconds
    assert [ends[str(number)] for number in range(len(durations))] == expected_ends
    assert list(ends.values()) == sorted(ends.values())
