"""What another process does to a directory of artifacts while a test watches."""

import os
import signal
from pathlib import Path

from nas_controller.artifacts.directory import DirectoryArtifactStore


def put_and_die_before_the_rename(root: Path, content: bytes) -> None:
    """Is killed with the content written aside, and not in its place."""

    def die(_source: object, _target: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    os.replace = die  # type: ignore[assignment]
    DirectoryArtifactStore(root).put(content)
