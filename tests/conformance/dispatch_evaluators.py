"""Evaluators for tests of dispatchers, importable in worker processes. The name of the spec says what to do:

``ok``, ``sleep:SECONDS``, ``kill`` (the worker's own process), or a key of `ERRORS` to raise, or ``wrong`` (a value
that is no evaluation).
"""

import errno
import os
import signal
import time
from pathlib import Path

from search_space.spec import ArchitectureSpec, BlockSpec, Neck, Stem
from trainer.task import (
    CocoSource,
    DataSource,
    Evaluation,
    EvaluationRequest,
    ProxyTask,
    TaskError,
    TrainingDiverged,
)

ERRORS: dict[str, Exception] = {
    "bug": ValueError("no such block\nand a second line"),
    "diverge": TrainingDiverged("loss is nan at step 7"),
    "data": TaskError("images/3.jpg: is truncated"),
    "disk": OSError(errno.ENOSPC, "No space left on device"),
    "memory": MemoryError(),
}

_TASK = ProxyTask(
    image_size=64,
    width_scale=0.25,
    endpoint_channels=8,
    head_channels=8,
    head_convs=1,
    batch_size=2,
    learning_rate=0.01,
    steps=1,
)
_SOURCE = CocoSource(images=Path("images"), annotations=Path("instances.json"))
_STEM = Stem(blocks=tuple(BlockSpec(level=level) for level in (2, 3, 4, 5)))


def make_request(behaviour: str, seed: int = 0) -> EvaluationRequest:
    """A request that makes `evaluate` behave so; its average precision will be `seed` / 1000."""
    return EvaluationRequest(
        spec=ArchitectureSpec(name=behaviour, stem=_STEM, neck=Neck.FPN),
        task=_TASK,
        data=DataSource(train=_SOURCE, val=_SOURCE),
        seed=seed,
    )


def seconds_of(request: EvaluationRequest) -> float:
    """How long the request wants to sleep."""
    word, _, seconds = request.spec.name.partition(":")
    return float(seconds) if word == "sleep" else 0.0


def measure(request: EvaluationRequest) -> Evaluation:
    """The behaviour without the sleep and the kill."""
    if request.spec.name in ERRORS:
        raise ERRORS[request.spec.name]
    if request.spec.name == "wrong":
        return 7  # type: ignore[return-value]
    return Evaluation(
        average_precision=request.seed / 1000,
        num_images=1,
        train_seconds=seconds_of(request),
        eval_seconds=0.0,
        setup_seconds=0.0,
        parameters=1,
        multiply_adds=1,
        peak_memory_bytes=1,
        device="none",
        losses=((1, 0.5),),
        provenance={
            "pid": str(os.getpid()),
            "threads": str(request.threads),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", ""),
        },
    )


def evaluate(request: EvaluationRequest) -> Evaluation:
    """Does what the request says, in real time."""
    if request.spec.name == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds_of(request))
    return measure(request)
