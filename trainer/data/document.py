"""An annotations file as plain data, read within bounds: it may have been written to fill the memory.

Parsed JSON takes up to some 20 times the memory of its text, most for many small lists and objects; so these are
counted before anything is parsed. What is nested too deeply ends in the parser's own limit.
"""

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.task import TaskError

MAX_BYTES = 1_000_000_000  # COCO train2017 has 448 MB
MAX_CONTAINERS = 40_000_000  # lists and objects; COCO train2017 has about 4 million


def read_document(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file.

    Raises:
        TaskError: no such file, one that is no regular file or too large, not JSON, or not an object.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a device has no end, a pipe may never begin
            raise TaskError(f"{path}: not a regular file")
        if status.st_size > MAX_BYTES:
            raise TaskError(
                f"{path}: {status.st_size:,} bytes: at most {MAX_BYTES:,} are read; segments may be left out"
            )
        content = path.read_bytes()
    except OSError as error:
        raise TaskError(f"{path}: {error.strerror or error}") from error
    num_containers = content.count(b"{") + content.count(b"[")
    if num_containers > MAX_CONTAINERS:
        raise TaskError(f"{path}: {num_containers:,} lists and objects: at most {MAX_CONTAINERS:,} are read")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TaskError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise TaskError(f"{path}: must be an object with images, annotations and categories")
    return document
