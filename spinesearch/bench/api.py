"""How fast the API answers when a search is long: every route that can be got, over HTTP, on SQLite.

The search is written in bulk (`api_store`), the API is a process of its own, and each route is asked for what it gives
by default and, where it gives more, for as much as it gives at once. Cold is the first answer of an application that
holds nothing yet. For the last column one more process commits trials, dozens a second.
"""

import math
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from typing import Any

import httpx
from rich.console import Console
from rich.progress import Progress

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.insight.keeping import InsightKeeping
from nas_controller.records import SearchLease, TrialState
from nas_controller.store.base import Store
from nas_controller.store.engine import make_engine
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import open_store
from spinesearch.bench.api_requests import Reading, readings
from spinesearch.bench.api_served import FORGET, ROWS, TOKEN, make_app
from spinesearch.bench.api_store import ask_and_tell, fill
from spinesearch.bench.api_trials import (
    SEARCH_ID,
    Clock,
    CourseOfTrials,
    StoreWriter,
    bench_config,
    log_content,
    make_drafts,
    values_of,
)

NUM_TRIALS, QUICK_TRIALS = 100_000, 2_000
NUM_REQUESTS, QUICK_REQUESTS = 30, 5
TARGET_MILLISECONDS = 100.0
SERVER_SECONDS = 60.0
BETWEEN_TRIALS_SECONDS = 0.01
"""A controller has more to do than to write; others that write get their turn there."""
EXPECTED = {"/login": 401}
"""Statuses of routes that have another one than 200 for somebody who sends a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReport:
    """How one route answered.

    Args:
        rows: fetched from the database for a warm answer.
        bytes: of the answer; of a stream, of its first part.
        cold_ms: of the first answer of an application that held nothing.
        p50_ms, p95_ms, max_ms: of warm answers; of a stream until its first part.
        writing_p95_ms: while a controller commits trials.
    """

    route: str
    query: Mapping[str, str]
    is_stream: bool
    rows: int
    bytes: int
    cold_ms: float
    p50_ms: float
    p95_ms: float
    max_ms: float
    writing_p95_ms: float

    @property
    def is_slow(self) -> bool:
        """Whether it misses the target, nobody writing; a download has none."""
        return self.p95_ms > TARGET_MILLISECONDS and not self.is_stream


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiReport:
    """What was measured.

    Args:
        num_requests: warm ones of each route, with and without a writer.
        trials_a_second: that the writer committed meanwhile.
    """

    num_trials: int
    num_entries: int
    database_bytes: int
    num_requests: int
    trials_a_second: float
    routes: tuple[RouteReport, ...]


@dataclass(frozen=True, slots=True)
class Warm:
    """Milliseconds of warm answers."""

    milliseconds: Sequence[float]

    def at(self, share: float) -> float:
        """The time that this share of the answers took at most.

        >>> Warm([4.0, 1.0, 3.0, 2.0]).at(0.5), Warm([4.0, 1.0, 3.0, 2.0]).at(0.95)
        (2.0, 4.0)
        """
        return sorted(self.milliseconds)[math.ceil(share * len(self.milliseconds)) - 1]


def run_api(
    *,
    num_trials: int | None = None,
    num_requests: int | None = None,
    quick: bool = False,
    console: Console | None = None,
) -> ApiReport:
    """Writes the search, and asks every route.

    Args:
        num_requests: warm ones of each route, with and without a writer.
        console: where progress is shown; None for nowhere.
    """
    num_trials = num_trials or (QUICK_TRIALS if quick else NUM_TRIALS)
    num_requests = num_requests or (QUICK_REQUESTS if quick else NUM_REQUESTS)
    with tempfile.TemporaryDirectory() as made, Progress(console=console or Console(quiet=True)) as progress:
        bar = progress.add_task(f"writing {num_trials:,} trials", total=None)
        long = LongSearch.written(Path(made), num_trials)
        wanted = _wanted(long)
        progress.update(bar, description="asking", total=2 * len(wanted))
        with served(long) as client:
            alone = []
            for reading in wanted:
                alone.append(_measured_alone(client, reading, num_requests))
                progress.advance(bar)
            with _written_to(long) as writer:
                beside = []
                for reading in wanted:
                    beside.append(_warm(client, reading, num_requests).at(0.95))
                    progress.advance(bar)
        routes = tuple(RouteReport(**each, writing_p95_ms=p95) for each, p95 in zip(alone, beside, strict=True))
        return ApiReport(
            num_trials=num_trials,
            num_entries=long.num_entries,
            database_bytes=long.database_bytes,
            num_requests=num_requests,
            trials_a_second=writer.trials_a_second,
            routes=routes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LongSearch:
    """The search that is asked about, in a folder.

    Args:
        number: of a trial in its middle, with a log.
    """

    folder: Path
    lease: SearchLease
    num_trials: int
    number: int
    num_entries: int
    database_bytes: int

    @property
    def url(self) -> str:
        """Of its database."""
        return _url(self.folder)

    @property
    def artifacts(self) -> Path:
        """Where its files are."""
        return self.folder / "artifacts"

    @classmethod
    def written(cls, folder: Path, num_trials: int) -> "LongSearch":
        """Makes it."""
        store, engine = open_store(_url(folder)), make_engine(_url(folder))
        try:
            lease = fill(store, engine, num_trials)
            (trial,) = store.list_trials(SEARCH_ID, 1, after=num_trials // 2, states=[TrialState.COMPLETED])
            ask_and_tell(store, trial.number, Clock().now)
            long = cls(
                folder=folder,
                lease=lease,
                num_trials=num_trials,
                number=trial.number,
                num_entries=store.get_search(SEARCH_ID).last_sequence,
                database_bytes=sum(path.stat().st_size for path in folder.iterdir() if path.is_file()),
            )
            DirectoryArtifactStore(long.artifacts).put(log_content(trial.number))
            return long
        finally:
            engine.dispose()
            store.close()


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'searches.sqlite'}"


def _wanted(long: LongSearch) -> list[Reading]:
    """Each route as it is by default, and those that can give more once more; streams last, for the server goes on
    reading for a while when nobody listens any more."""
    app, values = make_app(MemoryStore(), long.artifacts), values_of(long.number)
    by_default, at_most = readings(app, values, most=False), readings(app, values, most=True)
    pairs = zip(by_default, at_most, strict=True)
    wanted = [reading for pair in pairs for reading in (pair if pair[0] != pair[1] else pair[:1])]
    return sorted(wanted, key=lambda reading: reading.is_stream)


@contextmanager
def served(long: LongSearch) -> Iterator[httpx.Client]:
    """A client of the API in a process of its own."""
    command = [sys.executable, "-m", "spinesearch.bench.api_served", long.url, str(long.artifacts)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            address = server.stdout.readline().strip()
            headers = {"Authorization": f"Bearer {TOKEN}"}
            with httpx.Client(base_url=address, headers=headers, timeout=SERVER_SECONDS) as client:
                yield client
        finally:
            server.stdin.close()


def _measured_alone(client: httpx.Client, reading: Reading, num_requests: int) -> dict[str, Any]:
    """What a report says of a route while nobody writes."""
    client.get(FORGET)
    cold_ms, _ = _ask(client, reading)
    client.get(ROWS)
    _, num_bytes = _ask(client, reading)
    rows = int(client.get(ROWS).text)
    warm = _warm(client, reading, num_requests)
    return {
        "route": reading.route,
        "query": reading.query,
        "is_stream": reading.is_stream,
        "rows": rows,
        "bytes": num_bytes,
        "cold_ms": cold_ms,
        "p50_ms": warm.at(0.5),
        "p95_ms": warm.at(0.95),
        "max_ms": warm.at(1.0),
    }


def _warm(client: httpx.Client, reading: Reading, num_requests: int) -> Warm:
    return Warm([_ask(client, reading)[0] for _ in range(num_requests)])


def _ask(client: httpx.Client, reading: Reading) -> tuple[float, int]:
    """Milliseconds until the answer is there, or the first part of a stream; its bytes."""
    began = time.perf_counter()
    with client.stream("GET", reading.path, params=dict(reading.query)) as answer:
        content = next(answer.iter_bytes()) if reading.is_stream else answer.read()
        milliseconds = 1000 * (time.perf_counter() - began)
    if answer.status_code != EXPECTED.get(reading.route, 200):
        raise RuntimeError(f"{reading.path}: status {answer.status_code}")
    return milliseconds, len(content)


@dataclass
class _Writing:
    """A writer beside; what it did is known when it has ended."""

    trials_a_second: float = 0.0


@contextmanager
def _written_to(long: LongSearch) -> Iterator[_Writing]:
    """A process that commits trials of the search until the block ends."""
    context = multiprocessing.get_context("spawn")
    ready, stop, done = context.Event(), context.Event(), context.Queue()
    process = context.Process(target=write_trials, args=(long.url, long.lease, long.num_trials, ready, stop, done))
    process.start()
    ready.wait(SERVER_SECONDS)
    writing = _Writing()
    try:
        yield writing
    finally:
        stop.set()
        writing.trials_a_second = done.get(timeout=SERVER_SECONDS)
        process.join()


def write_trials(url: str, lease: SearchLease, num_trials: int, ready: Event, stop: Event, done: Any) -> None:
    """Commits trials after so many, and keeps the insight, as a controller does, until it is told to stop; then says
    how many a second."""
    store: Store = open_store(url)
    config, clock = bench_config(num_trials), Clock()
    keeping = InsightKeeping(store, SEARCH_ID, config)
    keeping.restore()
    course, writer = (
        CourseOfTrials(make_drafts(config), Random(1), num_trials=num_trials),
        StoreWriter(store, lease, clock),
    )
    ready.set()
    count, began = 0, time.perf_counter()
    while not stop.is_set():
        course.go_on(writer, 1)
        count += 1
        time.sleep(BETWEEN_TRIALS_SECONDS)
        if keeping.is_due(store.get_search(SEARCH_ID).last_sequence, clock.now):
            keeping.write(lease, clock.now)
    done.put(count / (time.perf_counter() - began))
    store.close()
