"""A service in processes of its own, on a home of its own, for one test."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx
import psutil

from spinesearch.client import Client
from spinesearch.home import Home
from spinesearch.processes import command
from spinesearch.supervisor import free_port

START_SECONDS = 60.0
LEAVE_SECONDS = 240.0
"""Ray's agents look for their dead parent now and then; on a busy machine that was seen to take over a minute."""


@contextmanager
def running_service(
    home: Path, output: BinaryIO | None = None, **settings: str
) -> Iterator[tuple["subprocess.Popen[bytes]", Client]]:
    """`spinesearch up` on this home, ready to answer, and a client of it; ended, with all its children, at the end.

    Args:
        output: where all that it prints goes; None for where ours goes.
        settings: environment variables.
    """
    port = free_port()
    environment = {
        **os.environ,
        "SPINESEARCH_HOME": str(home),
        "SPINESEARCH_EVALUATORS": "tests.integration.evaluators",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **settings,
    }
    process = subprocess.Popen(
        command("up", "--port", str(port)), env=environment, stdout=output, stderr=output, start_new_session=True
    )
    try:
        wait_until(lambda: answers(port), START_SECONDS)
        with Client(f"http://127.0.0.1:{port}", Home(home, "", None).token()) as client:
            yield process, client
    finally:
        children = descendants(process.pid)
        process.terminate()
        process.wait(60)
        wait_until(lambda: not any(child.is_running() for child in children), LEAVE_SECONDS)


def answers(port: int) -> bool:
    """Whether the API says that it is healthy."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1.0).is_success
    except httpx.TransportError:
        return False


def descendants(pid: int) -> list[psutil.Process]:
    """Children, grandchildren and so on, those that are there."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_everything(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL for the process and all its descendants, as when the machine stops."""
    for victim in [*descendants(process.pid), psutil.Process(process.pid)]:
        kill(victim)
    process.wait()


def kill(victim: psutil.Process) -> bool:
    """SIGKILL; whether the process was still there."""
    try:
        victim.kill()
    except psutil.NoSuchProcess:
        return False
    return True


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    """Returns as soon as it holds; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"did not happen within {seconds:g} s"
        time.sleep(0.1)
