"""No request reads more rows than `MOST_ROWS`, however long a search is.

The requests are made from the application's own table of routes, each asking for as much as it may: a new route is held
to the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.tables import PAGE_ROWS
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.insight.keeping import InsightKeeping
from nas_controller.records import SearchState
from nas_controller.store.engine import make_engine
from nas_controller.store.open import open_store
from nas_controller.store.sql import SqlStore
from nas_controller.trial_summaries import Objective
from spinesearch.bench.api_requests import STREAMS, readings
from spinesearch.bench.api_rows import RowCount
from spinesearch.bench.api_store import BulkWriter, ask_and_tell
from spinesearch.bench.api_trials import (
    SEARCH_ID,
    Clock,
    CourseOfTrials,
    bench_config,
    log_content,
    make_drafts,
    values_of,
)
from tests.api.serving import BEARER, make_settings, serve

MOST_ROWS = 5000
NUM_TRIALS = 5600
TRIALS_BEHIND = 100
"""The row of insight is so old: almost five hundred entries."""
NUMBER = 17
EVENTS_AT_ONCE = 500
SECONDS = 60.0
"""An answer may take so long on a busy machine."""


@dataclass
class Served:
    """A long search, and what is counted."""

    store: SqlStore
    artifacts: DirectoryArtifactStore
    counted: RowCount

    def app(self) -> FastAPI:
        """A new one, which holds nothing yet."""
        return create_app(self.store, self.artifacts, make_settings())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("long")
    url = f"sqlite:///{folder / 'searches.sqlite'}"
    store, engine = open_store(url), make_engine(url)
    assert isinstance(store, SqlStore)
    write_long_search(store, engine)
    artifacts = DirectoryArtifactStore(folder / "artifacts")
    artifacts.put(log_content(NUMBER))
    counted = RowCount()
    counted.watch(store.engine)
    yield Served(store, artifacts, counted)
    engine.dispose()
    store.close()


def write_long_search(store: SqlStore, engine: Any) -> None:
    """More than `MOST_ROWS` of everything: trials, jobs, jobs that are open, attempts, measurements, files, entries."""
    config, clock = bench_config(NUM_TRIALS), Clock()
    store.create_search(SEARCH_ID, config.name, config.to_document(), clock.now)
    lease = store.claim_search(SEARCH_ID, "controller", clock.now, 1e9)
    assert lease is not None
    store.set_search_state(lease, SearchState.RUNNING, "", clock.tick())
    ask_and_tell(store, NUMBER, clock.tick())
    writer = BulkWriter(engine, clock, store.get_search(SEARCH_ID).last_sequence)
    course = CourseOfTrials(make_drafts(config, count=20), Random(0), infeasible=0.05)
    course.go_on(writer, NUM_TRIALS - TRIALS_BEHIND)
    writer.flush()
    InsightKeeping(store, SEARCH_ID, config).write(lease, clock.now)
    course.go_on(writer, TRIALS_BEHIND)
    writer.ask_for_jobs(NUMBER + 1, MOST_ROWS + 1)
    writer.finish()


def test_no_request_reads_more_than_so_many_rows(served: Served) -> None:
    read: dict[str, int] = {}
    statuses: dict[str, int] = {}
    for reading in readings(served.app(), values_of(NUMBER), most=True):
        if reading.is_stream:
            continue
        with serve(served.app()) as url, httpx.Client(base_url=url, headers=BEARER, timeout=SECONDS) as client:
            served.counted.reset()
            answer = client.get(reading.path, params=dict(reading.query))
        read[reading.route] = served.counted.rows
        statuses[reading.route] = answer.status_code
    assert {path: status for path, status in statuses.items() if status != 200} == {"/login": 401}
    assert {path: rows for path, rows in read.items() if rows > MOST_ROWS} == {}
    # What is asked for is there: a page of five hundred, and a row of insight with the entries after it.
    assert read["/v1/searches/{search_id}/trials"] > 500
    assert 450 < read["/v1/searches/{search_id}/history"] < 550
    assert len(read) >= 35


@pytest.mark.parametrize("objective", Objective)
def test_the_best_under_limits_are_read_and_no_others(served: Served, objective: Objective) -> None:
    """Half of the trials are cheaper than this one; those on val are none in this search."""
    some = served.store.list_summaries(SEARCH_ID, 101)
    middle = sorted(trial.target_cost.backbone_multiply_adds for trial in some)[50]
    limits = [f"multiply_adds<={middle}", "parameters<=1G"]
    query: dict[str, Any] = {"limit": 500, "objective": objective, "constraint": limits}
    with serve(served.app()) as url, httpx.Client(base_url=url, headers=BEARER, timeout=SECONDS) as client:
        served.counted.reset()
        best = client.get(f"/v1/searches/{SEARCH_ID}/trials:best", params=query).json()["trials"]
    assert len(best) == (0 if objective is Objective.VAL_AVERAGE_PRECISION else 500)
    assert served.counted.rows <= len(best) + 5
    assert all(trial["target_cost"]["backbone_multiply_adds"] <= middle for trial in best)


@pytest.mark.parametrize("path", STREAMS)
def test_a_whole_table_is_read_page_by_page(served: Served, path: str) -> None:
    with serve(served.app()) as url, httpx.Client(base_url=url, headers=BEARER, timeout=SECONDS) as client:
        served.counted.reset()
        assert client.get(path.format(search_id=SEARCH_ID)).status_code == 200
    assert served.counted.rows >= NUM_TRIALS
    assert served.counted.most_of_a_statement == PAGE_ROWS


def test_a_stream_of_events_is_read_page_by_page(served: Served) -> None:
    with serve(served.app()) as url, httpx.Client(base_url=url, headers=BEARER, timeout=SECONDS) as client:
        served.counted.reset()
        with client.stream("GET", f"/v1/searches/{SEARCH_ID}/events") as answer:
            ids = (line for line in answer.iter_lines() if line.startswith("id:"))
            assert [next(ids) for _ in range(MOST_ROWS + 1)][-1] == f"id: {MOST_ROWS + 1}"
    assert served.counted.most_of_a_statement == EVENTS_AT_ONCE
