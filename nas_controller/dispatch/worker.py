"""What runs inside a worker process: an evaluator found by name, called so that nothing it does ends the worker.

An evaluator is a function of the request, or of the request and a session, through which it may report measurements,
be stopped and go on from a checkpoint. It need not run in the main thread of its process. A latency is measured by our
own code, whatever the evaluator.
"""

import errno
import importlib
import importlib.util
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

from nas_controller.dispatch.base import AttemptKey, AttemptOutcome, AttemptRequest, AttemptResult
from nas_controller.dispatch.output import kept_output
from nas_controller.dispatch.results import keep_result
from nas_controller.dispatch.session import WorkerSession, call_evaluator
from nas_controller.records import Failure, FailureReason
from trainer.latency_task import Latency, LatencyRequest, UnsteadyDeviceError
from trainer.session import Progress, TrainingSession
from trainer.task import (
    Evaluation,
    EvaluationRequest,
    TaskError,
    TimeLimitReached,
    TrainingDiverged,
    TrainingOutOfMemory,
)

Evaluator = Callable[..., object]
Answer = tuple[float, AttemptResult, list[Progress]]
"""When an attempt ended, in seconds since 1970, what it gave, and all that it reported."""

DETECTION = "spinesearch.detection"
_NAMED_REASONS: dict[type[Exception], FailureReason] = {
    TrainingDiverged: FailureReason.DIVERGED,
    TrainingOutOfMemory: FailureReason.OUT_OF_MEMORY,
    TimeLimitReached: FailureReason.TIME_LIMIT,
    UnsteadyDeviceError: FailureReason.UNFIT_DEVICE,
    TaskError: FailureReason.BROKEN_DATA,
}
"""Exceptions that the trainer raises on purpose: their message says all, without the name of the class."""
_NAMED = tuple(_NAMED_REASONS)
MAX_TRACEBACK_CHARACTERS = 20_000
MAX_MESSAGE_CHARACTERS = 500


def resolve_evaluator(name: str) -> Evaluator:
    """The function behind ``spinesearch.detection`` or ``package.module:function``; its libraries are loaded.

    Raises:
        ValueError: no such module or function, or something in the module cannot be imported.
    """
    if name == DETECTION:
        from trainer.evaluate import evaluate_architecture

        return evaluate_architecture
    module_name, _, function_name = name.partition(":")
    if not module_name or not function_name:
        raise ValueError(f"evaluator {name!r}: must be {DETECTION} or package.module:function")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except ImportError as error:
        raise ValueError(f"evaluator {name!r}: {error}") from error
    except AttributeError as error:
        raise ValueError(f"evaluator {name!r}: module {module_name} has no {function_name}") from error
    if not callable(function):
        raise ValueError(f"evaluator {name!r}: {function_name} is not a function")
    evaluator: Evaluator = function
    return evaluator


def check_evaluator(name: str) -> None:
    """Makes sure that a worker on this machine can find the evaluator. Ours is looked up without loading torch;
    a user's module is imported, its function is not called.

    Raises:
        ValueError: as for `resolve_evaluator`.
    """
    if name != DETECTION:
        resolve_evaluator(name)
    elif importlib.util.find_spec("trainer.evaluate") is None:
        raise ValueError(f"evaluator {name!r}: trainer.evaluate is not installed")


def run_evaluation(evaluator: Evaluator, request: EvaluationRequest, session: TrainingSession) -> Evaluation | Failure:
    """What the evaluator measured, as plain data; a failure when it raised or gave something else."""
    try:
        return _plain(call_evaluator(evaluator, request, session))
    except (Exception, SystemExit) as error:
        return failure_of(error)


def run_measurement(request: LatencyRequest) -> Latency | Failure:
    """How long the network takes here; a failure when that could not be measured."""
    try:
        from trainer.latency import measure_latency

        return measure_latency(request)
    except Exception as error:
        return failure_of(error)


def _plain(evaluation: object) -> Evaluation:
    """The evaluation after a round trip through JSON: the store can keep it, and no class of the user's travels."""
    if not isinstance(evaluation, Evaluation):
        raise TypeError(f"the evaluator gave {type(evaluation).__name__}, not an Evaluation")
    return Evaluation.from_document(json.loads(json.dumps(evaluation.to_document(), allow_nan=False)))


def failure_of(error: BaseException) -> Failure:
    """Whose failure an exception is, in one line for people, with its traceback."""
    text = str(error).strip()
    first_line = text.splitlines()[0] if text else ""
    message = first_line if isinstance(error, _NAMED) and first_line else f"{type(error).__name__}: {first_line}"
    return Failure(
        reason=_reason_of(error),
        message=_shortened(message.removesuffix(": "), MAX_MESSAGE_CHARACTERS),
        traceback=_shortened("".join(traceback.format_exception(error)), MAX_TRACEBACK_CHARACTERS),
    )


def _reason_of(error: BaseException) -> FailureReason:
    """The reason that an exception stands for; RAISED for an unknown one."""
    for error_class, reason in _NAMED_REASONS.items():
        if isinstance(error, error_class):
            return reason
    if _is_from_torch(error, "OutOfMemoryError") or isinstance(error, MemoryError):
        return FailureReason.OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return FailureReason.OUT_OF_MEMORY
    if isinstance(error, OSError) or _is_from_torch(error, "AcceleratorError"):
        return FailureReason.MACHINE_ERROR
    return FailureReason.RAISED


def _is_from_torch(error: BaseException, class_name: str) -> bool:
    """Whether it is torch's class of that name, told without importing torch."""
    return type(error).__module__.split(".")[0] == "torch" and type(error).__name__ == class_name


def _shortened(text: str, limit: int) -> str:
    """The text with its middle left out where it is longer than the limit; a traceback's end says most."""
    if len(text) <= limit:
        return text
    gap = f" [{len(text) - limit} characters left out] "
    head = limit // 4
    return text[:head] + gap + text[len(text) - limit + head + len(gap) :]


class Worker:
    """A worker's two steps, each answered with the wall time it ended at, in seconds since 1970, and what another
    thread may ask or tell it in the meantime.

    Args:
        report: called with each event of an attempt, in the attempt's thread, with parts of its log in another one;
            `progress` has them too.
    """

    def __init__(self, evaluator_name: str, report: Callable[[Progress], object] | None = None) -> None:
        self._name = evaluator_name
        self._report = report
        self._evaluator: Evaluator | None = None
        self._told: tuple[AttemptKey | None, list[Progress]] = (None, [])
        self._stopped: AttemptKey | None = None
        self._answer: tuple[AttemptKey, Answer] | None = None
        self._is_busy = False

    def start(self) -> tuple[float, Failure | None]:
        """Loads the evaluator's libraries; a failure when it cannot be found."""
        try:
            self._evaluator = resolve_evaluator(self._name)
        except Exception as error:
            return time.time(), failure_of(error)
        return time.time(), None

    def evaluate(self, key: AttemptKey, request: AttemptRequest | None) -> Answer:
        """Runs one attempt; what it gave, which is kept before it is reported, and all that it reported on the way.

        `start` was called before. The attempt that was given last is not run again: whoever asks for it again gets the
        same answer. Without a request, an attempt that is not here is said to be lost.
        """
        assert self._evaluator is not None
        if self._answer is not None and self._answer[0] == key:
            return self._answer[1]
        if request is None:
            lost = Failure(reason=FailureReason.WORKER_LOST, message="the worker does not know the attempt any more")
            return time.time(), lost, []
        self._is_busy = True
        try:
            answer = self._run(key, request, self._evaluator)
        finally:
            self._is_busy = False
        self._answer = (key, answer)
        return answer

    def _run(self, key: AttemptKey, request: AttemptRequest, evaluator: Evaluator) -> Answer:
        events: list[Progress] = []
        self._told = (key, events)

        def take(event: Progress) -> None:
            events.append(event)
            if self._report is not None:
                self._report(event)

        with kept_output(request.artifact_dir, key, take):
            if isinstance(request, LatencyRequest):
                result: AttemptResult = run_measurement(request)
            else:
                session = WorkerSession(request, take, lambda: self._stopped == key)
                result = run_evaluation(evaluator, request, session)
                if isinstance(result, Evaluation):
                    result = replace(result, files=session.files)
        at = time.time()
        keep_result(request.artifact_dir, AttemptOutcome.of(key, result), events)
        return at, result, events

    def progress(self, key: AttemptKey | None, num_known: int) -> list[Progress]:
        """What the attempt has reported after its first `num_known` events; [] when it is not, or not yet, here, and
        for None: whoever answers lives."""
        told_key, events = self._told
        return events[num_known:] if told_key == key else []

    def stop(self, key: AttemptKey) -> None:
        """Ends the attempt with its last measurement, also when it has not begun; one that has ended is left alone."""
        self._stopped = key
