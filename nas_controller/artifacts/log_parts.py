"""A log as artifacts: parts of bounded size of which the first and the last are kept, and the text made of them again.

Offsets count the bytes of the whole log, kept or not: they stay the same however much is left out later.
"""

import gzip
import io
from collections.abc import Sequence

from nas_controller.artifacts.base import ArtifactStore
from trainer.session import LogPart

PART_BYTES = 64 * 2**10
HEAD_BYTES = TAIL_BYTES = 512 * 2**10
"""Of a longer log, so much of its beginning and of its end is kept, to the next part."""


def is_kept(start: int, end: int, log_end: int) -> bool:
    """Whether a part of a log that has `log_end` bytes is kept."""
    return start < HEAD_BYTES or end > log_end - TAIL_BYTES


def with_part(parts: Sequence[LogPart], part: LogPart) -> list[LogPart]:
    """The parts that are kept after one more was told, by start. What is known to be as long, or longer, stays."""
    by_start = {known.start: known for known in parts}
    known = by_start.get(part.start)
    if known is None or known.num_bytes < part.num_bytes:
        by_start[part.start] = part
    log_end = max(known.end for known in by_start.values())
    return [by_start[start] for start in sorted(by_start) if is_kept(start, by_start[start].end, log_end)]


def pack(content: bytes, name: str) -> bytes:
    """The file of a part, compressed. The name is in it, so that two attempts never share one, whatever they print:
    a part may be deleted as soon as a longer one took its place."""
    file = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=file, mtime=0) as packed:
        packed.write(content)
    return file.getvalue()


def unpack(content: bytes) -> bytes:
    """What was packed; of more than a part can have, the beginning.

    Raises:
        OSError, EOFError: it is no such file.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
        return packed.read(PART_BYTES)


def read_log(parts: Sequence[LogPart], artifacts: ArtifactStore, after: int, limit: int) -> tuple[bytes, int]:
    """What a log has from the offset `after` on, at most `limit` of its bytes, and the offset behind them.

    Where bytes were left out, a line says how many. At the end of the log there is nothing, and the offset stays.

    Args:
        parts: by start.

    Raises:
        ArtifactMissingError: a part was deleted: it was replaced meanwhile, or all of the log is gone.
        OSError, EOFError: a part is damaged.
    """
    text, left = b"", limit
    for part in parts:
        if part.end <= after or left == 0:
            continue
        if part.start > after:
            text += f"[{part.start - after:,} bytes were left out]\n".encode()
            after = part.start
        with artifacts.open(part.key) as file:
            content = unpack(file.read())[after - part.start :][:left]
        text, after, left = text + content, after + len(content), left - len(content)
    return text, after
