import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pyarrow  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet

from api.tables import COLUMNS, GROUP_ROWS, PAGE_ROWS, Cell, Kind, Row, csv_chunks, parquet_chunks, row_pages
from nas_controller.store.base import Store
from search_space.reference import reference
from tests.api.searches import START, SearchWriter, write_small_search

BASE = "/v1/searches/blood-cells-000001"


def read_csv(client: httpx.Client) -> list[dict[str, str]]:
    answer = client.get(f"{BASE}/table.csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="blood-cells-000001.csv"'
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def read_parquet(client: httpx.Client) -> "pyarrow.Table":
    answer = client.get(f"{BASE}/table.parquet")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    return parquet.read_table(io.BytesIO(answer.content))


def test_the_csv_has_every_trial_as_its_page_has_it(client: httpx.Client, store: Store) -> None:
    writer = write_small_search(store)
    writer.reuse(store.get_trial(writer.search_id, 4))
    rows = read_csv(client)
    pages = client.get(f"{BASE}/trials").json()["trials"]
    assert [row["number"] for row in rows] == ["1", "2", "3", "4", "5", "6", "7"]
    for row, page in zip(rows, pages, strict=True):
        for name in ("arm", "name", "state", "failure", "fingerprint"):
            assert row[name] == page[name]
        for name in ("reward", "average_precision", "val_average_precision", "val_standard_error"):
            assert row[name] == ("" if page[name] is None else repr(page[name]))
        for network in ("target", "proxy"):
            for name, value in page[f"{network}_cost"].items():
                assert row[f"{network}_{name}"] == str(value)
        for name in ("created_at", "started_at", "finished_at"):
            assert row[name].replace("+00:00", "Z") == (page[name] or "")
    assert [row["failure_reason"] for row in rows] == ["", "", "diverged", "", "", "", ""]
    assert (rows[6]["reused_from_search"], rows[6]["reused_from_trial"]) == ("blood-cells-000001", "4")
    genotype = client.get(f"{BASE}/trials/4").json()["genotype"]
    assert rows[3]["genotype"] == " ".join(map(str, genotype))


def test_the_parquet_file_has_the_same_cells_with_types(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    table = read_parquet(client)
    assert [field.name for field in table.schema] == [column.name for column in COLUMNS]
    (page,) = row_pages(store, "blood-cells-000001")
    assert [tuple(row.values()) for row in table.to_pylist()] == page
    assert table.schema.field("created_at").type == pyarrow.timestamp("us", tz="UTC")
    assert table.schema.field("target_backbone_multiply_adds").type == pyarrow.int64()
    created_at = table.column("created_at")[0].as_py()
    assert created_at == store.get_trial("blood-cells-000001", 1).created_at
    assert created_at.utcoffset() == START.utcoffset()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_is_a_formula_to_a_spreadsheet(client: httpx.Client, store: Store, start: str) -> None:
    writer = SearchWriter(store, "blood-cells-000001")
    writer.run()
    message = f"{start}cmd|' /C calc'!A0, \"quoted\"\r\nsecond line"
    writer.fail(writer.add(reference("spinenet-49")), message)
    (row,) = read_csv(client)
    assert row["failure"] == "'" + message
    assert read_parquet(client).column("failure").to_pylist() == [message]


def test_a_number_below_zero_stays_a_number() -> None:
    given: dict[Kind, Cell] = {Kind.INTEGER: -3, Kind.NUMBER: -0.5, Kind.TEXT: "-x", Kind.TIME: None}
    _, line = csv_chunks([[tuple(given[column.kind] for column in COLUMNS)]])
    cells = next(csv.reader([line.decode()]))
    expected = {Kind.INTEGER: "-3", Kind.NUMBER: "-0.5", Kind.TEXT: "'-x", Kind.TIME: ""}
    assert cells == [expected[column.kind] for column in COLUMNS]


def test_a_search_without_trials_has_a_table_without_rows(client: httpx.Client, store: Store) -> None:
    SearchWriter(store, "blood-cells-000001")
    answer = client.get(f"{BASE}/table.csv")
    assert answer.text == ",".join(column.name for column in COLUMNS) + "\r\n"
    assert read_parquet(client).num_rows == 0


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_every_page_is_read_once(client: httpx.Client, store: Store, more: int) -> None:
    writer = SearchWriter(store, "blood-cells-000001")
    lease = writer.run()
    first = store.get_trial(writer.search_id, writer.add(reference("spinenet-49"))).draft
    last = 2 * PAGE_ROWS + more
    for number in range(2, last + 1):
        store.add_trial(lease, replace(first, number=number), number, writer.now)
    assert [int(row["number"]) for row in read_csv(client)] == list(range(1, last + 1))
    assert read_parquet(client).column("number").to_pylist() == list(range(1, last + 1))


def rows_of(num_rows: int) -> list[Row]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    cells: dict[Kind, Cell] = {Kind.INTEGER: 1, Kind.NUMBER: 0.5, Kind.TEXT: "text", Kind.TIME: at}
    return [tuple(cells[column.kind] for column in COLUMNS)] * num_rows


@pytest.mark.parametrize("write", [csv_chunks, parquet_chunks])
def test_what_was_read_is_written_before_more_is_read(write: object) -> None:
    num_read = 0

    def pages() -> Iterator[list[Row]]:
        nonlocal num_read
        for _ in range(45):
            num_read += PAGE_ROWS
            yield rows_of(PAGE_ROWS)

    num_written, largest, held = 0, 0, 0
    content = b""
    for chunk in write(pages()):  # type: ignore[operator]
        content += chunk
        held = max(held, num_read - num_written)
        num_written, largest = num_read, max(largest, len(chunk))
    assert num_read == 45 * PAGE_ROWS
    assert held <= GROUP_ROWS
    if write is parquet_chunks:
        file = parquet.ParquetFile(io.BytesIO(content))
        assert file.metadata.num_rows == num_read
        groups = [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]
        assert groups == [GROUP_ROWS] * 4 + [num_read - 4 * GROUP_ROWS]
    else:
        assert content.count(b"\r\n") == num_read + 1


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_search_that_is_not_there_has_no_table(client: httpx.Client, name: str) -> None:
    assert client.get(f"/v1/searches/none/{name}").status_code == 404


def test_the_interface_describes_every_column(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for name in ("table.csv", "table.parquet"):
        text = paths[f"/v1/searches/{{search_id}}/{name}"]["get"]["description"]
        assert [column.name for column in COLUMNS if f"\n- `{column.name}` (" not in text] == []
