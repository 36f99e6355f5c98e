"""A controller's state as a file: what a search resumes from, so that it need not fold its whole ledger.

A file is in the safetensors format: the arrays of the algorithm's state, and as metadata one JSON document with the
fold's numbers, the search, its space and its algorithm. No two snapshots have the same bytes, so no two share a file.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import safetensors
import safetensors.numpy

from nas_controller.algorithms.base import StateDict
from nas_controller.algorithms.versions import versions_here
from nas_controller.artifacts.base import ArtifactMissingError, ArtifactStore
from nas_controller.log_ids import log_ids
from nas_controller.records import SearchLease, Snapshot
from nas_controller.replay import Replay
from nas_controller.search_config import SearchConfig

FORMAT = 1
SNAPSHOT_TELLS = 50
"""After a kill at most so many tells are folded again: about a second for the slowest algorithm."""
_METADATA = "spinesearch"

_log = logging.getLogger(__name__)


class SnapshotError(ValueError):
    """A snapshot that this search cannot resume from; the message says why. Nothing was changed."""


def state_sha256(state: StateDict) -> str:
    """A digest of an algorithm's state that does not depend on how a file format lays it out."""
    digest = hashlib.sha256()
    for name, array in sorted(state.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def pack(replay: Replay, config: SearchConfig) -> bytes:
    """The bytes of a snapshot of what was replayed so far."""
    document = {
        "format": FORMAT,
        **_identity(replay.search_id, config),
        "sequence": replay.sequence,
        "num_trials": replay.num_trials,
        "num_told": replay.num_told,
        "running_seconds": replay.running_seconds,
        "counted_until": replay.counted_until and replay.counted_until.isoformat(),
    }
    state = dict(replay.algorithm.state_dict())
    return safetensors.numpy.save(state, {_METADATA: json.dumps(document, sort_keys=True)})


def unpack(content: bytes, replay: Replay, config: SearchConfig) -> None:
    """Brings a replay to where the snapshot was taken.

    Raises:
        SnapshotError: not a whole snapshot, or one of another search, space, algorithm or format.
    """
    document, state = _parsed(content)
    expected = {"format": FORMAT, **_identity(replay.search_id, config)}
    differing = [name for name, value in expected.items() if document.get(name) != value]
    if differing:
        name = differing[0]
        raise SnapshotError(f"it is of another {name}: {document.get(name)!r}, the search has {expected[name]!r}")
    try:
        replay.algorithm.load_state_dict(state)
    except ValueError as error:
        raise SnapshotError(str(error)) from error
    counted_until = document["counted_until"]
    replay.sequence = document["sequence"]
    replay.num_trials = document["num_trials"]
    replay.num_told = document["num_told"]
    replay.running_seconds = document["running_seconds"]
    replay.counted_until = None if counted_until is None else datetime.fromisoformat(counted_until)
    replay.asked.clear()


def _identity(search_id: str, config: SearchConfig) -> dict[str, Any]:
    """What a state means: it is the state of this algorithm in this space, for this search."""
    document = config.to_document()
    return {"search": search_id, "space": document["space"], "algorithm": document["algorithm"]}


def _parsed(content: bytes) -> tuple[dict[str, Any], StateDict]:
    """Metadata and arrays; safetensors itself gives the metadata of files only."""
    try:
        state = safetensors.numpy.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return json.loads(header["__metadata__"][_METADATA]), state
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise SnapshotError(f"not a whole snapshot: {error}") from error


@dataclass
class Snapshots:
    """Takes the snapshots of one claim of a search, and restores the newest one that is whole.

    Args:
        artifacts: where files are put; None: snapshots have a digest only, and nothing is restored.
        versions: of what computes the state here.
        num_told: tells up to the last snapshot.
    """

    replay: Replay
    config: SearchConfig
    artifacts: ArtifactStore | None
    versions: Mapping[str, str] = field(default_factory=versions_here)
    num_told: int = 0

    def is_due(self) -> bool:
        """Whether enough was told since the last one."""
        return self.replay.num_told - self.num_told >= SNAPSHOT_TELLS

    def restore(self) -> None:
        """Brings the replay to the newest snapshot that is whole; a damaged one is logged and left out. Where there is
        none, the replay stays at its beginning."""
        for snapshot in reversed(self.replay.store.list_snapshots(self.replay.search_id)):
            if self.artifacts is None or snapshot.artifact_key is None:
                continue
            try:
                with self.artifacts.open(snapshot.artifact_key) as file:
                    unpack(file.read(), self.replay, self.config)
            except (ArtifactMissingError, OSError, SnapshotError) as error:
                ids = log_ids(self.replay.search_id)
                _log.warning("snapshot %d is left out: %r", snapshot.sequence, error, extra=ids)
            else:
                self.num_told = self.replay.num_told
                return

    def take(self, lease: SearchLease, at: datetime) -> None:
        """Takes in all that was committed, keeps the state after it, and deletes files that no snapshot has any more.

        The file is put before its row is written, and files are deleted after the row: a crash leaves a file too many,
        never one too few. A file that cannot be put is logged, and its snapshot has none.

        Raises:
            LeaseLostError: another controller took over; nothing was recorded.
        """
        self.replay.follow()
        self.num_told = self.replay.num_told
        snapshot = Snapshot(
            search_id=self.replay.search_id,
            sequence=self.replay.sequence,
            state_sha256=state_sha256(self.replay.algorithm.state_dict()),
            versions=self.versions,
            artifact_key=self._put(),
            created_at=at,
        )
        for key in self.replay.store.add_snapshot(lease, snapshot):
            self._delete(key)

    def _put(self) -> str | None:
        if self.artifacts is None:
            return None
        try:
            return self.artifacts.put(pack(self.replay, self.config))
        except OSError as error:
            ids = log_ids(self.replay.search_id)
            _log.warning("snapshot %d has no file: %r", self.replay.sequence, error, extra=ids)
            return None

    def _delete(self, key: str) -> None:
        if self.artifacts is None:
            return
        try:
            self.artifacts.delete(key)
        except OSError as error:
            ids = log_ids(self.replay.search_id)
            _log.warning("artifact %s: no snapshot has it, and it stays: %r", key, error, extra=ids)
