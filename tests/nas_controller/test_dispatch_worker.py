from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_controller.dispatch.worker import (
    MAX_MESSAGE_CHARACTERS,
    MAX_TRACEBACK_CHARACTERS,
    Worker,
    check_evaluator,
    failure_of,
    resolve_evaluator,
    run_evaluation,
)
from nas_controller.records import Failure, FailureKind
from tests.conformance import dispatch_evaluators
from tests.conformance.dispatch_evaluators import make_request, measure
from trainer.task import Evaluation, EvaluationRequest

NAME = "tests.conformance.dispatch_evaluators:measure"


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
    at, result = worker.evaluate(make_request("ok", 250))
    assert isinstance(result, Evaluation)
    assert result.average_precision == 0.25
    assert at > 1.7e9


def test_a_worker_without_its_evaluator_says_why() -> None:
    failure = Worker("no.such.module:evaluate").start()[1]
    assert failure is not None
    assert "No module named 'no'" in failure.message


def test_exit_in_the_evaluator_does_not_end_the_worker() -> None:
    def leave(request: EvaluationRequest) -> Evaluation:
        raise SystemExit(3)

    result = run_evaluation(leave, make_request("ok"))
    assert isinstance(result, Failure)
    assert (result.kind, result.message) == (FailureKind.MODEL, "SystemExit: 3")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}])
def test_what_the_store_could_not_keep_is_a_failure(value: float) -> None:
    def odd(request: EvaluationRequest) -> Evaluation:
        return replace(measure(request), metrics={"ap50": value})

    result = run_evaluation(odd, make_request("ok"))
    assert isinstance(result, Failure)
    assert result.kind is FailureKind.MODEL


def test_the_result_carries_plain_numbers_only() -> None:
    class Share(float):
        pass

    def shared(request: EvaluationRequest) -> Evaluation:
        return replace(measure(request), metrics={"ap50": Share(0.5)})

    result = run_evaluation(shared, make_request("ok"))
    assert isinstance(result, Evaluation)
    assert type(result.metrics["ap50"]) is float


def test_torch_errors_are_told_by_name() -> None:
    import torch

    out_of_memory = failure_of(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert out_of_memory.kind is FailureKind.MODEL
    assert out_of_memory.message == "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    broken_device = failure_of(torch.AcceleratorError("CUDA error: an illegal memory access was encountered"))
    assert broken_device.kind is FailureKind.INFRASTRUCTURE


@given(st.integers(0, 60_000), st.integers(0, 60_000))
def test_long_texts_keep_their_two_ends(num_before: int, num_after: int) -> None:
    text = "a" * num_before + "\n" + "b" * num_after
    failure = failure_of(ValueError(text))
    assert len(failure.message) <= MAX_MESSAGE_CHARACTERS
    assert len(failure.traceback) <= MAX_TRACEBACK_CHARACTERS
    assert failure.message.startswith("ValueError" + (": a" if num_before else ""))
    assert failure.traceback.rstrip("\n").endswith("b" if num_after else "a" if num_before else "")
