"""Lists of trials out of a SQL database."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select

from nas_controller.records import TrialState
from nas_controller.store import rows, tables, trial_statements
from nas_controller.store.summaries import SummaryStore
from nas_controller.trial_summaries import Objective, TrialSummary

_COLUMNS = [column for column in tables.trial.c if column.name != "draft"]


class SqlSummaries(SummaryStore):
    """A part of `SqlReading`."""

    @abstractmethod
    def _rows_of(self, search_id: str, statement: Select[Any]) -> list[rows.Row]:
        """Rows of a search; `NotFoundError` where there are none because there is no such search."""

    def list_summaries(
        self, search_id: str, limit: int, after: int = 0, states: Sequence[TrialState] = ()
    ) -> list[TrialSummary]:
        return self._summaries(search_id, trial_statements.by_number(_COLUMNS, search_id, limit, after, states))

    def best_summaries(
        self,
        search_id: str,
        limit: int,
        objective: Objective = Objective.REWARD,
        *,
        max_multiply_adds: int | None = None,
        max_parameters: int | None = None,
    ) -> list[TrialSummary]:
        best = trial_statements.best(_COLUMNS, search_id, limit, objective, max_multiply_adds, max_parameters)
        return self._summaries(search_id, best)

    def list_children(self, search_id: str, number: int, limit: int, after: int = 0) -> list[TrialSummary]:
        return self._summaries(search_id, trial_statements.children(_COLUMNS, search_id, number, limit, after))

    def count_children(self, search_id: str, number: int) -> int:
        counted = self._rows_of(search_id, trial_statements.num_children(search_id, number))
        return sum(row["children"] for row in counted)

    def _summaries(self, search_id: str, statement: Select[Any]) -> list[TrialSummary]:
        return [rows.summary_of(row) for row in self._rows_of(search_id, statement)]
