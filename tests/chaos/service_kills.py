"""A search of a real service, whose processes are killed one by one and all at once, as often as asked for.

    python -m tests.chaos.service_kills --kills 100

In each round the service is started on the same home, each of its processes is killed once, in another order each
time, and in the end all at once. Then the search is stopped, and held against what is known of it.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx

from nas_controller.records import EntryKind, JobKind, TrialState
from nas_controller.store.open import open_store
from search_space.spec import ArchitectureSpec
from spinesearch.client import FINAL_STATES, ApiError, Client
from tests.integration.evaluators import expected_average_precision
from tests.integration.service import descendants, kill, kill_everything, running_service, wait_until
from tests.integration.test_service_search import SEARCH
from trainer.task import Split

VICTIMS = {
    "API": "internal api",
    "controller": "internal controller",
    "search process": "internal search",
    "Ray worker": "ray::",
    "raylet": "/raylet/raylet ",
    "GCS of Ray": "gcs_server ",
}
EVERYTHING = "all at once"
COMES_BACK_SECONDS = 120.0
MANY_TRIALS = 100_000


@dataclass
class Toll:
    """What was done, and what it cost."""

    kills: Counter[str] = field(default_factory=Counter)
    rewards: dict[int, float] = field(default_factory=dict)  # as the API gave them, by trial
    num_lost: int = 0
    longest_resume_seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2, help="of each process")
    parser.add_argument("--mean-seconds", type=float, default=2.0, help="between two kills")
    parser.add_argument("--lanes", type=int, default=1, help="services at the same time")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    rounds = [len(range(lane, arguments.kills, arguments.lanes)) for lane in range(arguments.lanes)]
    with ThreadPoolExecutor(arguments.lanes) as threads:
        lanes = [
            threads.submit(kill_service, folder / str(lane), num, arguments.mean_seconds, arguments.seed + lane)
            for lane, num in enumerate(rounds)
            if num
        ]
        tolls = [lane.result() for lane in lanes]
    print_tolls(tolls)
    if any(toll.wrong for toll in tolls):
        return 1
    shutil.rmtree(folder)
    return 0


def kill_service(home: Path, num_rounds: int, mean_seconds: float, seed: int) -> Toll:
    """A service and a search of its own, from the first start to the judgement."""
    random, toll, search_id = Random(seed), Toll(), ""
    for _ in range(num_rounds):
        search_id = kill_each_once(home, search_id, random, mean_seconds, toll)
    end_search(home, search_id, toll)
    toll.wrong += what_is_wrong(home, search_id, toll)
    return toll


def print_tolls(tolls: list[Toll]) -> None:
    kills = sum((toll.kills for toll in tolls), Counter[str]())
    for victim, number in sorted(kills.items()):
        print(f"{number:6}  killed: {victim}")
    print(f"{kills.total():6}  kills in all, {kills[EVERYTHING] + len(tolls)} starts of a service")
    num_results = sum(len(toll.rewards) for toll in tolls)
    print(f"{num_results:6}  results seen, {sum(toll.num_lost for toll in tolls)} lost")
    slowest = max(toll.longest_resume_seconds for toll in tolls)
    print(f"{slowest:6.1f}  seconds from a start of the service to the next result, at most")
    for line in [line for toll in tolls for line in toll.wrong]:
        print(f"WRONG: {line}")


def kill_each_once(home: Path, search_id: str, random: Random, mean_seconds: float, toll: Toll) -> str:
    """One round; the search that it was on, made where there is none yet."""
    began = time.monotonic()
    with running_service(home) as (process, client):
        if not search_id:
            search_id = str(client.create_search({**SEARCH, "limits": {"trials": MANY_TRIALS}})["id"])
        wait_for_results(client, search_id, toll)
        toll.longest_resume_seconds = max(toll.longest_resume_seconds, time.monotonic() - began)
        for victim in random.sample(sorted(VICTIMS), len(VICTIMS)):
            wait_until(lambda victim=victim: killed(process.pid, victim), COMES_BACK_SECONDS)  # type: ignore[misc]
            toll.kills[victim] += 1
            time.sleep(random.expovariate(1 / mean_seconds))
        wait_for_results(client, search_id, toll)
        kill_everything(process)
        toll.kills[EVERYTHING] += 1
    return search_id


def killed(pid: int, victim: str) -> bool:
    """Kills one process of the service that is called so; whether there was one."""
    for child in descendants(pid):
        with suppress(Exception):  # it may end while we look
            line = " ".join(child.cmdline()) + " "
            is_called = line.startswith("ray::") if victim == "Ray worker" else VICTIMS[victim] in line
            if is_called and kill(child):
                return True
    return False


def wait_for_results(client: Client, search_id: str, toll: Toll) -> None:
    """Until there is one more result than was known; what the API gives is remembered, and compared with before."""
    before = len(toll.rewards)

    def more() -> bool:
        try:
            trials = list(client.list_trials(search_id))
        except (ApiError, httpx.TransportError):  # the API was killed, and comes back
            return False
        remember([trial for trial in trials if trial["reward"] is not None], toll)
        return len(toll.rewards) > before

    wait_until(more, 2 * COMES_BACK_SECONDS)


def remember(trials: list[dict[str, Any]], toll: Toll) -> None:
    rewards = {trial["number"]: trial["reward"] for trial in trials}
    toll.num_lost += sum(rewards.get(number) != reward for number, reward in toll.rewards.items())
    toll.rewards |= rewards


def end_search(home: Path, search_id: str, toll: Toll) -> None:
    """Starts the service for the last time, and lets what runs end."""
    with running_service(home) as (_, client):
        wait_for_results(client, search_id, toll)
        client.stop(search_id)
        wait_until(lambda: client.get_search(search_id)["state"] in FINAL_STATES, COMES_BACK_SECONDS)


def what_is_wrong(home: Path, search_id: str, toll: Toll) -> list[str]:
    """Sentences; [] where all is as it must be."""
    store = open_store(f"sqlite:///{home / 'spinesearch.sqlite'}")
    ledger = store.read_ledger(search_id, limit=10_000_000)
    trials = store.list_trials(search_id, 10_000_000)
    told = Counter(entry.trial_number for entry in ledger if entry.kind is EntryKind.TRIAL_FINISHED)
    rewards = {
        trial.number: expected_average_precision(ArchitectureSpec.from_document(trial.draft.spec), Split.REWARD)
        for trial in trials
        if trial.state is TrialState.COMPLETED and trial.draft.arm != "reference"
    }
    holds = {
        "a result is lost": toll.num_lost == 0,
        "the search did not end": store.get_search(search_id).state == "succeeded",
        "trial numbers have a gap": [t.number for t in trials] == list(range(1, len(trials) + 1)),
        "the ledger has a gap": [e.sequence for e in ledger] == list(range(1, len(ledger) + 1)),
        "a trial was told twice": max(told.values()) == 1,
        "a trial was never finished": set(told) == {t.number for t in trials if t.draft.arm != "reference"},
        "work is open": store.list_jobs(search_id, open_only=True) == [],
        "a reward is not that of its architecture": rewards
        == {trial.number: trial.reward for trial in trials if trial.number in rewards},
        "a trial has two proxy jobs": max(
            Counter(j.trial_number for j in store.list_jobs(search_id) if j.kind is JobKind.PROXY).values()
        )
        == 1,
    }
    store.close()
    return [sentence for sentence, is_right in holds.items() if not is_right]


if __name__ == "__main__":
    sys.exit(main())
