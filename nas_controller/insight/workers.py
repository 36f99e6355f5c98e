"""What the workers of a search do and did, as far as its last attempts say it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nas_controller.records import Attempt, AttemptState, FailureReason, JobKind

MAX_SPANS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSpan:
    """One attempt, and what it worked on."""

    trial_number: int
    kind: JobKind
    attempt: Attempt

    @property
    def is_lost(self) -> bool:
        """Whether it ended with its worker."""
        failure = self.attempt.failure
        was_killed = failure is not None and failure.reason is FailureReason.WORKER_LOST
        return was_killed or self.attempt.state is AttemptState.LOST

    def seconds(self, now: datetime) -> float:
        """How long it took, or has taken by now; clocks of machines differ, so never below 0."""
        return max(0.0, ((self.attempt.finished_at or now) - self.attempt.started_at).total_seconds())


class WorkerState(StrEnum):
    """What a worker does. LOST: it went away in its last attempt; another process may have taken its place since."""

    BUSY = "busy"
    IDLE = "idle"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker.

    Args:
        span: what it works on, or worked on last.
        since: when it began, or ended.
        num_attempts, busy_seconds, num_lost: over all spans that were looked at.
    """

    name: str
    state: WorkerState
    span: WorkSpan
    since: datetime
    num_attempts: int
    busy_seconds: float
    num_lost: int


def workers_of(spans: Sequence[WorkSpan], now: datetime) -> list[Worker]:
    """The workers that had these attempts, by name."""
    by_name: defaultdict[str, list[WorkSpan]] = defaultdict(list)
    for span in spans:
        by_name[span.attempt.worker].append(span)
    return [_worker(name, by_name[name], now) for name in sorted(by_name)]


def _worker(name: str, spans: Sequence[WorkSpan], now: datetime) -> Worker:
    running = [span for span in spans if span.attempt.state is AttemptState.RUNNING]
    last = max(running or spans, key=lambda span: span.attempt.started_at)
    state = WorkerState.BUSY if running else WorkerState.LOST if last.is_lost else WorkerState.IDLE
    return Worker(
        name=name,
        state=state,
        span=last,
        since=last.attempt.finished_at or last.attempt.started_at,
        num_attempts=len(spans),
        busy_seconds=sum(span.seconds(now) for span in spans),
        num_lost=sum(span.is_lost for span in spans),
    )
