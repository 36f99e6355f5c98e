"""The store in SQLite: the contract, and what only a file has."""

import contextlib
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event

from nas_controller.records import EntryKind, TrialState
from nas_controller.store.base import Store, StoreError
from nas_controller.store.engine import for_writing, make_engine
from nas_controller.store.open import open_store
from nas_controller.store.sql import SqlStore
from nas_controller.trial_summaries import Objective
from tests.conformance import store_processes as processes
from tests.conformance.store_cases import (
    added,
    at,
    claimed,
    evaluation,
    finished,
    make_checkpoint,
    make_measurement,
    make_snapshot,
    readable,
    reevaluated,
    started,
)
from tests.conformance.store_snapshot_suite import with_entries, without_file
from tests.conformance.store_suite import StoreSuite
from tests.conformance.store_webhook_suite import make_webhook
from tests.fresh_processes import FRESH


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'searches.sqlite'}"


@pytest.fixture
def sqlite_store(url: str) -> Iterator[SqlStore]:
    store = open_store(url)
    assert isinstance(store, SqlStore)
    yield store
    store.close()


class TestSqliteStore(StoreSuite):
    @pytest.fixture
    def store(self, sqlite_store: SqlStore) -> Store:
        return sqlite_store


# Files


def test_everything_is_there_when_opened_again(sqlite_store: SqlStore, url: str) -> None:
    lease = claimed(sqlite_store)
    finished(sqlite_store, lease, 1, 0.25)
    started(sqlite_store, lease, 2)
    before = readable(sqlite_store)
    sqlite_store.close()
    again = open_store(url)
    assert readable(again) == before
    again.close()


def test_the_folder_of_the_file_is_made(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'a' / 'b' / 'searches.sqlite'}").close()
    assert (tmp_path / "a" / "b" / "searches.sqlite").exists()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "nonsense", "nodb:///x", "sqlite:////dev/null/x/y"])
def test_a_url_without_a_database_is_one_clear_error(url: str) -> None:
    with pytest.raises(StoreError, match="database URL"):
        open_store(url)


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database. " * 100)
    with pytest.raises(StoreError, match=r"notes\.txt.*not a database"):
        open_store(f"sqlite:///{path}")
    assert path.read_text() == "not a database. " * 100


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:secret@127.0.0.1:1/none",
        "postgresql+psycopg://me@127.0.0.1:1/none?password=secret",
        "postgresql+psycopg://me:pass@word@127.0.0.1:secret/none",
        "postgresql+psycopg://me:secret/none",
        "postgresql//me:secret@127.0.0.1/none",
        "nothing://me:secret@127.0.0.1/none",
        "sqlite://me:secret@127.0.0.1/none",
    ],
)
def test_a_password_is_not_in_the_message(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


# Connections


def test_how_connections_are_set_up(sqlite_store: SqlStore) -> None:
    with sqlite_store._engine.begin() as connection:

        def pragma(name: str) -> object:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()

        assert pragma("journal_mode") == "wal"
        assert int(str(pragma("busy_timeout"))) >= 10_000
        assert pragma("foreign_keys") == 1
        assert pragma("synchronous") == 2


def test_writes_take_the_lock_before_they_read(sqlite_store: SqlStore) -> None:
    """A transaction that reads first and writes later fails when another one wrote in between."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(sqlite_store._engine, "before_cursor_execute", note)
    lease = claimed(sqlite_store)
    begins = [statement for statement in statements if statement.startswith("BEGIN")]
    assert begins == ["BEGIN IMMEDIATE"] * 3  # create, claim, set state
    statements.clear()
    sqlite_store.get_search(lease.search_id)
    assert [statement for statement in statements if statement.startswith("BEGIN")] == []  # one statement that reads
    statements.clear()
    sqlite_store.worker_seconds(lease.search_id, at(5))
    assert [statement for statement in statements if statement.startswith("BEGIN")] == ["BEGIN"]


def test_lists_of_trials_do_not_read_evaluations(sqlite_store: SqlStore) -> None:
    lease = claimed(sqlite_store)
    finished(sqlite_store, lease, 1, 0.25)
    statements: list[str] = []
    event.listen(sqlite_store._engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    sqlite_store.list_trials("s1", 10)
    sqlite_store.best_trials("s1", 10)
    sqlite_store.count_trials("s1")
    assert statements
    assert not any("evaluation" in statement for statement in statements)


def test_reading_goes_on_while_somebody_writes(sqlite_store: SqlStore) -> None:
    claimed(sqlite_store)
    with for_writing(sqlite_store._engine).begin() as writing:
        writing.exec_driver_sql("UPDATE search SET reason = 'half written'")
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(sqlite_store.get_search, "s1").result(timeout=5).reason == ""


# Many processes, and sudden ends


def _run(bodies: Sequence[tuple[Any, ...]]) -> list[int | None]:
    """Exit codes of processes that run at the same time."""
    processes = [FRESH.Process(target=function, args=arguments) for function, *arguments in bodies]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def test_several_processes_write_to_one_file(sqlite_store: SqlStore, url: str) -> None:
    lease = claimed(sqlite_store)
    jobs = [added(sqlite_store, lease, number).id for number in range(1, 101)]
    assert _run([(processes.train, url, lease, jobs[worker::4]) for worker in range(4)]) == [0] * 4
    ledger = sqlite_store.read_ledger("s1")
    assert [entry.sequence for entry in ledger] == list(range(1, 303))  # 2 states and 100 x 3
    told = [entry.trial_number for entry in ledger if entry.kind is EntryKind.TRIAL_FINISHED]
    assert sorted(number or 0 for number in told) == list(range(1, 101))
    assert sqlite_store.count_trials("s1").by_state == {TrialState.COMPLETED: 100}


def test_several_processes_open_a_new_file(url: str) -> None:
    assert _run([(processes.create, url, f"s{worker}") for worker in range(4)]) == [0] * 4
    store = open_store(url)
    assert {search.id for search in store.list_searches(10)} == {"s0", "s1", "s2", "s3"}
    store.close()


@pytest.mark.parametrize("num_files", [1, 4])
def test_several_threads_open_new_files(tmp_path: Path, num_files: int) -> None:
    urls = [f"sqlite:///{tmp_path / str(thread % num_files)}.sqlite" for thread in range(4)]
    together = Barrier(len(urls))

    def create(thread: int) -> None:
        together.wait(60)
        processes.create(urls[thread], f"s{thread}")

    with ThreadPoolExecutor(len(urls)) as threads:
        list(threads.map(create, range(len(urls))))
    found: list[str] = []
    for url in sorted(set(urls)):
        store = open_store(url)
        found += [search.id for search in store.list_searches(10)]
        store.close()
    assert sorted(found) == ["s0", "s1", "s2", "s3"]


def test_many_threads_connect_to_new_files_for_the_first_time(tmp_path: Path) -> None:
    num_threads, num_files = 8, 40
    together = Barrier(num_threads)

    def connect(_thread: int) -> None:
        for number in range(num_files):
            engine = make_engine(f"sqlite:///{tmp_path / str(number)}.sqlite")
            together.wait(60)
            with engine.connect() as connection:
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            engine.dispose()

    with ThreadPoolExecutor(num_threads) as threads:
        list(threads.map(connect, range(num_threads)))


def test_a_killed_process_leaves_what_it_committed_and_nothing_else(sqlite_store: SqlStore, url: str) -> None:
    lease = claimed(sqlite_store)
    job = started(sqlite_store, lease, 1)
    body = (processes.complete_and_die_in_the_next_transaction, url, lease, job.id)
    assert _run([body]) == [-signal.SIGKILL]
    assert sqlite_store.get_trial("s1", 1).reward == 0.5
    assert sqlite_store.read_ledger("s1")[-1].payload["reward"] == 0.5
    finished(sqlite_store, lease, 2, 0.7)


def test_a_result_is_there_whole_or_not_at_all(sqlite_store: SqlStore, url: str) -> None:
    """Wherever its transaction is cut off, the writer dies before it commits; the last one is not cut off."""
    lease = claimed(sqlite_store)
    job = started(sqlite_store, lease, 1)
    before = readable(sqlite_store)
    statements = 0
    while (code := _run([(processes.complete_and_die_at, url, lease, job.id, statements + 1)])) == [-signal.SIGKILL]:
        statements += 1
        assert readable(sqlite_store) == before
    assert code == [0]
    assert statements >= 8  # begin, lease, job, attempt and trial read; attempt, job, trial, ledger and search written
    assert sqlite_store.get_trial("s1", 1).reward == 0.5


def test_a_reused_trial_is_there_whole_or_not_at_all(sqlite_store: SqlStore, url: str) -> None:
    lease = claimed(sqlite_store)
    measured = finished(sqlite_store, lease, 1, 0.5, measurement_key="k")
    before = readable(sqlite_store)
    statements = 0
    while (code := _run([(processes.reuse_and_die_at, url, lease, measured, 2, statements + 1)])) == [-signal.SIGKILL]:
        statements += 1
        assert readable(sqlite_store) == before
    assert code == [0]
    assert statements >= 7  # begin, lease and newest trial read; trial, two ledger entries and search written
    assert sqlite_store.get_trial("s1", 2).reward == 0.5


def test_a_measurement_is_there_whole_or_not_at_all(sqlite_store: SqlStore, url: str) -> None:
    lease = claimed(sqlite_store)
    job = started(sqlite_store, lease, 1)
    before = readable(sqlite_store)
    statements = 0
    while (code := _run([(processes.report_and_die_at, url, lease, job.id, statements + 1)])) == [-signal.SIGKILL]:
        statements += 1
        assert readable(sqlite_store) == before
    assert code == [0]
    assert statements >= 7  # begin, lease, job, attempt and step read; ledger, search and measurement written
    assert sqlite_store.measured_at("s1", 25) == [(1, 0.5)]
    assert sqlite_store.read_ledger("s1")[-1].kind is EntryKind.TRIAL_MEASURED


def test_a_snapshot_is_there_whole_or_not_at_all(sqlite_store: SqlStore, url: str) -> None:
    """With it, the oldest of three others loses its file."""
    lease = with_entries(sqlite_store, 8)
    snapshots = [make_snapshot(sequence) for sequence in (2, 4, 6, 8)]
    for snapshot in snapshots[:3]:
        sqlite_store.add_snapshot(lease, snapshot)
    before = readable(sqlite_store)
    statements = 0
    while (code := _run([(processes.snapshot_and_die_at, url, lease, 8, statements + 1)])) == [-signal.SIGKILL]:
        statements += 1
        assert readable(sqlite_store) == before
    assert code == [0]
    assert statements >= 7  # begin, lease and files read; one deleted, one written; files read again and one forgotten
    assert sqlite_store.list_snapshots("s1") == [without_file(snapshots[0]), *snapshots[1:]]


def test_a_migration_that_is_killed_is_done_by_the_next(url: str) -> None:
    assert _run([(processes.migrate_and_die, url)]) == [-signal.SIGKILL]
    store = open_store(url)
    finished(store, claimed(store), 1, 0.5)
    store.close()


# Plans of the queries that a search asks all the time


def _plans(store: SqlStore, call: Callable[[], object]) -> list[str]:
    """The steps of SQLite's plans for the queries of a call."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_rest: object) -> None:
        asked.append((statement, values))

    event.listen(store._engine, "before_cursor_execute", note)
    call()
    event.remove(store._engine, "before_cursor_execute", note)
    with contextlib.closing(sqlite3.connect(str(store._engine.url.database))) as connection:
        queries = [(text, values) for text, values in asked if text.startswith("SELECT")]
        plans = [connection.execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall() for text, values in queries]
    return [step for plan in plans for *_numbers, step in plan]


def test_hot_queries_read_only_what_they_need(sqlite_store: SqlStore) -> None:
    """No query walks through a table, nor through all rows of a search unless an index holds all that it reads."""
    store, lease = sqlite_store, claimed(sqlite_store)
    job = started(store, lease, 1)
    measured = finished(store, lease, 2, 0.5).number
    for call in (
        lambda: store.list_trials("s1", 10, after=5),
        lambda: store.best_trials("s1", 10),
        lambda: store.list_summaries("s1", 10, after=5),
        lambda: store.best_summaries("s1", 10, max_multiply_adds=9, max_parameters=9),
        lambda: store.list_children("s1", 1, 10),
        lambda: store.count_children("s1", 1),
        lambda: store.count_open_jobs("s1"),
        lambda: store.count_failed_attempts("s1"),
        lambda: store.worker_seconds("s1", at(60)),
        lambda: store.list_artifacts("s1", key="ab" * 32),
        lambda: store.reference_trials("s1"),
        lambda: store.first_measured("k", "f1"),
        lambda: store.count_trials("s1"),
        lambda: store.list_jobs("s1", open_only=True),
        lambda: store.list_jobs("s1", 1),
        lambda: store.read_ledger("s1", after=5),
        lambda: store.list_artifacts("s1", 1),
        lambda: store.needed_artifacts(["ab" * 32, "cd" * 32]),
        lambda: store.list_searches(10),
        lambda: added(store, lease, 3),
        lambda: store.requeue_lost_attempts(lease, at(50)),
        lambda: store.start_attempt(lease, job.id, "worker-1", at(51)),
        lambda: store.record_progress(lease, job.id, 2, make_measurement(25, 0.5), at(51)),
        lambda: store.record_progress(lease, job.id, 2, make_checkpoint(30), at(51)),
        lambda: store.list_measurements("s1", 1),
        lambda: store.measured_at("s1", 25),
        lambda: store.complete_attempt(lease, job.id, 2, evaluation(0.5), 0.5, at(52)),
        lambda: reevaluated(store, lease, measured, 7, 0.5),
        lambda: store.find_token("5e" * 32),
        lambda: store.claim_operation("daemon", at(53), 60),
        lambda: store.webhook_cursors(store.create_webhook(make_webhook()).id),
    ):
        steps = _plans(store, call)
        assert steps
        for step in steps:
            reads_all = step.startswith("SCAN") or step.endswith("(search_id=?)")
            assert not reads_all or "COVERING INDEX" in step or "created_at" in step, steps


@pytest.mark.parametrize("states", [[TrialState.FAILED], [TrialState.FAILED, TrialState.CANCELLED]])
def test_trials_of_a_state_are_found_without_reading_the_others(
    sqlite_store: SqlStore, states: list[TrialState]
) -> None:
    """100,000 trials, none of them cancelled: 0.3 s where all are looked at, 2 ms by this index."""
    claimed(sqlite_store)
    steps = _plans(sqlite_store, lambda: sqlite_store.list_trials("s1", 10, after=5, states=states))
    index = "USING COVERING INDEX ix_trial_search_id_state_number_arm (search_id=? AND state=? AND number>?)"
    assert f"SEARCH trial {index}" in steps
    assert "SEARCH trial USING INDEX sqlite_autoindex_trial_1 (search_id=? AND number=?)" in steps


def test_the_best_are_found_without_reading_the_others(sqlite_store: SqlStore) -> None:
    """100,000 trials: 1.2 s where the twins of a trial are sought by search and number, 0.1 ms by this index."""
    claimed(sqlite_store)
    twins = [step for step in _plans(sqlite_store, lambda: sqlite_store.best_trials("s1", 10)) if " other " in step]
    index = "USING COVERING INDEX ix_trial_search_id_fingerprint_state_reward_number"
    assert [step.split(index)[1] for step in twins] == [
        " (search_id=? AND fingerprint=? AND state=? AND reward>?)",
        " (search_id=? AND fingerprint=? AND state=? AND reward=? AND number<?)",
    ]


@pytest.mark.parametrize(
    ("objective", "twins"),
    [
        (Objective.REWARD, "ix_trial_search_id_fingerprint_state_reward_number"),
        (Objective.AVERAGE_PRECISION, "ix_trial_twins_average_precision"),
        (Objective.VAL_AVERAGE_PRECISION, "ix_trial_twins_val_average_precision"),
    ],
)
def test_the_best_of_any_kind_are_found_in_indexes(sqlite_store: SqlStore, objective: Objective, twins: str) -> None:
    """Best first, and without a look at any row that is not wanted, also where few are cheap enough."""
    claimed(sqlite_store)
    limits = {"max_multiply_adds": 9, "max_parameters": 9}
    steps = _plans(sqlite_store, lambda: sqlite_store.best_summaries("s1", 10, objective, **limits))
    of_twin = f"SEARCH other USING COVERING INDEX {twins} (search_id=? AND fingerprint=? AND state=? AND {objective}"
    assert [step for step in steps if step.startswith("SEARCH ")][:4] == [
        "SEARCH trial USING INDEX sqlite_autoindex_trial_1 (search_id=? AND number=?)",
        f"SEARCH trial USING COVERING INDEX ix_trial_best_{objective} (search_id=? AND state=? AND {objective}>?)",
        f"{of_twin}>?)",
        f"{of_twin}=? AND number<?)",
    ]


def test_lists_of_trials_leave_their_architectures_alone(sqlite_store: SqlStore) -> None:
    """To parse five hundred of them takes a tenth of a second."""
    lease = claimed(sqlite_store)
    finished(sqlite_store, lease, 1, 0.25, parents=(1,))
    statements: list[str] = []
    event.listen(sqlite_store._engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    sqlite_store.list_summaries("s1", 10)
    sqlite_store.best_summaries("s1", 10)
    sqlite_store.list_children("s1", 1, 10)
    assert len(statements) == 3
    assert not any("draft" in statement for statement in statements)


def test_what_was_measured_is_found_in_the_order_of_time(sqlite_store: SqlStore) -> None:
    """Of a network that was trained a thousand times, the first row by the index is the answer."""
    steps = _plans(sqlite_store, lambda: sqlite_store.first_measured("k", "f1"))
    index = "USING INDEX ix_trial_measurement_key_fingerprint_finished_at (measurement_key=? AND fingerprint=?)"
    assert steps[0] == f"SEARCH trial {index}"
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps  # only equal times are sorted


def test_the_last_attempts_are_found_without_reading_the_others(sqlite_store: SqlStore) -> None:
    """They are read in the order of time, from the last one on; each finds its job by the primary key."""
    claimed(sqlite_store)
    assert _plans(sqlite_store, lambda: sqlite_store.last_attempts("s1", 10))[:3] == [
        "SEARCH attempt USING INDEX ix_attempt_search_id_started_at (search_id=?)",
        "SEARCH job USING INDEX sqlite_autoindex_job_1 (id=?)",
        "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY",  # only equal times are sorted
    ]
