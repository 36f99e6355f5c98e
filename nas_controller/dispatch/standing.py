"""Standing workers, one for each slot: started once, given one attempt after the other, started again when lost.

The bookkeeping is here, once; a subclass knows how to start, feed, kill and hear a worker. States of a slot:

    DOWN --start--> STARTING --Started--> IDLE --submit--> BUSY --Answered--> IDLE
    any state --Lost, cancel--> DOWN, which is started again: at once, or after a pause where starting failed

A worker that is up holds a lease: it is asked now and then whether it lives, and is lost when it says nothing for so
long, whether it stands still, hangs, or cannot be reached. A start takes as long as it takes, up to a limit.
"""

import logging
import math
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from nas_controller.dispatch.base import (
    AttemptKey,
    AttemptOutcome,
    AttemptRequest,
    AttemptResult,
    Dispatcher,
    WorkerPool,
)
from nas_controller.dispatch.memory_kills import memory_kills
from nas_controller.records import Failure, FailureReason
from trainer.session import Progress

LISTEN_SECONDS = 1.0
LEASE_SECONDS = 90.0
"""A library that does not let other threads of its process run may keep a healthy worker silent for many seconds."""
START_SECONDS = 600.0
ASK_SECONDS = 1.0
"""How often a busy worker is asked for a word, and for what its attempt has reported."""
ASKS_IN_A_LEASE = 6
"""How often an idle worker is asked, at least."""
LONGEST_PAUSE_SECONDS = 30.0
USUAL_START_SECONDS = 10.0

_log = logging.getLogger(__name__)


class SlotState(StrEnum):
    """Where a worker is."""

    DOWN = "down"
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"


@dataclass(slots=True, eq=False)
class Slot:
    """One worker and its replacements.

    Args:
        key: the attempt it runs, while BUSY.
        num_reported: events of that attempt that were heard.
        memory_kills: processes that the kernel had killed for memory when the worker or the attempt was started.
        failed_starts: in a row.
        problem: why the last start failed; "" for none.
        start_at: when a DOWN worker is started again, seconds of `time.monotonic`.
        ask_at: when one that is up is asked next whether it lives; infinite while it owes an answer.
        silent_seconds: since it was last heard, or its start began.
        waiting_since: when it last stopped serving, or was made.
    """

    name: str
    pool: WorkerPool
    state: SlotState = SlotState.DOWN
    key: AttemptKey | None = None
    num_reported: int = 0
    memory_kills: int = 0
    failed_starts: int = 0
    problem: str = ""
    start_at: float = 0.0
    ask_at: float = 0.0
    silent_seconds: float = 0.0
    waiting_since: float = field(default_factory=time.monotonic)

    @property
    def serves(self) -> bool:
        """Whether the worker is up."""
        return self.state in (SlotState.IDLE, SlotState.BUSY)


@dataclass(frozen=True, slots=True)
class Started:
    """The worker has loaded its libraries."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Alive:
    """The worker was asked, and has nothing to tell."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Reported:
    """The worker's attempt told these events, after those that were heard before."""

    slot: Slot
    events: Sequence[Progress]


@dataclass(frozen=True, slots=True)
class Answered:
    """The worker's attempt ended at `at`, seconds since 1970; `events` are all that it told, from its start."""

    slot: Slot
    result: AttemptResult
    at: float
    events: Sequence[Progress]


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker is gone, or could not start; `message` is one line, `detail` whatever else is known."""

    slot: Slot
    message: str
    detail: str = ""
    reason: FailureReason = FailureReason.WORKER_LOST


Event = Started | Alive | Reported | Answered | Lost


def _moment(event: Event) -> float:
    """What was reported comes before what ended, outcomes in the order they ended, then what was found just now."""
    if isinstance(event, Alive | Reported):
        return 0.0
    return event.at if isinstance(event, Answered) else time.time()


class StandingDispatcher(Dispatcher):
    """A dispatcher over standing workers named ``worker-1``, ``worker-2``, ... through all pools.

    Args:
        count_memory_kills: how many processes beside ours the kernel has killed for want of memory.
        lease_seconds: how long a worker that is up may be silent before it is ended, and its attempt lost.
        start_seconds: the same of a worker that is starting.
    """

    def __init__(
        self,
        pools: Sequence[WorkerPool],
        count_memory_kills: Callable[[], int] = memory_kills,
        lease_seconds: float = LEASE_SECONDS,
        start_seconds: float = START_SECONDS,
    ) -> None:
        each = [pool for pool in pools for _ in range(pool.count)]
        self._slots = [Slot(f"worker-{number}", pool) for number, pool in enumerate(each, start=1)]
        self._pools = tuple(pools)
        self._count_memory_kills = count_memory_kills
        self._lease_seconds = lease_seconds
        self._start_seconds = start_seconds
        self._listened_at = time.monotonic()
        self._outcomes: list[AttemptOutcome] = []
        self._progress: list[tuple[AttemptKey, Progress]] = []
        self._has_news = False  # something was reported since the last `progress` or `wait`

    @abstractmethod
    def _start(self, slot: Slot) -> None:
        """Begins to start a worker in the slot; `_listen` tells when it is up."""

    @abstractmethod
    def _send(self, slot: Slot, key: AttemptKey, request: AttemptRequest) -> None:
        """Gives the request to the slot's idle worker. When that is gone, `_listen` tells."""

    @abstractmethod
    def _ask_to_stop(self, slot: Slot, key: AttemptKey) -> None:
        """Tells the slot's busy worker that the attempt is to end with its last measurement."""

    @abstractmethod
    def _ask(self, slot: Slot) -> None:
        """Asks the slot's worker, which is up, for a word. It must not need the thread that evaluates to answer;
        `_listen` tells that it did: Alive, or whatever else it has to tell."""

    @abstractmethod
    def _kill(self, slot: Slot) -> None:
        """Ends the slot's worker, if there is one, and forgets it: `_listen` tells nothing more of it."""

    @abstractmethod
    def _listen(self, timeout_seconds: float) -> list[Event]:
        """What happened to workers since the last call, as soon as there is something, or [] after the timeout."""

    def _was_memory_short(self, slot: Slot) -> bool:
        """Whether the kernel has killed for memory since the slot's worker or attempt was started; of several that
        were lost then, it is not known which it was."""
        return self._count_memory_kills() > slot.memory_kills

    def _has_no_place(self, slot: Slot) -> bool:
        """Whether the starting worker has no process yet, because it waits for others to make room."""
        return False

    def _shortage(self, pool: WorkerPool) -> str:
        """Why the pool cannot be placed, where that is known; "" where it only takes time."""
        return ""

    def free_workers(self) -> list[str]:
        self._advance(0.0)
        return [slot.name for slot in self._slots if slot.state is SlotState.IDLE]

    def submit(self, worker: str, key: AttemptKey, request: AttemptRequest) -> None:
        slot = next((slot for slot in self._slots if slot.name == worker), None)
        if slot is None or slot.state is not SlotState.IDLE:
            raise ValueError(f"{worker}: is not a free worker")
        slot.num_reported, slot.memory_kills = 0, self._count_memory_kills()
        self._send(slot, key, replace(request, threads=slot.pool.cpus, device_share=slot.pool.device_share))
        slot.state, slot.key = SlotState.BUSY, key
        self._ask_later(slot)

    def adopt(self, keys: Sequence[AttemptKey]) -> list[AttemptKey]:
        here = {slot.key for slot in self._slots} | {outcome.key for outcome in self._outcomes}
        return [key for key in keys if key in here]

    def wait(self, timeout_seconds: float) -> list[AttemptOutcome]:
        deadline = time.monotonic() + timeout_seconds
        came_up = False
        while not self._outcomes and not came_up and not self._has_news:
            left = max(deadline - time.monotonic(), 0.0)
            came_up = self._advance(min(left, LISTEN_SECONDS))
            if left == 0.0:
                break
        if self._has_news:
            self._has_news = False
            return []
        outcomes, self._outcomes = self._outcomes, []
        ended = {outcome.key for outcome in outcomes}
        self._progress = [report for report in self._progress if report[0] not in ended]
        return outcomes

    def progress(self) -> list[tuple[AttemptKey, Progress]]:
        reports, self._progress, self._has_news = self._progress, [], False
        return reports

    def stop(self, key: AttemptKey) -> None:
        for slot in self._slots:
            if slot.key == key:
                self._ask_to_stop(slot, key)

    def cancel(self, key: AttemptKey) -> None:
        self._advance(0.0)
        for slot in self._slots:
            if slot.key == key:
                self._kill(slot)
                self._handle_loss(Lost(slot, "cancelled", reason=FailureReason.CANCELLED))

    def placement(self) -> str:
        sentences = []
        for pool in dict.fromkeys(self._pools):
            slots = [slot for slot in self._slots if slot.pool == pool]
            waiting = [slot for slot in slots if not slot.serves]
            if reason := self._reason(pool, waiting):
                sentences.append(f"waiting for {len(waiting)} of {len(slots)} workers: {reason}")
        return "; ".join(sentences)

    def _reason(self, pool: WorkerPool, waiting: Sequence[Slot]) -> str:
        """Why these workers of a pool do not serve; "" for none, and for a start that takes no longer than usual."""
        if not waiting:
            return ""
        if shortage := self._shortage(pool):
            return shortage
        if problem := next((slot.problem for slot in waiting if slot.problem), ""):
            return problem
        longest = time.monotonic() - min(slot.waiting_since for slot in waiting)
        return "they are starting" if longest > USUAL_START_SECONDS else ""

    def leave(self) -> None:
        self.close()

    def close(self) -> None:
        for slot in self._slots:
            self._kill(slot)
        self._slots = []
        self._outcomes = []
        self._progress, self._has_news = [], False

    def _advance(self, timeout_seconds: float) -> bool:
        """Starts what is due, hears what happened, and says whether a worker has come up."""
        now = time.monotonic()
        for slot in self._slots:
            if slot.state is SlotState.DOWN and slot.start_at <= now:
                slot.memory_kills = self._count_memory_kills()
                self._start(slot)
                slot.state, slot.silent_seconds = SlotState.STARTING, 0.0
            elif slot.serves and slot.ask_at <= now:
                slot.ask_at = math.inf
                self._ask(slot)
        events = self._listen(timeout_seconds)
        self._count_silence(events)
        for event in sorted(events, key=_moment):
            self._handle(event)
        self._end_silent_workers()
        return any(isinstance(event, Started) for event in events)

    def _count_silence(self, events: Sequence[Event]) -> None:
        """Who was heard begins anew. Where nobody listened for long, because this process itself stood still or had
        other work, that says little about workers: it counts for half a lease at most."""
        now = time.monotonic()
        passed, self._listened_at = min(now - self._listened_at, self._lease_seconds / 2), now
        heard = [event.slot for event in events]
        for slot in self._slots:
            slot.silent_seconds = 0.0 if slot in heard else slot.silent_seconds + passed

    def _end_silent_workers(self) -> None:
        """Those whose lease is over; nobody waits for them any more."""
        for slot in self._slots:
            allowed = self._lease_seconds if slot.serves else self._start_seconds
            if slot.state is SlotState.DOWN or slot.silent_seconds <= allowed:
                continue
            if slot.state is SlotState.STARTING and self._has_no_place(slot):
                slot.silent_seconds = 0.0
                continue
            self._kill(slot)
            self._handle_loss(Lost(slot, f"the worker did not answer for {slot.silent_seconds:.0f} s"))

    def _ask_later(self, slot: Slot) -> None:
        """The worker has just spoken, or got work: it is asked again after its time."""
        seconds = self._lease_seconds / ASKS_IN_A_LEASE
        slot.ask_at = time.monotonic() + (min(seconds, ASK_SECONDS) if slot.state is SlotState.BUSY else seconds)

    def _handle(self, event: Event) -> None:
        slot = event.slot
        if isinstance(event, Lost):
            self._handle_loss(event)
        elif isinstance(event, Started):
            slot.state, slot.failed_starts, slot.problem = SlotState.IDLE, 0, ""
        elif isinstance(event, Reported):
            self._take(slot, event.events)
        elif isinstance(event, Answered):
            self._take(slot, event.events[slot.num_reported :])
            self._finish(slot, event.result)
            if isinstance(event.result, Failure) and event.result.rule.ends_worker:
                self._kill(slot)
                self._handle_loss(Lost(slot, event.result.message))
            else:
                slot.state = SlotState.IDLE
        self._ask_later(slot)

    def _handle_loss(self, event: Lost) -> None:
        slot, now = event.slot, time.monotonic()
        _log_loss(event)
        if slot.key is not None:
            message = f"{slot.name}: {event.message}"
            self._finish(slot, Failure(reason=event.reason, message=message, traceback=event.detail))
        if slot.state is SlotState.STARTING:
            slot.failed_starts += 1
            slot.problem = f"{slot.name} could not start: {event.message}"
            slot.start_at = now + min(2.0 ** (slot.failed_starts - 1), LONGEST_PAUSE_SECONDS)
        if slot.serves:
            slot.waiting_since = now
        slot.state = SlotState.DOWN

    def _take(self, slot: Slot, events: Sequence[Progress]) -> None:
        """Keeps new events of the slot's attempt until they are asked for."""
        assert slot.key is not None
        self._progress += [(slot.key, event) for event in events]
        self._has_news = self._has_news or bool(events)
        slot.num_reported += len(events)

    def _finish(self, slot: Slot, result: AttemptResult) -> None:
        """Turns the slot's attempt into its one outcome."""
        assert slot.key is not None
        self._outcomes.append(AttemptOutcome.of(slot.key, result))
        slot.key = None


def _log_loss(event: Lost) -> None:
    """A worker that we ended ourselves is no news; one that could not start, or was lost, is."""
    slot = event.slot
    level = logging.INFO if event.reason is FailureReason.CANCELLED else logging.WARNING
    what = "could not start" if slot.state is SlotState.STARTING else "is gone"
    ids: dict[str, object] = {"worker": slot.name, "reason": event.reason.value}
    if slot.key is not None:
        ids |= {"job": slot.key.job_id, "attempt": slot.key.number}
    _log.log(level, "%s %s: %s", slot.name, what, event.message, extra=ids)
