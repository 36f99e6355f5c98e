from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_controller.dispatch.base import AttemptKey
from nas_controller.dispatch.session import WorkerSession, takes_session
from nas_controller.dispatch.worker import (
    MAX_MESSAGE_CHARACTERS,
    MAX_TRACEBACK_CHARACTERS,
    Worker,
    check_evaluator,
    failure_of,
    resolve_evaluator,
    run_evaluation,
    run_measurement,
)
from nas_controller.records import Failure, FailureReason
from tests.conformance import dispatch_evaluators
from tests.conformance.dispatch_evaluators import make_latency_request, make_request, measure, measurement, simulate
from trainer.latency_task import UnsteadyDeviceError
from trainer.session import LoneSession, Progress, TrainingSession
from trainer.task import Evaluation, EvaluationRequest

NAME = "tests.conformance.dispatch_evaluators:measure"
KEY = AttemptKey("job", 1)


def test_a_users_evaluator_is_found_by_module_and_function() -> None:
    check_evaluator(NAME)
    assert resolve_evaluator(NAME) is dispatch_evaluators.measure


def test_our_evaluator_is_the_trainers_front_door() -> None:
    from trainer.evaluate import evaluate_architecture

    check_evaluator("spinesearch.detection")
    assert resolve_evaluator("spinesearch.detection") is evaluate_architecture


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nonsense", "'nonsense': must be spinesearch.detection or package.module:function"),
        (":evaluate", "must be spinesearch.detection or package.module:function"),
        ("no.such.module:evaluate", "No module named 'no'"),
        ("tests.conformance.dispatch_evaluators:nothing", "has no nothing"),
        ("tests.conformance.dispatch_evaluators:ERRORS", "ERRORS is not a function"),
    ],
)
@pytest.mark.parametrize("function", [check_evaluator, resolve_evaluator])
def test_a_wrong_evaluator_is_one_clear_error(function: Callable[[str], object], name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(name)


def test_a_worker_answers_with_what_was_measured() -> None:
    worker = Worker(NAME)
    assert worker.start()[1] is None
    at, result, events = worker.evaluate(KEY, make_request("ok", 250))
    assert events == []
    assert isinstance(result, Evaluation)
    assert result.average_precision == 0.25
    assert at > 1.7e9


def test_a_worker_without_its_evaluator_says_why() -> None:
    failure = Worker("no.such.module:evaluate").start()[1]
    assert failure is not None
    assert "No module named 'no'" in failure.message


def one_of_one(request: EvaluationRequest) -> Evaluation:
    return measure(request)


def two_of_two(request: EvaluationRequest, watcher: TrainingSession, /) -> Evaluation:
    return simulate(request, watcher)


def named(request: EvaluationRequest, session: TrainingSession | None = None) -> Evaluation:
    return simulate(request, session or LoneSession())


def own_default(request: EvaluationRequest, scale: float = 1.0) -> Evaluation:
    return replace(measure(request), average_precision=scale)


def own_keyword(request: EvaluationRequest, *, session: TrainingSession | None = None) -> Evaluation:
    return measure(request)


@pytest.mark.parametrize(
    ("evaluator", "expected"),
    [(one_of_one, False), (two_of_two, True), (named, True), (own_default, False), (own_keyword, False)],
)
def test_a_session_is_given_to_an_evaluator_that_takes_one(
    evaluator: Callable[..., Evaluation], expected: bool
) -> None:
    assert takes_session(evaluator) == expected
    seen: list[Progress] = []
    session = WorkerSession(make_request("steps:2:0"), seen.append, lambda: False)
    result = run_evaluation(evaluator, make_request("steps:2:0"), session)
    assert isinstance(result, Evaluation)
    assert seen == ([measurement(1, 2), measurement(2, 2)] if expected else [])


def test_a_worker_tells_what_its_attempt_reported_and_nothing_of_others() -> None:
    reported: list[Progress] = []
    worker = Worker("tests.conformance.dispatch_evaluators:simulate", reported.append)
    assert worker.start()[1] is None
    assert worker.progress(KEY, 0) == []
    expected = [measurement(1, 3), measurement(2, 3), measurement(3, 3)]
    assert worker.evaluate(KEY, make_request("steps:3:0"))[2] == expected
    assert reported == expected
    assert worker.progress(KEY, 1) == expected[1:]
    assert worker.progress(AttemptKey("job", 2), 0) == []


def test_a_worker_stops_the_attempt_that_was_named_also_before_it_began() -> None:
    worker = Worker("tests.conformance.dispatch_evaluators:simulate")
    assert worker.start()[1] is None
    worker.stop(AttemptKey("job", 2))
    stopped_at = []
    for number in (1, 2):
        _, result, _ = worker.evaluate(AttemptKey("job", number), make_request("steps:3:0"))
        assert isinstance(result, Evaluation)
        stopped_at.append(result.stopped_at_step)
    assert stopped_at == [None, 1]


def test_an_attempt_that_is_given_twice_runs_once_and_one_that_is_not_here_is_lost() -> None:
    runs: list[Progress] = []
    worker = Worker("tests.conformance.dispatch_evaluators:simulate", runs.append)
    assert worker.start()[1] is None
    first = worker.evaluate(KEY, make_request("steps:2:0"))
    assert worker.evaluate(KEY, make_request("steps:2:0")) == first
    assert worker.evaluate(KEY, None) == first
    assert len(runs) == 2
    _, lost, _ = worker.evaluate(AttemptKey("job", 2), None)
    assert isinstance(lost, Failure)
    assert lost.reason is FailureReason.WORKER_LOST
    assert worker.evaluate(AttemptKey("job", 2), make_request("steps:2:0"))[2] == first[2]
    assert len(runs) == 4


def test_an_evaluator_that_gives_nothing_when_it_is_stopped_has_failed() -> None:
    def careless(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
        session.measured(measurement(1, 3))
        return measure(request)

    session = WorkerSession(make_request("ok"), lambda event: None, lambda: True)
    result = run_evaluation(careless, make_request("ok"), session)
    assert isinstance(result, Failure)
    assert (result.reason, result.message) == (FailureReason.RAISED, "TrainingStopped: stopped after step 1 of 3")


def test_exit_in_the_evaluator_does_not_end_the_worker() -> None:
    def leave(request: EvaluationRequest) -> Evaluation:
        raise SystemExit(3)

    result = run_evaluation(leave, make_request("ok"), LoneSession())
    assert isinstance(result, Failure)
    assert (result.reason, result.message) == (FailureReason.RAISED, "SystemExit: 3")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}])
def test_what_the_store_could_not_keep_is_a_failure(value: float) -> None:
    def odd(request: EvaluationRequest) -> Evaluation:
        return replace(measure(request), metrics={"ap50": value})

    result = run_evaluation(odd, make_request("ok"), LoneSession())
    assert isinstance(result, Failure)
    assert result.reason is FailureReason.RAISED


def test_the_result_carries_plain_numbers_only() -> None:
    class Share(float):
        pass

    def shared(request: EvaluationRequest) -> Evaluation:
        return replace(measure(request), metrics={"ap50": Share(0.5)})

    result = run_evaluation(shared, make_request("ok"), LoneSession())
    assert isinstance(result, Evaluation)
    assert type(result.metrics["ap50"]) is float


def test_torch_errors_are_told_by_name() -> None:
    import torch

    out_of_memory = failure_of(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert out_of_memory.reason is FailureReason.OUT_OF_MEMORY
    assert out_of_memory.message == "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    broken_device = failure_of(torch.AcceleratorError("CUDA error: an illegal memory access was encountered"))
    assert broken_device.reason is FailureReason.MACHINE_ERROR


def test_a_latency_that_cannot_be_measured_is_a_failure_with_its_reason() -> None:
    refused = run_measurement(replace(make_latency_request(), device="nowhere"))
    assert isinstance(refused, Failure)
    assert refused.reason is FailureReason.BROKEN_DATA
    slow = "the device was slower than it can be in 4 of 6 rounds"
    unsteady = failure_of(UnsteadyDeviceError(slow))
    assert (unsteady.reason, unsteady.message) == (FailureReason.UNFIT_DEVICE, slow)


@given(st.integers(0, 60_000), st.integers(0, 60_000))
def test_long_texts_keep_their_two_ends(num_before: int, num_after: int) -> None:
    text = "a" * num_before + "\n" + "b" * num_after
    failure = failure_of(ValueError(text))
    assert len(failure.message) <= MAX_MESSAGE_CHARACTERS
    assert len(failure.traceback) <= MAX_TRACEBACK_CHARACTERS
    assert failure.message.startswith("ValueError" + (": a" if num_before else ""))
    assert failure.traceback.rstrip("\n").endswith("b" if num_after else "a" if num_before else "")
