"""What another process does to a directory of artifacts while a test watches."""

import os
import signal
from dataclasses import replace
from datetime import datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.sweep import sweep_artifacts
from nas_controller.dispatch.session import WorkerSession
from nas_controller.store.open import open_store
from tests.conformance.dispatch_evaluators import make_request


def put_and_die_before_the_rename(root: Path, content: bytes) -> None:
    """Is killed with the content written aside, and not in its place."""

    def die(_source: object, _target: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    os.replace = die  # type: ignore[assignment]
    DirectoryArtifactStore(root).put(content)


def save_and_die_before_the_report(root: Path, content: bytes) -> None:
    """Is killed when a checkpoint is durable, and nobody knows of it."""
    request = replace(make_request("ok"), artifact_dir=root)
    session = WorkerSession(request, lambda _event: os.kill(os.getpid(), signal.SIGKILL), lambda: False)
    session.save_checkpoint(20, content)


def sweep(url: str, root: Path, now: datetime, barrier: Barrier) -> None:
    """Sweeps at the same moment as the other processes of the barrier."""
    store, artifacts = open_store(url), DirectoryArtifactStore(root)
    barrier.wait()
    sweep_artifacts(store, artifacts, now)
    store.close()
