"""A log in parts: which are kept, and what is read of them."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_controller.artifacts.base import ArtifactMissingError
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.log_parts import HEAD_BYTES, PART_BYTES, TAIL_BYTES, pack, read_log, unpack, with_part
from trainer.session import LogPart

NUM_HEAD, NUM_TAIL = HEAD_BYTES // PART_BYTES, TAIL_BYTES // PART_BYTES


def part(start: int, num_bytes: int = PART_BYTES) -> LogPart:
    return LogPart(start=start, num_bytes=num_bytes, key=hashlib.sha256(f"{start} {num_bytes}".encode()).hexdigest())


def stored(artifacts: DirectoryArtifactStore, start: int, content: bytes) -> LogPart:
    return LogPart(start=start, num_bytes=len(content), key=artifacts.put(pack(content, f"job.1.{start}")))


def test_a_longer_part_takes_the_place_of_a_shorter_one_and_not_the_other_way_round() -> None:
    assert with_part([], part(0, 5)) == [part(0, 5)]
    assert with_part([part(0, 5)], part(0, 9)) == [part(0, 9)]
    assert with_part([part(0, 9)], part(0, 5)) == [part(0, 9)]
    assert with_part([part(0)], part(PART_BYTES, 1)) == [part(0), part(PART_BYTES, 1)]


def test_of_a_long_log_the_first_and_the_last_parts_are_kept() -> None:
    parts: list[LogPart] = []
    for number in range(40):
        parts = with_part(parts, part(number * PART_BYTES))
    assert [each.start // PART_BYTES for each in parts] == [*range(NUM_HEAD), *range(40 - NUM_TAIL, 40)]
    # The last part is not full: one more is kept, so that the last half is whole.
    parts = with_part(parts, part(40 * PART_BYTES, 10))
    assert [each.start // PART_BYTES for each in parts][NUM_HEAD:] == [*range(40 - NUM_TAIL, 41)]
    assert with_part(parts, part(20 * PART_BYTES)) == parts, "what was left out is told again"


@given(st.lists(st.binary(max_size=60), max_size=6), st.integers(1, 50))
def test_reading_on_from_where_one_came_to_gives_each_byte_once(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], limit: int
) -> None:
    artifacts = DirectoryArtifactStore(tmp_path_factory.mktemp("artifacts"))
    parts, whole = [], b""
    for content in contents:
        if content:
            parts.append(stored(artifacts, len(whole), content))
            whole += content
    text, after = b"", 0
    while after < len(whole):
        piece, after = read_log(parts, artifacts, after, limit)
        assert 0 < len(piece) <= limit
        text += piece
    assert text == whole
    assert read_log(parts, artifacts, after, limit) == (b"", after)


def test_what_was_left_out_is_said_in_a_line(tmp_path: Path) -> None:
    artifacts = DirectoryArtifactStore(tmp_path)
    parts = [stored(artifacts, 0, b"first\n"), stored(artifacts, 12_006, b"last\n")]
    assert read_log(parts, artifacts, 0, 100) == (b"first\n[12,000 bytes were left out]\nlast\n", 12_011)
    assert read_log(parts, artifacts, 2_006, 3) == (b"[10,000 bytes were left out]\nlas", 12_009)
    assert read_log(parts, artifacts, 12_009, 100) == (b"t\n", 12_011)


def test_a_part_that_is_gone_or_damaged_is_an_error(tmp_path: Path) -> None:
    artifacts = DirectoryArtifactStore(tmp_path)
    with pytest.raises(ArtifactMissingError):
        read_log([part(0)], artifacts, 0, 10)
    with pytest.raises(OSError, match="gzip"):
        read_log([LogPart(start=0, num_bytes=4, key=artifacts.put(b"text"))], artifacts, 0, 10)


def test_two_attempts_that_say_the_same_share_no_file() -> None:
    same, other = pack(b"hello", "job.1.0"), pack(b"hello", "job.2.0")
    assert same != other
    assert pack(b"hello", "job.1.0") == same
    assert unpack(same) == unpack(other) == b"hello"


def test_no_more_is_unpacked_than_a_part_can_have() -> None:
    assert len(unpack(pack(bytes(10 * PART_BYTES), "bomb"))) == PART_BYTES
