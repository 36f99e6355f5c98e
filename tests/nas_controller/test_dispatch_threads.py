"""A training on a worker computes with as many threads as its pool has CPUs, whoever started the worker."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nas_controller.dispatch.base import AttemptKey, Dispatcher, WorkerPool
from nas_controller.dispatch.local import LocalDispatcher
from nas_controller.dispatch.ray_cluster import RayDispatcher
from search_space.reference import reference
from tests.conformance.dispatcher_suite import next_outcomes, until_free
from trainer.data.generated import generate
from trainer.task import PRESETS, EvaluationRequest, ImageCache, ImageForm

EVALUATOR = "tests.nas_controller.counting_evaluator:evaluate"
TASK = replace(PRESETS["cpu-tiny"], image_size=64, steps=8, warmup_steps=0, max_eval_images=2)


@pytest.fixture
def request_to_train(tmp_path: Path) -> EvaluationRequest:
    """One whose images are decoded by threads while it trains."""
    data = generate(tmp_path / "data", num_train=20, num_val=1, image_size=64)
    cache = ImageCache(folder=tmp_path / "cache", form=ImageForm.JPEG)
    spec = reference("spinenet-49")
    return EvaluationRequest(spec=spec, task=TASK, data=data, seed=0, cache=cache, device="cpu", threads=7)


@pytest.mark.parametrize("open_dispatcher", [LocalDispatcher, pytest.param(RayDispatcher, marks=pytest.mark.slow)])
def test_a_training_computes_with_its_pools_threads(
    open_dispatcher: Callable[[Sequence[WorkerPool], str], Dispatcher], request_to_train: EvaluationRequest
) -> None:
    dispatcher = open_dispatcher([WorkerPool(count=1, cpus=1), WorkerPool(count=1, cpus=2)], EVALUATOR)
    try:
        seen = []
        for worker in until_free(dispatcher, 2):
            dispatcher.submit(worker, AttemptKey(worker, 1), request_to_train)
            (outcome,) = next_outcomes(dispatcher)
            assert outcome.evaluation is not None, outcome.failure
            seen.append(dict(outcome.evaluation.provenance))
    finally:
        dispatcher.close()
    assert seen == [
        {"torch": "1", "busy": "1", "share": "1.0"},
        {"torch": "2", "busy": "2", "share": "1.0"},
    ]


def test_workers_that_share_a_gpu_share_its_memory() -> None:
    assert WorkerPool(gpus=0.25).device_share == 0.25
    assert [WorkerPool(gpus=gpus).device_share for gpus in (0, 1, 2)] == [1.0, 1.0, 1.0]
