"""From an attempt's file to the parts of its log."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.log_parts import HEAD_BYTES, PART_BYTES, TAIL_BYTES, read_log, with_part
from nas_controller.dispatch.base import AttemptKey
from nas_controller.dispatch.output_files import LONGEST_LINE, MAX_FILE_BYTES, LogWriter, OutputFile, OutputFiles
from trainer.session import LogPart

KEY = AttemptKey("s1.3.proxy.1f", 2)
LINE = b"0123456789abcde\n"


class Output:
    """A file that an attempt writes to, its writer, and the parts that were told."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.file = OutputFiles(folder).make(KEY)
        self.told: list[LogPart] = []
        self.writer = LogWriter(folder, KEY, self.file, self.told.append, environment or {})

    def say(self, text: bytes) -> None:
        os.write(self.file.descriptor, text)

    @property
    def parts(self) -> list[LogPart]:
        parts: list[LogPart] = []
        for part in self.told:
            parts = with_part(parts, part)
        return parts

    @property
    def text(self) -> bytes:
        return read_log(self.parts, DirectoryArtifactStore(self.folder), 0, 2 * (HEAD_BYTES + TAIL_BYTES))[0]


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path)


def test_whole_lines_are_told_as_they_come_and_at_last_all(output: Output) -> None:
    output.writer.flush()
    output.say(b"one\ntw")
    output.writer.flush()
    assert output.text == b"one\n"
    output.writer.flush()
    assert len(output.told) == 1, "there was nothing new"
    output.say(b"o\r50 %")
    output.writer.flush()
    assert output.text == b"one\ntwo\r"
    output.writer.flush(is_last=True)
    assert output.text == b"one\ntwo\r50 %"
    assert [part.start for part in output.told] == [0, 0, 0]


def test_a_long_line_is_not_waited_for(output: Output) -> None:
    output.say(b"x" * LONGEST_LINE)
    output.writer.flush()
    assert output.text == b""
    output.say(b"y")
    output.writer.flush()
    assert output.text == b"x" * LONGEST_LINE + b"y"


def test_parts_begin_at_multiples_of_their_size(output: Output) -> None:
    lines = LINE * (3 * PART_BYTES // len(LINE) + 1)
    output.say(lines)
    output.writer.flush()
    assert [(part.start, part.num_bytes) for part in output.parts] == [
        *((number * PART_BYTES, PART_BYTES) for number in range(3)),
        (3 * PART_BYTES, len(LINE)),
    ]
    assert output.text == lines


def test_of_much_output_only_what_is_kept_is_made_into_parts(output: Output) -> None:
    lines = b"".join(f"{number:015}\n".encode() for number in range(4 * HEAD_BYTES // 16))
    output.say(lines)
    output.writer.flush(is_last=True)
    assert len(output.told) == len(output.parts) == (HEAD_BYTES + TAIL_BYTES) // PART_BYTES
    left_out = len(lines) - HEAD_BYTES - TAIL_BYTES
    assert output.text == lines[:HEAD_BYTES] + f"[{left_out:,} bytes were left out]\n".encode() + lines[-TAIL_BYTES:]


def test_a_file_that_grows_too_long_begins_anew_and_the_log_goes_on(output: Output, tmp_path: Path) -> None:
    num_lines = MAX_FILE_BYTES // 16 + 1
    for first in range(0, num_lines, 2**18):
        output.say(b"".join(f"{number:015}\n".encode() for number in range(first, min(first + 2**18, num_lines))))
    output.writer.flush()
    assert output.file.num_bytes == 0
    output.say(b"after\n")
    found = OutputFiles(tmp_path).find(KEY)
    assert found is not None
    assert found.start == num_lines * 16
    # Who takes it up knows nothing but the parts that were told.
    LogWriter(tmp_path, KEY, found, output.told.append, {}, output.parts).flush(is_last=True)
    found.close()
    assert output.parts[-1].start == num_lines * 16
    assert output.text.endswith(f"{num_lines - 1:015}\nafter\n".encode())
    OutputFiles(tmp_path).forget(KEY)
    assert OutputFiles(tmp_path).find(KEY) is None


def test_the_rest_is_told_by_who_finds_the_file(output: Output, tmp_path: Path) -> None:
    output.say(b"told\n")
    output.writer.flush()
    output.say(b"not told")
    found = OutputFiles(tmp_path).find(KEY)
    assert found is not None
    LogWriter(tmp_path, KEY, found, output.told.append, {}, output.parts).flush(is_last=True)
    found.close()
    assert output.text == b"told\nnot told"


def test_no_part_has_a_secret_also_not_half_of_one(tmp_path: Path) -> None:
    secret = "a-secret-of-the-tests"
    output = Output(tmp_path, {"MY_TOKEN": secret})
    before = b"x" * (PART_BYTES - 10)
    output.say(before + secret.encode() + b"\n")
    output.writer.flush()
    assert output.text == before + b"*" * len(secret) + b"\n"
    assert all(secret[:4].encode() not in _content(tmp_path, part) for part in output.told)


def _content(folder: Path, part: LogPart) -> bytes:
    return read_log([part], DirectoryArtifactStore(folder), part.start, PART_BYTES)[0]


def test_a_part_that_cannot_be_kept_is_told_later(output: Output, tmp_path: Path) -> None:
    output.say(b"text\n")
    blocked = [tmp_path / f"{number:02x}" for number in range(256)]
    for place in blocked:
        place.write_text("no folder")
    with pytest.raises(OSError, match="exists"):
        output.writer.flush()
    assert output.told == []
    for place in blocked:
        place.unlink()
    output.writer.flush()
    assert output.text == b"text\n"


def test_files_are_found_by_their_attempt_and_by_age(tmp_path: Path) -> None:
    files = OutputFiles(tmp_path)
    assert files.find(KEY) is None
    files.forget(KEY)
    odd = AttemptKey("../s1 %2F*[a].x", 3)
    for key in (KEY, odd, AttemptKey("s1.3.proxy.1f.2", 1)):
        files.make(key).close()
    for key in (KEY, odd):
        found = files.find(key)
        assert isinstance(found, OutputFile)
        found.close()
    now = datetime.now(UTC)
    assert files.written_before(now - timedelta(minutes=1)) == []
    assert set(files.written_before(now + timedelta(minutes=1))) == {KEY, odd, AttemptKey("s1.3.proxy.1f.2", 1)}
    files.forget(KEY)
    assert files.find(KEY) is None
    assert files.find(AttemptKey("s1.3.proxy.1f.2", 1)) is not None
