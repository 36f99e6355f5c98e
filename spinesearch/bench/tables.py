"""Tables of a benchmark, for a terminal and for a page of docs: names on the left, numbers on the right."""

import math
from collections.abc import Sequence

from rich.table import Table

from nas_controller.insight.many_tests import ERROR_RATE

Rows = Sequence[Sequence[str]]


def as_table(title: str, headings: Sequence[str], rows: Rows) -> Table:
    """For a terminal.

    Args:
        headings: of the numbers.
        rows: each with its name first.
    """
    table = Table("", title=title)
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def as_lines(headings: Sequence[str], rows: Rows) -> list[str]:
    """The same as lines of Markdown."""
    head = ["| | " + " | ".join(headings) + " |", "|---" + "|---:" * len(headings) + "|"]
    return [*head, *("| " + " | ".join(row) + " |" for row in rows)]


def with_error(mean: float, error: float | None, form: str = ".2f") -> str:
    """A mean with its standard error, which one measurement does not have (None, or not a number).

    >>> with_error(0.5, 0.01), with_error(2.0, float("nan")), with_error(1.0, None, "+.1f")
    ('0.50 ± 0.01', '2.00', '+1.0')
    """
    is_alone = error is None or math.isnan(error)
    return f"{mean:{form}}" if is_alone else f"{mean:{form}} ± {error:{form.lstrip('+')}}"


def mark(chance: float, *, is_better: bool) -> str:
    """Says where a difference is more than chance: + or -."""
    if chance > ERROR_RATE:
        return ""
    return " +" if is_better else " -"
