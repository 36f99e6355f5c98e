"""A file of a killed search is cut, emptied or changed before the next process comes: the search ends right all the
same, or says what is wrong."""

import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nas_controller.records import SearchState
from nas_controller.store.open import DatabaseError, open_store
from spinesearch.home import Home
from tests.chaos.oracle import check_files, check_ledger, check_replay, check_search, check_trials, check_work
from tests.chaos.searching import SEARCH, WATCHED, Scenario, run

KILLED_AT = ("before store.complete_attempt", 5)


def cut(path: Path) -> None:
    """The second half is gone."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    """One bit in the middle is another."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def zero(path: Path) -> None:
    """The second half is zeros, as after a loss of power."""
    half = path.stat().st_size // 2
    path.write_bytes(path.read_bytes()[:half] + bytes(path.stat().st_size - half))


DAMAGES = (cut, empty, flip, zero)


class Left:
    """The folder of a search that was killed, with a snapshot, a result that was not committed, a checkpoint of an
    attempt that ran, and a write-ahead log."""

    def __init__(self, folder: Path) -> None:
        self.scenario = Scenario(folder=folder / "left", trials=8, diverging=0.2, document=WATCHED)
        self.scenario.create()
        assert run(self.scenario, "owner-0", *KILLED_AT) == -signal.SIGKILL
        looked_at = self.copied(folder / "looked at")
        store = open_store(looked_at.url)
        snapshot = store.list_snapshots(SEARCH)[-1].artifact_key
        checkpoint = next(job.checkpoint for job in store.list_jobs(SEARCH, open_only=True) if job.checkpoint)
        store.close()
        assert snapshot is not None
        (result,) = (self.scenario.folder / "artifacts" / "results").glob("*.json")
        self.files = {
            "snapshot": f"artifacts/{snapshot[:2]}/{snapshot}",
            "kept result": f"artifacts/results/{result.name}",
            "checkpoint": f"artifacts/{checkpoint.key[:2]}/{checkpoint.key}",
            "write-ahead log": "searches.sqlite-wal",
            "database": "searches.sqlite",
        }

    def copied(self, folder: Path) -> Scenario:
        shutil.copytree(self.scenario.folder, folder)
        return replace(self.scenario, folder=folder)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    return Left(tmp_path_factory.mktemp("damaged"))


def finish(search: Scenario) -> None:
    """Once more killed, so that all snapshots that are kept are of later."""
    assert run(search, "owner-1", "before store.complete_attempt", 2) == -signal.SIGKILL
    assert run(search, "owner-2") == 0


@pytest.mark.parametrize(
    "name", ["snapshot", *(pytest.param(n, marks=pytest.mark.chaos) for n in ("kept result", "checkpoint"))]
)
@pytest.mark.parametrize("damage", [cut, *(pytest.param(each, marks=pytest.mark.chaos) for each in DAMAGES[1:])])
def test_a_search_ends_right_when_a_file_of_its_own_is_damaged(
    damage: Callable[[Path], None], name: str, left: Left, tmp_path: Path
) -> None:
    search = left.copied(tmp_path / "search")
    damage(search.folder / left.files[name])
    finish(search)
    check_search(search)


@pytest.mark.parametrize("damage", [cut, *(pytest.param(each, marks=pytest.mark.chaos) for each in DAMAGES[1:])])
def test_what_follows_the_damage_in_a_write_ahead_log_is_lost_and_nothing_else_is_wrong(
    damage: Callable[[Path], None], left: Left, tmp_path: Path
) -> None:
    """SQLite goes back to the last transaction that is whole: results that were committed later are measured again."""
    search = left.copied(tmp_path / "search")
    damage(search.folder / left.files["write-ahead log"])
    finish(search)
    store = open_store(search.url)
    assert store.get_search(SEARCH).state is SearchState.SUCCEEDED
    check_trials(store, search)
    check_ledger(store)
    check_work(store)
    check_replay(store, search)
    check_files(store, search)
    store.close()


def test_a_database_that_is_no_database_any_more_is_refused_with_its_name(left: Left, tmp_path: Path) -> None:
    search = left.copied(tmp_path / "search")
    path = search.folder / left.files["database"]
    (search.folder / left.files["write-ahead log"]).unlink()
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(DatabaseError, match=r"searches\.sqlite.*file is not a database"):
        open_store(search.url)
    assert run(search, "owner-1") == 1


@pytest.mark.parametrize("content", [b"", b"0123456789abcdef", b"\xff" * 64], ids=["empty", "cut", "no text"])
@pytest.mark.parametrize("name", ["token", "session-secret"])
def test_a_damaged_secret_is_refused_with_its_name(name: str, content: bytes, tmp_path: Path) -> None:
    """An empty token would be everybody's."""
    home = Home(tmp_path, "", None)
    home.token()
    home.session_secret()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{tmp_path / name}: damaged"):
        home.token() if name == "token" else home.session_secret()
