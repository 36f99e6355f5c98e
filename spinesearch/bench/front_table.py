"""The table of `bench front`: for a terminal, and for the page of its decision."""

from collections.abc import Sequence

from rich.console import Console

from spinesearch.bench.front import BASE, FRONTS, NUM_WORKERS, FrontReport, FrontRow
from spinesearch.bench.tables import as_lines, as_table, with_error

NONE = "none"


def print_front(report: FrontReport, console: Console) -> None:
    """Prints one table for each space."""
    for space, rows in _groups(report).items():
        title = f"A front in {space}, {_ends(space)}"
        console.print(as_table(title, _headings(report, space), _lines(rows)))
    console.print(_caption(report))


def as_markdown(report: FrontReport) -> str:
    """The same as Markdown."""
    lines = []
    for space, rows in _groups(report).items():
        lines += [f"### A front in `{space}`, {_ends(space)}", "", *as_lines(_headings(report, space), _lines(rows))]
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


def _lines(rows: Sequence[FrontRow]) -> list[list[str]]:
    return [[row.contender, *_cells(row)] for row in rows]


def _cells(row: FrontRow) -> list[str]:
    volumes = [with_error(mean, error) for mean, error in zip(row.means, row.errors, strict=True)]
    behind = "" if row.contender == BASE.name else with_error(row.behind[-1], row.behind_errors[-1])
    under = [NONE if value is None else f"{value:.2f}" for value in row.under]
    return [*volumes, behind, *under, f"{row.milliseconds:.1f}"]


def _caption(report: FrontReport) -> str:
    return (
        f"Hypervolume after so many trainings, in standard deviations of random networks: mean ± standard error over "
        f"{report.num_seeds} instances, {NUM_WORKERS} workers. Behind: paired difference to {BASE.name} after the last "
        f"budget. Then the true value of what looks best under each target. Objectives are relational and grow by "
        f"{report.growth:g} with each doubling of the cost. Milliseconds: CPU time of the controller for each trial."
    )
