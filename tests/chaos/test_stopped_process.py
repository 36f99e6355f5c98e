"""A process that stands still until its lease is over, and then goes on, writes nothing more."""

import os
import signal
from pathlib import Path

import psutil

from nas_controller.store.open import open_store
from tests.chaos.oracle import check_search
from tests.chaos.searching import SEARCH, Scenario, run, start
from tests.integration.service import wait_until


def test_a_process_that_was_stopped_past_its_lease_leaves_the_search_to_the_next(tmp_path: Path) -> None:
    scenario = Scenario(folder=tmp_path / "search", trials=6, algorithm="random")
    scenario.create()
    stopped = start(scenario, "owner-1", "before store.complete_attempt", 3, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(stopped.pid).status() == psutil.STATUS_STOPPED, 120)
    assert run(scenario, "owner-2") == 0
    check_search(scenario)
    last_sequence = sequence_of(scenario)
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.join()
    assert stopped.exitcode == 1, "the lease is lost"
    assert sequence_of(scenario) == last_sequence
    check_search(scenario)


def sequence_of(scenario: Scenario) -> int:
    store = open_store(scenario.url)
    try:
        return store.get_search(SEARCH).last_sequence
    finally:
        store.close()
