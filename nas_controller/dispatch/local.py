"""Workers as processes of this machine, started by `multiprocessing`; no cluster, no accelerator placement."""

import atexit
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue

from nas_controller.dispatch.base import AttemptKey, AttemptRequest, AttemptResult, WorkerPool
from nas_controller.dispatch.memory_kills import memory_kills
from nas_controller.dispatch.standing import (
    LEASE_SECONDS,
    START_SECONDS,
    Alive,
    Answered,
    Event,
    Lost,
    Reported,
    Slot,
    StandingDispatcher,
    Started,
)
from nas_controller.dispatch.worker import Worker, check_evaluator
from nas_controller.records import Failure, FailureReason
from trainer.session import Progress

EXIT_SECONDS = 5.0

Order = tuple[AttemptKey, AttemptRequest | None] | None
"""To a worker: an attempt to run, or, without a request, one to stop; None to ask whether it lives."""
Answer = tuple[float, Failure | None] | Progress | tuple[float, AttemptResult, list[Progress]] | None
"""From a worker: that it has started or could not, then for each attempt its events and what it gave; None each time
that it is asked whether it lives."""


class LocalDispatcher(StandingDispatcher):
    """One process for each worker; it ends with this process, also when this one is killed.

    Args:
        evaluator: as in `worker.resolve_evaluator`; found through this process's `sys.path`.
        count_memory_kills, lease_seconds, start_seconds: as for `StandingDispatcher`.

    Raises:
        ValueError: no such evaluator, or a pool asks for GPUs or TPUs, which only a cluster can share out.
    """

    def __init__(
        self,
        pools: Sequence[WorkerPool],
        evaluator: str,
        count_memory_kills: Callable[[], int] = memory_kills,
        lease_seconds: float = LEASE_SECONDS,
        start_seconds: float = START_SECONDS,
    ) -> None:
        check_evaluator(evaluator)
        if any(pool.gpus or pool.tpus for pool in pools):
            raise ValueError("workers: gpus and tpus need Ray; local processes have CPUs only")
        super().__init__(pools, count_memory_kills, lease_seconds, start_seconds)
        self._evaluator = evaluator
        self._processes: dict[str, SpawnProcess] = {}
        self._connections: dict[str, Connection[Order, Answer]] = {}
        atexit.register(self.close)

    def _start(self, slot: Slot) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._evaluator, slot.pool.cpus), name=slot.name)
        process.start()
        theirs.close()
        self._processes[slot.name] = process
        self._connections[slot.name] = ours

    def _send(self, slot: Slot, key: AttemptKey, request: AttemptRequest) -> None:
        self._order(slot, (key, request))

    def _ask_to_stop(self, slot: Slot, key: AttemptKey) -> None:
        self._order(slot, (key, None))

    def _ask(self, slot: Slot) -> None:
        self._order(slot, None)

    def _order(self, slot: Slot, order: Order) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connections[slot.name].send(order)

    def _kill(self, slot: Slot) -> None:
        if slot.name in self._processes:
            self._processes[slot.name].kill()
            self._bury(slot)

    def _listen(self, timeout_seconds: float) -> list[Event]:
        slots = {self._connections[slot.name]: slot for slot in self._slots if slot.name in self._connections}
        if not slots:
            time.sleep(timeout_seconds)
            return []
        ready = wait(list(slots), timeout_seconds)
        return [event for connection, slot in slots.items() if connection in ready for event in self._hear_all(slot)]

    def _hear_all(self, slot: Slot) -> list[Event]:
        """Everything that the slot's worker has said so far: what waits behind an older word may be an outcome that
        came before another worker's."""
        connection = self._connections[slot.name]
        events = [self._hear(slot, connection)]
        while slot.name in self._connections and connection.poll():
            events.append(self._hear(slot, connection))
        return events

    def _hear(self, slot: Slot, connection: "Connection[Order, Answer]") -> Event:
        try:
            answer = connection.recv()
        except (EOFError, ConnectionResetError):
            return self._bury(slot)
        if answer is None:
            return Alive(slot)
        if isinstance(answer, Progress):
            return Reported(slot, [answer])
        if len(answer) == 2:
            failure = answer[1]
            if failure is None:
                return Started(slot)
            self._kill(slot)
            return Lost(slot, failure.message, failure.traceback)
        at, result, events = answer
        return Answered(slot, result, at, events)

    def _bury(self, slot: Slot) -> Lost:
        """Ends what is left of a dying worker and its own children; how it died, in words."""
        process = self._processes.pop(slot.name)
        self._connections.pop(slot.name).close()
        process.join(EXIT_SECONDS)
        pid, code = process.pid, process.exitcode
        assert pid is not None
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        process.join()
        process.close()
        if code == -signal.SIGKILL and self._was_memory_short(slot):
            message = "the worker was ended by the kernel: there was no memory left"
            return Lost(slot, message, reason=FailureReason.OUT_OF_MEMORY)
        if code is not None and code < 0:
            return Lost(slot, f"the worker was ended by {signal.Signals(-code).name}")
        return Lost(slot, f"the worker ended with exit code {code}")

    def close(self) -> None:
        atexit.unregister(self.close)
        super().close()


def _serve(connection: "Connection[Answer, Order]", evaluator_name: str, cpus: int) -> None:
    """The worker process: in a session of its own, so that Ctrl-C reaches only the parent and a kill all children."""
    os.setsid()
    os.environ["OMP_NUM_THREADS"] = str(cpus)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    speaking = threading.Lock()

    def say(answer: Answer) -> None:
        with speaking:
            connection.send(answer)

    worker = Worker(evaluator_name, report=say)
    say(worker.start())
    attempts: SimpleQueue[tuple[AttemptKey, AttemptRequest] | None] = SimpleQueue()
    threading.Thread(target=_take_orders, args=(connection, worker, attempts, say), daemon=True).start()
    while (attempt := attempts.get()) is not None:
        say(worker.evaluate(*attempt))


def _take_orders(
    connection: "Connection[Answer, Order]",
    worker: Worker,
    attempts: "SimpleQueue[tuple[AttemptKey, AttemptRequest] | None]",
    say: Callable[[Answer], None],
) -> None:
    """Passes attempts to the main thread; meanwhile stops them, and says that the worker lives. None to the main thread
    when nobody is left."""
    while True:
        try:
            order = connection.recv()
            if order is None:
                say(None)
                continue
        except (EOFError, ConnectionResetError, BrokenPipeError):
            return attempts.put(None)
        key, request = order
        if request is None:
            worker.stop(key)
        else:
            attempts.put((key, request))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.killpg(0, signal.SIGKILL)
