"""What workers of a Ray of our own see of the machine's GPUs, by the variable that CUDA looks at."""

import os

import pytest

from nas_controller.dispatch.base import AttemptKey, WorkerPool
from nas_controller.dispatch.ray_cluster import RayDispatcher
from tests.conformance.dispatch_evaluators import make_request, simulate
from tests.conformance.dispatcher_suite import next_outcomes, until_free
from trainer.session import TrainingSession
from trainer.task import Evaluation, EvaluationRequest

HIDDEN = ""


def evaluate_without_gpus(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    """Fails unless CUDA is told that there is no GPU."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told != HIDDEN:
        raise ValueError(f"CUDA_VISIBLE_DEVICES is {told!r}")
    return simulate(request, session)


def test_a_worker_without_gpus_sees_none_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    evaluator = f"{__name__}:{evaluate_without_gpus.__name__}"
    dispatcher = RayDispatcher([WorkerPool(count=1, gpus=0)], evaluator)
    try:
        (worker,) = until_free(dispatcher, 1)
        dispatcher.submit(worker, AttemptKey("a", 1), make_request("ok"))
        (outcome,) = next_outcomes(dispatcher)
        assert outcome.failure is None
    finally:
        dispatcher.close()
