"""What each search space holds, and how much of it a search can use: the table of docs/spaces.md."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from search_space.budget import feasible_share, own_budget
from search_space.duplicates import measure_duplicates
from search_space.spaces import SPACES

DRAWS, QUICK_DRAWS = 2000, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceRow:
    """One space.

    Args:
        formula, within_window, architectures: see `search_space.size.SpaceSize`.
        repeated, repeated_at_most: share of draws whose network was drawn before, and its 95 % upper bound.
        budget: the space's own, at its own target.
        inside, low, high: share of draws inside it, and what nine in ten draws cost relative to its centre.
    """

    name: str
    num_searched_blocks: int
    num_decisions: int
    formula: int
    within_window: int
    architectures: int
    repeated: float
    repeated_at_most: float
    budget: str
    inside: float
    low: float
    high: float


def measure_spaces(*, quick: bool = False) -> list[SpaceRow]:
    """A row for each space, from `DRAWS` uniform draws of it."""
    draws = QUICK_DRAWS if quick else DRAWS
    rows = []
    for space in SPACES.values():
        size, budget = space.size(), own_budget(space, space.target)
        repeated = measure_duplicates(space, draws, seed=1)
        found = feasible_share(space, budget, space.target, draws, seed=1)
        rows.append(
            SpaceRow(
                name=space.name,
                num_searched_blocks=space.num_searched_blocks,
                num_decisions=space.genotype_length,
                formula=size.formula,
                within_window=size.within_window,
                architectures=size.architectures,
                repeated=repeated.share,
                repeated_at_most=repeated.interval[1],
                budget=f"{space.budget_reference} ± {100 * space.budget_tolerance:g}% at {space.target.image_size}",
                inside=found.share,
                low=found.low / budget.centre,
                high=found.high / budget.centre,
            )
        )
    return rows


def to_document(rows: list[SpaceRow]) -> list[dict[str, Any]]:
    """The rows as plain data, ready for JSON."""
    return json.loads(json.dumps([asdict(row) for row in rows]))  # type: ignore[no-any-return]


HEADINGS = (
    "space",
    "searched blocks",
    "decisions",
    "papers' formula",
    "within the window",
    "different specs",
    "repeated",
    "own budget",
    "inside it",
    "5 to 95 % of draws cost",
)


def _cells(row: SpaceRow) -> tuple[str, ...]:
    return (
        row.name,
        str(row.num_searched_blocks),
        str(row.num_decisions),
        *(f"{number:.3g}" for number in (row.formula, row.within_window, row.architectures)),
        f"{row.repeated:.4f} (to {row.repeated_at_most:.4f})",
        row.budget,
        f"{100 * row.inside:.0f}%",
        f"{row.low:.3f} to {row.high:.3f}",
    )


def as_markdown(rows: list[SpaceRow]) -> str:
    """The table for a Markdown page."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def print_spaces(rows: list[SpaceRow], console: Console) -> None:
    """Prints the table."""
    table = Table(*HEADINGS, title="the search spaces")
    for row in rows:
        table.add_row(*_cells(row))
    console.print(table)
