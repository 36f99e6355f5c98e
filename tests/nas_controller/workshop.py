"""A daemon of whose clock, machine and processes a test disposes. The processes are real and do next to nothing."""

import math
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.daemon import Daemon
from nas_controller.records import SearchLease, SearchState
from nas_controller.resources import Devices, Machine, Resources
from nas_controller.search_config import SearchConfig
from nas_controller.search_loop import LEASE_SECONDS
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore

SLEEP = "import time; time.sleep(60)"


class Workshop:
    """A daemon on a memory store with a clock that the test moves."""

    def __init__(self, machine: Machine, folder: Path, store: Store | None = None) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)
        self.store = store or MemoryStore()
        self.folder = folder
        self.artifacts = DirectoryArtifactStore(folder)
        self.started: list[str] = []
        self.devices: dict[str, Devices] = {}
        self.code = SLEEP
        self.machine = machine
        self.daemon = self.new_daemon("daemon")

    def new_daemon(self, name: str) -> Daemon:
        return Daemon(self.store, self.artifacts, self.start, self.machine, lambda: self.at, name)

    def start(self, search_id: str, devices: Devices) -> "subprocess.Popen[bytes]":
        self.started.append(search_id)
        self.devices[search_id] = devices
        return subprocess.Popen([sys.executable, "-c", self.code])

    def add(self, search_id: str, workers: int, gpus: float = 0) -> None:
        pool = {"count": workers, "cpus": 1, "gpus": gpus}
        config = SearchConfig.from_document({"space": "r0-sp53", "data": "generated", "workers": [pool]})
        self.at += timedelta(seconds=1)
        self.store.create_search(search_id, search_id, config.to_document(), self.at)

    def process(self, search_id: str) -> "subprocess.Popen[bytes]":
        child = self.daemon.places[search_id].child
        assert child is not None
        return child.process

    def claim(self, search_id: str, owner: str) -> SearchLease:
        lease = self.store.claim_search(search_id, owner, self.at, LEASE_SECONDS)
        assert lease is not None
        return lease

    def run(self, search_id: str, owner: str = "daemon") -> None:
        """What the search's process does first."""
        self.store.set_search_state(self.claim(search_id, owner), SearchState.RUNNING, "", self.at)

    def end(self, search_id: str) -> None:
        """The search is over, and its process has ended."""
        self.store.request_state(search_id, SearchState.CANCELLED, "", self.at)
        self.process(search_id).terminate()
        self.process(search_id).wait()

    def kill(self, search_id: str) -> None:
        self.process(search_id).kill()
        self.process(search_id).wait()

    def reason(self, search_id: str) -> str:
        search = self.store.get_search(search_id)
        assert search.state is SearchState.PENDING
        return search.reason

    def step(self, seconds: float = 0.0) -> None:
        self.at += timedelta(seconds=seconds)
        self.daemon.step()

    def put(self, content: bytes) -> str:
        """The key of an artifact, put at the time of the workshop."""
        key = self.artifacts.put(content)
        os.utime(self.folder / key[:2] / key, (self.at.timestamp(), self.at.timestamp()))
        return key


def a_machine(cpus: int = 4, gpus: int = 0, cores: float = 4, searches: float = math.inf) -> Machine:
    capacity = Resources(searches=searches, workers=math.inf, cpus=cpus, gpus=gpus, tpus=0)
    return Machine(capacity=capacity, cores=cores, devices=Devices(gpus=tuple(f"gpu-{n}" for n in range(gpus))))
