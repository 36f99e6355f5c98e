"""The database of a service is away for half a minute: stopped in its tracks, or gone and started again."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from nas_controller.store.patience import patient
from spinesearch.client import FINAL_STATES
from tests.chaos.service_oracle import what_is_wrong
from tests.deploy.postgresql import Server, running_server
from tests.integration.service import running_service, wait_until
from tests.integration.test_service_search import SEARCH

DOCUMENT = {**SEARCH, "limits": {"trials": 10_000}, "evaluator": "tests.chaos.evaluators:closed_form"}
AWAY_SECONDS = 30.0
TIMES = 2
COMES_BACK_SECONDS = 120.0


@contextmanager
def stands_still(server: Server) -> Iterator[None]:
    """Every process of the server is stopped: connections stay, and nobody answers."""
    first = psutil.Process(server.pid())
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    yield
    for process in processes:
        os.kill(process.pid, signal.SIGCONT)


@contextmanager
def is_gone(server: Server) -> Iterator[None]:
    """It ends at once, as after a crash: connections are cut, and new ones refused."""
    server.stop("immediate")
    yield
    server.start()


@pytest.mark.chaos
@pytest.mark.parametrize("away", [stands_still, is_gone])
def test_a_search_loses_nothing_when_its_database_is_away(
    away: Callable[[Server], AbstractContextManager[None]], tmp_path: Path
) -> None:
    with (
        # Another user's, where we are root: it must reach it.
        TemporaryDirectory(prefix="chaos-", dir="/tmp") as folder,
        running_server(Path(folder), "many", "searches", "word") as server,
        (tmp_path / "log").open("wb") as log,
    ):
        url = f"postgresql+psycopg://many:word@127.0.0.1:{server.port}/searches"
        settings = {"SPINESEARCH_DATABASE_URL": url, "SPINESEARCH_EVALUATORS": "tests.chaos.evaluators"}
        with running_service(tmp_path / "home", log, **settings) as (_, client):
            search_id = str(client.create_search(DOCUMENT)["id"])
            store = patient(open_store(url))
            wait_for_more(store, search_id)
            for _ in range(TIMES):
                with away(server):
                    time.sleep(AWAY_SECONDS)
                wait_for_more(store, search_id)
            client.stop(search_id)
            wait_until(lambda: client.get_search(search_id)["state"] in FINAL_STATES, COMES_BACK_SECONDS)
            assert what_is_wrong(store, search_id, tmp_path / "home" / "artifacts") == []
            store.close()


def wait_for_more(store: Store, search_id: str) -> None:
    before = store.count_trials(search_id).trained
    wait_until(lambda: store.count_trials(search_id).trained > before, COMES_BACK_SECONDS)
