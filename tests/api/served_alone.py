"""The application in a process of its own, whose memory can be looked at: `python -m tests.api.served_alone FOLDER`.

It holds one search with one artifact. It prints its address and ends when its standard input does.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.app import create_app
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.records import Artifact
from nas_controller.store.memory import MemoryStore
from tests.api.searches import START, write_small_search
from tests.api.serving import make_settings, serve

ROOT = Path(__file__).parents[2]
ARTIFACT = b"step 1: loss 2.5\n" * 200_000


def main(folder: Path) -> None:
    store, files = MemoryStore(), DirectoryArtifactStore(folder)
    search_id = write_small_search(store).search_id
    store.add_artifact(
        Artifact(
            key=files.put(ARTIFACT),
            search_id=search_id,
            trial_number=4,
            name="log.txt",
            media_type="text/plain",
            num_bytes=len(ARTIFACT),
            created_at=START,
        )
    )
    with serve(create_app(store, files, make_settings(body_seconds=1.0))) as url:
        print(url, flush=True)
        sys.stdin.read()


@contextmanager
def served_alone(folder: Path) -> Iterator[tuple[str, int]]:
    """The application's address and its process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.api.served_alone", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.stdin.close()


def peak_megabytes(pid: int) -> float:
    """The most memory that a process ever had in RAM."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
