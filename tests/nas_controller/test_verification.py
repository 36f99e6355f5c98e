"""What a replay finds: nothing in a search that ran, and the first thing that was changed afterwards."""

import json
import math
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nas_controller.algorithms.table import ALGORITHM_NAMES
from nas_controller.records import EntryKind, SearchState
from nas_controller.search_loop import run_search
from nas_controller.snapshots import state_sha256
from nas_controller.store.open import open_store
from nas_controller.verification import Difference, Verification, verify
from tests.nas_controller.test_search_loop import SEARCH, Bench

HERE = {"torch": "1.0", "cpu": "Example 9000"}
NUM_TRIALS = 8


# Optuna's are one class but for the sampler: one of them is changed afterwards, all are verified while they run.
CHANGED = [name for name in ALGORITHM_NAMES if name not in ("optuna_tpe", "optuna_cmaes")]


@pytest.fixture(scope="module", params=CHANGED)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a search that was cut once, and went on to its end; one for each algorithm."""
    path = tmp_path_factory.mktemp(request.param) / "searches.sqlite"
    store = open_store(f"sqlite:///{path}")
    bench = Bench(trials=NUM_TRIALS, algorithm=request.param, store=store)
    for turn, _ in enumerate(run_search(bench.claim())):
        if turn == 3:
            break
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    store.close()
    return path


@pytest.fixture
def database(finished: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copy(finished, tmp_path / "searches.sqlite"))


def verified(database: Path, versions: dict[str, str] = HERE) -> Verification:
    store = open_store(f"sqlite:///{database}")
    try:
        return verify(store, SEARCH, versions, lambda _sequence, _last: None)
    finally:
        store.close()


def difference(database: Path) -> Difference:
    found = verified(database).difference
    assert found is not None
    return found


def asked_trial(database: Path, place: int) -> tuple[int, int]:
    """Entry and number of the trial that was created at this place."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT sequence, trial_number FROM ledger WHERE kind = 'trial.created'").fetchall()
    sequence, number = rows[place]
    return int(sequence), int(number)


def told_trial(database: Path, place: int) -> tuple[int, int]:
    """The same of the trials that got a reward."""
    statement = "SELECT sequence, trial_number FROM ledger WHERE kind = 'trial.finished' AND payload LIKE '%completed%'"
    with closing(sqlite3.connect(database)) as connection:
        sequence, number = connection.execute(statement).fetchall()[place]
    return int(sequence), int(number)


def change(database: Path, table: str, column: str, where: str, edit: Callable[[Any], Any]) -> Any:
    """Changes a JSON column in one row; what was there."""
    with closing(sqlite3.connect(database)) as connection:
        (text,) = connection.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()
        before = json.loads(text)
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (json.dumps(edit(json.loads(text))),))
        connection.commit()
    return before


def algorithm_of(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        (config,) = connection.execute("SELECT config FROM search").fetchone()
    return str(json.loads(config)["algorithm"]["name"])


def execute(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute(statement).rowcount == 1
        connection.commit()


# A search that ran


def test_a_search_that_ran_is_derived_again_to_the_last_bit(finished: Path) -> None:
    store = open_store(f"sqlite:///{finished}")
    entries = store.read_ledger(SEARCH, limit=100_000)
    snapshots = store.list_snapshots(SEARCH)
    store.close()
    created = [e for e in entries if e.kind is EntryKind.TRIAL_CREATED and e.payload["arm"] != "reference"]
    told = [e for e in entries if e.kind is EntryKind.TRIAL_FINISHED]
    assert len(created) >= NUM_TRIALS
    assert verified(finished) == Verification(
        search_id=SEARCH,
        num_entries=len(entries),
        num_asks=len(created),
        num_tells=len(told),
        num_states=3,  # two claims began, the last one ended
        last_state_at=len(entries),
        state_sha256=snapshots[-1].state_sha256,
        difference=None,
    )


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_a_search_is_verified_while_it_runs(algorithm: str) -> None:
    bench = Bench(trials=6, algorithm=algorithm)
    search = bench.claim()
    seen: list[tuple[int, int]] = []
    for turn, _ in enumerate(run_search(search)):
        if turn % 3 == 0:
            verification = verify(bench.store, SEARCH, HERE, lambda *entry: seen.append(entry))
            last = bench.store.get_search(SEARCH).last_sequence
            assert (verification.difference, verification.num_entries) == (None, last)
            assert seen[-last:] == [(sequence, last) for sequence in range(1, last + 1)]
            assert verification.state_sha256 == state_sha256(search.algorithm.state_dict())


# A search that was changed


def test_another_genotype_is_named_by_its_decision_and_its_options(database: Path) -> None:
    sequence, number = asked_trial(database, 4)

    def edit(payload: Any) -> Any:
        payload["genotype"][0] = (payload["genotype"][0] + 1) % 2
        return payload

    before = change(database, "ledger", "payload", f"sequence = {sequence}", edit)
    found = difference(database)
    assert (found.sequence, found.trial_number) == (sequence, number)
    assert found.mismatch.what.startswith("genotype[0] (")
    first = before["genotype"][0]
    assert found.mismatch.rederived.startswith(f"option {first} (")
    assert found.mismatch.recorded.startswith(f"option {(first + 1) % 2} (")


def test_a_decision_that_is_not_offered_is_named(database: Path) -> None:
    sequence, number = asked_trial(database, 2)
    change(
        database, "ledger", "payload", f"sequence = {sequence}", lambda p: {**p, "genotype": [*p["genotype"][:-1], 99]}
    )
    found = difference(database)
    assert (found.sequence, found.trial_number) == (sequence, number)
    assert found.mismatch.recorded == "99, which is not offered"


def test_a_log_probability_that_differs_in_its_last_bit_is_named(database: Path) -> None:
    sequence, number = asked_trial(database, 4)

    def edit(payload: Any) -> Any:
        payload["log_probs"][3] = math.nextafter(payload["log_probs"][3], -math.inf)
        return payload

    before = change(database, "ledger", "payload", f"sequence = {sequence}", edit)
    found = difference(database)
    assert (found.sequence, found.trial_number) == (sequence, number)
    assert found.mismatch.what.startswith("log_probs[3] (")
    assert float(found.mismatch.rederived) == before["log_probs"][3]
    assert float(found.mismatch.recorded) == edit(before)["log_probs"][3]


@pytest.mark.parametrize("column", ["arm", "fingerprint"])
def test_other_text_of_a_trial_is_named(database: Path, column: str) -> None:
    sequence, number = asked_trial(database, 1)
    change(database, "ledger", "payload", f"sequence = {sequence}", lambda payload: {**payload, column: "another"})
    found = difference(database)
    assert (found.sequence, found.trial_number, found.mismatch.recorded) == (sequence, number, "'another'")
    assert column in found.mismatch.what


def test_another_reward_in_the_ledger_is_named_by_its_trial(database: Path) -> None:
    sequence, number = told_trial(database, 3)
    change(database, "ledger", "payload", f"sequence = {sequence}", lambda payload: {**payload, "reward": 0.125})
    found = difference(database)
    assert (found.sequence, found.trial_number) == (sequence, number)
    assert (found.mismatch.what, found.mismatch.recorded) == ("reward in ledger and row", "0.125")


def test_another_reward_everywhere_is_named_by_the_next_thing_that_follows_from_it(database: Path) -> None:
    sequence, number = told_trial(database, 3)
    change(database, "ledger", "payload", f"sequence = {sequence}", lambda payload: {**payload, "reward": 0.125})
    execute(database, f"UPDATE trial SET reward = 0.125 WHERE number = {number}")
    found = verified(database).difference
    if algorithm_of(database) in ("random", "local_search"):
        assert found is None, "it learns nothing, or nothing from a trial that is not the best: all follows as well"
    else:
        assert found is not None
        assert found.sequence > sequence
        assert found.mismatch.what.startswith(("log_probs", "genotype", "sha256"))


def test_another_seed_is_found_before_anything_is_told(database: Path) -> None:
    change(database, "search", "config", "id = 's1'", lambda c: {**c, "algorithm": {**c["algorithm"], "seed": 4}})
    found = difference(database)
    if algorithm_of(database) in ("reinforce", "reinforce_recurrent", "mixed"):
        assert (found.sequence, found.mismatch.what) == (2, "sha256 of the state"), "what it begins with is drawn"
    else:
        assert found.trial_number == 1
        assert found.mismatch.what.startswith("genotype[")


def test_another_block_of_an_architecture_is_named(database: Path) -> None:
    _, number = asked_trial(database, 1)

    def edit(draft: Any) -> Any:
        draft["spec"]["blocks"][2]["repeats"] = 2
        return draft

    change(database, "trial", "draft", f"number = {number}", edit)
    found = difference(database)
    assert found.trial_number == number
    assert found.mismatch.what == "block 2 of the architecture"
    assert "repeats=2" in found.mismatch.recorded
    assert "repeats=1" in found.mismatch.rederived


def test_another_fingerprint_everywhere_is_not_that_of_the_architecture(database: Path) -> None:
    sequence, number = asked_trial(database, 1)
    change(database, "ledger", "payload", f"sequence = {sequence}", lambda p: {**p, "fingerprint": "f" * 32})
    execute(database, f"UPDATE trial SET fingerprint = '{'f' * 32}' WHERE number = {number}")
    found = difference(database)
    assert (found.trial_number, found.mismatch.what, found.mismatch.recorded) == (
        number,
        "fingerprint",
        f"'{'f' * 32}'",
    )


def test_a_state_that_was_recorded_otherwise_is_named(database: Path) -> None:
    store = open_store(f"sqlite:///{database}")
    last = store.list_snapshots(SEARCH)[-1]
    store.close()
    execute(database, f"UPDATE snapshot SET state_sha256 = '{'0' * 64}' WHERE sequence = {last.sequence}")
    found = difference(database)
    assert (found.sequence, found.trial_number) == (last.sequence, None)
    assert (found.mismatch.what, found.mismatch.recorded) == ("sha256 of the state", "0" * 64)
    assert found.mismatch.rederived == last.state_sha256


def test_a_missing_entry_is_named(database: Path) -> None:
    execute(database, "DELETE FROM ledger WHERE sequence = 7")
    found = difference(database)
    assert (found.sequence, found.mismatch.what, found.mismatch.rederived) == (8, "the next entry", "7")


def test_a_ledger_that_ends_too_early_is_named(database: Path) -> None:
    store = open_store(f"sqlite:///{database}")
    last = store.get_search(SEARCH).last_sequence
    store.close()
    execute(database, f"DELETE FROM ledger WHERE sequence = {last}")
    found = difference(database)
    assert (found.sequence, found.mismatch.recorded, found.mismatch.rederived) == (last, "none", str(last))


# Versions


def _with_a_difference(database: Path, place: int) -> None:
    sequence, _ = asked_trial(database, place)
    change(database, "ledger", "payload", f"sequence = {sequence}", lambda payload: {**payload, "arm": "another"})


def test_versions_that_differ_are_named_as_they_were_when_the_trial_was_asked(database: Path) -> None:
    """The first claim's with another torch, the second's on another CPU; the trial is of the first."""
    _with_a_difference(database, 1)
    store = open_store(f"sqlite:///{database}")
    first, second, _end = [snapshot.sequence for snapshot in store.list_snapshots(SEARCH)]
    store.close()
    change(database, "snapshot", "versions", f"sequence = {first}", lambda _: {**HERE, "torch": "0.9", "numpy": "2"})
    change(database, "snapshot", "versions", f"sequence = {second}", lambda _: {**HERE, "cpu": "another"})
    assert difference(database).versions == {"torch": ("0.9", "1.0"), "numpy": ("2", "none")}


def test_equal_versions_are_said_to_be_equal(database: Path) -> None:
    _with_a_difference(database, 1)
    for sequence in _snapshots(database):
        change(database, "snapshot", "versions", f"sequence = {sequence}", lambda _: HERE)
    assert difference(database).versions == {}


def _snapshots(database: Path) -> list[int]:
    store = open_store(f"sqlite:///{database}")
    try:
        return [snapshot.sequence for snapshot in store.list_snapshots(SEARCH)]
    finally:
        store.close()


def test_a_search_of_an_older_release_has_no_versions(database: Path) -> None:
    _with_a_difference(database, 1)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DELETE FROM snapshot")
        connection.commit()
    assert difference(database).versions is None
