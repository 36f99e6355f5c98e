"""A search is killed in its middle, and again at a named point while the next process works on it: it ends right."""

import json
import shutil
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.chaos.oracle import check_search
from tests.chaos.searching import REACHED, WATCHED, Scenario, run

FIRST_KILL = ("before algorithm.tell", 3)
TRIALS, DIVERGING = 8, 0.5
MANY = 20
PARTS = 8
NAMED_POINTS = (
    "statement 8 of store.requeue_lost_attempts",
    "statement 7 of store.start_trial",
    "commit of store.start_trial",
    "after store.start_trial",
    "commit of store.start_attempt",
    "os.rename in dispatcher.submit",  # a checkpoint is written aside, and not in its place
    "statement 6 of store.record_progress",
    "after store.record_progress",
    "os.rename in dispatcher.wait",  # the same of a result
    "after dispatcher.wait",
    "statement 8 of store.complete_attempt",
    "commit of store.complete_attempt",
    "after store.complete_attempt",
    "commit of store.fail_attempt",
    "before algorithm.tell",
    "os.remove in artifacts.delete",
    "os.remove in the loop",  # a result that was committed
    "os.rename in artifacts.put",  # a snapshot
    "after artifacts.put",
    "commit of store.add_snapshot",
    "commit of store.renew_lease",
    "after store.add_job",  # some of the best are queued for val
)


class Left:
    """The folder of a search that was killed once, and what the process after it reaches."""

    def __init__(self, folder: Path, document: Mapping[str, Any] = WATCHED) -> None:
        self.document = document
        self.scenario = Scenario(folder=folder / "left", trials=TRIALS, diverging=DIVERGING, document=document)
        self.scenario.create()
        assert run(self.scenario, "owner-0", *FIRST_KILL) == -signal.SIGKILL
        whole = self.copied(folder / "whole")
        assert run(whole, "owner-1") == 0
        check_search(whole)
        self.reached: Counter[str] = Counter(json.loads((whole.folder / REACHED).read_text()))

    def copied(self, folder: Path) -> Scenario:
        shutil.copytree(self.scenario.folder, folder)
        return Scenario(folder=folder, trials=TRIALS, diverging=DIVERGING, document=self.document)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    return Left(tmp_path_factory.mktemp("crash"))


@pytest.mark.parametrize("point", NAMED_POINTS)
def test_a_search_ends_right_when_it_was_killed_at(point: str, left: Left, tmp_path: Path) -> None:
    killed_at(point, Random(point).randint(1, left.reached[point]), left, tmp_path / "search")


@pytest.mark.chaos
@pytest.mark.parametrize("point", NAMED_POINTS)
def test_a_search_ends_right_when_it_was_killed_many_times_at(point: str, left: Left, tmp_path: Path) -> None:
    times = range(1, left.reached[point] + 1)
    for nth in Random(point).sample(times, min(MANY, len(times))):
        killed_at(point, nth, left, tmp_path / f"search-{nth}")


@pytest.mark.chaos
@pytest.mark.parametrize("part", range(PARTS))
def test_a_search_ends_right_wherever_it_writes_when_it_is_killed(part: int, left: Left, tmp_path: Path) -> None:
    """Every statement of every transaction that writes, and every change of a file; in parts that run side by side."""
    reads = ("store.get_", "store.list_", "store.read_", "store.count_", "store.best_", "store.measured_")
    points = sorted(p for p in left.reached if p not in NAMED_POINTS and not any(read in p for read in reads))
    assert len(points) > 50
    for index, point in enumerate(points[part::PARTS]):
        killed_at(point, Random(point).randint(1, left.reached[point]), left, tmp_path / f"search-{index}")


def killed_at(point: str, nth: int, left: Left, folder: Path) -> None:
    search = left.copied(folder)
    assert run(search, "owner-1", point, nth) == -signal.SIGKILL
    assert run(search, "owner-2") == 0
    check_search(search)
    shutil.rmtree(folder)
