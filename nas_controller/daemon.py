"""Gives every search that should run, and for which there is room, a process of its own; another when that dies.

The daemon decides nothing about a search. It claims the search's lease and starts a process that claims it again under
the same name: so a dead process is followed at once, for the daemon starts the next only when it has buried the last;
and two daemons, or a daemon and a foreground run, never both write.
"""

import logging
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nas_controller.artifacts.base import ArtifactStore
from nas_controller.artifacts.sweep import sweep_artifacts
from nas_controller.children import Backoff, end_children
from nas_controller.dispatch.results import ResultSpool
from nas_controller.log_ids import log_ids
from nas_controller.pulse import Pulse
from nas_controller.queueing import Waiting, reasons_to_wait
from nas_controller.records import Search, SearchLease, SearchState
from nas_controller.resources import Devices, Machine, Resources
from nas_controller.search_config import SearchConfig, SearchConfigError
from nas_controller.search_loop import LEASE_SECONDS
from nas_controller.store.base import ConflictError, LeaseLostError, Store
from nas_controller.tallies import CRASHES, ProcessRole

TURN = (SearchState.STOPPING, SearchState.RUNNING, SearchState.PENDING)
"""Searches in these states want a process; in this order: who has begun goes on first."""
PAGE = 1000
FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
HELD_SECONDS = 5.0
"""How long a search is left alone that another controller holds."""
TERMINATION_SECONDS = 20.0
SWEEP_SECONDS = 3600.0

_log = logging.getLogger(__name__)


@dataclass
class _Child:
    """The process of a search, and what it takes."""

    process: "subprocess.Popen[bytes]"
    started_at: datetime
    takes: Resources
    devices: Devices


@dataclass
class _Place:
    """What the daemon knows of a search that wants a process.

    Args:
        needs: what it takes while it runs.
        problem: why it can never run; "" where it can.
        alone_until: it is not looked at before.
        is_kept: whether its room is kept for it until then.
        waits_since: when it was first found without room; None where it was not.
        reason: that was written last.
    """

    needs: Resources
    problem: str
    child: _Child | None = None
    backoff: Backoff = field(default_factory=lambda: Backoff(FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS))
    alone_until: datetime | None = None
    is_kept: bool = False
    waits_since: datetime | None = None
    reason: str = ""


@dataclass
class Daemon:
    """The processes of one machine.

    Args:
        artifacts: swept at the first step and every hour.
        results: that workers kept beside them; None where they do not.
        start: starts the process that runs a search id on these devices; it claims the search under the daemon's name.
        machine: what searches share.
        name: unlike that of any other process that ever works on the store: owner of leases, and of heartbeats.
    """

    store: Store
    artifacts: ArtifactStore
    start: Callable[[str, Devices], "subprocess.Popen[bytes]"]
    machine: Machine
    now: Callable[[], datetime]
    name: str
    results: ResultSpool | None = None
    places: dict[str, _Place] = field(default_factory=dict)
    began_at: datetime | None = None
    swept_at: datetime | None = None
    num_crashes: int = 0
    pulse: Pulse = field(init=False)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.store, f"daemon:{self.name}", ProcessRole.DAEMON)

    def step(self) -> None:
        """Buries dead children, starts those that should run and fit, and writes why others wait."""
        now = self.now()
        self.began_at = self.began_at or now
        if self.pulse.is_due(now):
            self.pulse.beat(now, {CRASHES: self.num_crashes})
        self._sweep(now)
        self._bury(now)
        wanted = self._wanted()
        self._follow(wanted)
        queue = [search for search in wanted if self._is_waiting(search, now)]
        for search, reason in zip(queue, self._reasons(queue, now), strict=True):
            place = self.places[search.id]
            place.waits_since = (place.waits_since or now) if reason else None
            if not reason:
                self._start(search, now)
            elif place.reason != reason or not _says_why(search):
                self._leave_waiting(search, reason, now)

    def close(self) -> None:
        """Asks every child to end between two transactions, and makes sure that it did."""
        children = [place.child.process for place in self.places.values() if place.child is not None]
        end_children(children, TERMINATION_SECONDS)

    def _sweep(self, now: datetime) -> None:
        if self.swept_at is None or (now - self.swept_at).total_seconds() >= SWEEP_SECONDS:
            self.swept_at = now
            sweep_artifacts(self.store, self.artifacts, now, self.results)

    def _bury(self, now: datetime) -> None:
        for search_id, place in self.places.items():
            child = place.child
            code = None if child is None else child.process.poll()
            if child is None or code is None:
                continue
            place.child = None
            if code == 0:
                place.backoff.forget()
                _log.info("the search's process ended", extra=log_ids(search_id))
                continue
            self.num_crashes += 1
            seconds = place.backoff.pause_after((now - child.started_at).total_seconds())
            place.alone_until = now + timedelta(seconds=seconds)
            place.is_kept = seconds < LONGEST_BACKOFF_SECONDS
            said = "the search's process ended with code %d, another one follows after %g s"
            _log.error(said, code, seconds, extra=log_ids(search_id))

    def _wanted(self) -> list[Search]:
        """All searches that want a process, in the order in which they are looked at."""
        found = page = self.store.list_searches(PAGE, states=TURN)
        while len(page) == PAGE:
            page = self.store.list_searches(PAGE, page[-1].id, TURN)
            found = found + page
        return sorted(found, key=lambda search: (TURN.index(search.state), search.created_at, search.id))

    def _follow(self, wanted: list[Search]) -> None:
        """Forgets searches that want no process any more, and gets to know new ones."""
        ids = {search.id for search in wanted}
        self.places = {i: place for i, place in self.places.items() if i in ids or place.child is not None}
        for search in wanted:
            if search.id not in self.places:
                self.places[search.id] = self._place(search)

    def _place(self, search: Search) -> _Place:
        try:
            needs = Resources.of(SearchConfig.from_document(search.config))
        except SearchConfigError as error:
            return _Place(Resources(), f"this release cannot read its document: {error}")
        return _Place(needs.at_most_cpus(self.machine.cores), "")

    def _is_waiting(self, search: Search, now: datetime) -> bool:
        """Whether the search has no process, here or, where it runs, elsewhere."""
        place = self.places[search.id]
        if place.child is not None or (place.alone_until is not None and now < place.alone_until):
            return False
        return search.state is SearchState.PENDING or self._claim(search, now) is not None

    def _reasons(self, queue: list[Search], now: datetime) -> list[str]:
        """Why each of these searches does not start now; "" for those that do."""
        waiting = [
            Waiting(search_id=search.id, needs=self._needs(search), since=self.places[search.id].waits_since or now)
            for search in queue
        ]
        reasons = reasons_to_wait(waiting, self.machine.capacity, self._taken(now), now)
        return [self.places[search.id].problem or reasons[search.id] for search in queue]

    def _needs(self, search: Search) -> Resources:
        """Nothing for a search that is stopped while it has no process: it trains nothing more."""
        return Resources() if search.state is SearchState.STOPPING else self.places[search.id].needs

    def _taken(self, now: datetime) -> Resources:
        """What searches have that run here, or will soon again."""
        taken = Resources()
        for place in self.places.values():
            if place.child is not None:
                taken += place.child.takes
            elif place.is_kept and place.alone_until is not None and now < place.alone_until:
                taken += place.needs
        return taken

    def _start(self, search: Search, now: datetime) -> None:
        if self._claim(search, now) is None:
            return
        place, needs = self.places[search.id], self._needs(search)
        devices = self._free_devices(needs)
        place.child = _Child(self.start(search.id, devices), now, needs, devices)
        place.reason = ""
        _log.info("process %d started for the search", place.child.process.pid, extra=log_ids(search.id))

    def _free_devices(self, needs: Resources) -> Devices:
        """As many as are needed of those that no child has."""
        held = [place.child.devices for place in self.places.values() if place.child is not None]
        return self.machine.devices.without(held).first(needs)

    def _claim(self, search: Search, now: datetime) -> SearchLease | None:
        """The lease; None where another controller holds it, who is left alone for a while."""
        lease = self.store.claim_search(search.id, self.name, now, LEASE_SECONDS)
        if lease is None:
            place = self.places[search.id]
            place.alone_until, place.waits_since = now + timedelta(seconds=HELD_SECONDS), None
            place.is_kept = search.state is not SearchState.PENDING and self._is_new(now)
        return lease

    def _is_new(self, now: datetime) -> bool:
        """Whether who holds a lease may be a process of the daemon before, which ends now: its search goes on here."""
        return self.began_at is not None and now - self.began_at < timedelta(seconds=LEASE_SECONDS)

    def _leave_waiting(self, search: Search, reason: str, now: datetime) -> None:
        """Writes why a search is not placed, once: another daemon on the store may have other reasons."""
        lease = self._claim(search, now)
        if lease is None:
            return
        with suppress(ConflictError, LeaseLostError):  # paused or stopped in the meantime: the user's word stands
            self.store.set_search_state(lease, SearchState.PENDING, reason, now)
        self.store.release_lease(lease)
        self.places[search.id].reason = reason


def _says_why(search: Search) -> bool:
    """Whether nobody has to ask why the search does not run."""
    return search.state is SearchState.STOPPING or (search.state is SearchState.PENDING and search.reason != "")
