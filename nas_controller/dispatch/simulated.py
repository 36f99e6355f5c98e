"""Workers that only exist in virtual time: for tests of the controller and for its benchmarks. Nothing sleeps."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from nas_controller.dispatch.base import AttemptKey, AttemptOutcome, AttemptRequest, AttemptResult, Dispatcher
from nas_controller.dispatch.results import keep_result
from nas_controller.dispatch.session import WorkerSession, call_evaluator
from nas_controller.records import Failure, FailureReason
from trainer.latency_task import Latency, LatencyRequest
from trainer.session import Measurement, Progress, TrainingEvent
from trainer.task import Evaluation, EvaluationRequest

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_SAID_BY_NO_WORKER = (FailureReason.WORKER_LOST, FailureReason.CANCELLED)


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


Report = tuple[float, TrainingEvent]
"""An event, and the virtual second at which the attempt tells it."""
Measure = Callable[[LatencyRequest], tuple[float, Latency | Failure]]
"""How many seconds it takes to measure a latency, above 0, and what that gives."""


@dataclass(order=True, slots=True)
class _Running:
    """An attempt that ends at `ends_at`; equal times end in the order of submission.

    Args:
        result: what it will give.
        reports: what it will still tell, in order.
        told: what it has told.
    """

    ends_at: float
    order: int
    key: AttemptKey = field(compare=False)
    worker: str = field(compare=False)
    request: AttemptRequest = field(compare=False)
    started_at: float = field(compare=False)
    seconds: float = field(compare=False)
    result: AttemptResult = field(compare=False)
    reports: list[Report] = field(compare=False)
    told: list[Progress] = field(compare=False, default_factory=list)


class SimulatedDispatcher(Dispatcher):
    """Deterministic workers ``worker-1`` to ``worker-<count>``.

    Args:
        seconds: how long an attempt takes, above 0. A measurement comes at its share of the steps, a checkpoint with
            the event before it, or at the start.
        evaluate: what it gives, called with the request, and with a session if it takes one: when the attempt is
            submitted, and again when it is stopped. Some failures also end its worker, which starts again.
        clock: moved by `wait`; the loop reads the same one.
        start_seconds: how long a worker takes to start.
        measure: what latencies are; None where nobody asks for one.
    """

    def __init__(
        self,
        count: int,
        seconds: Callable[[EvaluationRequest], float],
        evaluate: Callable[..., Evaluation | Failure],
        clock: VirtualClock,
        start_seconds: float = 0.0,
        measure: Measure | None = None,
    ) -> None:
        self._seconds = seconds
        self._evaluate = evaluate
        self._clock = clock
        self._start_seconds = start_seconds
        self._measure = measure
        self._free_at = {f"worker-{n}": clock.seconds + start_seconds for n in range(1, count + 1)}
        self._running: list[_Running] = []
        self._num_submitted = 0
        self._outcomes: list[AttemptOutcome] = []
        self._progress: list[tuple[AttemptKey, Progress]] = []
        self._has_news = False  # something was reported since the last `progress` or `wait`

    def free_workers(self) -> list[str]:
        return [worker for worker, free_at in self._free_at.items() if free_at <= self._clock.seconds]

    def submit(self, worker: str, key: AttemptKey, request: AttemptRequest) -> None:
        if self._free_at.get(worker, float("inf")) > self._clock.seconds:
            raise ValueError(f"{worker}: is not a free worker")
        self._num_submitted += 1
        started_at = self._clock.seconds
        seconds, played = self._begun(request, started_at)
        attempt = _Running(
            started_at + seconds, self._num_submitted, key, worker, request, started_at, seconds, *played
        )
        heapq.heappush(self._running, attempt)
        self._free_at[worker] = float("inf")

    def _begun(self, request: AttemptRequest, started_at: float) -> tuple[float, tuple[AttemptResult, list[Report]]]:
        """How long an attempt takes that nobody stops, what it gives, and what it tells."""
        if isinstance(request, LatencyRequest):
            assert self._measure is not None
            seconds, result = self._measure(request)
            return seconds, (result, [])
        seconds = self._seconds(request)
        return seconds, self._played(request, started_at, seconds)

    def _played(
        self, request: EvaluationRequest, started_at: float, seconds: float, last_step: int | None = None
    ) -> tuple[Evaluation | Failure, list[Report]]:
        """What an attempt gives and tells that is stopped at `last_step`, or never."""
        reports: list[Report] = []

        def now() -> float:
            return reports[-1][0] if reports else started_at

        def report(event: TrainingEvent) -> None:
            share = event.step / event.num_steps if isinstance(event, Measurement) else None
            reports.append((now() if share is None else started_at + seconds * share, event))

        def is_stopped() -> bool:
            return last_step is not None and reports[-1][1].step >= last_step

        session = WorkerSession(request, report, is_stopped, now)
        result = call_evaluator(self._evaluate, request, session)
        return replace(result, files=session.files) if isinstance(result, Evaluation) else result, reports

    def adopt(self, keys: Sequence[AttemptKey]) -> list[AttemptKey]:
        here = {attempt.key for attempt in self._running} | {outcome.key for outcome in self._outcomes}
        return [key for key in keys if key in here]

    def wait(self, timeout_seconds: float) -> list[AttemptOutcome]:
        deadline = self._clock.seconds + timeout_seconds
        if not self._outcomes and not self._has_news:
            self._clock.advance_to(min(deadline, self._next_event()))
            self._catch_up()
        if self._has_news:
            self._has_news = False
            return []
        outcomes, self._outcomes = self._outcomes, []
        ended = {outcome.key for outcome in outcomes}
        self._progress = [report for report in self._progress if report[0] not in ended]
        return outcomes

    def progress(self) -> list[tuple[AttemptKey, Progress]]:
        self._catch_up()
        reports, self._progress, self._has_news = self._progress, [], False
        return reports

    def stop(self, key: AttemptKey) -> None:
        self._catch_up()
        for attempt in self._running:
            measurements = [report for report in attempt.reports if isinstance(report[1], Measurement)]
            if attempt.key == key and measurements and isinstance(attempt.request, EvaluationRequest):
                at, measurement = measurements[0]
                attempt.result, _ = self._played(attempt.request, attempt.started_at, attempt.seconds, measurement.step)
                attempt.reports = attempt.reports[: attempt.reports.index(measurements[0]) + 1]
                attempt.ends_at = at
        heapq.heapify(self._running)

    def cancel(self, key: AttemptKey) -> None:
        self._catch_up()
        for attempt in self._running:
            if attempt.key == key:
                self._running.remove(attempt)
                heapq.heapify(self._running)
                failure = Failure(reason=FailureReason.CANCELLED, message=f"{attempt.worker}: cancelled")
                self._finish(attempt, failure)
                return

    def placement(self) -> str:
        return ""

    def leave(self) -> None:
        self.close()

    def close(self) -> None:
        self._free_at = {}
        self._running = []
        self._outcomes = []
        self._progress, self._has_news = [], False

    def _next_event(self) -> float:
        """When an attempt tells something or ends, or a worker comes up next."""
        starts = [at for at in self._free_at.values() if self._clock.seconds < at]
        reports = [attempt.reports[0][0] for attempt in self._running if attempt.reports]
        ends = [attempt.ends_at for attempt in self._running[:1]]
        return min([*starts, *reports, *ends], default=float("inf"))

    def _catch_up(self) -> None:
        """Takes what running attempts have told by now, then ends those whose time has come."""
        now = self._clock.seconds
        told: list[tuple[float, int, AttemptKey, Progress]] = []
        for attempt in self._running:
            while attempt.reports and attempt.reports[0][0] <= now:
                at, event = attempt.reports.pop(0)
                attempt.told.append(event)
                told.append((at, attempt.order, attempt.key, event))
        told.sort(key=lambda report: report[:2])
        self._progress += [report[2:] for report in told]
        self._has_news = self._has_news or bool(told)
        while self._running and self._running[0].ends_at <= now:
            attempt = heapq.heappop(self._running)
            self._finish(attempt, attempt.result)

    def _finish(self, attempt: _Running, result: AttemptResult) -> None:
        """Turns an attempt into its one outcome; its worker is free again, or starts again."""
        outcome = AttemptOutcome.of(attempt.key, result)
        if outcome.failure is None or outcome.failure.reason not in _SAID_BY_NO_WORKER:
            keep_result(attempt.request.artifact_dir, outcome, attempt.told)
        self._outcomes.append(outcome)
        lost = isinstance(result, Failure) and result.rule.ends_worker
        self._free_at[attempt.worker] = self._clock.seconds + (self._start_seconds if lost else 0.0)
