"""What follows from failures: whether and when a job is tried again, and when a search had better pause."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nas_controller.records import Attempt, Failure, FailureKind, Trial, TrialState
from nas_controller.search_config import Limits

LONGEST_BACKOFF_SECONDS = 60.0
NUM_RECENT_TRIALS = 40
LEAST_IN_A_ROW = 5
ATTEMPTS_OF_EACH_WORKER = 3


def is_tried_again(failure: Failure, earlier: Sequence[Attempt]) -> bool:
    """Whether the job has attempts left after a failure.

    Only failures of the same kind count: a worker that died takes nothing away from the architecture. Attempts that
    were lost with a controller count for neither.

    Args:
        earlier: attempts of the job before the one that failed.
    """
    return _num_failed(earlier, failure.kind) + 1 < failure.rule.max_attempts


def retry_at(attempts: Sequence[Attempt]) -> datetime | None:
    """When a queued job may be tried again: 1, 2, 4, ... up to 60 s after its last failure of the infrastructure.

    Args:
        attempts: all of the job.

    Returns:
        None where there is nothing to wait for.
    """
    last = attempts[-1] if attempts else None
    if last is None or last.finished_at is None or last.failure is None:
        return None
    if last.failure.kind is not FailureKind.INFRASTRUCTURE:
        return None
    num_failed = _num_failed(attempts, FailureKind.INFRASTRUCTURE)
    return last.finished_at + timedelta(seconds=min(2.0 ** (num_failed - 1), LONGEST_BACKOFF_SECONDS))


def _num_failed(attempts: Sequence[Attempt], kind: FailureKind) -> int:
    return sum(attempt.failure is not None and attempt.failure.kind is kind for attempt in attempts)


@dataclass
class FailureWatch:
    """Counts what failed since a controller claimed its search, and says when that is too much.

    Whoever resumes a paused search has looked at the reason: a new claim counts from the beginning.
    """

    limits: Limits
    num_workers: int
    num_failed: int = 0
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=NUM_RECENT_TRIALS))
    infrastructure_in_a_row: int = 0
    last: str = ""

    def take_attempt(self, failure: Failure | None) -> None:
        """An attempt ended so."""
        if failure is not None:
            self.last = f"{failure.reason}: {failure.message}"
        is_infrastructure = failure is not None and failure.kind is FailureKind.INFRASTRUCTURE
        self.infrastructure_in_a_row = self.infrastructure_in_a_row + 1 if is_infrastructure else 0

    def take_trial(self, trial: Trial) -> None:
        """A sampled trial was trained to its end, or failed."""
        self.num_failed += trial.state is TrialState.FAILED
        self.recent.append(trial.state is TrialState.FAILED)

    def reason_to_pause(self) -> str:
        """Why the search should not go on by itself, with the last failure; "" where it may."""
        what = self._what_is_too_much()
        return f"{what}; the last: {self.last}" if what else ""

    def _what_is_too_much(self) -> str:
        limits, recent = self.limits, self.recent
        if self.num_failed > limits.failures * limits.trials:
            return f"{self.num_failed} trials failed, limits.failures allows {limits.failures:g} of {limits.trials}"
        if len(recent) == NUM_RECENT_TRIALS and sum(recent) > NUM_RECENT_TRIALS / 2:
            return f"{sum(recent)} of the last {NUM_RECENT_TRIALS} trials failed"
        if self.infrastructure_in_a_row >= max(LEAST_IN_A_ROW, ATTEMPTS_OF_EACH_WORKER * self.num_workers):
            return f"{self.infrastructure_in_a_row} attempts in a row failed for other reasons than their architecture"
        return ""
