"""Eight writers whose commits take random times on PostgreSQL, and a reader that hangs up a hundred times."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event

from api.app import create_app
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.records import SearchLease, SearchState
from nas_controller.store.base import Store
from nas_controller.store.engine import make_engine
from nas_controller.store.open import open_store
from nas_controller.store.sql import SqlStore
from tests.api.serving import BEARER, make_settings, serve
from tests.conformance.store_cases import at, claimed, evaluation, make_draft, make_request
from tests.deploy.postgresql import running_postgresql

NUM_USERS, NUM_CONTROLLERS = 4, 4
NUM_WRITES = 60
"""Of each writer; a controller's is two entries."""
NUM_HANG_UPS = 100
LONGEST_COMMIT_SECONDS = 0.005
USER, DATABASE, PASSWORD = "search", "searches", "p" * 20


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_postgresql(tmp_path_factory.mktemp("database"), USER, DATABASE, PASSWORD) as (port, _):
        yield f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{port}/{DATABASE}"


def slow_store(url: str, seed: int) -> Store:
    """A store of one writer: what it wrote is committed only after a random time."""
    engine, draws = make_engine(url), random.Random(seed)
    event.listen(engine, "commit", lambda _connection: time.sleep(draws.uniform(0.0, LONGEST_COMMIT_SECONDS)))
    return SqlStore(engine)


def ask(url: str, seed: int) -> None:
    """What a user does: one request after the other."""
    store = slow_store(url, seed)
    for number in range(NUM_WRITES):
        store.add_requests("s1", [make_request(name=f"{seed}-{number}")], at(10))
    store.close()


def train(url: str, seed: int, lease: SearchLease, job_ids: list[str]) -> None:
    """What a controller does: attempts that start and complete."""
    store = slow_store(url, seed)
    for job_id in job_ids:
        store.start_attempt(lease, job_id, "worker", at(11))
        store.complete_attempt(lease, job_id, 1, evaluation(0.5), 0.5, at(12))
    store.close()


def read(base_url: str, seen: list[int]) -> int:
    """Appends the ids of all events until the search has ended; how often it hung up before."""
    draws, num_hang_ups = random.Random(0), 0
    with httpx.Client(base_url=base_url, headers=BEARER, timeout=30) as client:
        while True:
            last = {"Last-Event-ID": str(seen[-1])} if seen else {}
            with client.stream("GET", "/v1/searches/s1/events", headers=last) as stream:
                if stream.status_code == httpx.codes.NO_CONTENT:
                    return num_hang_ups
                until = len(seen) + draws.randint(1, 8)
                for line in stream.iter_lines():
                    if line.startswith("id: "):
                        seen.append(int(line.removeprefix("id: ")))
                    if num_hang_ups < NUM_HANG_UPS and len(seen) >= until:
                        num_hang_ups += 1
                        break


def test_every_event_is_read_exactly_once_and_in_order(url: str, tmp_path: Path) -> None:
    store = open_store(url)
    lease = claimed(store)
    for number in range(1, NUM_CONTROLLERS * NUM_WRITES + 1):
        store.add_trial(lease, make_draft(number, fingerprint=f"f{number}"), number, at(2))
    before = store.get_search("s1").last_sequence
    jobs = [job.id for job in store.list_jobs("s1")]
    seen: list[int] = []
    app = create_app(store, DirectoryArtifactStore(tmp_path), make_settings())
    with serve(app) as base_url, ThreadPoolExecutor(NUM_USERS + NUM_CONTROLLERS + 1) as threads:
        reading = threads.submit(read, base_url, seen)
        writing = [threads.submit(ask, url, seed) for seed in range(NUM_USERS)]
        writing += [
            threads.submit(train, url, NUM_USERS + index, lease, jobs[index::NUM_CONTROLLERS])
            for index in range(NUM_CONTROLLERS)
        ]
        for writer in writing:
            writer.result()
        assert not reading.done(), "a reader waits for what is to come"
        store.set_search_state(lease, SearchState.SUCCEEDED, "", at(20))
        num_hang_ups = reading.result()
    written = NUM_USERS * NUM_WRITES + 2 * NUM_CONTROLLERS * NUM_WRITES
    last = store.get_search("s1").last_sequence
    assert last == before + written + 1
    assert num_hang_ups == NUM_HANG_UPS
    assert seen == list(range(1, last + 1))
    store.close()
