"""A process says every few seconds that it lives, and what it spends its time on."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from nas_controller.store.base import Store
from nas_controller.tallies import HEARTBEAT_SECONDS, Heartbeat, ProcessRole

COUNT, SECONDS = ".count", ".seconds"


@dataclass
class Stopwatch:
    """How often each step was taken, and how long that took together.

    Args:
        clock: seconds, from wherever they count.
    """

    clock: Callable[[], float] = time.perf_counter
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Counts what happens inside as one such step, also where it raises."""
        began = self.clock()
        try:
            yield
        finally:
            self.add(step, self.clock() - began)

    def add(self, step: str, seconds: float) -> None:
        """One more step that took so long."""
        self.counts[step] = self.counts.get(step, 0) + 1
        self.seconds[step] = self.seconds.get(step, 0.0) + seconds

    def numbers(self) -> dict[str, float]:
        """For a heartbeat: ``ask.count``, ``ask.seconds`` and so on."""
        counts = {step + COUNT: float(count) for step, count in self.counts.items()}
        return counts | {step + SECONDS: seconds for step, seconds in self.seconds.items()}


@dataclass
class Pulse:
    """Heartbeats of one process, at most one every `HEARTBEAT_SECONDS`."""

    store: Store
    name: str
    role: ProcessRole
    search_id: str | None = None
    beaten_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it is time for the next one."""
        return self.beaten_at is None or (now - self.beaten_at).total_seconds() >= HEARTBEAT_SECONDS

    def beat(self, now: datetime, numbers: Mapping[str, float]) -> None:
        """Says so now; what is not finite is left out, for databases refuse it."""
        self.beaten_at = now
        finite = {name: float(number) for name, number in numbers.items() if math.isfinite(number)}
        heartbeat = Heartbeat(name=self.name, role=self.role, at=now, search_id=self.search_id, numbers=finite)
        self.store.record_heartbeat(heartbeat)
