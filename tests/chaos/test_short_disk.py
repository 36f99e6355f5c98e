"""For a while nothing can be written: by the search's process and its workers, or, on a full disk, by anybody."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from spinesearch.client import FINAL_STATES, Client
from tests.chaos.service_kills import PROCESSES, command_line
from tests.chaos.service_oracle import what_is_wrong
from tests.integration.service import descendants, running_service, wait_until
from tests.integration.test_service_search import SEARCH

DOCUMENT = {**SEARCH, "limits": {"trials": 10_000}, "evaluator": "tests.chaos.evaluators:closed_form"}
SHORT_SECONDS = 15.0
TIMES = 2
COMES_BACK_SECONDS = 120.0
SMALL_DISK = "48m"


@contextmanager
def running_search(home: Path, log: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Store, str]]:
    """A service with a search that has begun; at the end it is stopped, and all must be right."""
    with (
        log.open("wb") as output,
        running_service(home, output, SPINESEARCH_EVALUATORS="tests.chaos.evaluators") as (process, client),
    ):
        search_id = str(client.create_search(DOCUMENT)["id"])
        store = open_store(f"sqlite:///{home / 'spinesearch.sqlite'}")
        wait_for_more(store, search_id)
        yield process, store, search_id
        wait_for_more(store, search_id)
        stop(client, search_id)
        assert what_is_wrong(store, search_id, home / "artifacts") == []
        store.close()


def stop(client: Client, search_id: str) -> None:
    client.stop(search_id)
    wait_until(lambda: client.get_search(search_id)["state"] in FINAL_STATES, COMES_BACK_SECONDS)


def wait_for_more(store: Store, search_id: str) -> None:
    before = store.count_trials(search_id).trained
    wait_until(lambda: store.count_trials(search_id).trained > before, COMES_BACK_SECONDS)


def nothing_is_told(store: Store, search_id: str) -> None:
    """For as long as the disk is short, but for what was under way."""
    time.sleep(2.0)
    before = store.get_search(search_id).last_sequence
    time.sleep(SHORT_SECONDS)
    assert store.get_search(search_id).last_sequence == before


def called(pid: int, *names: str) -> list[psutil.Process]:
    lines = [(child, command_line(child)) for child in descendants(pid)]
    return [child for child, line in lines if any(PROCESSES[name] in line for name in names)]


@pytest.mark.chaos
def test_a_search_waits_while_its_processes_cannot_write_to_files(tmp_path: Path) -> None:
    """Each write beyond a file's first bytes fails with EFBIG, of the database, of results, and of the log too."""
    with running_search(tmp_path / "home", tmp_path / "log") as (process, store, search_id):
        (search_process,) = called(process.pid, "search process")
        for _ in range(TIMES):
            writers = called(process.pid, "search process", "Ray worker")
            assert len(writers) == 3
            for writer in writers:
                writer.rlimit(psutil.RLIMIT_FSIZE, (1, psutil.RLIM_INFINITY))
            nothing_is_told(store, search_id)
            for writer in writers:
                writer.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
            wait_for_more(store, search_id)
        assert called(process.pid, "search process") == [search_process], "it waited, and did not end"


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A small disk of its own on the folder; False where the system does not let us mount one."""
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "spinesearch", str(folder)]
    mounted = subprocess.run(line, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Until there is no room for one byte more."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    assert shutil.disk_usage(path).free == 0


@pytest.mark.chaos
def test_a_search_waits_while_its_disk_is_full(tmp_path: Path) -> None:
    """Where no disk can be mounted, that of the test is too large to be filled: then only the search is looked at."""
    with (
        small_disk(tmp_path / "disk") as is_small,
        running_search(tmp_path / "disk" / "home", tmp_path / "log") as (process, store, search_id),
    ):
        (search_process,) = called(process.pid, "search process")
        for _ in range(TIMES if is_small else 0):
            fill(tmp_path / "disk" / "ballast")
            nothing_is_told(store, search_id)
            (tmp_path / "disk" / "ballast").unlink()
            wait_for_more(store, search_id)
        assert called(process.pid, "search process") == [search_process], "it waited, and did not end"
