"""Evaluators for tests of dispatchers, importable in worker processes. The name of the spec says what to do:

``ok``, ``sleep:SECONDS``, ``kill`` (the worker's own process), ``stand still`` (the same, by SIGSTOP), or a key of
`ERRORS` to raise, or ``wrong`` (a value that is no evaluation), or ``steps:NUMBER:SECONDS``: so many steps of so many
seconds, each of them measured, with a checkpoint where one is wanted, from the step of the checkpoint that it goes on
from. ``keep`` keeps a file. ``talk:SECONDS`` says something in every way that there is, then sleeps; ``crash`` ends by
a native fault.
"""

import ctypes
import errno
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from search_space.plan import TargetNetwork
from search_space.spec import ArchitectureSpec, BlockSpec, Neck, Stem
from trainer.latency_task import LatencyProtocol, LatencyRequest
from trainer.session import LoneSession, Measurement, TrainingSession, TrainingStopped
from trainer.task import (
    CocoSource,
    DataSource,
    Evaluation,
    EvaluationRequest,
    ProxyTask,
    TaskError,
    TimeLimitReached,
    TrainingDiverged,
    TrainingOutOfMemory,
)

ERRORS: dict[str, Exception] = {
    "bug": ValueError("no such block\nand a second line"),
    "diverge": TrainingDiverged("loss is nan at step 7"),
    "data": TaskError("images/3.jpg: is truncated"),
    "disk": OSError(errno.ENOSPC, "No space left on device"),
    "no space": OSError(errno.ENOMEM, "Cannot allocate memory"),
    "memory": MemoryError(),
    "large": TrainingOutOfMemory("needs about 9 GB, 2 GB are free"),
    "slow": TimeLimitReached("60 s are over after step 12 of 140"),
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


def make_latency_request() -> LatencyRequest:
    """For a network and a protocol that take next to no time."""
    target = TargetNetwork(image_size=64, width_scale=0.1, head=None, endpoint_channels=8)
    protocol = LatencyProtocol(warmup_seconds=0.0, rounds=6, passes=1, slack=1e9)
    return LatencyRequest(spec=make_request("ok").spec, target=target, protocol=protocol, device="cpu")


def seconds_of(request: EvaluationRequest) -> float:
    """How long the request wants to take, from its beginning."""
    word, *numbers = request.spec.name.split(":")
    if word == "steps":
        return int(numbers[0]) * float(numbers[1])
    return float(numbers[0]) if word in ("sleep", "talk") else 0.0


def measurement(step: int, num_steps: int) -> Measurement:
    """What is measured after a step: AP and loss follow from how far it is."""
    share = step / num_steps
    return Measurement(step=step, num_steps=num_steps, loss=1 - share, average_precision=share, seconds=step)


def run_steps(request: EvaluationRequest, session: TrainingSession, sleep: Callable[[float], object]) -> int | None:
    """The steps of ``steps:NUMBER:SECONDS``; the one that it was stopped at."""
    _, number, seconds = request.spec.name.split(":")
    step = int(session.load_checkpoint() or 0)
    while step < int(number):
        sleep(float(seconds))
        step += 1
        if session.wants_checkpoint():
            session.save_checkpoint(step, str(step).encode())
        try:
            session.measured(measurement(step, int(number)))
        except TrainingStopped:
            return step
    return None


def measure(request: EvaluationRequest) -> Evaluation:
    """The behaviour without the sleep and the signals; steps that nobody watches."""
    return simulate(request, LoneSession())


def simulate(
    request: EvaluationRequest, session: TrainingSession, sleep: Callable[[float], object] = lambda seconds: None
) -> Evaluation:
    """The behaviour without the signals, with another way to let time pass."""
    stopped_at_step = None
    if request.spec.name in ERRORS:
        raise ERRORS[request.spec.name]
    if request.spec.name == "wrong":
        return 7  # type: ignore[return-value]
    if request.spec.name == "keep":
        session.keep_file("words.txt", "text/plain", b"words of an attempt")
    if request.spec.name.startswith("steps"):
        stopped_at_step = run_steps(request, session, sleep)
    else:
        sleep(seconds_of(request))
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
        stopped_at_step=stopped_at_step,
        provenance={
            "pid": str(os.getpid()),
            "threads": str(request.threads),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", ""),
        },
    )


def evaluate(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    """Does what the request says, in real time."""
    if request.spec.name == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if request.spec.name == "stand still":
        os.kill(os.getpid(), signal.SIGSTOP)
    if request.spec.name.startswith("talk"):
        talk()
    if request.spec.name == "crash":
        print("it is about to crash")
        ctypes.string_at(0)
    return simulate(request, session, time.sleep)


def talk() -> None:
    """Says something in every way that a process has."""
    print("printed")
    print("as an error", file=sys.stderr)
    logging.getLogger("tests").info("logged: %d", 7)
    subprocess.run(["echo", "by a child"], check=True)
    os.write(2, b"by native code\n")


def evaluate_alone(request: EvaluationRequest) -> Evaluation:
    """The same by a user who knows nothing of sessions."""
    return evaluate(request, LoneSession())
