"""`spinesearch replay` as a user types it, on a home that has the database of a search and nothing else."""

import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from nas_controller.algorithms.versions import versions_here
from nas_controller.store.open import open_store
from tests.nas_controller.test_search_loop import SEARCH, Bench
from tests.spinesearch.conftest import Typed


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Its search is finished."""
    store = open_store(f"sqlite:///{tmp_path / 'spinesearch.sqlite'}")
    bench = Bench(trials=4, algorithm="random", store=store)
    bench.finish(bench.claim())
    store.close()
    return tmp_path


@pytest.fixture
def replay(home: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Runs the command on that home."""
    monkeypatch.setenv("SPINESEARCH_HOME", str(home))
    return partial(typed, "replay")


def test_a_search_that_ran_is_derived_again(home: Path, replay: Typed) -> None:
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


def test_a_difference_is_named_and_is_exit_status_1(home: Path, replay: Typed) -> None:
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


def test_a_search_that_is_not_there_is_one_line(replay: Typed) -> None:
    status, _, complaints = replay("none")
    assert (status, complaints) == (2, "error: no search none\n")
