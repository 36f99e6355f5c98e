"""`spinesearch logs`, against a served API."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.store.memory import MemoryStore
from tests.api.searches import SearchWriter, evaluation, write_small_search
from tests.spinesearch import served_commands
from tests.spinesearch.served_commands import commands_of

HEAD = "== proxy, seed 5, attempt 1 on worker-2 ==\n"


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifactStore:
    return DirectoryArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def writer(
    tmp_path: Path, artifacts: DirectoryArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SearchWriter]:
    """Of a search in a service that the environment names; its trial 5 runs, and has said one line."""
    writer = write_small_search(MemoryStore())
    writer.log(artifacts, 5, 0, "first\n")
    with commands_of(writer.store, tmp_path, monkeypatch, artifacts):
        yield writer


def said(writer: SearchWriter, *arguments: str) -> str:
    return served_commands.said("logs", writer.search_id, "5", *arguments)


def test_what_there_is_is_printed(writer: SearchWriter) -> None:
    assert said(writer) == f"{HEAD}first\n"


def test_who_follows_sees_all_until_the_trainings_have_ended(
    writer: SearchWriter, artifacts: DirectoryArtifactStore
) -> None:
    def go_on() -> None:
        time.sleep(0.3)
        writer.log(artifacts, 5, 0, "first\nsecond\n")
        job = writer.store.list_jobs(writer.search_id, 5)[0]
        writer.store.complete_attempt(writer.lease, job.id, 1, evaluation(0.3), 0.3, writer.tick())

    thread = threading.Thread(target=go_on)
    thread.start()
    assert said(writer, "--follow") == f"{HEAD}first\nsecond\n"
    thread.join()


def test_no_text_moves_the_cursor(writer: SearchWriter, artifacts: DirectoryArtifactStore) -> None:
    writer.log(artifacts, 5, 0, "first\n10 %\r20 %\r\n\x1b[2Jgone\ttab\n")
    assert said(writer) == f"{HEAD}first\n10 %\n20 %\n\\x1b[2Jgone\ttab\n"
