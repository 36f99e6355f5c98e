"""The table of `bench front`: for a terminal, and for the page of its decision."""

import math

from rich.console import Console
from rich.table import Table

from spinesearch.bench.front import BASE, FRONTS, NUM_WORKERS, FrontReport, FrontRow

NONE = "none"


def print_front(report: FrontReport, console: Console) -> None:
    """Prints one table for each space."""
    for space, rows in _groups(report).items():
        table = Table("", title=f"A front in {space}, {_ends(space)}")
        for heading in _headings(report, space):
            table.add_column(heading, justify="right")
        for row in rows:
            table.add_row(row.contender, *_cells(row))
        console.print(table)
    console.print(_caption(report))


def as_markdown(report: FrontReport) -> str:
    """The same as Markdown."""
    lines = []
    for space, rows in _groups(report).items():
        headings = _headings(report, space)
        lines += [f"### A front in `{space}`, {_ends(space)}", "", "| | " + " | ".join(headings) + " |"]
        lines += ["|---" + "|---:" * len(headings) + "|"]
        lines += ["| " + " | ".join([row.contender, *_cells(row)]) + " |" for row in rows]
        lines += [""]
    return "\n".join([*lines, _caption(report)])


def _groups(report: FrontReport) -> dict[str, list[FrontRow]]:
    groups: dict[str, list[FrontRow]] = {}
    for row in report.rows:
        groups.setdefault(row.space, []).append(row)
    return groups


def _ends(space: str) -> str:
    low, *_, high = (f"{target / 1e9:.3g}" for target in FRONTS[space].targets)
    return f"{low} to {high} billion multiply-adds"


def _headings(report: FrontReport, space: str) -> list[str]:
    under = [f"{target / 1e9:.3g} B" for target in FRONTS[space].targets]
    return [*(f"{budget:,}" for budget in report.budgets), "behind", *under, "ms a trial"]


def _cells(row: FrontRow) -> list[str]:
    volumes = [_with_error(mean, error) for mean, error in zip(row.means, row.errors, strict=True)]
    behind = "" if row.contender == BASE.name else _with_error(row.behind[-1], row.behind_errors[-1])
    under = [NONE if value is None else f"{value:.2f}" for value in row.under]
    return [*volumes, behind, *under, f"{row.milliseconds:.1f}"]


def _with_error(mean: float, error: float) -> str:
    """One instance has no error."""
    return f"{mean:.2f}" if math.isnan(error) else f"{mean:.2f} ± {error:.2f}"


def _caption(report: FrontReport) -> str:
    return (
        f"Hypervolume after so many trainings, in standard deviations of random networks: mean ± standard error over "
        f"{report.num_seeds} instances, {NUM_WORKERS} workers. Behind: paired difference to {BASE.name} after the last "
        f"budget. Then the true value of what looks best under each target. Objectives are relational and grow by "
        f"{report.growth:g} with each doubling of the cost. Milliseconds: CPU time of the controller for each trial."
    )
