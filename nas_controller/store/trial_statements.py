"""Which trials of a search a list has, as SQL: whole rows of them, or those columns that are wanted.

Rows are long, for the architecture of a trial is in its row: which ones are wanted is found in an index alone.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Table, func, select

from nas_controller.records import TrialState
from nas_controller.store.tables import trial, trial_parent
from nas_controller.trial_summaries import Objective

Wanted = Table | Sequence[ColumnElement[Any]]


def of_search(wanted: Wanted, search_id: str) -> Select[Any]:
    """All trials, in no order."""
    columns = [wanted] if isinstance(wanted, Table) else wanted
    return select(*columns).where(trial.c.search_id == search_id)


def by_number(
    wanted: Wanted, search_id: str, limit: int, after: int = 0, states: Sequence[TrialState] = ()
) -> Select[Any]:
    """At most `limit` with numbers above `after`, rising; of the given states, or of all."""
    statement = of_search(wanted, search_id).where(trial.c.number > after)
    if states:
        # A sum, because SQLite would else walk through the rows in this order to find trials in one of several states.
        order = trial.c.number + 0 if len(states) > 1 else trial.c.number
        in_states = trial.c.state.in_([state.value for state in states])
        numbers = statement.with_only_columns(trial.c.number).where(in_states).order_by(order).limit(limit)
        statement = of_search(wanted, search_id).where(trial.c.number.in_(numbers))
    return statement.order_by(trial.c.number).limit(limit)


def best(
    wanted: Wanted,
    search_id: str,
    limit: int,
    objective: Objective = Objective.REWARD,
    max_multiply_adds: int | None = None,
    max_parameters: int | None = None,
) -> Select[Any]:
    """At most `limit` as `SummaryStore.best_summaries` says, best first."""
    value = trial.c[objective.value]
    numbers = of_search([trial.c.number], search_id).where(*_ranked(trial, objective), *_no_better_twin(objective))
    if max_multiply_adds is not None:
        numbers = numbers.where(trial.c.multiply_adds <= max_multiply_adds)
    if max_parameters is not None:
        numbers = numbers.where(trial.c.parameters <= max_parameters)
    best_first = (value.desc(), trial.c.number)
    statement = of_search(wanted, search_id).where(trial.c.number.in_(numbers.order_by(*best_first).limit(limit)))
    return statement.order_by(*best_first)


def _ranked(table: FromClause, objective: Objective) -> list[ColumnElement[bool]]:
    """What can be among the best: a reference was given no reward."""
    is_completed = table.c.state == TrialState.COMPLETED.value
    return [is_completed, table.c[objective.value].is_not(None), table.c.reward.is_not(None)]


def _no_better_twin(objective: Objective) -> list[ColumnElement[bool]]:
    """No trial of the same fingerprint is better, or as good and earlier."""
    other = trial.alias("other")
    value, its_value = trial.c[objective.value], other.c[objective.value]
    twin = select(other.c.number).where(
        other.c.search_id == trial.c.search_id, other.c.fingerprint == trial.c.fingerprint, *_ranked(other, objective)
    )
    better = twin.where(its_value > value).exists()
    earlier = twin.where(its_value == value, other.c.number < trial.c.number).exists()
    return [~better, ~earlier]


def children(wanted: Wanted, search_id: str, number: int, limit: int, after: int) -> Select[Any]:
    """At most `limit` that were made from this one, with numbers above `after`, rising."""
    child = trial_parent.c.child
    numbers = _of_parent([child], search_id, number).where(child > after).order_by(child).limit(limit)
    return of_search(wanted, search_id).where(trial.c.number.in_(numbers)).order_by(trial.c.number)


def num_children(search_id: str, number: int) -> Select[Any]:
    """The number of all that were made from this one, as `children`; no row where there is none."""
    counted = _of_parent([func.count().label("children")], search_id, number)
    return counted.group_by(trial_parent.c.search_id)


def _of_parent(columns: Sequence[ColumnElement[Any]], search_id: str, number: int) -> Select[Any]:
    return select(*columns).where(trial_parent.c.search_id == search_id, trial_parent.c.parent == number)
