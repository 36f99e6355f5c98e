"""Which schema a database has, and which one this release needs."""

from functools import cache
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"


@cache
def known_revisions() -> tuple[str, ...]:
    """Every revision that this release knows, the one that it needs first."""
    return tuple(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


def current_revision(connection: Connection) -> str | None:
    """The revision of the database; None where it has none of our tables."""
    return MigrationContext.configure(connection).get_current_revision()


def schema_problem(connection: Connection) -> str:
    """Why this release cannot work with the database's schema, as a sentence; "" where it can."""
    needed, current = known_revisions()[0], current_revision(connection)
    if current == needed:
        return ""
    if current is None:
        return f"the database has no schema, this release needs {needed}"
    age = "older" if current in known_revisions() else "newer"
    return f"the database has schema {current}, {age} than {needed}, which this release needs"
