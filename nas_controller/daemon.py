"""Gives every search that should run a process of its own, and starts it again when it dies.

The daemon decides nothing about a search: the child claims it under a lease, so that two daemons, or a daemon and
a foreground run, never both write.
"""

import logging
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nas_controller.artifacts.base import ArtifactStore
from nas_controller.artifacts.sweep import sweep_artifacts
from nas_controller.log_ids import log_ids
from nas_controller.pulse import Pulse
from nas_controller.records import Search, SearchState
from nas_controller.search_config import SearchConfig
from nas_controller.search_loop import LEASE_SECONDS
from nas_controller.store.base import ConflictError, Store
from nas_controller.tallies import CRASHES, ProcessRole

CHILD_STATES = (SearchState.PENDING, SearchState.RUNNING, SearchState.STOPPING)
DAEMON_OWNER = "daemon"
FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
TERMINATION_SECONDS = 20.0
SWEEP_SECONDS = 3600.0

_log = logging.getLogger(__name__)


@dataclass
class _Backoff:
    """How long to leave a search alone whose process died."""

    seconds: float
    until: datetime


@dataclass
class Daemon:
    """The processes of one machine.

    Args:
        artifacts: swept at the first step and every hour.
        start: starts the process that runs a search id.
        cpus: cores that searches share; a search that asks for more still runs, alone.
        name: of this process among all daemons, for its heartbeats.
    """

    store: Store
    artifacts: ArtifactStore
    start: Callable[[str], "subprocess.Popen[bytes]"]
    cpus: int
    now: Callable[[], datetime]
    name: str = DAEMON_OWNER
    children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    claims: dict[str, int] = field(default_factory=dict)
    backoffs: dict[str, _Backoff] = field(default_factory=dict)
    swept_at: datetime | None = None
    num_crashes: int = 0
    pulse: Pulse = field(init=False)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.store, f"daemon:{self.name}", ProcessRole.DAEMON)

    def step(self) -> None:
        """Buries dead children and starts those that should run and fit, oldest search first."""
        if self.pulse.is_due(self.now()):
            self.pulse.beat(self.now(), {CRASHES: self.num_crashes})
        self._sweep()
        self._bury()
        waiting = self.store.list_searches(limit=1000, states=CHILD_STATES)
        for search in sorted(waiting, key=lambda s: s.created_at):
            if search.id in self.children or self._must_wait(search.id):
                continue
            if self._fits(search):
                self.children[search.id] = self.start(search.id)
                self.claims[search.id] = _cpus(search)
                pid = self.children[search.id].pid
                _log.info("process %d started for the search", pid, extra=log_ids(search.id))
            elif search.state is SearchState.PENDING:
                self._say_waiting(search)

    def close(self) -> None:
        """Asks every child to end between two transactions, and makes sure that it did."""
        for child in self.children.values():
            child.terminate()
        for child in self.children.values():
            try:
                child.wait(TERMINATION_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _sweep(self) -> None:
        at = self.now()
        if self.swept_at is None or (at - self.swept_at).total_seconds() >= SWEEP_SECONDS:
            self.swept_at = at
            sweep_artifacts(self.store, self.artifacts, at)

    def _must_wait(self, search_id: str) -> bool:
        """Whether the search's process died so recently that it is left alone."""
        backoff = self.backoffs.get(search_id)
        return backoff is not None and self.now() < backoff.until

    def _fits(self, search: Search) -> bool:
        taken = sum(self.claims[search_id] for search_id in self.children)
        return taken == 0 or taken + _cpus(search) <= self.cpus

    def _say_waiting(self, search: Search) -> None:
        """Writes why a search is not placed, once."""
        taken = sum(self.claims[search_id] for search_id in self.children)
        reason = f"waiting for {_cpus(search)} CPUs: running searches use {taken} of {self.cpus}"
        if search.reason == reason:
            return
        lease = self.store.claim_search(search.id, DAEMON_OWNER, self.now(), LEASE_SECONDS)
        if lease is not None:
            with suppress(ConflictError):  # paused or stopped in the meantime: the user's word stands
                self.store.set_search_state(lease, SearchState.PENDING, reason, self.now())
            self.store.release_lease(lease)

    def _bury(self) -> None:
        for search_id, child in list(self.children.items()):
            code = child.poll()
            if code is None:
                continue
            del self.children[search_id], self.claims[search_id]
            if code == 0:
                self.backoffs.pop(search_id, None)
                _log.info("the search's process ended", extra=log_ids(search_id))
                continue
            self.num_crashes += 1
            before = self.backoffs.get(search_id)
            seconds = min(LONGEST_BACKOFF_SECONDS, before.seconds * 2) if before else FIRST_BACKOFF_SECONDS
            self.backoffs[search_id] = _Backoff(seconds, self.now() + timedelta(seconds=seconds))
            said = "the search's process ended with code %d, another one follows after %g s"
            _log.error(said, code, seconds, extra=log_ids(search_id))


def _cpus(search: Search) -> int:
    config = SearchConfig.from_document(search.config)
    return sum(pool.count * pool.cpus for pool in config.workers)
