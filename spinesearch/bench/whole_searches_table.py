"""The tables of `bench searches`: for a terminal, and for docs/search-efficiency.md."""

from collections.abc import Sequence

from rich.console import Console

from spinesearch.bench.tables import as_lines, as_table, with_error
from spinesearch.bench.whole_searches import SHARES, AlgorithmRow, Found, WholeSearchesReport

Pair = tuple[float, float | None]


def print_whole_searches(report: WholeSearchesReport, console: Console) -> None:
    """Prints both tables."""
    console.print(as_table(f"{report.document}: by algorithm", _headings(report), _lines(report)))
    console.print(as_table("each search", _SEARCH_HEADINGS, [_search_line(found) for found in report.found]))
    console.print(_caption(report))


def as_markdown(report: WholeSearchesReport) -> str:
    """The same as Markdown."""
    searches = as_lines(_SEARCH_HEADINGS, [_search_line(found) for found in report.found])
    return "\n".join([*as_lines(_headings(report), _lines(report)), "", *searches, "", _caption(report)])


_SEARCH_HEADINGS = ("AP on val", "of all measured again", "best reward", "later mean", "trained", "failed", "search")


def _headings(report: WholeSearchesReport) -> Sequence[str]:
    best = [f"best reward of {round(share * report.num_trials)}" for share in SHARES]
    return [
        "AP on val",
        "of all measured again",
        *best,
        "mean of the later half",
        f"{report.rows[0].algorithm} is above by",
    ]


def _lines(report: WholeSearchesReport) -> list[list[str]]:
    first, *others = report.rows
    compared = [[*_cells(row), f"{_pair(row.gain, '+')} (p = {row.gain_chance:.3f})"] for row in others]
    known = [[row.name, _pair((row.val_ap, row.val_error)), *[""] * (len(SHARES) + 3)] for row in report.references]
    return [[*_cells(first), ""], *compared, *known]


def _cells(row: AlgorithmRow) -> list[str]:
    pairs = (row.val_ap, row.top_val_ap, *row.best_rewards, row.later_reward)
    return [row.algorithm, *map(_pair, pairs)]


def _search_line(found: Found) -> list[str]:
    return [
        f"{found.algorithm}, seed {found.seed}",
        _pair((found.val_ap, found.val_error)),
        f"{found.top_val_ap:.3f}",
        f"{found.best_rewards[-1]:.3f}",
        f"{found.later_reward:.3f}",
        f"{found.num_trained}",
        f"{found.num_failed}",
        found.search,
    ]


def _pair(pair: Pair, sign: str = "") -> str:
    return with_error(*pair, f"{sign}.3f")


def _caption(report: WholeSearchesReport) -> str:
    return (
        f"AP, mean ± standard error over {report.num_seeds} searches of {report.num_trials} trials by each algorithm. "
        f"AP on val: of the trial with the best reward, trained {report.num_evaluations} times more; of one search and "
        "of a known network ± is between these trainings. Rewards are AP on images held out of train, of one training: "
        "the best of many is the luckiest too. p: paired t-test over the seeds."
    )
