"""Connections to the database, with SQLite set up for several writers."""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

SQLITE_BUSY_SECONDS = 30


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


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
