"""The course of a search: nothing is lost of a short one, and of a long one only what lies between the extremes."""

from dataclasses import dataclass
from random import Random

import pytest

from nas_controller.insight.course import MAX_POINTS, Course, Point
from nas_controller.records import SearchState, TrialState
from nas_controller.search_config import SMOOTHED_OVER
from tests.nas_controller.insight_cases import TrialLedger, folded

NUM_WORKERS = 16
LONG = 30_000


@dataclass(frozen=True)
class Told:
    """How a trial ended."""

    state: TrialState
    reward: float | None

    @property
    def whole_reward(self) -> float | None:
        return None if self.state is TrialState.STOPPED_EARLY else self.reward


def random_ledger(count: int, seed: int = 0) -> tuple[TrialLedger, dict[int, Told]]:
    """A search on `NUM_WORKERS` workers whose trials end in another order than they began; those that ended."""
    rng, ledger, running, told = Random(seed), TrialLedger(), list[int](), dict[int, Told]()
    ledger.state("running")
    for _ in range(count):
        number = ledger.create(multiply_adds=rng.randrange(1000), parameters=rng.randrange(1000))
        if rng.random() < 0.3:
            told[number] = Told(TrialState.INFEASIBLE, None)
            ledger.finish(number, None, TrialState.INFEASIBLE)
            continue
        ledger.start(number)
        running.append(number)
        if len(running) == NUM_WORKERS:
            ended = running.pop(rng.randrange(NUM_WORKERS))
            state = rng.choices([TrialState.COMPLETED, TrialState.STOPPED_EARLY, TrialState.FAILED], [20, 5, 1])[0]
            reward = None if state is TrialState.FAILED else rng.random()
            told[ended] = Told(state, reward)
            ledger.finish(ended, reward, state, failure_reason="diverged", stopped_at_step=50)
    return ledger, told


def best_by_number(told: dict[int, Told], count: int) -> list[float | None]:
    """For each trial the best whole reward up to it."""
    best: float | None = None
    values: list[float | None] = []
    for number in range(1, count + 1):
        reward = told[number].whole_reward if number in told else None
        best = reward if best is None else max(best, reward or 0.0)
        values.append(best)
    return values


def smoothed_by_number(told: dict[int, Told], count: int) -> list[float | None]:
    last: list[float] = []
    values: list[float | None] = []
    for number in range(1, count + 1):
        reward = told[number].whole_reward if number in told else None
        if reward is not None:
            last = [*last, reward][-SMOOTHED_OVER:]
        values.append(None if reward is None else sum(last) / len(last))
    return values


def test_of_a_short_course_every_trial_is_kept() -> None:
    ledger, told = random_ledger(3000)
    course = folded(ledger.entries).course
    points = course.points()
    assert [point.number for point in points] == list(range(1, 3001))
    assert [point.reward for point in points] == [told[n].reward if n in told else None for n in range(1, 3001)]
    ended = [point.state for point in points if point.number in told]
    assert ended == [told[number].state for number in sorted(told)]
    assert sum(point.state is TrialState.RUNNING for point in points) == NUM_WORKERS - 1
    created = [entry for entry in ledger.entries if "multiply_adds" in entry.payload]
    assert [(p.multiply_adds, p.parameters) for p in points] == [
        (entry.payload["multiply_adds"], entry.payload["parameters"]) for entry in created
    ]
    assert course.best_so_far() == best_by_number(told, 3000)
    assert course.smoothed() == pytest.approx(smoothed_by_number(told, 3000))


def test_a_long_course_is_bounded_and_keeps_extremes_and_failures() -> None:
    ledger, told = random_ledger(LONG)
    course = folded(ledger.entries).course
    points = course.points()
    assert len(points) <= MAX_POINTS
    assert course.num_trials == LONG
    numbers = [point.number for point in points]
    assert numbers == sorted(set(numbers))
    best = best_by_number(told, LONG)
    assert course.best_so_far() == [best[number - 1] for number in numbers]
    smoothed = smoothed_by_number(told, LONG)
    assert course.smoothed() == pytest.approx([smoothed[number - 1] for number in numbers])
    _each_run_keeps_its_extremes(course, told)
    # The newest are all there.
    assert numbers[-500:] == list(range(LONG - 499, LONG + 1))


def _each_run_keeps_its_extremes(course: Course, told: dict[int, Told]) -> None:
    settled = {point.number: point for point in course.settled}
    last = max(settled) // course.run_length * course.run_length
    for first in range(1, last, course.run_length):
        run = range(first, first + course.run_length)
        rewards = [reward for n in run if n in told and (reward := told[n].whole_reward) is not None]
        kept = [point for n in run if (point := settled.get(n)) is not None]
        kept_rewards = [reward for point in kept if (reward := point.whole_reward) is not None]
        assert (max(kept_rewards), min(kept_rewards)) == (max(rewards), min(rewards))
        assert {point.state for point in kept} >= {told[n].state for n in run if n in told}


def test_a_course_goes_on_from_its_document_as_if_it_had_not_been_written() -> None:
    ledger, _ = random_ledger(9000)
    whole = folded(ledger.entries).course
    for cut in (0, 1, 7, 1234, 15_000, len(ledger.entries)):
        course = folded(ledger.entries[:cut]).course
        assert Course.from_document(course.to_document()) == course
        course = Course.from_document(course.to_document())
        for entry in ledger.entries[cut:]:
            course.apply(entry)
        assert course == whole


def test_a_trial_that_ends_long_after_its_neighbours_is_kept_until_then_and_counts() -> None:
    ledger = TrialLedger()
    slow = ledger.create()
    ledger.start(slow)
    for _ in range(10_000):
        ledger.finish(ledger.create(), 0.25)
    before = folded(ledger.entries).course
    assert before.points()[0].state is TrialState.RUNNING
    ledger.finish(slow, 0.5)
    course = folded(ledger.entries).course
    point = course.points()[0]
    assert (point.number, point.state, point.reward) == (slow, TrialState.COMPLETED, 0.5)
    assert set(course.best_so_far()) == {0.5}
    assert course.unsettled == {}


def test_a_reference_is_complete_and_what_runs_at_the_end_is_cancelled() -> None:
    ledger = TrialLedger()
    ledger.create(arm="reference")
    ledger.start(ledger.create())
    ledger.create()
    ledger.state(SearchState.CANCELLED)
    states = [point.state for point in folded(ledger.entries).course.points()]
    assert states == [TrialState.COMPLETED, TrialState.CANCELLED, TrialState.CANCELLED]


def test_times_are_counted_from_the_first_entry_to_the_end_of_a_trial() -> None:
    ledger = TrialLedger()
    ledger.state("pending")
    ledger.state("running")
    number = ledger.create(multiply_adds=7, parameters=5)
    (point,) = folded(ledger.entries).course.points()
    assert point == Point(number, "policy", TrialState.QUEUED, None, 2.0, 7, 5)
    ledger.finish(number, 0.25)
    assert folded(ledger.entries).course.points()[0].seconds == 3.0
