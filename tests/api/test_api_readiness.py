"""`/readyz` tells the truth about real SQLite files: gone, replaced, locked, read-only, full, of another schema."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic import command
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from api.app import create_app
from nas_controller.pulse import Pulse
from nas_controller.store.base import Store
from nas_controller.store.engine import for_writing, make_engine
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import alembic_config, open_store
from nas_controller.store.sql import SqlStore
from nas_controller.tallies import Heartbeat, ProcessRole
from tests.api.serving import BEARER, make_settings, serve

ANSWER_SECONDS = 5.0
"""Far above the second and a half that the service takes at most, far below the 30 s that SQLite waits for a lock."""


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "searches.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    store = open_store(f"sqlite:///{path}")
    assert isinstance(store, SqlStore)
    yield store
    store.close()


@contextlib.contextmanager
def served(store: Store, name: str = "api") -> Iterator[Callable[[], httpx.Response]]:
    """Asks a fresh service over the store, with the token."""
    app = create_app(store, None, make_settings(), clock=now, process_name=name)  # type: ignore[arg-type]
    with serve(app) as url, httpx.Client(base_url=url, headers=BEARER, timeout=ANSWER_SECONDS) as client:
        yield lambda: client.get("/readyz")


def checks_of(answer: httpx.Response) -> dict[str, str]:
    return {check["name"]: check["status"] for check in answer.json()["checks"]}


def detail_of(answer: httpx.Response, name: str) -> str:
    return str(next(check["detail"] for check in answer.json()["checks"] if check["name"] == name))


def assert_not_ready(answer: httpx.Response, **statuses: str) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "store.unavailable"
    found = checks_of(answer)
    assert {name: found[name] for name in statuses} == statuses


def test_a_service_that_can_work_is_ready(store: SqlStore) -> None:
    Pulse(store, "daemon:here", ProcessRole.DAEMON).beat(now(), {})
    with served(store) as ask:
        answer = ask()
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert checks_of(answer) == {"database": "ok", "schema": "ok", "writable": "ok", "controller": "ok"}
    assert [heartbeat.name for heartbeat in store.list_heartbeats()] == ["api:api", "daemon:here"]


@pytest.mark.parametrize("heard", [None, timedelta(minutes=5)])
def test_a_controller_that_is_gone_is_said_and_does_not_matter(store: SqlStore, heard: timedelta | None) -> None:
    if heard is not None:
        Pulse(store, "daemon:here", ProcessRole.DAEMON).beat(now() - heard, {})
    Pulse(store, "search:s1", ProcessRole.SEARCH, "s1").beat(now(), {})
    with served(store) as ask:
        answer = ask()
    assert answer.status_code == 200
    assert checks_of(answer)["controller"] == "failed"
    assert "searches wait" in detail_of(answer, "controller")


def test_a_probe_without_a_token_learns_only_whether(store: SqlStore, path: Path) -> None:
    with served(store) as ask:
        url = ask().url
        assert httpx.get(url).json() == {"status": "ready", "checks": []}
        path.unlink()
        time.sleep(1.1)  # the last answer is kept for a second
        refused = httpx.get(url)
        assert refused.status_code == 503
        assert (refused.json()["checks"], refused.json()["detail"]) == ([], "the service cannot work now")
        assert str(path) not in refused.text
        wrong = httpx.get(url, headers={"Authorization": "Bearer wrong"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "auth.required")


def test_a_database_file_that_is_gone_is_seen_and_not_made_anew(store: SqlStore, path: Path) -> None:
    """The open connections would go on in a file without a name."""
    with served(store) as ask:
        path.unlink()
        assert_not_ready(ask(), database="failed", schema="unknown", writable="unknown", controller="unknown")
    assert not path.exists()


def test_a_database_file_that_was_replaced_is_seen(store: SqlStore, path: Path) -> None:
    with served(store) as ask:
        path.rename(path.with_suffix(".old"))
        open_store(f"sqlite:///{path}").close()
        assert_not_ready(ask(), database="failed", writable="unknown")


def test_a_lock_that_nobody_gives_back_is_seen_in_time(store: SqlStore, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other, served(store) as ask:
        other.execute("BEGIN IMMEDIATE")
        answer = ask()
        assert_not_ready(answer, database="ok", schema="ok", writable="failed", controller="unknown")
        assert detail_of(answer, "writable") == "no answer within 1.5 s"
        other.execute("ROLLBACK")
        deadline = time.monotonic() + 30
        while ask().status_code != 200:
            assert time.monotonic() < deadline, "it does not become ready again"


@pytest.mark.parametrize(("revision", "says"), [("0003", "older than"), ("9999", "newer than")])
def test_another_schema_is_said(store: SqlStore, path: Path, revision: str, says: str) -> None:
    engine = make_engine(f"sqlite:///{path}")
    with for_writing(engine).begin() as connection:
        if revision == "0003":
            command.downgrade(alembic_config(connection), revision)
        else:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    engine.dispose()
    with served(store) as ask:
        answer = ask()
        assert_not_ready(answer, database="ok", schema="failed", writable="unknown")
        assert f"has schema {revision}, {says}" in detail_of(answer, "schema")
        assert answer.json()["detail"] == f"schema: {detail_of(answer, 'schema')}"


def test_a_read_only_database_is_seen(store: SqlStore, path: Path) -> None:
    read_only = open_store(f"sqlite:///file:{path}?mode=ro&uri=true")
    with served(read_only) as ask:
        answer = ask()
        assert_not_ready(answer, database="ok", schema="ok", writable="failed")
        assert "readonly" in detail_of(answer, "writable")
    read_only.close()


def test_a_full_database_is_seen(store: SqlStore) -> None:
    """SQLite's own limit of pages stands in for a disk: the error is the same. What fills it has names next to the
    service's own, and is as long."""

    def allow_no_more_pages(connection: Any, _record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    store.close()  # connections that are made from now on keep the limit
    event.listen(store._engine, "connect", allow_no_more_pages)
    name = "a" * 200

    def fill() -> None:
        for number in range(1000):
            Pulse(store, f"api:{name}-{number:04}", ProcessRole.API).beat(now(), {})

    with pytest.raises(DBAPIError, match="full"):
        fill()
    with served(store, name + "-9999") as ask:
        answer = ask()
        assert_not_ready(answer, database="ok", schema="ok", writable="failed", controller="unknown")
        assert "full" in detail_of(answer, "writable")


class HangingStore(MemoryStore):
    """A database that takes a question and never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.num_asked = 0
        self.answers = threading.Event()

    def schema_problem(self) -> str:
        self.num_asked += 1
        assert self.answers.wait(60)
        return ""


def test_a_database_that_hangs_is_seen_in_time_and_asked_once() -> None:
    store = HangingStore()
    with served(store) as ask:
        answers = [ask() for _ in range(4)]
        for answer in answers:
            assert_not_ready(answer, database="failed", schema="unknown")
        assert store.num_asked == 1
        store.answers.set()
        deadline = time.monotonic() + 30
        while ask().status_code != 200:
            assert time.monotonic() < deadline, "it does not become ready again"


class CountingStore(MemoryStore):
    """Counts what is written when somebody asks whether it can be."""

    num_written = 0

    def record_heartbeat(self, heartbeat: Heartbeat) -> None:
        self.num_written += 1
        super().record_heartbeat(heartbeat)


def test_many_probes_write_at_most_once_a_second() -> None:
    store = CountingStore()
    with served(store) as ask:
        began = time.monotonic()
        assert {ask().status_code for _ in range(20)} == {200}
        assert 1 <= store.num_written <= 1 + (time.monotonic() - began)
