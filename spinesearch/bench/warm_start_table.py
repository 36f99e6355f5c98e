"""The table of `bench warm-start`: for a terminal, and for docs/warm-start.md."""

from collections.abc import Sequence

from rich.console import Console

from nas_controller.insight.many_tests import ERROR_RATE
from spinesearch.bench.tables import as_lines, as_table, mark, with_error
from spinesearch.bench.warm_start import COLD, KIND, NUM_WORKERS, SPACE, StartRow, WarmStartReport


def print_warm_start(report: WarmStartReport, console: Console) -> None:
    """Prints the table."""
    console.print(as_table(f"{KIND} objectives in {SPACE}", _headings(report), _lines(report)))
    console.print(_caption(report))


def as_markdown(report: WarmStartReport) -> str:
    """The same as Markdown."""
    return "\n".join([*as_lines(_headings(report), _lines(report)), "", _caption(report)])


def _lines(report: WarmStartReport) -> list[list[str]]:
    return [[row.start, *_cells(row)] for row in report.rows]


def _headings(report: WarmStartReport) -> Sequence[str]:
    return [f"{budget}" for budget in report.budgets] + [f"gain at {budget}" for budget in report.budgets]


def _cells(row: StartRow) -> Sequence[str]:
    values = [with_error(mean, error) for mean, error in zip(row.means, row.errors, strict=True)]
    if row.start == COLD.name:
        return [*values, *("" for _ in values)]
    gains = zip(row.gains, row.gain_errors, row.chances, strict=True)
    gained = [with_error(gain, error, "+.2f") + mark(chance, is_better=gain > 0) for gain, error, chance in gains]
    return [*values, *gained]


def _caption(report: WarmStartReport) -> str:
    return (
        "True value of the trial that looked best after so many trainings of the search itself, in standard deviations "
        f"of random networks: mean ± standard error over {report.num_seeds} instances, {NUM_WORKERS} workers, after an "
        f"earlier search of {report.num_earlier} trials with other noise. Gains are the mean paired differences to a "
        f"cold start; + and -: better or worse than by chance (paired t-test, Holm over the table, {ERROR_RATE:g})."
    )
