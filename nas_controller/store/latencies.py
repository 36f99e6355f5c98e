"""What the database keeps of latencies: a part of `store.base`, whose rules for methods hold here too."""

from abc import ABC, abstractmethod
from datetime import datetime

from nas_controller.records import SearchLease, Trial
from trainer.latency_task import Latency


class LatencyStore(ABC):
    """Latencies of trials, one each, which never changes."""

    @abstractmethod
    def complete_latency(
        self, lease: SearchLease, job_id: str, attempt_number: int, latency: Latency, at: datetime
    ) -> Trial:
        """The trial of a LATENCY job, QUEUED with its latency and with one PROXY job more, of the same seed; the job is
        COMPLETED; writes `trial.timed`. Which attempts count, and that the first one wins, is as `complete_attempt`
        says. `ValueError` for a job of another kind."""

    @abstractmethod
    def first_timed(self, search_id: str, fingerprint: str | None = None) -> Trial | None:
        """The trial of the search with the lowest number that has a latency; of this fingerprint, or of any."""
