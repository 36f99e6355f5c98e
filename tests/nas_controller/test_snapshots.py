"""What a search resumes from: the same to the bit as from the beginning, and never from a damaged file."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_controller.algorithms.table import ALGORITHM_NAMES
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.sweep import SAFE_SECONDS, sweep_artifacts
from nas_controller.records import SearchState, Snapshot
from nas_controller.replay import Replay
from nas_controller.search_config import SearchConfig
from nas_controller.search_loop import run_search
from nas_controller.snapshots import SNAPSHOT_TELLS, SnapshotError, Snapshots, pack, state_sha256, unpack
from nas_controller.store.base import LeaseLostError, Store
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import open_store
from tests.conformance import snapshot_processes as processes
from tests.conformance.store_cases import at
from tests.nas_controller.asking import SEARCH, Asking, new_algorithm
from tests.nas_controller.test_artifacts_sweep import later
from tests.nas_controller.test_search_loop import Bench

SPAWN = multiprocessing.get_context("spawn")
VERSIONS = {"cpu": "Example 9000"}


def config(algorithm: str = "random", seed: int = 3, space: str = "r0-sp53") -> SearchConfig:
    settings = {"name": algorithm, "seed": seed}
    return SearchConfig.from_document({"space": space, "data": "generated", "algorithm": settings})


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifactStore:
    return DirectoryArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def asking(artifacts: DirectoryArtifactStore) -> Asking:
    return Asking(MemoryStore(), artifacts, config())


def numbers(replay: Replay) -> dict[str, Any]:
    """All that a replay holds but for what it was made with, and what a store can tell it again."""
    made_with = ("store", "search_id", "algorithm", "asked")
    held = {field.name: getattr(replay, field.name) for field in fields(replay) if field.name not in made_with}
    return {**held, "state": state_sha256(replay.algorithm.state_dict())}


def restored(asking: Asking) -> Replay:
    """What a new controller has after it looked for a snapshot, and before it reads the ledger."""
    replay = Replay(asking.store, SEARCH, new_algorithm(asking.config))
    Snapshots(replay, asking.config, asking.artifacts, VERSIONS).restore()
    return replay


def from_the_beginning(asking: Asking) -> Replay:
    replay = Replay(asking.store, SEARCH, new_algorithm(asking.config))
    replay.follow()
    return replay


def files(store: Store) -> list[str]:
    """Keys of the files that snapshots have, oldest first."""
    return [snapshot.artifact_key for snapshot in store.list_snapshots(SEARCH) if snapshot.artifact_key]


# The digest of a state


def test_a_digest_is_of_names_types_shapes_and_every_bit() -> None:
    state = {"a": np.array([1.0, 2.0]), "b": np.array(3)}
    others: list[dict[str, Any]] = [
        {"a": np.array([1.0, np.nextafter(2.0, 3.0)]), "b": np.array(3)},
        {"a": np.array([-0.0, 2.0]), "b": np.array(3)},
        {"a": np.array([[1.0, 2.0]]), "b": np.array(3)},
        {"a": np.array([1.0, 2.0]).view(np.int64), "b": np.array(3)},
        {"a": np.array([1.0, 2.0]), "c": np.array(3)},
        {"a": np.array([1.0, 2.0])},
    ]
    digests = {state_sha256(each) for each in [state, *others]}
    assert len(digests) == 7
    assert state_sha256(dict(reversed(state.items()))) == state_sha256(state)
    assert all(len(digest) == 64 for digest in digests)


# Resuming


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_a_resumed_search_is_to_the_bit_as_one_replayed_from_the_beginning(
    artifacts: DirectoryArtifactStore, algorithm: str
) -> None:
    asking = Asking(MemoryStore(), artifacts, config(algorithm))
    asking.go_on(1, 9)
    asking.take_snapshot()  # trials 8 and 9 were asked before it, and are told after
    asking.claim()
    asking.go_on(10, 14)
    resumed, whole = restored(asking), from_the_beginning(asking)
    assert (resumed.num_trials, resumed.num_told) == (9, 7)
    resumed.follow()
    assert numbers(resumed) == numbers(whole)
    assert (whole.num_trials, whole.num_told) == (14, 12)
    assert resumed.algorithm.ask(15) == whole.algorithm.ask(15)
    assert resumed.algorithm.diagnostics() == whole.algorithm.diagnostics()


def test_the_time_of_controllers_goes_on_from_a_snapshot(asking: Asking) -> None:
    asking.ask(1)  # RUNNING at 2 s, created at 3 s, started at 4 s
    asking.take_snapshot()
    asking.seconds = 1000.0
    asking.claim()  # RUNNING at 1001 s
    asking.tell(1)  # at 1002 s
    replay = restored(asking)
    assert (replay.running_seconds, replay.counted_until) == (2.0, at(4))
    replay.follow()
    assert (replay.running_seconds, replay.counted_until) == (3.0, at(1002))


def test_without_artifacts_a_search_folds_its_ledger() -> None:
    asking = Asking(MemoryStore(), None, config())
    asking.go_on(1, 5)
    asking.take_snapshot()
    (snapshot,) = asking.store.list_snapshots(SEARCH)
    assert (snapshot.artifact_key, snapshot.state_sha256) == (None, numbers(from_the_beginning(asking))["state"])
    assert restored(asking).sequence == 0


def test_a_snapshot_says_what_it_is_of(asking: Asking) -> None:
    asking.go_on(1, 4)
    asking.snapshots.versions = VERSIONS
    asking.take_snapshot()
    whole = from_the_beginning(asking)
    assert asking.store.list_snapshots(SEARCH) == [
        Snapshot(
            search_id=SEARCH,
            sequence=whole.sequence,
            state_sha256=state_sha256(whole.algorithm.state_dict()),
            versions=VERSIONS,
            artifact_key=files(asking.store)[0],
            created_at=at(asking.seconds),
        )
    ]


# Files that are damaged, or of something else


def _truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _zeroed(content: bytes) -> bytes:
    return bytes(len(content))


def _flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _emptied(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [_truncated, _zeroed, _flipped, _emptied, None])
@pytest.mark.parametrize("num_damaged", [1, 2, 3])
def test_a_damaged_snapshot_is_left_out_for_the_one_before(
    asking: Asking,
    tmp_path: Path,
    damage: Callable[[bytes], bytes] | None,
    num_damaged: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sequences = [0]
    for number in range(1, 4):
        asking.ask(number)
        asking.tell(number)
        asking.take_snapshot()
        sequences.append(asking.replay.sequence)
    for key in files(asking.store)[-num_damaged:]:
        path = tmp_path / "artifacts" / key[:2] / key
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        replay = restored(asking)
    assert replay.sequence == sequences[-1 - num_damaged]
    left_out = [text.split(" is left out")[0] for text in caplog.messages]
    assert left_out == [f"snapshot {sequence}" for sequence in sequences[:0:-1][:num_damaged]]
    replay.follow()
    assert numbers(replay) == numbers(from_the_beginning(asking))


@pytest.mark.parametrize("damage", [_truncated, _zeroed, _emptied])
def test_what_is_no_whole_snapshot_is_refused_and_changes_nothing(
    asking: Asking, damage: Callable[[bytes], bytes]
) -> None:
    asking.go_on(1, 4)
    before = numbers(asking.replay)
    with pytest.raises(SnapshotError, match="not a whole snapshot"):
        unpack(damage(pack(asking.replay, asking.config)), asking.replay, asking.config)
    assert numbers(asking.replay) == before


@pytest.mark.parametrize(
    ("other", "what"),
    [(config("reinforce"), "algorithm"), (config(seed=4), "algorithm"), (config(space="spinenet-49"), "space")],
)
def test_a_snapshot_of_something_else_is_left_out(
    asking: Asking, other: SearchConfig, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    asking.go_on(1, 4)
    asking.snapshots.config = other
    asking.take_snapshot()
    assert restored(asking).sequence == 0
    assert f"of another {what}" in caplog.text


def test_a_snapshot_of_another_search_is_refused(asking: Asking) -> None:
    content = pack(Replay(asking.store, "s2", asking.replay.algorithm), asking.config)
    with pytest.raises(SnapshotError, match="another search"):
        unpack(content, asking.replay, asking.config)


# Which files are kept


def test_files_of_the_last_three_snapshots_are_kept(asking: Asking, artifacts: DirectoryArtifactStore) -> None:
    for number in range(1, 6):
        asking.ask(number)
        asking.take_snapshot()
        kept = files(asking.store)
        assert len(kept) == min(number, 3)
        assert artifacts.list() == sorted(kept)
    assert len(asking.store.list_snapshots(SEARCH)) == 5


def test_a_controller_that_lost_its_lease_records_no_snapshot(asking: Asking) -> None:
    asking.go_on(1, 4)
    asking.store.release_lease(asking.lease)
    assert asking.store.claim_search(SEARCH, "another", at(100), 60) is not None
    with pytest.raises(LeaseLostError):
        asking.take_snapshot()
    assert asking.store.list_snapshots(SEARCH) == []


def test_a_file_that_cannot_be_put_is_logged_and_the_search_goes_on(
    asking: Asking, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asking.go_on(1, 4)
    os.rename(tmp_path / "artifacts", tmp_path / "gone")
    (tmp_path / "artifacts").write_text("a file where the folder was")
    asking.take_snapshot()
    assert "has no file" in caplog.text
    (snapshot,) = asking.store.list_snapshots(SEARCH)
    assert snapshot.artifact_key is None


# Sudden ends


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'searches.sqlite'}"


@pytest.fixture
def on_disk(url: str, artifacts: DirectoryArtifactStore) -> Iterator[Asking]:
    """A search with three snapshots, and trials told since the last."""
    store = open_store(url)
    asking = Asking(store, artifacts, config())
    for number in range(1, 4):
        asking.ask(number)
        asking.tell(number)
        asking.take_snapshot()
    asking.ask(4)
    asking.tell(4)
    yield asking
    store.close()


def _killed(body: Callable[..., None], url: str, artifacts: Path, asking: Asking) -> None:
    process = SPAWN.Process(target=body, args=(url, artifacts, asking.lease))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_a_kill_between_file_and_row_leaves_the_snapshots_before(on_disk: Asking, url: str, tmp_path: Path) -> None:
    assert on_disk.artifacts is not None
    before = on_disk.store.list_snapshots(SEARCH)
    _killed(processes.put_and_die, url, tmp_path / "artifacts", on_disk)
    assert on_disk.store.list_snapshots(SEARCH) == before
    assert len(on_disk.artifacts.list()) == 4
    assert restored(on_disk).sequence == before[-1].sequence
    sweep_artifacts(on_disk.store, on_disk.artifacts, later(SAFE_SECONDS + 60))
    assert on_disk.artifacts.list() == sorted(files(on_disk.store))


def test_a_kill_between_row_and_deletion_leaves_a_file_for_the_sweep(on_disk: Asking, url: str, tmp_path: Path) -> None:
    assert on_disk.artifacts is not None
    oldest, *_ = files(on_disk.store)
    _killed(processes.record_and_die, url, tmp_path / "artifacts", on_disk)
    kept = files(on_disk.store)
    assert len(kept) == 3
    assert on_disk.artifacts.list() == sorted([oldest, *kept])
    assert numbers(restored(on_disk)) == numbers(from_the_beginning(on_disk))
    sweep_artifacts(on_disk.store, on_disk.artifacts, later(SAFE_SECONDS + 60))
    assert on_disk.artifacts.list() == sorted(kept)


# In the loop


def test_the_loop_takes_snapshots_at_its_begin_every_so_many_tells_and_at_its_end(tmp_path: Path) -> None:
    bench = Bench(trials=SNAPSHOT_TELLS * 2, algorithm="random", artifact_dir=tmp_path, reevaluate={"top": 0})
    search = bench.claim()
    assert bench.finish(search) is SearchState.SUCCEEDED
    first, *between, last = bench.store.list_snapshots(SEARCH)
    counts = bench.store.count_trials(SEARCH)
    assert first.sequence == 2  # PENDING and RUNNING
    assert len(between) == counts.total // SNAPSHOT_TELLS
    assert last.sequence == bench.store.get_search(SEARCH).last_sequence
    assert last.state_sha256 == state_sha256(search.algorithm.state_dict())
    assert len(files(bench.store)) == 3


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_a_search_that_is_cut_and_resumed_is_what_its_ledger_says(tmp_path: Path, algorithm: str) -> None:
    bench = Bench(trials=12, algorithm=algorithm, artifact_dir=tmp_path, reevaluate={"top": 0})
    for turn, _ in enumerate(run_search(bench.claim())):
        if turn == 4:
            break
    second = bench.claim()
    for turn, _ in enumerate(run_search(second)):
        if turn == 4:
            second.snapshots.take(second.lease, bench.clock.now())
        if turn == 6:
            break
    third = bench.claim()
    assert bench.finish(third) is SearchState.SUCCEEDED
    whole = Replay(bench.store, SEARCH, bench.algorithm())
    whole.follow()
    assert numbers(third.replay) == numbers(whole)


def test_a_search_that_fails_ends_with_a_snapshot_of_all_that_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last candidate off budget is committed as told, and the loop ends before it tells it."""
    monkeypatch.setattr("nas_controller.search_loop.MAX_INFEASIBLE_IN_A_ROW", 3)
    bench = Bench(trials=10, budget={"relative_to": "r0-sp53", "tolerance": 0.0001})
    assert bench.finish(bench.claim()) is SearchState.FAILED
    whole = Replay(bench.store, SEARCH, bench.algorithm())
    whole.follow()
    assert whole.num_told >= 4
    assert bench.store.list_snapshots(SEARCH)[-1].state_sha256 == state_sha256(whole.algorithm.state_dict())
