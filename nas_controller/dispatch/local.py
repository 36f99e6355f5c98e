"""Workers as processes of this machine, started by `multiprocessing`; no cluster, no accelerator placement."""

import atexit
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from nas_controller.dispatch.base import WorkerPool
from nas_controller.dispatch.standing import Answered, Event, Lost, Slot, SlotState, StandingDispatcher, Started
from nas_controller.dispatch.worker import Worker, check_evaluator
from nas_controller.records import Failure
from trainer.task import Evaluation, EvaluationRequest

EXIT_SECONDS = 5.0

Answer = tuple[float, Evaluation | Failure | None]


class LocalDispatcher(StandingDispatcher):
    """One process for each worker; it ends with this process, also when this one is killed.

    Args:
        evaluator: as in `worker.resolve_evaluator`; found through this process's `sys.path`.

    Raises:
        ValueError: no such evaluator, or a pool asks for GPUs or TPUs, which only a cluster can share out.
    """

    def __init__(self, pools: Sequence[WorkerPool], evaluator: str) -> None:
        check_evaluator(evaluator)
        if any(pool.gpus or pool.tpus for pool in pools):
            raise ValueError("workers: gpus and tpus need Ray; local processes have CPUs only")
        super().__init__(pools)
        self._evaluator = evaluator
        self._processes: dict[str, SpawnProcess] = {}
        self._connections: dict[str, Connection[EvaluationRequest, Answer]] = {}
        atexit.register(self.close)

    def _start(self, slot: Slot) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._evaluator, slot.pool.cpus), name=slot.name)
        process.start()
        theirs.close()
        self._processes[slot.name] = process
        self._connections[slot.name] = ours

    def _send(self, slot: Slot, request: EvaluationRequest) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connections[slot.name].send(request)

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
        return [self._hear(slot, connection) for connection, slot in slots.items() if connection in ready]

    def _hear(self, slot: Slot, connection: "Connection[EvaluationRequest, Answer]") -> Event:
        try:
            at, result = connection.recv()
        except (EOFError, ConnectionResetError):
            return Lost(slot, self._bury(slot))
        if result is None:
            return Started(slot)
        if slot.state is SlotState.STARTING:
            assert isinstance(result, Failure)
            self._kill(slot)
            return Lost(slot, result.message, result.traceback)
        return Answered(slot, result, at)

    def _bury(self, slot: Slot) -> str:
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
        if code is not None and code < 0:
            return f"the worker was ended by {signal.Signals(-code).name}"
        return f"the worker ended with exit code {code}"

    def close(self) -> None:
        atexit.unregister(self.close)
        super().close()


def _serve(connection: "Connection[Answer, EvaluationRequest]", evaluator_name: str, cpus: int) -> None:
    """The worker process: in a session of its own, so that Ctrl-C reaches only the parent and a kill all children."""
    os.setsid()
    os.environ["OMP_NUM_THREADS"] = str(cpus)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker = Worker(evaluator_name)
    connection.send(worker.start())
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        connection.send(worker.evaluate(request))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.killpg(0, signal.SIGKILL)
