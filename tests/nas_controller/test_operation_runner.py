"""Who carries out operations, and what becomes of them when it dies. The processes are real and do next to nothing."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from nas_controller.operations.records import MAX_ATTEMPTS, Operation, OperationLease, OperationState
from nas_controller.operations.runner import KEEP_SECONDS, LEASE_SECONDS, LIMIT_SECONDS, OperationRunner
from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from tests.conformance.store_cases import START, at
from tests.conformance.store_operation_suite import RESULT, asked

SLEEP = "import time; time.sleep(600)"
FAIL = "raise SystemExit(3)"


class Machine:
    """A runner with a clock that the test moves, whose processes run a line of Python."""

    def __init__(self, store: Store, name: str) -> None:
        self.at = START + timedelta(seconds=100)
        self.line = SLEEP
        self.leases: list[OperationLease] = []
        self.runner = OperationRunner(store, self._start, self._now, name)

    def _now(self) -> datetime:
        return self.at

    def _start(self, lease: OperationLease) -> "subprocess.Popen[bytes]":
        self.leases.append(lease)
        return subprocess.Popen([sys.executable, "-c", self.line])

    def step(self, seconds: float = 0) -> None:
        """One step, so many seconds after the last."""
        self.at += timedelta(seconds=seconds)
        self.runner.step()

    def process(self) -> "subprocess.Popen[bytes]":
        """The one that there is."""
        assert self.runner.child is not None
        return self.runner.child.process


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield store
    store.close()


@pytest.fixture
def open_machine(store: Store) -> Iterator[Callable[[str], Machine]]:
    machines: list[Machine] = []

    def make(name: str) -> Machine:
        machines.append(Machine(store, name))
        return machines[-1]

    yield make
    for machine in machines:
        machine.runner.close()


@pytest.fixture
def machine(open_machine: Callable[[str], Machine]) -> Machine:
    return open_machine("daemon")


def read(store: Store, operation: Operation) -> tuple[OperationState, int, str]:
    """State, attempts and problem."""
    now = store.get_operation(operation.id)
    return now.state, now.num_attempts, now.problem


def test_one_at_a_time_is_carried_out_in_order(store: Store, machine: Machine) -> None:
    first, second = asked(store, 1), asked(store, 2)
    machine.step()
    machine.step(1)
    assert [lease.operation_id for lease in machine.leases] == [first.id]
    store.finish_operation(machine.leases[0], RESULT, machine.at)
    machine.process().kill()
    machine.process().wait()
    machine.step(1)
    assert read(store, first) == (OperationState.SUCCEEDED, 1, ""), "a process that dies after its work loses nothing"
    machine.step(1)
    assert [lease.operation_id for lease in machine.leases] == [first.id, second.id]


def test_a_lease_is_kept_while_the_process_lives(
    store: Store, machine: Machine, open_machine: Callable[[str], Machine]
) -> None:
    operation, other = asked(store), open_machine("other")
    machine.step()
    for _ in range(3):
        machine.step(LEASE_SECONDS - KEEP_SECONDS + 1)
        other.at = machine.at
        other.step()
    assert other.leases == []
    assert read(store, operation) == (OperationState.RUNNING, 1, "")


def test_a_process_that_is_killed_is_followed_when_its_lease_has_expired_three_times_in_all(
    store: Store, machine: Machine
) -> None:
    operation = asked(store)
    reason = "its process was ended by SIGKILL, as the system does where memory runs out"
    for attempt in range(1, MAX_ATTEMPTS):
        machine.step()
        machine.process().kill()
        machine.process().wait()
        machine.step(1)
        assert read(store, operation) == (OperationState.RUNNING, attempt, reason)
        assert machine.runner.child is None
        machine.at += timedelta(seconds=LEASE_SECONDS)
    machine.line = FAIL
    machine.step()
    machine.process().wait()
    machine.step(1)
    failed = "its process ended with code 3, at the last of 3 attempts"
    assert read(store, operation) == (OperationState.FAILED, 3, failed)
    machine.step(LEASE_SECONDS)
    assert len(machine.leases) == MAX_ATTEMPTS


def test_who_takes_too_long_is_ended_and_the_operation_has_failed(store: Store, machine: Machine) -> None:
    operation = asked(store)
    machine.step()
    process = machine.process()
    waited = 0.0
    while waited < LIMIT_SECONDS:
        waited += KEEP_SECONDS
        machine.step(KEEP_SECONDS)
    assert process.returncode == -signal.SIGTERM
    assert read(store, operation) == (OperationState.FAILED, 1, "it took longer than 900 s and was ended")
    machine.step(1)
    assert len(machine.leases) == 1


def test_what_a_dead_daemon_left_is_taken_by_another(store: Store, open_machine: Callable[[str], Machine]) -> None:
    operation, dead, other = asked(store), open_machine("dead"), open_machine("other")
    dead.step()
    other.step(LEASE_SECONDS - 1)
    assert other.leases == []
    other.step(1)
    assert [lease.operation_id for lease in other.leases] == [operation.id]
    dead.at = other.at
    dead.step()
    assert dead.runner.child is None, "it was not dead: it ends its process when it hears that it lost the lease"
    assert dead.leases[0].token < other.leases[0].token
    assert read(store, operation) == (OperationState.RUNNING, 2, "")


def test_two_daemons_share_what_there_is(store: Store, open_machine: Callable[[str], Machine]) -> None:
    operations = {asked(store, number).id for number in range(2)}
    machines = [open_machine("a"), open_machine("b")]
    for machine in machines:
        machine.step()
    assert {machine.leases[0].operation_id for machine in machines} == operations


def test_at_its_end_the_daemon_ends_the_process(store: Store, machine: Machine) -> None:
    asked(store)
    machine.step()
    process = machine.process()
    machine.runner.close()
    assert process.returncode == -signal.SIGTERM
    assert store.claim_operation("next", at(100 + LEASE_SECONDS), 60) is not None
