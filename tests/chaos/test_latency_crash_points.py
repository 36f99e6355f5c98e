"""A search that times its networks is killed in its middle, and again about a latency: no training of it is lost."""

from pathlib import Path
from random import Random

import pytest

from tests.chaos.searching import TIMED
from tests.chaos.test_crash_points import Left, killed_at

NAMED_POINTS = (
    "commit of store.complete_latency",
    "after store.complete_latency",  # its training is queued in the store, and nobody has heard of it
)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    return Left(tmp_path_factory.mktemp("latency-crash"), TIMED)


@pytest.mark.parametrize("point", NAMED_POINTS)
def test_a_search_ends_right_when_it_was_killed_at(point: str, left: Left, tmp_path: Path) -> None:
    killed_at(point, Random(point).randint(1, left.reached[point]), left, tmp_path / "search")


@pytest.mark.chaos
def test_a_search_ends_right_wherever_it_was_killed_about_a_latency(left: Left, tmp_path: Path) -> None:
    calls = ("complete_latency", "first_timed", "start_trial", "start_attempt")
    points = sorted(point for point in left.reached if any(call in point for call in calls))
    assert len(points) > 10
    for index, point in enumerate(points):
        for nth in (1, left.reached[point]):
            killed_at(point, nth, left, tmp_path / f"search-{index}-{nth}")
