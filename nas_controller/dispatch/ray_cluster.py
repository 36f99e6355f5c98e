"""Workers as standing, named Ray actors, on a Ray of our own or on a cluster that is there.

Ray is a disposable executor: actors are not restarted by Ray but replaced by us, so that each loss is seen once
and in one place. A Ray of our own listens on loopback only, asks for a token that lives in this process's
environment, keeps its files in a private folder, ends with this process, also when that is killed, and is replaced
when it dies. When the head of a cluster dies that is not ours, Ray ends this process after a minute: whoever
supervises it starts it again, and the store has everything.
"""

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_controller.dispatch.base import AttemptKey, WorkerPool
from nas_controller.dispatch.standing import (
    Answered,
    Event,
    Lost,
    Reported,
    Slot,
    SlotState,
    StandingDispatcher,
    Started,
)
from nas_controller.dispatch.worker import Worker, check_evaluator
from nas_controller.records import FailureReason
from trainer.task import EvaluationRequest

OBJECT_STORE_BYTES = 80 * 1024 * 1024
"""Ray's smallest is 75 MiB; requests and evaluations are kilobytes."""

LOOPBACK = ("127.0.0.1", "::1")

LONGEST_TEMP_PATH = 40
"""Ray puts a Unix socket about 65 characters below; Linux allows 107."""


POLL_SECONDS = 1.0
"""How often a busy worker is asked what its attempt has reported."""

ASIDE = "aside"
"""The actor's second thread: it answers while the first one evaluates. Both are threads of Ray's, not the main one."""


@dataclass(slots=True)
class _Actor:
    """A worker's actor.

    Args:
        answer: the call that it answers next; None while it is idle.
        poll: the call, on its second thread, that tells what the attempt has reported; None while there is none.
        poll_at: when the next one is due, seconds of `time.monotonic`.
    """

    handle: Any
    answer: Any = None
    poll: Any = None
    poll_at: float = 0.0


class RayDispatcher(StandingDispatcher):
    """One actor for each worker, with the CPUs, GPUs and TPUs of its pool. One dispatcher per process.

    Args:
        evaluator: as in `worker.resolve_evaluator`. On a Ray of our own it is found through this process's
            `sys.path`; elsewhere the nodes must have it installed.
        address: None for a Ray of our own; else ``auto``, ``host:port`` or ``ray://host:port`` of a cluster,
            which is left running.
        namespace: of the actors' names.
        connect_seconds: how long to wait for a cluster that is being started.

    Raises:
        ValueError: no such evaluator on this machine, where it is needed, or an address of another form.
        RuntimeError: this process uses Ray already, or Ray would listen beyond loopback.
        ConnectionError: no cluster at the address.
    """

    def __init__(
        self,
        pools: Sequence[WorkerPool],
        evaluator: str,
        address: str | None = None,
        namespace: str = "spinesearch",
        connect_seconds: float = 30.0,
    ) -> None:
        super().__init__(pools)
        self._evaluator = evaluator
        self._namespace = namespace
        self._actors: dict[str, _Actor] = {}
        self._python_path = os.pathsep.join(os.path.abspath(path) for path in sys.path)
        self._temp_dir: Path | None = None
        if address is None:
            check_evaluator(evaluator)
            _ask_for_a_token()
        else:
            _await_listener(address, connect_seconds)
        import ray

        if ray.is_initialized():
            raise RuntimeError("this process uses Ray already: one dispatcher in one process")
        # Ray would print the deaths of workers on stdout; we report them.
        ray._private.worker._worker_logs_enabled = False
        self._ray: Any = ray
        with _sigterm_kept():
            if address is None:
                self._start_own_ray()
            else:
                ray.init(address, namespace=namespace, log_to_driver=False, logging_level=logging.ERROR)

    def _start_own_ray(self) -> None:
        """A Ray on loopback with as many CPUs as the pools want, and the GPUs and TPUs of this machine."""
        self._temp_dir = _make_temp_dir()
        try:
            with _loopback_only(), _inherited_by_workers(self._python_path):
                self._ray.init(
                    "local",
                    namespace=self._namespace,
                    num_cpus=sum(pool.count * pool.cpus for pool in self._pools),
                    object_store_memory=OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _temp_dir=str(self._temp_dir / "ray"),
                )
            node_address = self._ray.util.get_node_ip_address()
            if node_address not in LOOPBACK:
                raise RuntimeError(f"Ray would listen on {node_address}, beyond loopback")
        except BaseException:
            self._end_own_ray()
            raise

    def _end_own_ray(self) -> None:
        assert self._temp_dir is not None
        self._ray.shutdown()
        shutil.rmtree(self._temp_dir, ignore_errors=True)
        self._temp_dir = None

    def _own_ray_died(self) -> bool:
        """Whether a process of our own Ray has ended without which no worker lives."""
        if self._temp_dir is None:
            return False
        dead = self._ray._private.worker._global_node.dead_processes()
        return any(name in ("gcs_server", "raylet") for name, _ in dead)

    def _replace_own_ray(self) -> list[Event]:
        """A new Ray for one that died. Waiting would not help: Ray starts neither of the two again, and ends this
        process a minute after its head's death."""
        self._actors.clear()
        self._end_own_ray()
        with _sigterm_kept():
            self._start_own_ray()
        return [Lost(slot, "Ray died and was started again") for slot in self._slots]

    def _start(self, slot: Slot) -> None:
        if self._own_ray_died():
            return  # Ray would wait for its head; the next `_listen` starts another.
        pool = slot.pool
        actor_class = self._ray.remote(concurrency_groups={ASIDE: 1})(Worker).options(
            name=f"{slot.name}.{secrets.token_hex(4)}",
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
            resources={"TPU": pool.tpus} if pool.tpus else None,
            max_restarts=0,
            max_task_retries=0,
        )
        actor = actor_class.remote(self._evaluator)
        self._actors[slot.name] = _Actor(actor, actor.start.remote())

    def _send(self, slot: Slot, key: AttemptKey, request: EvaluationRequest) -> None:
        actor = self._actors[slot.name]
        actor.answer, actor.poll = actor.handle.evaluate.remote(key, request), None
        actor.poll_at = time.monotonic() + POLL_SECONDS

    def _ask_to_stop(self, slot: Slot, key: AttemptKey) -> None:
        self._actors[slot.name].handle.stop.options(concurrency_group=ASIDE).remote(key)

    def _kill(self, slot: Slot) -> None:
        actor = self._actors.pop(slot.name, None)
        if actor is not None:
            self._ray.kill(actor.handle)

    def _listen(self, timeout_seconds: float) -> list[Event]:
        if self._own_ray_died():
            return self._replace_own_ray()
        awaited = self._awaited()
        if not awaited:
            time.sleep(timeout_seconds)
            return []
        calls = list(awaited)
        ready, _ = self._ray.wait(calls, num_returns=1, timeout=timeout_seconds)
        if ready:
            ready, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
        return [event for call in ready for event in self._hear(awaited[call], call)]

    def _awaited(self) -> dict[Any, Slot]:
        """The calls that workers have to answer; polls that are due are sent."""
        now = time.monotonic()
        awaited = {}
        for slot in self._slots:
            actor = self._actors.get(slot.name)
            if actor is None or actor.answer is None:
                continue
            awaited[actor.answer] = slot
            if slot.key is not None and actor.poll is None and actor.poll_at <= now:
                ask = actor.handle.progress.options(concurrency_group=ASIDE)
                actor.poll, actor.poll_at = ask.remote(slot.key, slot.num_reported), now + POLL_SECONDS
            if actor.poll is not None:
                awaited[actor.poll] = slot
        return awaited

    def _hear(self, slot: Slot, call: object) -> list[Event]:
        """What an answered call says; nothing where the worker was found lost by its other call."""
        actor = self._actors.get(slot.name)
        if actor is None:
            return []
        try:
            answer = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            self._kill(slot)
            return [self._loss(slot, error)]
        if call == actor.poll:
            actor.poll = None
            return [Reported(slot, answer)] if answer else []
        actor.answer = None
        if slot.state is not SlotState.STARTING:
            at, result, events = answer
            return [Answered(slot, result, at, events)]
        failure = answer[1]
        if failure is None:
            return [Started(slot)]
        self._kill(slot)
        return [Lost(slot, failure.message, failure.traceback)]

    def _loss(self, slot: Slot, error: Exception) -> Lost:
        """One line and the whole text. Ray may say so although the attempt had ended: only its answer is lost."""
        text = str(error).strip()
        message = f"the worker was lost: {text.splitlines()[0] if text else type(error).__name__}"
        is_here = self._temp_dir is not None
        if isinstance(error, self._ray.exceptions.OutOfMemoryError) or (is_here and self._was_memory_short(slot)):
            return Lost(slot, message, text, FailureReason.OUT_OF_MEMORY)
        return Lost(slot, message, text)

    def _shortage(self, pool: WorkerPool) -> str:
        if self._own_ray_died():
            return "Ray died and is started again"
        total = self._ray.cluster_resources()
        for name in ("CPU", "GPU", "TPU"):
            wanted = sum(other.count * _need(other, name) for other in self._pools)
            if _need(pool, name) and wanted > total.get(name, 0):
                return f"each needs {_need(pool, name):g} {name}, the cluster has {total.get(name, 0):g}"
        return ""

    def close(self) -> None:
        if self._temp_dir is not None:
            self._actors.clear()
            self._end_own_ray()
        super().close()
        if self._ray.is_initialized():
            self._ray.shutdown()


def _need(pool: WorkerPool, resource: str) -> float:
    return {"CPU": pool.cpus, "GPU": pool.gpus, "TPU": pool.tpus}[resource]


def _make_temp_dir() -> Path:
    """A private folder for Ray's, which is open to all, with a path short enough for Ray's sockets."""
    path = tempfile.mkdtemp(prefix="spinesearch-")
    if len(path) > LONGEST_TEMP_PATH:
        os.rmdir(path)
        path = tempfile.mkdtemp(prefix="spinesearch-", dir="/tmp")
    return Path(path)


def _await_listener(address: str, seconds: float) -> None:
    """Returns when somebody listens at ``host:port``; Ray itself would try for minutes.

    Raises:
        ConnectionError: nobody does after so many seconds.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    deadline = time.monotonic() + seconds
    while port.isdigit():
        try:
            return socket.create_connection((host.strip("[]"), int(port)), max(seconds, 1.0)).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConnectionError(f"no Ray at {address}: {error.strerror or error}") from error
        time.sleep(0.2)


def _ask_for_a_token() -> None:
    """Makes Ray's servers, and this process, use a token that is in no file."""
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    from ray._raylet import Config  # type: ignore[attr-defined]

    # Ray reads its settings when it is imported, which somebody may have done before.
    Config.initialize("")


@contextmanager
def _loopback_only() -> Iterator[None]:
    """Ray listens on the address that it thinks the node has, and on all interfaces unless that is loopback.
    `ray.init` takes a loopback address for the node only where clusters are off, as on macOS."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _inherited_by_workers(python_path: str) -> Iterator[None]:
    """Workers are started by Ray's own processes, which inherit our environment: they import what we can."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = python_path
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """`ray.init` replaces the handler of SIGTERM; it is put back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
