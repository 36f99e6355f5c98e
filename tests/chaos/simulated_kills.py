"""Searches with simulated workers, killed at random times and at named points until it has been done often enough.

    python -m tests.chaos.simulated_kills --kills 900

Each search ends, and is then held against the oracle. Prints what was killed how often, and what that cost.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random

from nas_controller.store.open import open_store
from tests.chaos.oracle import check_search, lost_results, num_duplicates
from tests.chaos.searching import REACHED, RESUMES, TIMED, WATCHED, Scenario, run, start

AT_ANY_TIME = "at a random time"


@dataclass
class Toll:
    """What was done, and what it cost."""

    kills: Counter[str] = field(default_factory=Counter)
    num_searches: int = 0
    num_restarts: int = 0
    num_results: int = 0
    num_lost: int = 0
    num_duplicates: int = 0
    longest_resume_seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Toll") -> None:
        """Takes in what another lane did."""
        self.kills += other.kills
        self.num_searches += other.num_searches
        self.num_restarts += other.num_restarts
        self.num_results += other.num_results
        self.num_lost += other.num_lost
        self.num_duplicates += other.num_duplicates
        self.longest_resume_seconds = max(self.longest_resume_seconds, other.longest_resume_seconds)
        self.wrong += other.wrong


@dataclass(frozen=True)
class Plan:
    """How much, and how.

    Args:
        kills: of each lane.
        points: those of a whole search, with how often it reaches them.
    """

    kills: int
    mean_seconds: float
    trials: int
    points: dict[str, int]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--mean-seconds", type=float, default=1.0, help="between a start and a kill at a random time")
    parser.add_argument("--trials", type=int, default=60, help="of each search")
    parser.add_argument("--lanes", type=int, default=2, help="searches at the same time")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder, toll = Path(tempfile.mkdtemp(prefix="chaos-")), Toll()
    kills = -(-arguments.kills // arguments.lanes)
    plan = Plan(kills, arguments.mean_seconds, arguments.trials, whole_search(folder / "whole"))
    # In processes: two threads that wait for children of one process take exit codes from each other.
    with ProcessPoolExecutor(arguments.lanes, get_context("spawn")) as lanes:
        places = [folder / f"lane-{lane}" for lane in range(arguments.lanes)]
        for lane in [lanes.submit(kill_searches, place, plan, arguments.seed) for place in places]:
            toll.add(lane.result())
    print_toll(toll)
    if not toll.wrong:
        shutil.rmtree(folder)
    return 1 if toll.wrong or toll.num_lost or toll.num_duplicates else 0


def whole_search(folder: Path) -> dict[str, int]:
    """The points that a search of a few trials reaches when nobody kills it."""
    scenario = Scenario(folder=folder, trials=8, diverging=0.2, document=WATCHED)
    scenario.create()
    assert run(scenario) == 0
    points: dict[str, int] = json.loads((folder / REACHED).read_text())
    return points


def kill_searches(folder: Path, plan: Plan, seed: int) -> Toll:
    """One search after the other, each killed until it ends, until there were kills enough."""
    random, toll = Random(f"{seed} {folder.name}"), Toll()
    while toll.kills.total() < plan.kills:
        toll.num_searches += 1
        scenario = Scenario(
            folder=folder / str(toll.num_searches),
            trials=plan.trials,
            algorithm=random.choice(["random", "reinforce", "mixed"]),
            diverging=0.05,
            flaky=0.03,
            document=random.choice([WATCHED, TIMED]),
        )
        scenario.create()
        kill_until_it_ends(scenario, plan, toll, random)
        judge(scenario, toll)
    return toll


def kill_until_it_ends(scenario: Scenario, plan: Plan, toll: Toll, random: Random) -> None:
    """Starts processes, each of another owner, until one ends by itself; every other kill is at a random time."""
    number, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        number += 1
        owner, deadly, nth = f"owner-{number}", "", 1
        enough = toll.kills.total() >= plan.kills
        if not enough and number % 2:
            deadly = random.choice(sorted(plan.points))
            nth = random.randint(1, plan.points[deadly])
        process = start(scenario, owner, deadly, nth)
        if not enough and not deadly:
            process.join(random.expovariate(1 / plan.mean_seconds))
            process.kill()
        process.join()
        code = process.exitcode or 0
        if code == -signal.SIGKILL:
            toll.kills[kind_of(deadly)] += 1
            toll.num_restarts += 1
    if code != 0:
        toll.wrong.append(f"{scenario.folder}: a process ended with {code}")


def kind_of(point: str) -> str:
    """A row of the table: ``before a call of the store``, ``in a transaction``, ``before a file's change``, ..."""
    if not point:
        return AT_ANY_TIME
    when, _, what = point.partition(" ")
    if when in ("before", "after"):
        return f"{when} a call of the {what.partition('.')[0]}"
    if when == "commit":
        return "before a commit"
    return "in a transaction" if when == "statement" else f"before {when}"


def judge(scenario: Scenario, toll: Toll) -> None:
    """Adds a search that ended to the toll; its folder stays where something is wrong."""
    store = open_store(scenario.url)
    lost, duplicates = len(lost_results(store, scenario)), num_duplicates(store)
    store.close()
    resumes = [float(line) for line in (scenario.folder / RESUMES).read_text().split()]
    toll.num_results += scenario.trials
    toll.num_lost += lost
    toll.num_duplicates += duplicates
    toll.longest_resume_seconds = max([toll.longest_resume_seconds, *resumes])
    try:
        check_search(scenario)
    except AssertionError as error:
        toll.wrong.append(f"{scenario.folder}: {error!r}")
    else:
        shutil.rmtree(scenario.folder)


def print_toll(toll: Toll) -> None:
    for kind, number in sorted(toll.kills.items()):
        print(f"{number:6}  killed {kind}")
    print(f"{toll.kills.total():6}  kills in all, {toll.num_restarts} restarts, {toll.num_searches} searches")
    print(f"{toll.num_results:6}  trials trained, {toll.num_lost} results lost, {toll.num_duplicates} told twice")
    print(f"{toll.longest_resume_seconds:6.1f}  seconds from a start to its first attempt, at most")
    for line in toll.wrong:
        print(f"WRONG: {line}")


if __name__ == "__main__":
    sys.exit(main())
