"""`cost --table`: published numbers beside counted ones, for a terminal, as Markdown, and as JSON."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from search_space.heads import head_name
from search_space.published import CountedReading, CountedRow
from search_space.published_rows import PublishedRow

HEADINGS = (
    "network",
    "head",
    "input",
    "M published",
    "M counted",
    "ratio",
    "B published",
    "B counted",
    "ratio",
    "B with norm",
    "agrees",
    "source",
    "note",
)
LEGEND = (
    "M: million parameters. B: billion multiply-adds of convolutions and fully connected layers; with norm: and one "
    "for each element of a batch norm, which the published counts seem to hold. Ratio: counted over published. "
    "Agrees: what is the published number once rounded or truncated to as many decimals (B: in either of its columns)."
)
PIPED_WIDTH = 210
"""Columns where the output is not a terminal, so that no cell is broken."""


def table_cells(rows: Sequence[CountedRow]) -> list[tuple[str, ...]]:
    """One tuple for each row, as long as `HEADINGS`; the note is its number in `table_notes`."""
    numbers = {id(row): str(number) for number, row in enumerate((row for row in rows if _has_note(row)), start=1)}
    return [_cells(row, numbers.get(id(row), "")) for row in rows]


def table_notes(rows: Sequence[CountedRow]) -> list[str]:
    """What is to say about rows, first note first: why, and what the readings not taken would give."""
    return [" ".join(filter(None, (row.published.note, *map(_other, row.others)))) for row in rows if _has_note(row)]


def table_document(rows: Sequence[CountedRow]) -> list[dict[str, Any]]:
    """The rows as plain data, ready for JSON; published numbers keep their printed decimals as text."""
    return [
        {
            "network": row.published.network,
            "reference": row.published.reading.spec.name,
            "head": head_name(row.published.reading.target.head),
            "image_size": row.published.reading.target.image_size,
            "published": _printed(row.published),
            "counted": _counts(row.counted),
            "ratio": {"parameters": row.parameters_ratio, "multiply_adds": row.multiply_adds_ratio},
            "agrees": str(row.agreement),
            "source": row.published.source,
            "note": row.published.note,
            "others": [{"reading": other.reading.label, **_counts(other)} for other in row.others],
        }
        for row in rows
    ]


def table_markdown(rows: Sequence[CountedRow]) -> str:
    """The table and its notes as Markdown."""
    rule = ["---"] * 3 + ["---:"] * 7 + ["---"] * 3
    lines = [f"| {' | '.join(cells)} |" for cells in (HEADINGS, rule, *table_cells(rows))]
    notes = [f"{number}. {note}" for number, note in enumerate(table_notes(rows), start=1)]
    return "\n".join([*lines, "", LEGEND, "", *notes, ""])


def print_table(rows: Sequence[CountedRow]) -> None:
    """The table and its notes on the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Published and counted")
    for position, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if 3 <= position < 10 else "left")
    for cells in table_cells(rows):
        table.add_row(*cells)
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    console.print(table)
    console.print(LEGEND, highlight=False)
    for number, note in enumerate(table_notes(rows), start=1):
        console.print(f"{number}. {note}", highlight=False, markup=False)


def _cells(row: CountedRow, note: str) -> tuple[str, ...]:
    published, counted, target = row.published, row.counted, row.published.reading.target
    return (
        published.network,
        head_name(target.head),
        str(target.image_size),
        _number(published.parameters),
        f"{counted.cost.parameters / 1e6:.3f}",
        _ratio(row.parameters_ratio),
        _number(published.multiply_adds),
        f"{counted.cost.multiply_adds / 1e9:.3f}",
        _ratio(row.multiply_adds_ratio),
        f"{counted.with_batch_norm / 1e9:.3f}",
        str(row.agreement),
        published.source,
        note,
    )


def _has_note(row: CountedRow) -> bool:
    return bool(row.published.note or row.others)


def _other(other: CountedReading) -> str:
    cost = other.cost
    return f"[{other.reading.label}: {cost.parameters / 1e6:.3f} M, {cost.multiply_adds / 1e9:.3f} B]"


def _printed(row: PublishedRow) -> dict[str, str | None]:
    millions, billions = (None if number is None else str(number) for number in (row.parameters, row.multiply_adds))
    return {"million_parameters": millions, "billion_multiply_adds": billions}


def _counts(counted: CountedReading) -> dict[str, int]:
    return {
        "parameters": counted.cost.parameters,
        "multiply_adds": counted.cost.multiply_adds,
        "multiply_adds_with_batch_norm": counted.with_batch_norm,
    }


def _number(number: Decimal | None) -> str:
    return "" if number is None else str(number)


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.4f}"
