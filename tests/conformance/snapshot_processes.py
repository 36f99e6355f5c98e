"""A controller that is killed while it takes a snapshot. Each function is the body of one process."""

import os
import signal
from datetime import datetime
from pathlib import Path

from nas_controller.artifacts.base import ArtifactStore
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.records import SearchLease
from nas_controller.replay import Replay
from nas_controller.search_config import SearchConfig
from nas_controller.snapshots import Snapshots
from nas_controller.store.open import open_store
from tests.conformance.store_cases import at
from tests.nas_controller.asking import new_algorithm


class _KilledAfterPut(DirectoryArtifactStore):
    def put(self, content: bytes) -> str:
        super().put(content)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class _KilledBeforeDelete(DirectoryArtifactStore):
    def delete(self, key: str, put_before: datetime | None = None) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def put_and_die(url: str, folder: Path, lease: SearchLease) -> None:
    """Is killed when the file is there, and its row is not."""
    _take(url, _KilledAfterPut(folder), lease)


def record_and_die(url: str, folder: Path, lease: SearchLease) -> None:
    """Is killed when the row is there, and what it replaces is not deleted."""
    _take(url, _KilledBeforeDelete(folder), lease)


def _take(url: str, artifacts: ArtifactStore, lease: SearchLease) -> None:
    store = open_store(url)
    config = SearchConfig.from_document(store.get_search(lease.search_id).config)
    Snapshots(Replay(store, lease.search_id, new_algorithm(config)), config, artifacts).take(lease, at(30))
