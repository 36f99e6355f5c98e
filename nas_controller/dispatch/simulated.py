"""Workers that only exist in virtual time: for tests of the controller and for its benchmarks. Nothing sleeps."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from nas_controller.dispatch.base import AttemptKey, AttemptOutcome, Dispatcher
from nas_controller.records import Failure, FailureKind
from trainer.task import Evaluation, EvaluationRequest

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class VirtualClock:
    """A clock that stands still until somebody moves it."""

    seconds: float = 0.0

    def now(self) -> datetime:
        """The virtual time in UTC; it begins at `EPOCH`."""
        return EPOCH + timedelta(seconds=self.seconds)

    def advance_to(self, seconds: float) -> None:
        """Moves the time forward, never back."""
        self.seconds = max(self.seconds, seconds)


@dataclass(order=True, slots=True)
class _Running:
    """An attempt that ends at `ends_at`; equal times end in the order of submission."""

    ends_at: float
    order: int
    key: AttemptKey = field(compare=False)
    worker: str = field(compare=False)
    request: EvaluationRequest = field(compare=False)


class SimulatedDispatcher(Dispatcher):
    """Deterministic workers ``worker-1`` to ``worker-<count>``.

    Args:
        seconds: how long an attempt takes, above 0.
        evaluate: what it gives; a failure of kind infrastructure also ends its worker, which starts again.
        clock: moved by `wait`; the loop reads the same one.
        start_seconds: how long a worker takes to start.
    """

    def __init__(
        self,
        count: int,
        seconds: Callable[[EvaluationRequest], float],
        evaluate: Callable[[EvaluationRequest], Evaluation | Failure],
        clock: VirtualClock,
        start_seconds: float = 0.0,
    ) -> None:
        self._seconds = seconds
        self._evaluate = evaluate
        self._clock = clock
        self._start_seconds = start_seconds
        self._free_at = {f"worker-{n}": clock.seconds + start_seconds for n in range(1, count + 1)}
        self._running: list[_Running] = []
        self._num_submitted = 0
        self._outcomes: list[AttemptOutcome] = []

    def free_workers(self) -> list[str]:
        return [worker for worker, free_at in self._free_at.items() if free_at <= self._clock.seconds]

    def submit(self, worker: str, key: AttemptKey, request: EvaluationRequest) -> None:
        if self._free_at.get(worker, float("inf")) > self._clock.seconds:
            raise ValueError(f"{worker}: is not a free worker")
        self._num_submitted += 1
        ends_at = self._clock.seconds + self._seconds(request)
        heapq.heappush(self._running, _Running(ends_at, self._num_submitted, key, worker, request))
        self._free_at[worker] = float("inf")

    def wait(self, timeout_seconds: float) -> list[AttemptOutcome]:
        deadline = self._clock.seconds + timeout_seconds
        if not self._outcomes:
            self._clock.advance_to(min(deadline, self._next_event()))
            self._finish_ended()
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def cancel(self, key: AttemptKey) -> None:
        self._finish_ended()
        for attempt in self._running:
            if attempt.key == key:
                self._running.remove(attempt)
                heapq.heapify(self._running)
                failure = Failure(kind=FailureKind.INFRASTRUCTURE, message=f"{attempt.worker}: cancelled")
                self._finish(attempt, failure)
                return

    def placement(self) -> str:
        return ""

    def close(self) -> None:
        self._free_at = {}
        self._running = []
        self._outcomes = []

    def _next_event(self) -> float:
        """When an attempt ends or a worker comes up next."""
        starts = [at for at in self._free_at.values() if self._clock.seconds < at]
        return min([*starts, *(attempt.ends_at for attempt in self._running[:1])], default=float("inf"))

    def _finish_ended(self) -> None:
        while self._running and self._running[0].ends_at <= self._clock.seconds:
            attempt = heapq.heappop(self._running)
            self._finish(attempt, self._evaluate(attempt.request))

    def _finish(self, attempt: _Running, result: Evaluation | Failure) -> None:
        """Turns an attempt into its one outcome; its worker is free again, or starts again."""
        self._outcomes.append(AttemptOutcome.of(attempt.key, result))
        lost = isinstance(result, Failure) and result.kind is FailureKind.INFRASTRUCTURE
        self._free_at[attempt.worker] = self._clock.seconds + (self._start_seconds if lost else 0.0)
