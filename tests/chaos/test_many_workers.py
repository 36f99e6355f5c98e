"""Many controllers and workers on one database at once: one wins, numbers have no gap, and nobody is told that it is
locked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import create_engine, text

from nas_controller.records import SearchLease, TrialState
from nas_controller.store.base import ConflictError, Store
from nas_controller.store.open import open_store
from nas_controller.store.patience import patient
from tests.conformance.store_cases import CONFIG, DAY, START, at, claimed, evaluation, make_draft
from tests.deploy.postgresql import running_postgresql
from tests.nas_controller.test_search_loop import Bench

TRIALS_OF_A_WORKER = 5
COUNTS = [1, 2, 10, pytest.param(50, marks=pytest.mark.chaos), pytest.param(200, marks=pytest.mark.chaos)]
NUM_READERS = 20
CONNECTIONS_OF_A_SERVER = 60


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pg")
    with running_postgresql(folder, "many", "searches", "word") as (port, _):
        yield f"postgresql+psycopg://many:word@127.0.0.1:{port}/searches"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without searches."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'searches.sqlite'}"
    server: str = request.getfixturevalue("server_url")
    open_store(server).close()
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM search"))
    engine.dispose()
    return server


@contextmanager
def opened(url: str, count: int) -> Iterator[list[Store]]:
    """One store for each, patient as a controller's; those of a server, which has no more connections, are shared."""
    num_stores = count if url.startswith("sqlite") else min(count, CONNECTIONS_OF_A_SERVER // 15)
    stores = [patient(open_store(url)) for _ in range(num_stores)]
    yield [stores[index % num_stores] for index in range(count)]
    for store in stores:
        store.close()


@pytest.mark.parametrize("count", COUNTS)
def test_of_many_that_claim_a_search_at_once_one_gets_it(url: str, count: int) -> None:
    with opened(url, count) as stores, ThreadPoolExecutor(count) as threads:
        stores[0].create_search("s1", "search", CONFIG, START)

        def claim(index: int) -> SearchLease | None:
            return stores[index].claim_search("s1", f"owner-{index}", at(1), DAY)

        leases = [lease for lease in threads.map(claim, range(count)) if lease is not None]
        assert [lease.token for lease in leases] == [1]


@pytest.mark.parametrize("count", COUNTS)
def test_trials_that_many_add_and_train_at_once_have_numbers_without_a_gap(url: str, count: int) -> None:
    with opened(url, count) as stores, ThreadPoolExecutor(count) as threads:
        lease = claimed(stores[0])

        def work(index: int) -> None:
            for _ in range(TRIALS_OF_A_WORKER):
                train(stores[index], lease, add_next(stores[index], lease, index))

        list(threads.map(work, range(count)))
        total = count * TRIALS_OF_A_WORKER
        assert [trial.number for trial in stores[0].list_trials("s1", 10_000)] == list(range(1, total + 1))
        assert stores[0].count_trials("s1").by_state == {TrialState.COMPLETED: total}
        sequences = [entry.sequence for entry in stores[0].read_ledger("s1", limit=100_000)]
        assert sequences == list(range(1, 2 + 3 * total + 1))  # two states; created, started, finished


def add_next(store: Store, lease: SearchLease, index: int) -> int:
    """Adds a trial with the next number: who was not the first asks for the next again. Each has an arm of its own: the
    same trial at the same time would be the same call, made again."""
    while True:
        number = store.count_trials("s1").total + 1
        try:
            return store.add_trial(lease, make_draft(number, arm=f"arm-{index}"), number, at(10)).number
        except ConflictError:
            continue


def train(store: Store, lease: SearchLease, number: int) -> None:
    (job,) = store.list_jobs("s1", number)
    store.start_attempt(lease, job.id, "worker", at(11))
    store.complete_attempt(lease, job.id, 1, evaluation(0.5), 0.5, at(12))


@pytest.mark.parametrize("trials", [8, pytest.param(200, marks=pytest.mark.chaos)])
def test_readers_that_poll_do_not_hold_up_a_search_on_sqlite(tmp_path: Path, trials: int) -> None:
    """As twenty dashboards that ask ten times a second."""
    url = f"sqlite:///{tmp_path / 'searches.sqlite'}"
    bench, ended = Bench(trials=trials, algorithm="random", store=open_store(url)), Event()

    def poll() -> int:
        store, num_polls = open_store(url), 0
        while not ended.wait(0.1):
            store.list_trials("s1", 100)
            store.best_trials("s1", 10)
            store.read_ledger("s1", limit=100)
            num_polls += 1
        store.close()
        return num_polls

    with ThreadPoolExecutor(NUM_READERS) as threads:
        readers = [threads.submit(poll) for _ in range(NUM_READERS)]
        try:
            assert bench.finish(bench.claim()) == "succeeded"
        finally:
            ended.set()
        assert sum(reader.result() for reader in readers) >= NUM_READERS
    assert bench.store.count_trials("s1").trained == trials
    bench.store.close()
