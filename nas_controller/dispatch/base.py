"""How an attempt reaches a worker and comes back. One conformance suite runs on every dispatcher.

The search loop is the only caller, from one thread: `adopt` once, then `free_workers`, then `submit` to some of them,
then `progress` and `wait`; at the end `close`, or `leave` where the search is to go on elsewhere. A dispatcher never
calls back and keeps nothing that matters: when it is lost, the loop re-queues from the store.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from nas_controller.records import Failure
from trainer.latency_task import Latency, LatencyRequest
from trainer.session import Progress
from trainer.task import Evaluation, EvaluationRequest

AttemptRequest = EvaluationRequest | LatencyRequest
"""What a worker is to do: to train and measure a network, or to measure how long it takes."""
AttemptResult = Evaluation | Latency | Failure
"""What that gives."""


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """Which attempt: (job id, attempt number)."""

    job_id: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOutcome:
    """What became of one attempt: exactly one of the three is set."""

    key: AttemptKey
    evaluation: Evaluation | None = None
    latency: Latency | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        assert [self.evaluation, self.latency, self.failure].count(None) == 2

    @classmethod
    def of(cls, key: AttemptKey, result: AttemptResult) -> Self:
        """The outcome of an attempt that gave `result`."""
        if isinstance(result, Failure):
            return cls(key=key, failure=result)
        if isinstance(result, Latency):
            return cls(key=key, latency=result)
        return cls(key=key, evaluation=result)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPool:
    """A number of equal workers.

    Args:
        count: workers, each running one attempt at a time.
        cpus: CPU cores (and training threads) of each.
        gpus: GPUs of each; a fraction shares one.
        tpus: TPU chips of each.
    """

    count: int = 2
    cpus: int = 1
    gpus: float = 0.0
    tpus: int = 0

    @property
    def device_share(self) -> float:
        """Share of its accelerator's memory that a worker may take."""
        return self.gpus if 0 < self.gpus < 1 else 1.0


class Dispatcher(ABC):
    """Runs attempts on workers; one attempt on one worker at a time."""

    @abstractmethod
    def free_workers(self) -> list[str]:
        """Names of the workers that are ready and have nothing to do, in a stable order. A worker that is
        starting is not free. A worker keeps its name when it is started again."""

    @abstractmethod
    def submit(self, worker: str, key: AttemptKey, request: AttemptRequest) -> None:
        """Starts the attempt on a free worker, with as many training threads as the worker has CPUs, and its share of a
        GPU (`request.threads` and `request.device_share` are replaced). Raises `ValueError` for a worker that is
        unknown or not free. The same key twice is the caller's mistake."""

    @abstractmethod
    def adopt(self, keys: Sequence[AttemptKey]) -> list[AttemptKey]:
        """Takes over those of the attempts that run on workers which can be reached: from now on they are as if they
        had been submitted here, and what they reported before may be given again. The others are not here, and never
        will be: what they still give is found where results are kept (`dispatch.results`)."""

    @abstractmethod
    def wait(self, timeout_seconds: float) -> list[AttemptOutcome]:
        """Outcomes not given before in the order they ended, as soon as there is one; [] after the timeout, or
        earlier when a worker has come up and is free, or a running attempt has reported something: `progress` has
        it, and the outcomes come with the next call. Every submitted attempt is given exactly once, also when its
        worker died, or was silent for so long that it was ended, or its evaluation raised."""

    @abstractmethod
    def progress(self) -> list[tuple[AttemptKey, Progress]]:
        """Measurements, checkpoints and parts of the logs of running attempts that were not given before, those of one
        attempt in order; never of an attempt whose outcome was given. Only workers that are processes have logs. To a
        caller that asks before each `wait`, nothing is lost of an attempt whose worker lives; what a worker reported in
        its last second may die with it. Does not wait: what was told since the last `wait` or `free_workers` may come
        after the next one."""

    @abstractmethod
    def stop(self, key: AttemptKey) -> None:
        """Asks a running attempt to end with what it measured last, at its next measurement at the latest; its
        outcome is then an evaluation that says at which step that was. Unknown or finished keys are ignored;
        evaluators that never measure go on."""

    @abstractmethod
    def cancel(self, key: AttemptKey) -> None:
        """Ends a running attempt soon; its outcome is a failure with reason cancelled. Unknown or finished keys
        are ignored."""

    @abstractmethod
    def placement(self) -> str:
        """Why some workers do not serve, as a sentence for people; "" when all do, or are only being started."""

    @abstractmethod
    def leave(self) -> None:
        """Gives back what was taken, as `close` does, but leaves workers that can outlive this process to what they
        do: a later dispatcher adopts them, and without one they end by themselves. Not used afterwards, but closed."""

    @abstractmethod
    def close(self) -> None:
        """Ends every worker and gives back what was taken. Twice is no error."""
