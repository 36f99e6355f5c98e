"""Which searches get a process, and when a dead one gets another. The processes are real and do next to nothing."""

import logging
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from nas_controller.children import STABLE_SECONDS
from nas_controller.daemon import HELD_SECONDS
from nas_controller.queueing import BACKFILL_SECONDS
from nas_controller.records import SearchState
from nas_controller.resources import Devices, Machine
from nas_controller.search_loop import LEASE_SECONDS
from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from nas_controller.tallies import CRASHES, ProcessRole
from tests.nas_controller.workshop import Workshop, a_machine

FAIL = "raise SystemExit(3)"


@pytest.fixture
def open_workshop(tmp_path: Path) -> Iterator[Callable[..., Workshop]]:
    workshops: list[Workshop] = []

    def make(machine: Machine, store: Store | None = None) -> Workshop:
        workshops.append(Workshop(machine, tmp_path, store))
        return workshops[-1]

    yield make
    for workshop in workshops:
        workshop.daemon.close()


@pytest.fixture
def workshop(open_workshop: Callable[..., Workshop]) -> Workshop:
    return open_workshop(a_machine())


WAITING = "waiting for 2 CPUs of 4: searches that run leave fewer"


def test_searches_that_fit_side_by_side_run_and_the_next_says_why_it_waits(workshop: Workshop) -> None:
    for name in ("a", "b", "c"):
        workshop.add(name, workers=2)
    workshop.step()
    assert workshop.started == ["a", "b"]
    waiting = workshop.store.get_search("c")
    assert (waiting.state, waiting.reason) == (SearchState.PENDING, WAITING)
    workshop.step()
    assert workshop.store.get_search("c").last_sequence == waiting.last_sequence, "it is said once"
    workshop.end("a")
    workshop.step()
    assert workshop.started == ["a", "b", "c"]


def test_a_search_with_more_cpus_than_were_counted_runs_alone(workshop: Workshop) -> None:
    workshop.add("large", workers=64)
    workshop.add("small", workers=1)
    workshop.step()
    assert workshop.started == ["large"]


def test_a_search_that_can_never_start_says_so_and_blocks_nobody(open_workshop: Callable[..., Workshop]) -> None:
    workshop = open_workshop(a_machine(cpus=4, cores=math.inf, gpus=1))
    workshop.add("many CPUs", workers=5)
    workshop.add("many GPUs", workers=2, gpus=1)
    workshop.add("small", workers=4, gpus=0.25)
    workshop.step()
    workshop.step(BACKFILL_SECONDS * 2)
    assert workshop.reason("many CPUs") == "cannot start here: it asks for 5 CPUs, there are 4"
    assert workshop.reason("many GPUs") == "cannot start here: it asks for 2 GPUs, there is 1"
    assert workshop.started == ["small"]


def test_a_document_of_another_release_stops_nobody_else(workshop: Workshop) -> None:
    workshop.store.create_search("old", "old", {"space": "spinenet-50", "data": "generated"}, workshop.at)
    workshop.add("new", workers=4)
    workshop.step()
    assert workshop.reason("old").startswith("this release cannot read its document: space: ")
    assert workshop.started == ["new"]


def test_each_search_has_gpus_of_its_own(open_workshop: Callable[..., Workshop]) -> None:
    workshop = open_workshop(a_machine(cpus=64, cores=64, gpus=3))
    for name, workers, share in (("a", 2, 0.5), ("b", 1, 2), ("c", 1, 1), ("on CPUs", 1, 0)):
        workshop.add(name, workers, share)
    workshop.step()
    gpus = {name: devices.gpus for name, devices in workshop.devices.items()}
    assert gpus == {"a": ("gpu-0",), "b": ("gpu-1", "gpu-2"), "on CPUs": ()}
    assert workshop.reason("c") == "waiting for 1 GPU of 3: searches that run leave fewer"
    workshop.end("a")
    workshop.step()
    assert workshop.devices["c"] == Devices(gpus=("gpu-0",))


def test_a_limit_on_searches_holds_whatever_they_take(open_workshop: Callable[..., Workshop]) -> None:
    workshop = open_workshop(a_machine(searches=2))
    for name in ("a", "b", "c"):
        workshop.add(name, workers=1)
    workshop.step()
    assert workshop.started == ["a", "b"]
    assert workshop.reason("c") == "waiting for 1 place of 2: searches that run leave fewer"


def test_a_large_search_is_waited_for_in_the_end(workshop: Workshop) -> None:
    workshop.add("a", workers=2)
    workshop.add("large", workers=4)
    workshop.step()
    workshop.add("b", workers=1)
    workshop.step(BACKFILL_SECONDS - 2)
    workshop.add("c", workers=1)
    workshop.step()
    assert workshop.started == ["a", "b"]
    assert workshop.reason("c") == "waiting behind search large, which has waited for its room longest"
    for name in ("a", "b"):
        workshop.end(name)
    workshop.step()
    assert workshop.started == ["a", "b", "large"]


def test_no_search_is_overlooked_among_thousands(workshop: Workshop) -> None:
    workshop.add("oldest", workers=4)
    config = workshop.store.get_search("oldest").config
    for number in range(2000):
        workshop.store.create_search(f"s{number}", "s", config, workshop.at + timedelta(seconds=1))
    workshop.step()
    assert workshop.started == ["oldest"]


def test_a_process_that_dies_is_started_again_after_a_growing_pause(workshop: Workshop) -> None:
    workshop.code = FAIL
    workshop.add("a", workers=1)
    pauses = []
    for _ in range(4):
        workshop.step()
        workshop.process("a").wait()
        workshop.step()
        until = workshop.daemon.places["a"].alone_until
        assert until is not None
        pauses.append((until - workshop.at).total_seconds())
        workshop.step((until - workshop.at).total_seconds() - 0.1)
        workshop.at = until
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert workshop.started == ["a"] * 4


def test_a_process_that_lived_long_enough_is_followed_after_the_first_pause_again(workshop: Workshop) -> None:
    workshop.add("a", workers=1)
    workshop.step()
    pauses = []
    for lived in (10, 10, STABLE_SECONDS, 10):
        workshop.kill("a")
        workshop.step(lived)
        pauses.append(workshop.daemon.places["a"].backoff.last_seconds)
        workshop.step(pauses[-1])
    assert pauses == [1.0, 2.0, 1.0, 2.0]
    assert len(workshop.started) == 5


def test_the_room_of_a_process_that_died_is_kept_until_it_died_too_often(workshop: Workshop) -> None:
    workshop.add("a", workers=4)
    workshop.step()
    workshop.add("b", workers=4)
    workshop.code = FAIL
    workshop.kill("a")
    workshop.step()
    for pause in (1, 2, 4, 8, 16, 32):
        assert workshop.daemon.places["a"].backoff.last_seconds == pause
        workshop.step(pause)
        workshop.process("a").wait()
        workshop.step()
    assert workshop.started == ["a"] * 7 + ["b"]


CLAIM = """
import sys, time
from datetime import datetime
from nas_controller.search_loop import LEASE_SECONDS
from nas_controller.store.open import open_store
url, search_id, owner, at = sys.argv[1:]
store = open_store(url)
lease = store.claim_search(search_id, owner, datetime.fromisoformat(at), LEASE_SECONDS)
store.close()
print(None if lease is None else lease.token, flush=True)
time.sleep(600)
"""


def test_a_process_that_is_killed_is_followed_at_once(open_workshop: Callable[..., Workshop], tmp_path: Path) -> None:
    """Real processes on a real store: a second later, while the lease of the dead one holds for 19 s more."""
    url = f"sqlite:///{tmp_path / 'searches.sqlite'}"
    workshop = open_workshop(a_machine(), open_store(url))
    tokens = []

    def start(search_id: str, _devices: Devices) -> "subprocess.Popen[bytes]":
        arguments = [url, search_id, workshop.daemon.name, workshop.at.isoformat()]
        child = subprocess.Popen([sys.executable, "-c", CLAIM, *arguments], stdout=subprocess.PIPE)
        assert child.stdout is not None
        tokens.append(int(child.stdout.readline()))
        child.stdout.close()
        return child

    workshop.daemon.start = start
    workshop.add("a", workers=1)
    workshop.step()
    workshop.kill("a")
    workshop.step()
    workshop.step(1.0)
    assert tokens == [2, 4], "the daemon's own claims are 1 and 3"
    assert workshop.store.claim_search("a", "another daemon", workshop.at, LEASE_SECONDS) is None
    workshop.store.close()


def test_a_search_that_another_controller_holds_gets_no_process(workshop: Workshop) -> None:
    workshop.add("a", workers=4)
    workshop.run("a", owner="another")
    workshop.step()
    workshop.step(HELD_SECONDS)
    workshop.run("a", owner="another")
    workshop.step(LEASE_SECONDS - 1)
    assert workshop.started == []


def test_searches_of_a_daemon_that_died_go_on_before_others_start(workshop: Workshop) -> None:
    workshop.add("old", workers=4)
    workshop.add("runs", workers=4)
    workshop.run("runs", owner="a process of the daemon that died")
    workshop.step()
    workshop.step(HELD_SECONDS - 1)
    assert workshop.started == [], "its room is kept while its last process ends"
    workshop.step(LEASE_SECONDS)
    assert workshop.started == ["runs"]


def test_a_search_that_another_daemon_goes_on_with_keeps_no_room_here(workshop: Workshop) -> None:
    workshop.add("there", workers=4)
    workshop.add("here", workers=4)
    for _ in range(5):
        workshop.run("there", owner="another daemon")
        workshop.step(HELD_SECONDS)
    assert workshop.started == ["here"]


def test_two_daemons_on_one_store_say_their_reasons_once(open_workshop: Callable[..., Workshop]) -> None:
    workshop = open_workshop(a_machine(cpus=1, cores=math.inf))
    workshop.machine = a_machine(cpus=2, cores=math.inf)
    other = workshop.new_daemon("other")
    workshop.add("a", workers=3)
    for _ in range(5):
        workshop.step(1.0)
        other.step()
    reasons = [entry.payload["reason"] for entry in workshop.store.read_ledger("a")]
    asks = "cannot start here: it asks for 3 CPUs, there"
    assert reasons == ["", f"{asks} is 1", f"{asks} are 2"]


def test_a_reason_that_a_resumed_search_lost_is_said_again(workshop: Workshop) -> None:
    workshop.add("a", workers=4)
    workshop.add("b", workers=2)
    workshop.step()
    for state in (SearchState.PAUSED, SearchState.PENDING):
        workshop.store.request_state("b", state, "", workshop.at)
    assert workshop.reason("b") == ""
    workshop.step()
    assert workshop.reason("b") == WAITING


def test_a_search_that_is_stopped_while_it_waits_gets_a_process_to_end_it(workshop: Workshop) -> None:
    workshop.add("a", workers=4)
    workshop.add("b", workers=4)
    workshop.step()
    workshop.store.request_state("b", SearchState.STOPPING, "", workshop.at)
    workshop.step()
    assert workshop.started == ["a", "b"]


def test_a_search_that_ran_and_has_no_room_any_more_is_pending(workshop: Workshop) -> None:
    for name in ("a", "b"):
        workshop.add(name, workers=4)
        workshop.run(name, owner="daemon before")
    workshop.step(LEASE_SECONDS)
    assert workshop.started == ["a"]
    assert workshop.reason("b") == "waiting for 4 CPUs of 4: searches that run leave fewer"


def test_paused_and_final_searches_get_no_process(workshop: Workshop) -> None:
    workshop.add("paused", workers=1)
    workshop.add("cancelled", workers=1)
    workshop.store.request_state("paused", SearchState.PAUSED, "", workshop.at)
    workshop.store.request_state("cancelled", SearchState.CANCELLED, "", workshop.at)
    workshop.step()
    assert workshop.started == []


def test_closing_ends_every_process(workshop: Workshop) -> None:
    workshop.add("a", workers=1)
    workshop.step()
    child = workshop.process("a")
    workshop.daemon.close()
    assert child.returncode is not None


def test_artifacts_that_nothing_needs_are_swept_at_the_first_step_and_every_hour(workshop: Workshop) -> None:
    def steps_after(minutes: float) -> list[str]:
        workshop.at += timedelta(minutes=minutes)
        workshop.step()
        return workshop.artifacts.list()

    workshop.put(b"first")
    assert steps_after(61) == []
    second = workshop.put(b"second")
    assert steps_after(59) == [second]  # not looked at again yet
    assert steps_after(1) == [second]  # an hour old
    third = workshop.put(b"third")
    assert steps_after(59.9) == sorted([second, third])
    assert steps_after(0.1) == [third]
    assert steps_after(60) == []


def test_it_says_that_it_lives_and_how_many_processes_died(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    workshop.code = FAIL
    workshop.add("a", workers=1)
    with caplog.at_level(logging.INFO, "nas_controller.daemon"):
        workshop.step()
        workshop.process("a").wait()
        workshop.step()
    first = workshop.at
    (heartbeat,) = workshop.store.list_heartbeats()
    assert (heartbeat.name, heartbeat.role, heartbeat.at) == ("daemon:daemon", ProcessRole.DAEMON, first)
    assert heartbeat.numbers == {CRASHES: 0}
    workshop.at += timedelta(seconds=5)
    workshop.step()
    (heartbeat,) = workshop.store.list_heartbeats()
    assert (heartbeat.at, heartbeat.numbers) == (workshop.at, {CRASHES: 1})
    started, ended = caplog.records
    assert started.getMessage().endswith("started for the search")
    assert ended.getMessage() == "the search's process ended with code 3, another one follows after 1 s"
    assert (vars(ended)["search"], ended.levelname) == ("a", "ERROR")
