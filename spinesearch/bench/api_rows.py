"""How many rows of a SQLite database are fetched."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event


@dataclass
class RowCount:
    """Rows fetched since the last `reset`; those that the database only adds up are none.

    Args:
        most_of_a_statement: the rows that one statement gave.
    """

    rows: int = 0
    most_of_a_statement: int = 0
    _of_statement: int = 0

    def watch(self, engine: Engine) -> None:
        """Counts on the engine's connections from now on."""
        event.listen(engine, "checkout", self._count_on)
        event.listen(engine, "before_cursor_execute", self._next_statement)

    def reset(self) -> None:
        """Counts from zero again."""
        self.rows = self.most_of_a_statement = self._of_statement = 0

    def _count_on(self, connection: Any, _record: object, _proxy: object) -> None:
        connection.row_factory = self._fetched

    def _next_statement(self, *_call: object) -> None:
        self._of_statement = 0

    def _fetched(self, _cursor: object, row: tuple[Any, ...]) -> tuple[Any, ...]:
        self.rows += 1
        self._of_statement += 1
        self.most_of_a_statement = max(self.most_of_a_statement, self._of_statement)
        return row
