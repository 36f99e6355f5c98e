"""Whether this process can do its work now: checks of the store that end in time, whatever the database does.

The checks run in a thread of their own, one round at a time: those who ask share the last round, so that asking costs
the database next to nothing, and a database that hangs costs one thread. A round that hangs is answered as such.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from nas_controller.store.base import Store
from nas_controller.tallies import Heartbeat, ProcessRole

ANSWER_SECONDS = 1.5
KEPT_SECONDS = 1.0
POLL_SECONDS = 0.02


class CheckStatus(StrEnum):
    """UNKNOWN: not tried, for an earlier check failed."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that holds or does not; `detail` says why not."""

    name: str
    status: CheckStatus
    detail: str = ""


NEEDED = ("database", "schema", "writable")
"""Without these this process cannot work. It can without a controller; searches then wait."""
CONTROLLER = "controller"


@dataclass(eq=False)
class _Round:
    """The checks of one round, as far as they have come."""

    began: float
    ended: float | None = None
    checks: dict[str, Check] = field(default_factory=dict)

    def add(self, name: str, problem: str = "") -> bool:
        """Notes what a check found; whether it holds."""
        status = CheckStatus.FAILED if problem else CheckStatus.OK
        self.checks[name] = Check(name=name, status=status, detail=problem)
        return not problem


class Readiness:
    """Answers within `answer_seconds`. Safe for threads.

    Args:
        name: of this process among all that work on one database; its heartbeat is what is written.
        now: UTC.
        clock: seconds, from wherever they count.
        answer_seconds: how long a round may take before it counts as failed.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._store = store
        self._name = name
        self._now = now
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._round: _Round | None = None

    async def checks(self) -> list[Check]:
        """Every check, in order; what has not answered in time has failed."""
        current = self._current_round()
        while current.ended is None and self._clock() - current.began < self._answer_seconds:
            await asyncio.sleep(POLL_SECONDS)
        found = dict(current.checks)
        missing = [name for name in (*NEEDED, CONTROLLER) if name not in found]
        for name in missing:
            found[name] = Check(name=name, status=CheckStatus.UNKNOWN)
        if current.ended is None and missing:
            late = f"no answer within {self._answer_seconds:g} s"
            found[missing[0]] = Check(name=missing[0], status=CheckStatus.FAILED, detail=late)
        return [found[name] for name in (*NEEDED, CONTROLLER)]

    def _current_round(self) -> _Round:
        """The round that runs, or that ended just now; else a new one."""
        with self._lock:
            now, last = self._clock(), self._round
            if last is not None and (last.ended is None or now - last.ended < KEPT_SECONDS):
                return last
            self._round = current = _Round(now)
            # A daemon thread: one that hangs does not hold up the end of the process.
            threading.Thread(target=self._run, args=(current,), name="readiness", daemon=True).start()
            return current

    def _run(self, current: _Round) -> None:
        checks = {"database": self._schema, "writable": self._write, CONTROLLER: self._controller}
        try:
            for name, check in checks.items():
                if not self._try(current, name, check):
                    break
        finally:
            current.ended = self._clock()

    def _try(self, current: _Round, name: str, check: Callable[[_Round], bool]) -> bool:
        try:
            return check(current)
        except Exception as error:
            return current.add(name, f"{type(error).__name__}: {error}")

    def _schema(self, current: _Round) -> bool:
        problem = self._store.schema_problem()
        current.add("database")
        return current.add("schema", problem)

    def _write(self, current: _Round) -> bool:
        """A small commit: a full or read-only disk, and a lock that nobody gives back, are seen only so."""
        self._store.record_heartbeat(
            Heartbeat(name=f"api:{self._name}", role=ProcessRole.API, at=self._now(), numbers={})
        )
        return current.add("writable")

    def _controller(self, current: _Round) -> bool:
        now = self._now()
        daemons = [each for each in self._store.list_heartbeats() if each.role is ProcessRole.DAEMON]
        if any(daemon.is_alive(now) for daemon in daemons):
            return current.add(CONTROLLER)
        last = max((daemon.at for daemon in daemons), default=None)
        problem = "no controller has said that it lives" if last is None else f"the last sign of one is of {last}"
        return current.add(CONTROLLER, problem + ": searches wait")
