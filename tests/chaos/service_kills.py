"""The processes of a running service are killed one by one and all at once, as often as asked for.

    python -m tests.chaos.service_kills --kills 100

A service lives for a few rounds. In each of them every process is killed once, as soon as it is there and a random time
is over, in another order each time; then the search must go on. A life ends with all of them killed at once, and the
next one begins on the same home. In the end the search is stopped, and held against what is known of it.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from subprocess import Popen
from typing import Any

import httpx
import psutil

from nas_controller.records import TrialState
from nas_controller.store.open import open_store
from spinesearch.client import FINAL_STATES, ApiError, Client
from tests.chaos.service_oracle import Kill, longest_pauses, lost_entries, what_is_wrong
from tests.integration.service import answers, descendants, kill, kill_everything, running_service, wait_until
from tests.integration.test_service_search import SEARCH

PROCESSES = {
    "API": "internal api",
    "controller": "internal controller",
    "search process": "internal search",
    "Ray worker": "ray::Worker",
    "raylet": "/raylet/raylet ",
    "GCS of Ray": "gcs_server ",
    "agent of Ray": "ray::DashboardAgent",
}
"""What is in the command line of each."""
AGENT = "agent of Ray"
"""Ray ends with it; nobody asked for it to be killed as often as the others."""
PARTS_OF_RAY = ("raylet", "GCS of Ray", AGENT)
IN_ITS_START = 0.1
"""Share of the kills of Ray's parts that may hit its start: Ray takes up to half a minute to say that it failed."""
HEAD_DIES_SECONDS = "15"
"""How long Ray's processes look for a head that was killed while they started; by default a minute."""
EVERYTHING = "all at once"
ROUNDS_OF_A_LIFE = 5
COMES_BACK_SECONDS = 120.0
GOES_SECONDS = 120.0
DOCUMENT = {**SEARCH, "limits": {"trials": 100_000}, "evaluator": "tests.chaos.evaluators:closed_form"}


@dataclass
class Toll:
    """What was done, and what it cost.

    Args:
        seen: what the API gave of trials that ended, by the sequence number of the event.
        seconds: how long it took until ..., each time.
    """

    search_id: str = ""
    kills: list[Kill] = field(default_factory=list)
    seen: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    last_sequence: int = 0
    num_results: int = 0
    num_lost: int = 0
    num_failed: int = 0
    num_resumed: int = 0
    seconds: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def took(self, what: str, began: float) -> None:
        self.seconds.setdefault(what, []).append(time.monotonic() - began)


@dataclass(frozen=True)
class Plan:
    """How often, and how long.

    Args:
        mean_seconds: from when a process is there to its kill.
        until: no life begins later, seconds of `time.monotonic`.
    """

    mean_seconds: float
    until: float


@dataclass
class Life:
    """A service that runs, and works on the search of the toll."""

    process: "Popen[bytes]"
    client: Client
    toll: Toll
    dead: set[psutil.Process] = field(default_factory=set)

    def kill(self, victim: str, after: str, seconds: float) -> None:
        """One of the processes that are called so, so long after there is one of another name that was not killed."""
        wait_until(lambda: self._find(after) is not None, COMES_BACK_SECONDS)
        time.sleep(seconds)
        wait_until(lambda: self._kill_one(victim), COMES_BACK_SECONDS)
        self.toll.kills.append(Kill(victim, datetime.now(UTC)))

    def _kill_one(self, victim: str) -> bool:
        found = self._find(victim)  # in the meantime it may have gone with another one
        if found is None or not kill(found):
            return False
        self.dead.add(found)
        return True

    def _find(self, victim: str) -> psutil.Process | None:
        for child in descendants(self.process.pid):
            if child not in self.dead and PROCESSES[victim] in command_line(child):
                return child
        self._resume_if_paused()
        return None

    def _resume_if_paused(self) -> None:
        """A search that lost too many workers in a row pauses: whoever killed them knows why, and goes on."""
        with suppress(ApiError, httpx.TransportError):
            if self.client.get_search(self.toll.search_id)["state"] == "paused":
                self.client.resume(self.toll.search_id)
                self.toll.num_resumed += 1

    def wait_for_result(self) -> None:
        """Until a training ended that was not known to have; what the API gives is kept, to be compared in the end."""
        self._read_events()
        before = self.toll.num_results
        wait_until(lambda: self._read_events() > before, COMES_BACK_SECONDS)

    def _read_events(self) -> int:
        """The number of results that are known."""
        self._resume_if_paused()
        with suppress(ApiError, httpx.TransportError):
            while events := self.client.read_events(self.toll.search_id, self.toll.last_sequence):
                self.toll.last_sequence = events[-1].sequence
                finished = [event for event in events if event.kind == "trial.finished"]
                self.toll.seen |= {event.sequence: event.content for event in finished}
                self.toll.num_results += sum(event.content["state"] == "completed" for event in finished)
        return self.toll.num_results


def command_line(process: psutil.Process) -> str:
    """With a space at its end; "" of a process that ended."""
    try:
        return " ".join(process.cmdline()) + " "
    except psutil.Error:
        return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2, help="of each process")
    parser.add_argument("--mean-seconds", type=float, default=1.5, help="from when a process is there to its kill")
    parser.add_argument(
        "--minutes", type=float, default=600.0, help="after so many, no service is started to be killed"
    )
    parser.add_argument("--lanes", type=int, default=1, help="services at the same time")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    plan = Plan(arguments.mean_seconds, began + 60 * arguments.minutes)
    folder = Path(tempfile.mkdtemp(prefix="ch-"))  # short: Ray's sockets are below
    rounds = [len(range(lane, arguments.kills, arguments.lanes)) for lane in range(arguments.lanes)]
    with ThreadPoolExecutor(arguments.lanes) as threads:
        lanes = [
            threads.submit(kill_service, folder / str(lane), num, plan, arguments.seed + lane)
            for lane, num in enumerate(rounds)
            if num
        ]
        tolls = [lane.result() for lane in lanes]
    print_tolls(tolls, time.monotonic() - began)
    wait_until(lambda: not left_over(folder), GOES_SECONDS)
    if any(toll.wrong for toll in tolls):
        print(f"the databases and what the services said are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def kill_service(home: Path, num_rounds: int, plan: Plan, seed: int) -> Toll:
    """A service and a search of its own, from the first start to the judgement."""
    random, toll = Random(seed), Toll()
    for first in range(0, num_rounds, ROUNDS_OF_A_LIFE):
        if toll.search_id and time.monotonic() > plan.until:
            break
        rounds = min(ROUNDS_OF_A_LIFE, num_rounds - first)
        try:
            live(home, rounds, random, plan.mean_seconds, toll)
        except AssertionError as error:  # of a wait; what was done until then counts all the same
            toll.wrong.append(f"after {len(toll.kills)} kills, the last of the {toll.kills[-1].victim}: {error}")
            break
    end_search(home, toll)
    judge(home, toll)
    return toll


def live(home: Path, num_rounds: int, random: Random, mean_seconds: float, toll: Toll) -> None:
    """From a start of the service to the death of all its processes."""
    began = time.monotonic()
    with started(home) as (process, client):
        toll.search_id = toll.search_id or str(client.create_search(DOCUMENT)["id"])
        life = Life(process, client, toll)
        life.wait_for_result()
        toll.took(EVERYTHING, began)
        for number in range(num_rounds):
            victims = sorted(PROCESSES) if number == 0 else sorted(set(PROCESSES) - {AGENT})
            for victim in random.sample(victims, len(victims)):
                serves = victim in PARTS_OF_RAY and random.random() > IN_ITS_START
                life.kill(victim, "Ray worker" if serves else victim, random.expovariate(1 / mean_seconds))
                if victim == "API":
                    answers_again(home, toll)
            life.wait_for_result()
        kill_everything(process)
        toll.kills.append(Kill(EVERYTHING, datetime.now(UTC)))


@contextmanager
def started(home: Path) -> Iterator[tuple["Popen[bytes]", Client]]:
    """The service on this home; Ray's folders are beside it, for whoever kills a Ray's parent leaves one behind."""
    with home.with_suffix(".log").open("ab") as output:
        settings = {
            "SPINESEARCH_EVALUATORS": "tests.chaos.evaluators",
            "TMPDIR": str(home.parent),
            "RAY_gcs_rpc_server_reconnect_timeout_s": HEAD_DIES_SECONDS,
        }
        with running_service(home, output, **settings) as running:
            yield running


def answers_again(home: Path, toll: Toll) -> None:
    """Returns when the API, which was just killed, does."""
    began = time.monotonic()
    port = int((home / "url").read_text().rpartition(":")[2])
    wait_until(lambda: answers(port), COMES_BACK_SECONDS)
    toll.took("API", began)


def end_search(home: Path, toll: Toll) -> None:
    """Starts the service for the last time, and lets what runs end."""
    with started(home) as (process, client):
        life = Life(process, client, toll)
        life.wait_for_result()
        client.stop(toll.search_id)
        wait_until(lambda: client.get_search(toll.search_id)["state"] in FINAL_STATES, COMES_BACK_SECONDS)


def left_over(folder: Path) -> list[psutil.Process]:
    """Processes that have a file below the folder open, as all of Ray's have that were started there."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(file.path.startswith(str(folder)) for file in process.open_files()):
                found.append(process)
    return found


def judge(home: Path, toll: Toll) -> None:
    """Adds what became of the search to the toll."""
    store = open_store(f"sqlite:///{home / 'spinesearch.sqlite'}")
    toll.wrong += what_is_wrong(store, toll.search_id, home / "artifacts")
    toll.num_lost = len(lost_entries(store, toll.search_id, toll.seen))
    toll.wrong += ["a result is lost"] if toll.num_lost else []
    toll.num_failed = store.count_trials(toll.search_id)[TrialState.FAILED]
    ledger = store.read_ledger(toll.search_id, limit=10_000_000)
    for victim, seconds in longest_pauses(ledger, toll.kills).items():
        if victim not in ("API", EVERYTHING):
            toll.seconds.setdefault(victim, []).extend(seconds)
    store.close()


def print_tolls(tolls: list[Toll], seconds: float) -> None:
    kills = Counter(kill.victim for toll in tolls for kill in toll.kills)
    print(f"{'killed':>8}  {'process':16}  {'seconds until it answers again, or the search gives results again'}")
    for victim, number in sorted(kills.items()):
        took = [each for toll in tolls for each in toll.seconds.get(victim, [])]
        words = f"median {statistics.median(took):5.1f}, at most {max(took):5.1f}, of {len(took)}" if took else ""
        print(f"{number:8}  {victim:16}  {words}")
    print(
        f"{kills.total():8}  in all, {kills[EVERYTHING] + len(tolls)} starts of a service, {seconds / 60:.1f} minutes"
    )
    print(f"{sum(toll.num_results for toll in tolls):8}  results seen, {sum(toll.num_lost for toll in tolls)} lost")
    print(
        f"{sum(toll.num_failed for toll in tolls):8}  trials failed, whose workers were killed as often as is allowed"
    )
    print(f"{sum(toll.num_resumed for toll in tolls):8}  times the search had lost too many workers, and was resumed")
    for line in [line for toll in tolls for line in toll.wrong]:
        print(f"WRONG: {line}")


if __name__ == "__main__":
    sys.exit(main())
