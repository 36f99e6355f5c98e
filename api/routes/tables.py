"""All trials of a search as one file.

No other route answers from more than 5,000 rows: these two do, so they are streamed as they are read.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from api.context import Context
from api.errors import problem_docs
from api.routes.parameters import SearchId
from api.tables import csv_chunks, describe_columns, parquet_chunks, row_pages

router = APIRouter(prefix="/v1/searches/{search_id}", tags=["trials"], responses=problem_docs(401, 404, 422))

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
_ABOUT = (
    "All trials, references included, by number; streamed, so of any size. Trials that change meanwhile are there as "
    "they are when their page is read. A connection that is cut leaves a file without its end.\n\n"
)


def _file(media_type: str) -> dict[int | str, dict[str, Any]]:
    content = {media_type: {"schema": {"type": "string"}}} if media_type == CSV else {media_type: {}}
    return {200: {"description": "the file", "content": content}}


@router.get(
    "/table.csv",
    operation_id="getTableCsv",
    summary="All trials as CSV",
    description=_ABOUT + "UTF-8, a line of names first, times as RFC 3339. A text that a spreadsheet could take for a "
    "formula has an apostrophe before it. Columns:\n\n" + describe_columns(),
    response_class=StreamingResponse,
    responses=_file(CSV),
)
def get_table_csv(search_id: SearchId, context: Context) -> StreamingResponse:
    """The table as CSV."""
    context.store.get_search(search_id)
    return _download(csv_chunks(row_pages(context.store, search_id)), f"{CSV}; charset=utf-8", f"{search_id}.csv")


@router.get(
    "/table.parquet",
    operation_id="getTableParquet",
    summary="All trials as Parquet",
    description=_ABOUT + "Integers of 64 bits, times in microseconds UTC. Columns:\n\n" + describe_columns(),
    response_class=StreamingResponse,
    responses=_file(PARQUET),
)
def get_table_parquet(search_id: SearchId, context: Context) -> StreamingResponse:
    """The table as Parquet."""
    context.store.get_search(search_id)
    return _download(parquet_chunks(row_pages(context.store, search_id)), PARQUET, f"{search_id}.parquet")


def _download(chunks: Iterator[bytes], media_type: str, file_name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
    return StreamingResponse(chunks, media_type=media_type, headers=headers)
