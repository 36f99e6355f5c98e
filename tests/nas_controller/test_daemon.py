"""Which searches get a process, and when a dead one gets another. The processes are real and do next to nothing."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.daemon import Daemon
from nas_controller.records import SearchState
from nas_controller.search_config import SearchConfig
from nas_controller.store.memory import MemoryStore
from nas_controller.tallies import CRASHES, ProcessRole

SLEEP = "import time; time.sleep(60)"
FAIL = "raise SystemExit(3)"


class Machine:
    """A daemon on a memory store with a clock that the test moves."""

    def __init__(self, cpus: int, folder: Path) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)
        self.store = MemoryStore()
        self.folder = folder
        self.artifacts = DirectoryArtifactStore(folder)
        self.started: list[str] = []
        self.code = SLEEP
        self.daemon = Daemon(self.store, self.artifacts, self.start, cpus, lambda: self.at)

    def start(self, search_id: str) -> "subprocess.Popen[bytes]":
        self.started.append(search_id)
        return subprocess.Popen([sys.executable, "-c", self.code])

    def add(self, search_id: str, workers: int) -> None:
        config = SearchConfig.from_document(
            {"space": "r0-sp53", "data": "generated", "workers": [{"count": workers, "cpus": 1}]}
        )
        self.at += timedelta(seconds=1)
        self.store.create_search(search_id, search_id, config.to_document(), self.at)

    def put(self, content: bytes) -> str:
        """The key of an artifact, put at the time of the machine."""
        key = self.artifacts.put(content)
        os.utime(self.folder / key[:2] / key, (self.at.timestamp(), self.at.timestamp()))
        return key


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(cpus=4, folder=tmp_path)
    yield machine
    machine.daemon.close()


def test_searches_that_fit_side_by_side_run_and_the_next_says_why_it_waits(machine: Machine) -> None:
    for name in ("a", "b", "c"):
        machine.add(name, workers=2)
    machine.daemon.step()
    assert machine.started == ["a", "b"]
    waiting = machine.store.get_search("c")
    assert (waiting.state, waiting.reason) == (
        SearchState.PENDING,
        "waiting for 2 CPUs: running searches use 4 of 4",
    )
    machine.daemon.step()
    assert machine.store.get_search("c").last_sequence == waiting.last_sequence, "it is said once"
    machine.store.request_state("a", SearchState.CANCELLED, "", machine.at)
    machine.daemon.children["a"].terminate()
    machine.daemon.children["a"].wait()
    machine.daemon.step()
    assert machine.started == ["a", "b", "c"]


def test_a_search_larger_than_the_machine_runs_alone(machine: Machine) -> None:
    machine.add("large", workers=64)
    machine.add("small", workers=1)
    machine.daemon.step()
    assert machine.started == ["large"]


def test_a_process_that_dies_is_started_again_after_a_growing_pause(machine: Machine) -> None:
    machine.code = FAIL
    machine.add("a", workers=1)
    pauses = []
    for _ in range(4):
        machine.daemon.step()
        machine.daemon.children["a"].wait()
        machine.daemon.step()
        pauses.append((machine.daemon.backoffs["a"].until - machine.at).total_seconds())
        machine.at = machine.daemon.backoffs["a"].until
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert machine.started == ["a"] * 4


def test_paused_and_final_searches_get_no_process(machine: Machine) -> None:
    machine.add("paused", workers=1)
    machine.add("cancelled", workers=1)
    machine.store.request_state("paused", SearchState.PAUSED, "", machine.at)
    machine.store.request_state("cancelled", SearchState.CANCELLED, "", machine.at)
    machine.daemon.step()
    assert machine.started == []


def test_closing_ends_every_process(machine: Machine) -> None:
    machine.add("a", workers=1)
    machine.daemon.step()
    child = machine.daemon.children["a"]
    machine.daemon.close()
    assert child.returncode is not None


def test_artifacts_that_nothing_needs_are_swept_at_the_first_step_and_every_hour(machine: Machine) -> None:
    def steps_after(minutes: float) -> list[str]:
        machine.at += timedelta(minutes=minutes)
        machine.daemon.step()
        return machine.artifacts.list()

    machine.put(b"first")
    assert steps_after(61) == []
    second = machine.put(b"second")
    assert steps_after(59) == [second]  # not looked at again yet
    assert steps_after(1) == [second]  # an hour old
    third = machine.put(b"third")
    assert steps_after(59.9) == sorted([second, third])
    assert steps_after(0.1) == [third]
    assert steps_after(60) == []


def test_it_says_that_it_lives_and_how_many_processes_died(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.code = FAIL
    machine.add("a", workers=1)
    with caplog.at_level(logging.INFO, "nas_controller.daemon"):
        machine.daemon.step()
        machine.daemon.children["a"].wait()
        machine.daemon.step()
    first = machine.at
    (heartbeat,) = machine.store.list_heartbeats()
    assert (heartbeat.name, heartbeat.role, heartbeat.at) == ("daemon:daemon", ProcessRole.DAEMON, first)
    assert heartbeat.numbers == {CRASHES: 0}
    machine.at += timedelta(seconds=5)
    machine.daemon.step()
    (heartbeat,) = machine.store.list_heartbeats()
    assert (heartbeat.at, heartbeat.numbers) == (machine.at, {CRASHES: 1})
    started, ended = caplog.records
    assert started.getMessage().endswith("started for the search")
    assert ended.getMessage() == "the search's process ended with code 3, another one follows after 1 s"
    assert (vars(ended)["search"], ended.levelname) == ("a", "ERROR")
