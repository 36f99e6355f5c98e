"""Artifacts as files: the contract, and what happens to files behind the store's back."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nas_controller.artifacts.base import ArtifactStore
from nas_controller.artifacts.directory import LEFTOVER_SECONDS, DirectoryArtifactStore
from tests.conformance import artifact_processes as processes
from tests.conformance.artifact_suite import ArtifactSuite, read

SPAWN = multiprocessing.get_context("spawn")


class TestDirectoryArtifactStore(ArtifactSuite):
    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> ArtifactStore:
        return DirectoryArtifactStore(tmp_path / "artifacts")


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_another_store_on_the_directory_has_the_same(tmp_path: Path) -> None:
    key = DirectoryArtifactStore(tmp_path).put(b"log")
    assert read(DirectoryArtifactStore(tmp_path), key) == b"log"
    assert _files(tmp_path) == [tmp_path / key[:2] / key]


@pytest.mark.parametrize("damage", [b"", b"lo", b"lag"])
def test_damaged_content_is_refused_and_can_be_put_again(tmp_path: Path, damage: bytes) -> None:
    artifacts = DirectoryArtifactStore(tmp_path)
    key = artifacts.put(b"log")
    (tmp_path / key[:2] / key).write_bytes(damage)
    with pytest.raises(OSError, match="does not match"):
        artifacts.open(key)
    assert artifacts.put(b"log") == key
    assert read(artifacts, key) == b"log"


def test_a_put_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = DirectoryArtifactStore(tmp_path)

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        artifacts.put(b"log")
    assert _files(tmp_path) == []


def test_a_killed_writer_leaves_no_artifact(tmp_path: Path) -> None:
    process = SPAWN.Process(target=processes.put_and_die_before_the_rename, args=(tmp_path, b"x" * 1000))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    artifacts = DirectoryArtifactStore(tmp_path)
    assert artifacts.list() == []
    (leftover,) = _files(tmp_path)
    key = artifacts.put(b"x" * 1000)
    assert artifacts.list() == [key]
    assert leftover.exists()


def test_old_leftovers_are_swept_when_the_directory_is_opened(tmp_path: Path) -> None:
    key = DirectoryArtifactStore(tmp_path).put(b"log")
    old, young = tmp_path / "ab" / "old.part", tmp_path / "ab" / "young.part"
    old.parent.mkdir(exist_ok=True)
    for path, age in ((old, LEFTOVER_SECONDS + 60), (young, LEFTOVER_SECONDS - 60)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age, time.time() - age))
    os.utime(tmp_path / key[:2] / key, (0, 0))
    artifacts = DirectoryArtifactStore(tmp_path)
    assert not old.exists()
    assert young.exists()
    assert artifacts.list() == [key]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_put_at_the_moment_of_a_deletion_wins(tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the time of the file and its removal: just before it is taken out of its place, or after."""
    artifacts = DirectoryArtifactStore(tmp_path)
    key = artifacts.put(b"log")
    os.utime(tmp_path / key[:2] / key, (0, 0))
    rename: Callable[[Path, Path], None] = os.rename

    def rename_and_put(source: Path, target: Path) -> None:
        if when == "before":
            artifacts.put(b"log")
        rename(source, target)
        if when == "after":
            assert not artifacts.exists(key)
            artifacts.put(b"log")

    monkeypatch.setattr(os, "rename", rename_and_put)
    before = datetime.now(UTC) - timedelta(hours=1)
    assert artifacts.list(put_before=before) == [key]
    artifacts.delete(key, put_before=before)
    assert read(artifacts, key) == b"log"
    assert _files(tmp_path) == [tmp_path / key[:2] / key]
    assert artifacts.list(put_before=before) == []


def test_a_file_that_goes_while_it_is_put_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = DirectoryArtifactStore(tmp_path)
    key = artifacts.put(b"log")
    touch: Callable[[Path], None] = os.utime

    def delete_and_touch(path: Path) -> None:
        artifacts.delete(key)
        touch(path)

    monkeypatch.setattr(os, "utime", delete_and_touch)
    assert artifacts.put(b"log") == key
    assert read(artifacts, key) == b"log"
