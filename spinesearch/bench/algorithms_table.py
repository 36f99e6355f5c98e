"""The tables of `bench algorithms`: for a terminal, and for docs/search-efficiency.md."""

from collections.abc import Sequence

from rich.console import Console

from nas_controller.insight.many_tests import ERROR_RATE
from spinesearch.bench.algorithms import AlgorithmsReport, Row
from spinesearch.bench.algorithms_verdict import Verdict, verdicts
from spinesearch.bench.tables import as_lines, as_table, mark, with_error

NOT_RUN = "not run"


def print_algorithms(report: AlgorithmsReport, console: Console) -> None:
    """Prints one table for each kind of objective of each space."""
    for (space, kind), rows in _groups(report).items():
        console.print(as_table(f"{kind} objectives in {space}", _headings(report), _lines(report, rows)))
    console.print(_caption(report))
    for verdict in verdicts(report):
        console.print(f"target: {_words(verdict)}")


def as_markdown(report: AlgorithmsReport) -> str:
    """The same as Markdown."""
    lines = []
    for (space, kind), rows in _groups(report).items():
        lines += [f"### {kind} objectives in `{space}`", "", *as_lines(_headings(report), _lines(report, rows))]
        lines += [""]
    targets = [f"- {_words(verdict)}" for verdict in verdicts(report)]
    return "\n".join([*lines, _caption(report), *(["", "Targets:", "", *targets] if targets else [])])


def _words(verdict: Verdict) -> str:
    return f"{verdict.target}: {'reached' if verdict.is_reached else 'missed'}; {verdict.detail}."


def _groups(report: AlgorithmsReport) -> dict[tuple[str, str], list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in report.rows:
        groups.setdefault((row.space, row.kind), []).append(row)
    return groups


def _headings(report: AlgorithmsReport) -> Sequence[str]:
    budgets = [f"{budget:,}" for budget in report.budgets]
    far = [f"reaches its {report.num_draws:,}th"] if report.num_draws else []
    return (*budgets, "area", "reaches random's last", *far, "ms a trial")


def _name(report: AlgorithmsReport, row: Row) -> str:
    """The contender, with the number of instances where others have more."""
    return row.contender if row.num_seeds == report.num_seeds else f"{row.contender} ({row.num_seeds} instances)"


def _lines(report: AlgorithmsReport, rows: Sequence[Row]) -> list[list[str]]:
    return [[_name(report, row), *_cells(report, row)] for row in rows]


def _cells(report: AlgorithmsReport, row: Row) -> Sequence[str]:
    values = zip(row.means, row.errors, row.differences, strict=True)
    cells = [with_error(mean, error) + mark(abs(chance), is_better=chance > 0) for mean, error, chance in values]
    cells += [NOT_RUN] * (len(report.budgets) - len(cells))
    area = NOT_RUN if row.area is None else f"{row.area:.2f}"
    reached = [row.reaches, row.reaches_draws] if report.num_draws else [row.reaches]
    reaches = ["never" if trials is None else f"{trials:,}" for trials in reached]
    return (*cells, area, *reaches, f"{row.milliseconds:.1f}")


def _caption(report: AlgorithmsReport) -> str:
    return (
        "True value of the trial that looked best after so many trainings, in standard deviations of random networks: "
        f"mean ± standard error over {report.num_seeds} instances, {report.num_workers} workers. + and -: better or "
        f"worse than {report.base}, on the instances that both ran (paired t-test, Holm over all tables, "
        f"{ERROR_RATE:g}). Area: mean over the logarithm of the number of trials. Reaches: trainings until the mean is "
        "what random search has in the end. Milliseconds: CPU time of the controller, asking and telling."
    )
