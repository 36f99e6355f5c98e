"""Trainings of the architectures that recipes are judged by."""

from dataclasses import dataclass

from nas_controller.dispatch.session import WorkerSession
from nas_controller.dispatch.worker import resolve_evaluator, run_evaluation
from nas_controller.records import FAILURE_RULES, Failure, FailureKind
from search_space.spec import ArchitectureSpec
from trainer.task import DataSource, EvaluationRequest, ImageCache, ProxyTask, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """The architectures, and what is the same for every training of them.

    Args:
        reference: AP of each after the long training; empty before it.
        evaluator: the name of the function that trains.
        cache: where resized images are kept; None: in the memory of each process.
    """

    specs: tuple[ArchitectureSpec, ...]
    data: DataSource
    evaluator: str
    cache: ImageCache | None = None
    reference: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training gave: AP, and its seconds; 0 and None where network or recipe made it fail."""

    average_precision: float
    seconds: float | None


def trained(spec: ArchitectureSpec, task: ProxyTask, seed: int, judges: Judges) -> Trained:
    """Trains one architecture once, in this process.

    Raises:
        RuntimeError: it failed for another reason: the data or the machine.
    """
    request = EvaluationRequest(
        spec=spec, task=task, data=judges.data, seed=seed, split=Split.REWARD, cache=judges.cache
    )
    session = WorkerSession(request, lambda _event: None, lambda: False)
    result = run_evaluation(resolve_evaluator(judges.evaluator), request, session)
    if isinstance(result, Failure):
        if FAILURE_RULES[result.reason].kind is not FailureKind.MODEL:
            raise RuntimeError(f"a training failed, {result.reason}: {result.message}")
        return Trained(0.0, None)
    return Trained(result.average_precision, result.setup_seconds + result.train_seconds + result.eval_seconds)
