"""Artifacts as files of a directory: two letters of the key, then the key."""

import builtins
import contextlib
import hashlib
import io
import os
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from nas_controller.artifacts.base import ArtifactMissingError, ArtifactStore

LEFTOVER_SECONDS = 3600.0
_TEMPORARY = ".part"


class DirectoryArtifactStore(ArtifactStore):
    """Files below `root`, written aside and renamed; a file's time is when it was put last.

    Opening removes what writers left that died an hour ago.
    """

    def __init__(self, root: Path, kept_for: timedelta | None = None) -> None:
        self._root = root
        self.kept_for = kept_for
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    def _sweep(self) -> None:
        """Removes old leftovers; another process may be doing the same."""
        for path in self._root.glob(f"*/*{_TEMPORARY}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                    path.unlink()

    def put(self, content: bytes) -> str:
        key = hashlib.sha256(content).hexdigest()
        path = self._path(key)
        path.parent.mkdir(exist_ok=True)
        if not (_holds(path, content) and _touched(path)):
            write_aside(path, content)
        sync_directory(path.parent)
        sync_directory(self._root)
        return key

    def open(self, key: str) -> BinaryIO:
        if not _is_key(key):
            raise ArtifactMissingError(key)
        try:
            content = self._path(key).read_bytes()
        except FileNotFoundError:
            raise ArtifactMissingError(key) from None
        if hashlib.sha256(content).hexdigest() != key:
            raise OSError(f"artifact {key}: its content does not match its key")
        return io.BytesIO(content)

    def exists(self, key: str) -> bool:
        return _is_key(key) and self._path(key).exists()

    def delete(self, key: str, put_before: datetime | None = None) -> None:
        if not _is_key(key):
            return
        path = self._path(key)
        if put_before is None:
            path.unlink(missing_ok=True)
        elif _was_put_before(path, put_before):
            _delete_unless_put_again(path, put_before)

    def list(self, put_before: datetime | None = None) -> builtins.list[str]:
        paths = [path for path in self._root.glob("*/*") if _is_key(path.name)]
        return sorted(path.name for path in paths if put_before is None or _was_put_before(path, put_before))

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / key


def _is_key(key: str) -> bool:
    """Whether the text can name an artifact; anything else could name a file elsewhere."""
    return len(key) == 64 and set(key) <= set("0123456789abcdef")


def _holds(path: Path, content: bytes) -> bool:
    """Whether the file is there and whole: a damaged one is written again."""
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def _touched(path: Path) -> bool:
    """Makes now the time of the file; False where another process has just removed it."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _was_put_before(path: Path, at: datetime) -> bool:
    """Whether the file is there, and older."""
    try:
        return path.stat().st_mtime < at.timestamp()
    except FileNotFoundError:
        return False


def _delete_unless_put_again(path: Path, put_before: datetime) -> None:
    """Takes the file out of its place before it looks at its time: whoever puts it later writes it anew."""
    aside = path.with_name(f"{uuid4().hex}{_TEMPORARY}")
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        os.rename(path, aside)
        if _was_put_before(aside, put_before):
            aside.unlink()
        else:
            os.replace(aside, path)


def write_aside(path: Path, content: bytes) -> None:
    """Puts the content under another name, makes it durable, and renames it."""
    descriptor, temporary = tempfile.mkstemp(suffix=_TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def sync_directory(path: Path) -> None:
    """Makes a rename in the directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
