"""Files that attempts write their output to, and how parts of a log are made of them.

A file lies in a folder of the artifact store that every worker reaches: it outlives a worker that dies, and the
controller makes parts of what that one had not told.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.log_parts import PART_BYTES, is_kept, pack
from nas_controller.dispatch.base import AttemptKey
from nas_controller.dispatch.redaction import LONGEST_SECRET, redacted, secrets_of
from trainer.session import LogPart

FOLDER = "logs"
MAX_FILE_BYTES = 64 * 2**20
"""A file that is so long begins anew."""
LONGEST_LINE = 4096


class OutputFile:
    """The file of one attempt, open.

    Args:
        start: how much of the log was in the file before it last began anew; it is in the file's name.
    """

    def __init__(self, path: Path, descriptor: int, start: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.start = start

    @property
    def num_bytes(self) -> int:
        """Its length now."""
        return os.fstat(self.descriptor).st_size

    def read(self, first: int, end: int) -> bytes:
        """Its bytes from `first` to before `end`, as far as they are there."""
        first = max(first, 0)
        return os.pread(self.descriptor, end - first, first)

    def begin_anew(self) -> None:
        """Empties it. What is written at this very moment may be lost: it is in the middle of a long log."""
        start = self.start + self.num_bytes
        os.ftruncate(self.descriptor, 0)
        path = self.path.with_suffix(f".{start}")
        self.path.rename(path)
        self.path, self.start = path, start

    def close(self) -> None:
        """Gives back the descriptor; the file stays."""
        os.close(self.descriptor)

    def remove(self) -> None:
        """Removes the file."""
        self.path.unlink(missing_ok=True)


class OutputFiles:
    """The files below an artifact store's folder, ``logs/<job>.<attempt>.<start>``."""

    def __init__(self, artifact_dir: Path) -> None:
        self._folder = artifact_dir / FOLDER

    def make(self, key: AttemptKey) -> OutputFile:
        """A new file for the attempt, to be added to. Raises OSError where there cannot be one."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{file_name(key)}.0"
        flags = os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC
        return OutputFile(path, os.open(path, flags, 0o600), 0)

    def find(self, key: AttemptKey) -> OutputFile | None:
        """The attempt's file, to be read; None where there is none."""
        for path in self._folder.glob(f"{file_name(key)}.*"):
            start = path.suffix.removeprefix(".")
            if path.stem == file_name(key) and start.isdecimal():
                with suppress(FileNotFoundError):  # its worker has just removed it
                    return OutputFile(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC), int(start))
        return None

    def written_before(self, at: datetime) -> list[AttemptKey]:
        """The attempts whose file was written to last before this time."""
        keys = []
        for path in self._folder.glob("*.*.*"):
            job_id, _, number = path.stem.rpartition(".")
            with suppress(FileNotFoundError):
                if number.isdecimal() and path.stat().st_mtime < at.timestamp():
                    keys.append(AttemptKey(unquote(job_id), int(number)))
        return keys

    def forget(self, key: AttemptKey) -> None:
        """Removes the attempt's file; none is no error."""
        file = self.find(key)
        if file is not None:
            file.close()
            file.remove()


def file_name(key: AttemptKey) -> str:
    """The attempt as part of a file's name; it matches nothing but itself."""
    return f"{quote(key.job_id, safe='')}.{key.number}"


class LogWriter:
    """Makes parts of a file.

    Args:
        report: called with each part when it is durable.
        environment: no part has the secrets in it.
        known: parts that were told before.
    """

    def __init__(
        self,
        artifact_dir: Path,
        key: AttemptKey,
        file: OutputFile,
        report: Callable[[LogPart], object],
        environment: Mapping[str, str],
        known: Sequence[LogPart] = (),
    ) -> None:
        self._artifact_dir = artifact_dir
        self._name = file_name(key)
        self._file = file
        self._report = report
        self._environment = environment
        self._told = {part.start: part.num_bytes for part in known}

    @cached_property
    def _artifacts(self) -> DirectoryArtifactStore:
        """Opened with the first part: most attempts have none."""
        return DirectoryArtifactStore(self._artifact_dir)

    @cached_property
    def _secrets(self) -> list[bytes]:
        return secrets_of(self._environment)

    def flush(self, *, is_last: bool = False) -> None:
        """Tells what is new: whole lines, and at last all of it. Raises OSError where that cannot be kept."""
        size = self._file.num_bytes
        is_full = size > MAX_FILE_BYTES and not is_last
        end = size if is_last or is_full else self._end_of_lines(size)
        for first in range(0, end, PART_BYTES):
            self._tell(first, min(first + PART_BYTES, end), end)
        if is_full:
            self._file.begin_anew()

    def _end_of_lines(self, size: int) -> int:
        """Where the last whole line ends; where the file ends, if the line after it is long."""
        last = self._file.read(size - LONGEST_LINE, size)
        num_whole = max(last.rfind(b"\n"), last.rfind(b"\r")) + 1
        return size if num_whole == 0 and size > LONGEST_LINE else size - len(last) + num_whole

    def _tell(self, first: int, end: int, file_end: int) -> None:
        start, num_bytes = self._file.start + first, end - first
        is_known = self._told.get(start, 0) >= num_bytes
        if is_known or not is_kept(start, start + num_bytes, self._file.start + file_end):
            return
        content = pack(self._redacted(first, end), f"{self._name}.{start}")
        part = LogPart(start=start, num_bytes=num_bytes, key=self._artifacts.put(content))
        self._told[start] = num_bytes
        self._report(part)

    def _redacted(self, first: int, end: int) -> bytes:
        """These bytes without secrets, of which one may begin before them, or end after them."""
        before = min(first, LONGEST_SECRET)
        text = redacted(self._file.read(first - before, end + LONGEST_SECRET), self._secrets)
        return text[before : before + end - first]
