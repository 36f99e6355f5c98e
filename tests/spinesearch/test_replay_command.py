"""`spinesearch replay` as a user types it, on a home that has the database of a search and nothing else."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from nas_controller.algorithms.versions import versions_here
from nas_controller.store.open import open_store
from spinesearch.cli import main
from tests.nas_controller.test_search_loop import SEARCH, Bench

Replay = Callable[..., tuple[object, str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Its search is finished."""
    store = open_store(f"sqlite:///{tmp_path / 'spinesearch.sqlite'}")
    bench = Bench(trials=4, algorithm="random", store=store)
    bench.finish(bench.claim())
    store.close()
    return tmp_path


@pytest.fixture
def replay(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Replay:
    """Runs the command on that home: its exit status, and what it prints to either stream."""
    monkeypatch.setenv("SPINESEARCH_HOME", str(home))

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.argv", ["spinesearch", "replay", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def test_a_search_that_ran_is_derived_again(home: Path, replay: Replay) -> None:
    status, printed, complaints = replay(SEARCH, "--json")
    assert (status, complaints) == (0, "")
    document = json.loads(printed)
    assert document["difference"] is None
    assert document["num_asks"] >= 4
    assert document["num_states"] == 2
    assert document["versions"] == versions_here()
    assert not (home / "data").exists()
    _, text, _ = replay(SEARCH)
    assert "no difference" in text
    assert document["state_sha256"] in text


def test_a_difference_is_named_and_is_exit_status_1(home: Path, replay: Replay) -> None:
    with closing(sqlite3.connect(home / "spinesearch.sqlite")) as connection:
        connection.execute("UPDATE trial SET arm = 'another' WHERE number = 2")
        connection.execute("UPDATE snapshot SET versions = json_set(versions, '$.numpy', '1.0')")
        connection.commit()
    status, text, _ = replay(SEARCH)
    assert status == 1
    assert "trial 2: arm in ledger and row" in text
    assert f"numpy: then 1.0, here {versions_here()['numpy']}" in text
    document = json.loads(replay(SEARCH, "--json")[1])
    assert document["difference"]["trial_number"] == 2


def test_a_search_that_is_not_there_is_one_line(replay: Replay) -> None:
    status, _, complaints = replay("none")
    assert (status, complaints) == (2, "error: no search none\n")
