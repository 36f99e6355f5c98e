"""Connections to the database, with SQLite set up for several writers."""

import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from nas_controller.store.base import StoreError

SQLITE_BUSY_SECONDS = 30

ObserveTransaction = Callable[[str, float], None]
"""Told of a transaction that ended, committed or not: ``read`` or ``write``, and its seconds."""


def make_engine(url: str) -> Engine:
    """An engine whose SQLite connections are in WAL mode, wait for locks, and keep foreign keys.

    Connections to a server are tried before use, so that a restart of the server is not noticed.

    The driver's own transaction handling is off: a transaction begins when SQLAlchemy says so, with BEGIN
    IMMEDIATE when it is going to write. A SQLite transaction that reads first and writes later fails at once when
    somebody else wrote in between, however long the busy timeout.
    """
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    engine = create_engine(url, pool_pre_ping=not is_sqlite)
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def for_writing(engine: Engine) -> Engine:
    """The same engine, for transactions that write."""
    return engine.execution_options(writes=True)


def for_one_read(engine: Engine) -> Engine:
    """The same engine, for transactions of one statement that reads: SQLite needs no BEGIN for that."""
    return engine.execution_options(reads_once=True)


def observe_transactions(engine: Engine, observe: ObserveTransaction) -> None:
    """From now on each transaction is told, with the time that it waited for the lock."""

    def begin(connection: Connection) -> None:
        connection.info["began"] = time.perf_counter()

    def end(connection: Connection) -> None:
        began = connection.info.pop("began", None)
        if began is not None:
            observe("write" if _writes(connection) else "read", time.perf_counter() - began)

    # Before the listener that sends BEGIN, which is what waits.
    event.listen(engine, "begin", begin, insert=True)
    event.listen(engine, "commit", end)
    event.listen(engine, "rollback", end)


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """The file of a SQLite database. Connections that are open go on in it when it is deleted, and all is lost."""

    path: str
    identity: tuple[int, int]

    @classmethod
    def of(cls, engine: Engine) -> "DatabaseFile | None":
        """The file that the engine's connections are to; None for a database on a server."""
        if engine.dialect.name != "sqlite":
            return None
        with engine.connect() as connection:
            path = str(connection.exec_driver_sql("PRAGMA database_list").all()[0][2])
        return cls(path, _identity(path))

    def require_same(self) -> None:
        """Raises StoreError where the file is gone, or another one has taken its place."""
        if _identity(self.path) != self.identity:
            raise StoreError(f"database file {self.path}: another file has taken its place")


def _identity(path: str) -> tuple[int, int]:
    """Device and inode."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise StoreError(f"database file {path}: {error.strerror}") from error
    return status.st_dev, status.st_ino


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """WAL mode, of which a file knows for good: only the first connections change it.

    Several at once may each wait for the others' locks to go. SQLite refuses that at once, whatever the busy timeout,
    so it is asked again here; the one that is let through has changed it for all.
    """
    give_up_at = time.monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= give_up_at:
                raise
        time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get("reads_once", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("writes", False))
