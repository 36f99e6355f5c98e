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
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_controller.dispatch.base import AttemptKey, AttemptRequest, WorkerPool
from nas_controller.dispatch.detached import DetachedWorker, StoreProbe
from nas_controller.dispatch.standing import (
    LEASE_SECONDS,
    START_SECONDS,
    Alive,
    Answered,
    Event,
    Lost,
    Reported,
    Slot,
    SlotState,
    StandingDispatcher,
    Started,
)
from nas_controller.dispatch.surroundings import await_listener, inherited_by_workers, make_temp_dir, sigterm_kept
from nas_controller.dispatch.worker import Worker, check_evaluator
from nas_controller.records import Failure, FailureReason

OBJECT_STORE_BYTES = 80 * 1024 * 1024
"""Ray's smallest is 75 MiB; requests and evaluations are kilobytes."""

LOOPBACK = ("127.0.0.1", "::1")


REACH_SECONDS = 15.0
"""How long workers of an earlier dispatcher are given to say what they do; who does not is ended."""

ASIDE = "aside"
"""The actor's second thread: it answers while the first one evaluates. Both are threads of Ray's, not the main one."""


@dataclass(slots=True)
class _Actor:
    """A worker's actor.

    Args:
        answer: the call that it answers next; None while it is idle.
        poll: the call, on its second thread, that tells what the attempt has reported, that the worker lives, and to it
            that we are here; None while there is none.
        probe: of the artifact store, while it starts on a cluster.
    """

    handle: Any
    answer: Any = None
    poll: Any = None
    probe: StoreProbe | None = None


class RayDispatcher(StandingDispatcher):
    """One actor for each worker, with the CPUs, GPUs and TPUs of its pool. One dispatcher per process.

    On a cluster that is not ours, actors outlive this process: `adopt` finds those in the namespace, and `leave` leaves
    them for another dispatcher.

    Args:
        evaluator: as in `worker.resolve_evaluator`. On a Ray of our own it is found through this process's
            `sys.path`; elsewhere the nodes must have it installed.
        address: None for a Ray of our own; else ``auto``, ``host:port`` or ``ray://host:port`` of a cluster,
            which is left running.
        namespace: of the actors' names.
        artifact_dir: where the nodes of a cluster have to find the artifacts of this process; None where they need not.
        connect_seconds: how long to wait for a cluster that is being started.
        lease_seconds, start_seconds: as for `StandingDispatcher`.

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
        artifact_dir: Path | None = None,
        connect_seconds: float = 30.0,
        lease_seconds: float = LEASE_SECONDS,
        start_seconds: float = START_SECONDS,
    ) -> None:
        super().__init__(pools, lease_seconds=lease_seconds, start_seconds=start_seconds)
        self._evaluator = evaluator
        self._namespace = namespace
        self._artifact_dir = artifact_dir
        self._failed_starts: list[Event] = []
        self._actor_names: set[str] = set()
        self._actors: dict[str, _Actor] = {}
        self._python_path = os.pathsep.join(os.path.abspath(path) for path in sys.path)
        self._temp_dir: Path | None = None
        if address is None:
            check_evaluator(evaluator)
            ask_for_a_token()
        else:
            await_listener(address, connect_seconds)
        import ray

        if ray.is_initialized():
            raise RuntimeError("this process uses Ray already: one dispatcher in one process")
        # Ray would print the deaths of workers on stdout; we report them.
        ray._private.worker._worker_logs_enabled = False
        self._ray: Any = ray
        with sigterm_kept():
            if address is None:
                self._start_own_ray()
            else:
                ray.init(address, namespace=namespace, log_to_driver=False, logging_level=logging.ERROR)

    def _start_own_ray(self) -> None:
        """A Ray on loopback with as many CPUs as the pools want, and the GPUs and TPUs of this machine."""
        self._temp_dir = make_temp_dir()
        try:
            with loopback_only(), inherited_by_workers(self._python_path):
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
        with sigterm_kept():
            self._start_own_ray()
        return [Lost(slot, "Ray died and was started again") for slot in self._slots]

    @property
    def _is_own(self) -> bool:
        """Whether Ray is ours, and ends with this process."""
        return self._temp_dir is not None

    def _start(self, slot: Slot) -> None:
        if self._own_ray_died():
            return  # Ray would wait for its head; the next `_listen` starts another.
        name = f"{slot.name}.{secrets.token_hex(4)}"
        probe = None
        if not self._is_own and self._artifact_dir is not None:
            probe = StoreProbe(self._artifact_dir, f"{self._namespace}/{name}")
            try:
                probe.ask()
            except OSError as error:
                self._failed_starts.append(Lost(slot, f"the artifact store cannot be written: {error}"))
                return
        pool = slot.pool
        worker_class, arguments = (Worker, ()) if self._is_own else (DetachedWorker, (probe,))
        actor_class = self._ray.remote(concurrency_groups={ASIDE: 1})(worker_class).options(
            name=name,
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
            resources={"TPU": pool.tpus} if pool.tpus else None,
            max_restarts=0,
            max_task_retries=0,
            lifetime=None if self._is_own else "detached",
        )
        self._actor_names.add(name)
        actor = actor_class.remote(self._evaluator, *arguments)
        self._actors[slot.name] = _Actor(actor, actor.start.remote(), probe=probe)
        self._ask(slot)  # answered as soon as it has a place: the time of its start counts from then

    def adopt(self, keys: Sequence[AttemptKey]) -> list[AttemptKey]:
        if not self._is_own:
            free = {slot.name: slot for slot in self._slots if slot.state is SlotState.DOWN}
            for name, handle in self._left_behind():
                slot = free.pop(name.split(".")[0], None)
                if slot is None or not self._take_over(slot, handle, keys):
                    self._ray.kill(handle)
        return super().adopt(keys)

    def _left_behind(self) -> list[tuple[str, Any]]:
        """Actors of an earlier dispatcher in the namespace, by name."""
        found = []
        for name in sorted(set(self._ray.util.list_named_actors()) - self._actor_names):
            with suppress(ValueError):  # it ended in the meantime
                found.append((name, self._ray.get_actor(name)))
            self._actor_names.add(name)
        return found

    def _take_over(self, slot: Slot, handle: Any, keys: Sequence[AttemptKey]) -> bool:
        """Puts an actor that was found into its slot, with its attempt if that is wanted; False for one that does not
        answer, or that runs an attempt which is not."""
        try:
            ask = handle.work.options(concurrency_group=ASIDE)
            key, is_busy = self._ray.get(ask.remote(), timeout=REACH_SECONDS)
        except (self._ray.exceptions.RayError, AttributeError):
            return False
        if key in keys:
            # Asked for again, the attempt that it has is not run again: it gives what the first call gives.
            self._actors[slot.name] = _Actor(handle, handle.evaluate.remote(key, None))
            slot.state, slot.key, slot.num_reported = SlotState.BUSY, key, 0
            return True
        if not is_busy:
            self._actors[slot.name] = _Actor(handle, handle.start.remote())
            slot.state = SlotState.STARTING
        return not is_busy

    def _send(self, slot: Slot, key: AttemptKey, request: AttemptRequest) -> None:
        actor = self._actors[slot.name]
        actor.answer = actor.handle.evaluate.remote(key, request)

    def _ask_to_stop(self, slot: Slot, key: AttemptKey) -> None:
        self._actors[slot.name].handle.stop.options(concurrency_group=ASIDE).remote(key)

    def _ask(self, slot: Slot) -> None:
        actor = self._actors[slot.name]
        ask = actor.handle.progress.options(concurrency_group=ASIDE)
        actor.poll = ask.remote(slot.key, slot.num_reported)

    def _kill(self, slot: Slot) -> None:
        actor = self._actors.pop(slot.name, None)
        if actor is not None:
            self._ray.kill(actor.handle)

    def _listen(self, timeout_seconds: float) -> list[Event]:
        if self._own_ray_died():
            return self._replace_own_ray()
        if self._failed_starts:
            failed, self._failed_starts = self._failed_starts, []
            return failed
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
        """The calls that workers have to answer."""
        actors = [(self._actors[slot.name], slot) for slot in self._slots if slot.name in self._actors]
        return {call: slot for actor, slot in actors for call in (actor.answer, actor.poll) if call is not None}

    def _hear(self, slot: Slot, call: object) -> list[Event]:
        """What an answered call says; nothing where the other one has said that the worker is lost, or all that its
        attempt reported."""
        actor = self._actors.get(slot.name)
        if actor is None or call not in (actor.answer, actor.poll):
            return []
        try:
            answer = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            self._kill(slot)
            return [self._loss(slot, error)]
        if call == actor.poll:
            actor.poll = None
            return [Reported(slot, answer)] if answer else [Alive(slot)]
        actor.answer = actor.poll = None
        if slot.state is not SlotState.STARTING:
            at, result, events = answer
            return [Answered(slot, result, at, events)]
        return [self._started(slot, actor, answer[1])]

    def _started(self, slot: Slot, actor: _Actor, failure: Failure | None) -> Event:
        """Whether the worker may be used."""
        problem = "" if actor.probe is None or failure is not None else actor.probe.problem()
        if actor.probe is not None:
            actor.probe.forget()
            actor.probe = None
        if failure is None and not problem:
            return Started(slot)
        self._kill(slot)
        return Lost(slot, problem) if failure is None else Lost(slot, failure.message, failure.traceback)

    def _loss(self, slot: Slot, error: Exception) -> Lost:
        """One line and the whole text. Ray may say so although the attempt had ended: only its answer is lost."""
        text = str(error).strip()
        message = f"the worker was lost: {text.splitlines()[0] if text else type(error).__name__}"
        is_here = self._temp_dir is not None
        if isinstance(error, self._ray.exceptions.OutOfMemoryError) or (is_here and self._was_memory_short(slot)):
            return Lost(slot, message, text, FailureReason.OUT_OF_MEMORY)
        return Lost(slot, message, text)

    def _has_no_place(self, slot: Slot) -> bool:
        from ray._private.state import actors

        actor = self._actors.get(slot.name)
        return actor is not None and not actors(actor.handle._actor_id.hex())["Address"]["IPAddress"]

    def _shortage(self, pool: WorkerPool) -> str:
        if self._own_ray_died():
            return "Ray died and is started again"
        total = self._ray.cluster_resources()
        for name in ("CPU", "GPU", "TPU"):
            wanted = sum(other.count * _need(other, name) for other in self._pools)
            if _need(pool, name) and wanted > total.get(name, 0):
                return f"each needs {_need(pool, name):g} {name}, the cluster has {total.get(name, 0):g}"
        return ""

    def leave(self) -> None:
        if self._is_own:
            return self.close()
        self._actors.clear()
        self.close()

    def close(self) -> None:
        if self._temp_dir is not None:
            self._actors.clear()
            self._end_own_ray()
        super().close()
        if self._ray.is_initialized():
            self._ray.shutdown()


def _need(pool: WorkerPool, resource: str) -> float:
    return {"CPU": pool.cpus, "GPU": pool.gpus, "TPU": pool.tpus}[resource]


def ask_for_a_token() -> None:
    """Makes Ray's servers, and this process, use a token that is in no file."""
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    from ray._raylet import Config  # type: ignore[attr-defined]

    # Ray reads its settings when it is imported, which somebody may have done before.
    Config.initialize("")


@contextmanager
def loopback_only() -> Iterator[None]:
    """Ray listens on the address that it thinks the node has, and on all interfaces unless that is loopback.
    `ray.init` takes a loopback address for the node only where clusters are off, as on macOS."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
