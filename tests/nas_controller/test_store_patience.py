"""A store whose calls fail before they are committed, or lose their answer afterwards, and one that waits for it."""

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from nas_controller.records import SearchState
from nas_controller.search_loop import run_search
from nas_controller.store.base import ConflictError, Store
from nas_controller.store.engine import for_writing
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import open_store
from nas_controller.store.patience import is_passing, patient
from nas_controller.store.sql import SqlStore
from tests.conformance.store_cases import claimed, readable
from tests.nas_controller.test_search_loop import Bench

LOST = OperationalError("COMMIT", None, Exception("server closed the connection unexpectedly"))


class Time:
    """A clock that goes on by waiting only."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds

    def patient(self, store: Store) -> Store:
        return patient(store, 60.0, self.wait, lambda: self.seconds)


def failing(store: Store, fails: Callable[[int], str]) -> Store:
    """The store; the n-th call fails ``before`` it is made, or loses its answer ``after``."""
    calls: list[str] = []

    def method(name: str) -> Callable[..., Any]:
        def call(_self: Store, *args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            how = fails(len(calls))
            if how == "before":
                raise LOST
            answer = getattr(store, name)(*args, **kwargs)
            if how == "after":
                raise LOST
            return answer

        return call

    made: Store = type("FailingStore", (Store,), {name: method(name) for name in Store.__abstractmethods__})()
    return made


def searched(bench: Bench, store: Store) -> SearchState:
    search = bench.claim()
    search.store = search.replay.store = search.pulse.store = store
    return list(run_search(search))[-1]


@pytest.mark.parametrize("every", [2, 3, 7])
@pytest.mark.parametrize("how", ["before", "after"])
def test_a_search_whose_calls_fail_or_lose_their_answers_is_the_same_search(how: str, every: int) -> None:
    undisturbed, bench = Bench(trials=8), Bench(trials=8)
    assert searched(undisturbed, undisturbed.store) is SearchState.SUCCEEDED
    store = failing(bench.store, lambda number: how if number % every == 0 else "")
    assert searched(bench, Time().patient(store)) is SearchState.SUCCEEDED
    assert readable(bench.store) == readable(undisturbed.store)


def test_it_waits_longer_each_time_and_gives_up_after_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    time, store = Time(), MemoryStore()
    away = [True]
    patient_store = time.patient(failing(store, lambda number: "before" if away[0] else ""))
    with caplog.at_level(logging.WARNING), pytest.raises(OperationalError):
        patient_store.list_searches(10)
    assert time.waits == [0.5, 1, 2, 4, *[8] * 7]
    assert caplog.records[0].getMessage().startswith("the database does not answer, asked again in 0.5 s: ")
    with pytest.raises(OperationalError):
        patient_store.list_heartbeats()
    assert len(time.waits) == 11, "patience is at its end until a call is answered"
    away[0] = False
    assert patient_store.list_searches(10) == []
    away[0] = True
    with pytest.raises(OperationalError):
        patient_store.list_searches(10)
    assert len(time.waits) == 22


def test_what_the_store_says_is_no_reason_to_wait() -> None:
    time = Time()
    store = time.patient(MemoryStore())
    claimed(store)
    with pytest.raises(ConflictError):
        store.create_search("s1", "again", {}, store.get_search("s1").created_at)
    assert time.waits == []


def test_a_search_ends_with_the_error_when_the_database_stays_away_and_goes_on_later() -> None:
    bench = Bench(trials=6)
    store = Time().patient(failing(bench.store, lambda number: "before" if number > 60 else ""))
    with pytest.raises(OperationalError):
        searched(bench, store)
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    assert bench.store.count_trials("s1").trained == 6


# Errors of real databases


def error_of(act: Callable[[], object]) -> DBAPIError:
    with pytest.raises(DBAPIError) as caught:
        act()
    return caught.value


def test_a_locked_or_full_sqlite_file_passes_and_a_wrong_statement_does_not(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a.sqlite'}", connect_args={"timeout": 0})
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE one (x INTEGER)")
        wrong = error_of(lambda: connection.exec_driver_sql("SELECT * FROM two"))
    blocking = sqlite3.connect(tmp_path / "a.sqlite")
    blocking.execute("BEGIN EXCLUSIVE")
    with engine.connect() as connection:
        locked = error_of(lambda: connection.exec_driver_sql("INSERT INTO one VALUES (1)"))
    blocking.close()
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 3")
        connection.exec_driver_sql("INSERT INTO one VALUES (1)")
        full = error_of(lambda: connection.exec_driver_sql("INSERT INTO one SELECT randomblob(9999)"))
    engine.dispose()
    assert [is_passing(error) for error in (wrong, locked, full)] == [False, True, True]
    assert not is_passing(ProgrammingError("SELECT", None, Exception()))
    assert not is_passing(ValueError())


def test_a_full_database_leaves_nothing_half_written_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.sqlite'}")
    assert isinstance(store, SqlStore)
    lease = claimed(store)

    def set_limit(pages: int) -> None:
        with for_writing(store._engine).begin() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    set_limit(1)  # SQLite takes the pages that there are
    before = readable(store)
    time = Time()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        assert readable(store) == before
        if len(waits) == 3:
            set_limit(10**6)

    reason = "x" * 100_000
    written = patient(store, 60.0, wait, lambda: time.seconds).set_search_state(
        lease, SearchState.RUNNING, reason, store.get_search("s1").created_at
    )
    assert (written.reason, len(waits)) == (reason, 3)
    store.close()
