"""All trials of a search as one table, CSV or Parquet, written page by page: memory does not grow with the search.

A column is one row of `COLUMNS`; the two formats differ in how they write a cell, in nothing else.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from nas_controller.records import NetworkCost, Trial
from nas_controller.store.base import Store
from trainer.latency_task import Latency

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

PAGE_ROWS = 500
GROUP_ROWS = 5_000
"""Rows of a row group in Parquet: what a reader takes at once, and what is held here until it is written."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet may take a text that begins so for a formula, and run it."""
Cell = str | int | float | datetime | None
Row = tuple[Cell, ...]


class Kind(StrEnum):
    """What stands in a column; empty cells are allowed in every one."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    TIME = "time, UTC"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `text` says what it holds, `value` takes it from a trial."""

    name: str
    kind: Kind
    text: str
    value: Callable[[Trial], Cell]


def _source(trial: Trial) -> tuple[str | None, int | None]:
    """The search and the number of the trial whose reward it has."""
    source = trial.reused_from
    return (None, None) if source is None else (source.search_id, source.number)


def _cost_columns(network: Literal["target", "proxy"]) -> list[Column]:
    def of(trial: Trial) -> NetworkCost:
        return trial.draft.target_cost if network == "target" else trial.draft.proxy_cost

    counted = f"counted at {network} size"
    whole = f"backbone, endpoints and head, {counted}"
    return [
        Column(f"{network}_backbone_parameters", Kind.INTEGER, counted, lambda t: of(t).backbone_parameters),
        Column(f"{network}_backbone_multiply_adds", Kind.INTEGER, counted, lambda t: of(t).backbone_multiply_adds),
        Column(f"{network}_detector_parameters", Kind.INTEGER, whole, lambda t: of(t).detector_parameters),
        Column(f"{network}_detector_multiply_adds", Kind.INTEGER, whole, lambda t: of(t).detector_multiply_adds),
    ]


def _latency_columns() -> list[Column]:
    def of(value: Callable[[Latency], Cell]) -> Callable[[Trial], Cell]:
        return lambda trial: None if trial.latency is None else value(trial.latency)

    return [
        Column("latency_ms", Kind.NUMBER, "of the target's whole network, median", of(lambda found: found.median_ms)),
        Column("latency_low_ms", Kind.NUMBER, "95 % interval of that", of(lambda found: found.interval_ms[0])),
        Column("latency_high_ms", Kind.NUMBER, "likewise", of(lambda found: found.interval_ms[1])),
        Column("latency_rounds", Kind.INTEGER, "that counted", of(lambda found: found.rounds)),
        Column("latency_discarded", Kind.INTEGER, "rounds that did not", of(lambda found: found.discarded)),
        Column("latency_device", Kind.TEXT, "equal where comparable", of(lambda found: found.device.digest)),
    ]


COLUMNS: tuple[Column, ...] = (
    Column("number", Kind.INTEGER, "of the trial in its search", lambda t: t.number),
    Column("arm", Kind.TEXT, "what proposed it", lambda t: t.draft.arm),
    Column("name", Kind.TEXT, "of a reference", lambda t: t.draft.name or None),
    Column("state", Kind.TEXT, "of the trial", lambda t: t.state.value),
    Column("reward", Kind.NUMBER, "what the algorithm was told", lambda t: t.reward),
    Column("average_precision", Kind.NUMBER, "on the reward split", lambda t: t.average_precision),
    Column("val_average_precision", Kind.NUMBER, "mean on val", lambda t: t.val_average_precision),
    Column("val_standard_error", Kind.NUMBER, "of that mean", lambda t: t.val_standard_error),
    Column("val_count", Kind.INTEGER, "seeds behind that mean", lambda t: t.val_count),
    Column("failure", Kind.TEXT, "why it failed or is infeasible", lambda t: t.failure or None),
    Column("failure_reason", Kind.TEXT, "of a failed one", lambda t: t.failure_reason and t.failure_reason.value),
    Column("reused_from_search", Kind.TEXT, "whose reward it has", lambda t: _source(t)[0]),
    Column("reused_from_trial", Kind.INTEGER, "whose reward it has", lambda t: _source(t)[1]),
    Column("fingerprint", Kind.TEXT, "equal for equal networks", lambda t: t.draft.fingerprint),
    Column("num_dead_blocks", Kind.INTEGER, "that reach no endpoint", lambda t: t.draft.num_dead_blocks),
    *_cost_columns("target"),
    *_cost_columns("proxy"),
    *_latency_columns(),
    Column("created_at", Kind.TIME, "when it was proposed", lambda t: t.created_at),
    Column("started_at", Kind.TIME, "when a worker began", lambda t: t.started_at),
    Column("finished_at", Kind.TIME, "when it ended", lambda t: t.finished_at),
    Column("genotype", Kind.TEXT, "its decisions, with spaces", lambda t: " ".join(map(str, t.draft.genotype)) or None),
)


def describe_columns() -> str:
    """The columns as a list in Markdown."""
    return "\n".join(f"- `{column.name}` ({column.kind.value}): {column.text}" for column in COLUMNS)


def row_pages(store: Store, search_id: str) -> Iterator[list[Row]]:
    """All trials by number, references included, as rows, `PAGE_ROWS` at a time; each page as it is when it is read."""
    after, is_last = 0, False
    while not is_last:
        trials = store.list_trials(search_id, PAGE_ROWS, after=after)
        is_last = len(trials) < PAGE_ROWS
        after = trials[-1].number if trials else after
        yield [tuple(column.value(trial) for column in COLUMNS) for trial in trials]


def csv_chunks(pages: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    """A CSV file (RFC 4180, UTF-8, a line of names first); numbers as Python writes them, times as RFC 3339.

    A text that a spreadsheet could take for a formula has an apostrophe before it.
    """
    yield _csv_lines([tuple(column.name for column in COLUMNS)])
    for page in pages:
        yield _csv_lines(page)


def _csv_lines(rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _csv_cell(cell: Cell) -> Cell:
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS):
        return f"'{cell}"
    return cell


def parquet_chunks(pages: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    """A Parquet file in row groups of `GROUP_ROWS`; every column may be null."""
    import pyarrow
    from pyarrow import parquet

    schema = _arrow_schema()
    written = _Written()
    with parquet.ParquetWriter(written, schema) as writer:
        for rows in _groups(pages):
            cells = zip(*rows, strict=True)
            columns = [pyarrow.array(of, kind) for of, kind in zip(cells, schema.types, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
            yield written.take()
    yield written.take()


def _arrow_schema() -> "pyarrow.Schema":
    import pyarrow

    types = {
        Kind.INTEGER: pyarrow.int64(),
        Kind.NUMBER: pyarrow.float64(),
        Kind.TEXT: pyarrow.string(),
        Kind.TIME: pyarrow.timestamp("us", tz="UTC"),
    }
    return pyarrow.schema([(column.name, types[column.kind]) for column in COLUMNS])


def _groups(pages: Iterable[Sequence[Row]]) -> Iterator[list[Row]]:
    """The rows of several pages at once, none of them empty."""
    rows: list[Row] = []
    for page in pages:
        rows += page
        if len(rows) >= GROUP_ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


class _Written(io.RawIOBase):
    """A file that gives back what was written to it since it was asked last."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        self._parts.append(bytes(part))  # type: ignore[call-overload]
        return len(self._parts[-1])

    def take(self) -> bytes:
        """All that was written since the last call."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
