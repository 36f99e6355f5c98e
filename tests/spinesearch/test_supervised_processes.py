"""Which children a supervisor starts again, and when. The processes are real and do next to nothing."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from nas_controller.children import STABLE_SECONDS
from spinesearch.processes import Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
FAIL = [sys.executable, "-c", "raise SystemExit(3)"]


class Watch:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def supervisor(watch: Watch, reports: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor({"steady": SLEEP, "weak": FAIL}, reports.append, watch)
    yield supervisor
    supervisor.close()


def process(supervisor: Supervisor, name: str) -> "subprocess.Popen[bytes]":
    process = supervisor.children[name].process
    assert process is not None
    return process


def test_a_child_that_dies_is_started_again_after_a_growing_pause(
    supervisor: Supervisor, watch: Watch, reports: list[str]
) -> None:
    supervisor.step()
    steady = process(supervisor, "steady")
    for pause in (0.5, 1.0, 2.0):
        dead = process(supervisor, "weak")
        dead.wait()
        supervisor.step()
        watch.seconds += pause - 0.1
        supervisor.step()
        assert process(supervisor, "weak") is dead, f"{pause} s are not over"
        watch.seconds += 0.1
        supervisor.step()
        assert process(supervisor, "weak") is not dead
    assert process(supervisor, "steady") is steady
    said = "weak ended with code 3; it is started again after"
    assert reports == [f"{said} 0.5 s", f"{said} 1 s", f"{said} 2 s"]


def test_a_child_that_lived_long_enough_is_followed_soon(
    supervisor: Supervisor, watch: Watch, reports: list[str]
) -> None:
    supervisor.step()
    for lived in (1.0, 1.0, STABLE_SECONDS):
        process(supervisor, "weak").wait()
        watch.seconds += lived
        supervisor.step()
        watch.seconds += 1.0
        supervisor.step()
    assert [line.rpartition(" after ")[2] for line in reports] == ["0.5 s", "1 s", "0.5 s"]


def test_closing_ends_every_child(supervisor: Supervisor) -> None:
    supervisor.step()
    supervisor.close()
    assert process(supervisor, "steady").returncode == -signal.SIGTERM
    assert process(supervisor, "weak").returncode is not None


def test_a_process_whose_parent_died_before_it_looked_ends_at_once() -> None:
    """Its parent is then another one, and stays: it must be told whom it was started by."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    code = (
        f"import time; from spinesearch.processes import end_with_parent; end_with_parent({gone.pid}); time.sleep(60)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == -signal.SIGTERM
