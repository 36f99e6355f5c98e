"""Which artifacts a sweep removes: those that nobody needs any more, and none that somebody will still need."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.sweep import SAFE_SECONDS, sweep_artifacts
from nas_controller.dispatch.base import AttemptKey, AttemptOutcome
from nas_controller.dispatch.results import KeptResult, ResultSpool
from nas_controller.records import Job, SearchLease, SearchState
from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from tests.conformance import artifact_processes as processes
from tests.conformance.dispatch_evaluators import make_request, measure
from tests.conformance.store_cases import at, claimed, make_artifact, started
from trainer.session import Checkpoint
from trainer.task import KeptFile

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folder of the artifacts."""
    return tmp_path / "artifacts"


@pytest.fixture
def artifacts(root: Path) -> DirectoryArtifactStore:
    return DirectoryArtifactStore(root)


def later(seconds: float = SAFE_SECONDS + 60) -> datetime:
    """The time so many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def saved(store: Store, lease: SearchLease, job: Job, artifacts: DirectoryArtifactStore, step: int) -> str:
    """The key of a checkpoint that a worker put and the controller recorded."""
    content = f"{job.id} {step}".encode()
    checkpoint = Checkpoint(step=step, key=artifacts.put(content), num_bytes=len(content))
    store.record_progress(lease, job.id, 1, checkpoint, at(20))
    return checkpoint.key


def test_what_a_killed_worker_did_not_tell_of_is_swept_later(
    store: Store, artifacts: DirectoryArtifactStore, root: Path
) -> None:
    lease = claimed(store)
    key = saved(store, lease, started(store, lease, 1), artifacts, 10)
    worker = SPAWN.Process(target=processes.save_and_die_before_the_report, args=(root, b"step 20"))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    (leftover,) = set(artifacts.list()) - {key}
    sweep_artifacts(store, artifacts, later(SAFE_SECONDS - 60))
    assert artifacts.exists(leftover), "a worker may have put it that is about to tell of it"
    sweep_artifacts(store, artifacts, later())
    assert artifacts.list() == [key]


def test_what_a_row_needs_is_never_swept(store: Store, artifacts: DirectoryArtifactStore) -> None:
    lease = claimed(store)
    running, lost = started(store, lease, 1), started(store, lease, 2)
    saved(store, lease, running, artifacts, 10)
    needed = [saved(store, lease, running, artifacts, 20), saved(store, lease, lost, artifacts, 10)]
    needed.append(artifacts.put(b"report"))
    store.add_artifact(make_artifact("s1", key=needed[-1]))
    store.requeue_lost_attempts(lease, at(30))
    store.request_state("s1", SearchState.PAUSED, "", at(31))
    sweep_artifacts(store, artifacts, later(1e6))
    assert artifacts.list() == sorted(needed)


def test_the_checkpoints_of_a_search_that_was_cancelled_without_a_controller_are_swept(
    store: Store, artifacts: DirectoryArtifactStore
) -> None:
    leases = [claimed(store, "s1"), claimed(store, "s2")]
    keys = [saved(store, lease, started(store, lease, 1), artifacts, 10) for lease in leases]
    store.request_state("s1", SearchState.CANCELLED, "", at(30))
    sweep_artifacts(store, artifacts, later())
    assert artifacts.list() == keys[1:]


@pytest.mark.parametrize(("days", "is_kept"), [(None, True), (3, True), (2, False)])
def test_files_of_searches_that_ended_are_kept_for_so_long(
    store: Store, artifacts: DirectoryArtifactStore, days: int | None, is_kept: bool
) -> None:
    now = datetime.now(UTC) + timedelta(days=30)
    keys = {}
    for search_id in ("s1", "s2"):
        lease = claimed(store, search_id)
        keys[search_id] = artifacts.put(search_id.encode())
        store.add_artifact(make_artifact(search_id, key=keys[search_id]))
        if search_id == "s1":
            store.set_search_state(lease, SearchState.SUCCEEDED, "", now - timedelta(days=2, seconds=1))
    artifacts.kept_for = None if days is None else timedelta(days=days)
    sweep_artifacts(store, artifacts, now)
    assert (artifacts.exists(keys["s1"]), artifacts.exists(keys["s2"])) == (is_kept, True)
    assert [artifact.key for artifact in store.list_artifacts("s1")] == [keys["s1"]]


def test_files_of_a_deleted_search_are_swept_but_for_those_of_others(
    store: Store, artifacts: DirectoryArtifactStore
) -> None:
    own, shared = artifacts.put(b"own"), artifacts.put(b"shared")
    for search_id, keys in (("s1", (own, shared)), ("s2", (shared,))):
        claimed(store, search_id, seconds=60)
        for key in keys:
            store.add_artifact(make_artifact(search_id, key=key, name=key))
    store.request_state("s1", SearchState.CANCELLED, "", at(30))
    store.delete_search("s1", at(100))
    sweep_artifacts(store, artifacts, later())
    assert artifacts.list() == [shared]


def test_two_sweepers_at_once_remove_the_same(
    store: Store, url: str, artifacts: DirectoryArtifactStore, root: Path
) -> None:
    lease = claimed(store)
    needed = [saved(store, lease, started(store, lease, number), artifacts, 10) for number in range(1, 6)]
    for n in range(200):
        artifacts.put(f"leftover {n}".encode())
    assert len(artifacts.list()) == 205
    barrier = SPAWN.Barrier(2)
    sweepers = [SPAWN.Process(target=processes.sweep, args=(url, root, later(), barrier)) for _ in range(2)]
    for sweeper in sweepers:
        sweeper.start()
    for sweeper in sweepers:
        sweeper.join(60)
    assert [sweeper.exitcode for sweeper in sweepers] == [0, 0]
    assert artifacts.list() == sorted(needed)
    assert len([path for path in root.rglob("*") if path.is_file()]) == 5


def test_what_is_put_again_between_the_look_and_the_removal_stays(
    store: Store, artifacts: DirectoryArtifactStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that begins again writes the same bytes as the one before it, which was killed."""
    keys = sorted([artifacts.put(b"step 10"), artifacts.put(b"step 20")])
    for key in keys:
        os.utime(root / key[:2] / key, (0, 0))
    look = store.needed_artifacts

    def look_and_put(some: list[str], _finished_before: datetime | None) -> set[str]:
        assert some == keys
        needed = look(some)
        artifacts.put(b"step 10")
        return needed

    monkeypatch.setattr(store, "needed_artifacts", look_and_put)
    sweep_artifacts(store, artifacts, datetime.now(UTC))
    assert artifacts.list() == [artifacts.put(b"step 10")]


def test_what_cannot_be_removed_is_logged_and_the_rest_removed(
    store: Store,
    artifacts: DirectoryArtifactStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys = sorted(artifacts.put(bytes([n])) for n in range(3))
    rename = os.rename

    def refuse_one(source: Path, target: Path) -> None:
        if source.name == keys[0]:
            raise PermissionError(1, "Operation not permitted")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse_one)
    with caplog.at_level(logging.WARNING):
        sweep_artifacts(store, artifacts, later())
    assert artifacts.list() == keys[:1]
    assert f"artifact {keys[0]}: nothing needs it, and it cannot be removed" in caplog.text


def test_what_a_kept_result_names_is_not_swept(store: Store, artifacts: DirectoryArtifactStore, root: Path) -> None:
    """Its controller may be away for longer than a worker's report takes."""
    key = artifacts.put(b"weights")
    file = KeptFile(name="weights.safetensors", key=key, media_type="application/octet-stream", num_bytes=7)
    outcome = AttemptOutcome.of(AttemptKey("s1.1.proxy.a", 1), replace(measure(make_request("ok")), files=(file,)))
    results = ResultSpool(root)
    results.put(KeptResult(outcome=outcome))
    sweep_artifacts(store, artifacts, later(), results)
    assert artifacts.list() == [key]
    results.forget(outcome.key)
    sweep_artifacts(store, artifacts, later(), results)
    assert artifacts.list() == []
