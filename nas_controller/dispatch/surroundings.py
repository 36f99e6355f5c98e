"""What is around a Ray: its folder, its address, and what this process's environment and signals say to it."""

import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_TEMP_PATH = 40
"""Ray puts a Unix socket about 65 characters below; Linux allows 107."""


def make_temp_dir() -> Path:
    """A private folder for Ray's, which is open to all, with a path short enough for Ray's sockets."""
    path = tempfile.mkdtemp(prefix="spinesearch-")
    if len(path) > LONGEST_TEMP_PATH:
        os.rmdir(path)
        path = tempfile.mkdtemp(prefix="spinesearch-", dir="/tmp")
    return Path(path)


def await_listener(address: str, seconds: float) -> None:
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


@contextmanager
def inherited_by_workers(python_path: str) -> Iterator[None]:
    """Workers are started by Ray's own processes, which inherit our environment: they import what we can."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = python_path
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # a worker of a pool without GPUs sees none
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """`ray.init` replaces the handler of SIGTERM; it is put back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
