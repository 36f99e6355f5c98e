"""From a URL to a store whose schema is this release's."""

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from nas_controller.store.base import Store, StoreError
from nas_controller.store.engine import ObserveTransaction, for_writing, make_engine, observe_transactions
from nas_controller.store.memory import MemoryStore
from nas_controller.store.revisions import MIGRATIONS, current_revision, known_revisions
from nas_controller.store.sql import SqlStore

MEMORY_URL = "memory:"
POSTGRESQL_LOCK = 0x5350494E
"""Any number of ours: processes that migrate one PostgreSQL at the same time take turns."""
_ONE_MIGRATION = Lock()
"""Alembic keeps the migration that is under way in a variable of its module: threads take turns too."""


class SchemaError(StoreError):
    """The database was written by a newer release."""


class DatabaseError(StoreError):
    """The URL names no database that can be opened."""


def open_store(url: str, observe: ObserveTransaction | None = None) -> Store:
    """The store at a SQLAlchemy URL, migrated forward first; ``memory:`` for one that ends with the process.

    Args:
        observe: called after each transaction, in its thread; never for ``memory:``.

    Raises:
        DatabaseError: no such kind of database, or it cannot be reached.
        SchemaError: the database has a revision that this release does not know; it is left as it is.
    """
    if url == MEMORY_URL:
        return MemoryStore()
    engine = _engine(url)
    try:
        migrate(engine)
    except DBAPIError as error:
        engine.dispose()
        raise DatabaseError(f"database {engine.url.set(query={})!r}: {error.orig}") from error
    except BaseException:
        engine.dispose()
        raise
    if observe is not None:
        observe_transactions(engine, observe)
    return SqlStore(engine)


def migrate(engine: Engine) -> None:
    """Brings the schema to this release's revision, in one transaction; nothing happens when it is there. Safe for
    several processes and threads at once, on the same database or on others."""
    with engine.begin() as connection:
        revision = current_revision(connection)
    if revision == known_revisions()[0]:
        return
    if revision is not None and revision not in known_revisions():
        raise SchemaError(f"the database has schema {revision}, made by a newer release of spinesearch")
    with _ONE_MIGRATION, for_writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})"))
        command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for one open connection, whose transaction the caller commits."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _engine(url: str) -> Engine:
    """An engine that has not connected yet; the folder of a SQLite file is made."""
    try:
        parts = make_url(url)
        if parts.get_backend_name() == "sqlite":
            _sqlite_file(parts).parent.mkdir(parents=True, exist_ok=True)
        return make_engine(url)
    except ValueError:
        # Its message has what was taken for the port: it may be a part of the password.
        raise DatabaseError(
            "database URL: the port is no number; in a password @ : / are written %40 %3A %2F"
        ) from None
    except (ArgumentError, ImportError, OSError) as error:
        raise DatabaseError(f"database URL: {error}; known are sqlite:///PATH and postgresql+psycopg://...") from error


def _sqlite_file(url: URL) -> Path:
    if url.database in (None, "", ":memory:"):
        raise DatabaseError("database URL: SQLite needs a file, e.g. sqlite:///searches.sqlite, or use memory:")
    return Path(str(url.database))
