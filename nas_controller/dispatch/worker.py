"""What runs inside a worker process: an evaluator found by name, called so that nothing it does ends the worker."""

import importlib
import importlib.util
import json
import time
import traceback
from collections.abc import Callable

from nas_controller.records import Failure, FailureKind
from trainer.task import Evaluation, EvaluationRequest, TaskError, TrainingDiverged

Evaluator = Callable[[EvaluationRequest], Evaluation]

DETECTION = "spinesearch.detection"
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


def run_evaluation(evaluator: Evaluator, request: EvaluationRequest) -> Evaluation | Failure:
    """What the evaluator measured, as plain data; a failure when it raised or gave something else."""
    try:
        return _plain(evaluator(request))
    except (Exception, SystemExit) as error:
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
    named = isinstance(error, TaskError | TrainingDiverged) and first_line
    message = first_line if named else f"{type(error).__name__}: {first_line}".removesuffix(": ")
    return Failure(
        kind=_kind_of(error),
        message=_shortened(message, MAX_MESSAGE_CHARACTERS),
        traceback=_shortened("".join(traceback.format_exception(error)), MAX_TRACEBACK_CHARACTERS),
    )


def _kind_of(error: BaseException) -> FailureKind:
    """An unknown exception counts against the architecture: for it, the evaluator's code does not work."""
    if isinstance(error, TaskError):
        return FailureKind.DATA
    if isinstance(error, OSError) or _is_from_torch(error, "AcceleratorError"):
        return FailureKind.INFRASTRUCTURE
    return FailureKind.MODEL


def _is_from_torch(error: BaseException, class_name: str) -> bool:
    """Whether it is torch's class of that name, told without importing torch. Out of memory is another class."""
    return type(error).__module__.split(".")[0] == "torch" and type(error).__name__ == class_name


def _shortened(text: str, limit: int) -> str:
    """The text with its middle left out where it is longer than the limit; a traceback's end says most."""
    if len(text) <= limit:
        return text
    gap = f" [{len(text) - limit} characters left out] "
    head = limit // 4
    return text[:head] + gap + text[len(text) - limit + head + len(gap) :]


class Worker:
    """A worker's two steps, each answered with the wall time it ended at, in seconds since 1970."""

    def __init__(self, evaluator_name: str) -> None:
        self._name = evaluator_name
        self._evaluator: Evaluator | None = None

    def start(self) -> tuple[float, Failure | None]:
        """Loads the evaluator's libraries; a failure when it cannot be found."""
        try:
            self._evaluator = resolve_evaluator(self._name)
        except Exception as error:
            return time.time(), failure_of(error)
        return time.time(), None

    def evaluate(self, request: EvaluationRequest) -> tuple[float, Evaluation | Failure]:
        """Runs one attempt; `start` was called before."""
        assert self._evaluator is not None
        result = run_evaluation(self._evaluator, request)
        return time.time(), result
