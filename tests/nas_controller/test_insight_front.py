"""Fronts and hypervolumes, held against what a few lines of brute force say."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_controller.insight import front as module
from nas_controller.insight.front import MAX_JOINED, MAX_MEMBERS, Front, Fronts, Joined, hypervolume
from nas_controller.records import TrialState
from tests.nas_controller.insight_cases import TrialLedger, folded

REFERENCE = 20
candidates = st.lists(st.tuples(st.integers(1, 24), st.integers(0, 16).map(lambda n: n / 16)), max_size=60)
Candidates = list[tuple[int, float]]


def offered(found: Candidates) -> Front:
    front = Front()
    for number, (cost, average_precision) in enumerate(found, start=1):
        front.offer(Joined(number, number, cost, average_precision))
    return front


def best_numbers(found: Candidates) -> list[int]:
    """By the definition: nobody is as cheap and as precise and better in one of both; of twins, the first."""

    def dominates(a: int, b: int) -> bool:
        (cost_a, precision_a), (cost_b, precision_b) = found[a], found[b]
        is_as_good = cost_a <= cost_b and precision_a >= precision_b
        return is_as_good and (found[a] != found[b] or a < b)

    everyone = range(len(found))
    members = [b for b in everyone if not any(dominates(a, b) for a in everyone if a != b)]
    return [b + 1 for b in sorted(members, key=lambda b: found[b][0])]


def counted_share(found: Candidates) -> float:
    """Cells of 1 by 1/16 in the rectangle that somebody dominates: as cheap as its left edge, as precise as its top."""
    cells = [(left, top / 16) for left in range(REFERENCE) for top in range(1, 17)]
    dominated = [any(c <= left and p >= top for c, p in found) for left, top in cells]
    return sum(dominated) / len(cells)


@given(candidates)
def test_the_front_is_who_nobody_dominates(found: Candidates) -> None:
    front = offered(found)
    assert [member.number for member in front.members()] == best_numbers(found)
    assert front.largest_cost == max((cost for cost, _ in found), default=0)


@given(candidates)
def test_the_hypervolume_is_the_share_that_somebody_dominates_at_each_change(found: Candidates) -> None:
    steps = list(offered(found).hypervolumes(REFERENCE))
    for trained, value in steps:
        assert value == pytest.approx(counted_share(found[:trained]))
    # Where nothing is said, nothing changed.
    said = dict(steps)
    for trained in range(1, len(found) + 1):
        if trained not in said:
            assert best_numbers(found[:trained]) == best_numbers(found[: trained - 1])
    for (_, before), (_, after) in pairwise(steps):
        assert after >= before - 1e-12


@given(candidates, st.integers(0, 60))
def test_a_front_goes_on_from_its_document(found: Candidates, cut: int) -> None:
    front = Front.from_document(offered(found[:cut]).to_document())
    for number, (cost, average_precision) in enumerate(found[cut:], start=len(found[:cut]) + 1):
        front.offer(Joined(number, number, cost, average_precision))
    assert front == offered(found)


def test_a_front_without_a_trial_dominates_nothing() -> None:
    assert hypervolume([], 10.0) == 0.0
    assert hypervolume([(3, 0.5)], 0.0) == 0.0
    assert list(Front().hypervolumes(10.0)) == []


def test_the_worst_search_for_a_front_is_bounded() -> None:
    """Each trial is a little better and a little dearer than all before: all of them are on the front."""
    count = 3 * MAX_JOINED
    front = offered([(cost, cost / count) for cost in range(1, count + 1)])
    assert len(front.members()) <= MAX_MEMBERS
    assert len(front.joined) <= MAX_JOINED
    assert (front.members()[0].cost, front.members()[-1].cost) == (1, count)
    # A diagonal from (0, 0) to (1, 1): half of the rectangle, but for the steps between a thousand members.
    points = [(member.cost, member.average_precision) for member in front.members()]
    assert hypervolume(points, count) == pytest.approx(0.5, abs=0.01)
    assert Front.from_document(front.to_document()) == front


def test_of_those_who_left_the_front_some_are_forgotten_and_the_last_value_stays_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_JOINED", 8)
    # Each dominates the one before; the first is the cheapest and stays.
    found = [(1, 1 / 16), *((24 - step, (step + 2) / 32) for step in range(20))]
    front = offered(found)
    assert len(front.joined) <= 8
    assert [member.number for member in front.members()] == best_numbers(found)
    trained, value = list(front.hypervolumes(REFERENCE))[-1]
    assert trained == 21
    assert value == pytest.approx(area_of_two(found))


def area_of_two(found: Candidates) -> float:
    """The area under both members."""
    (cheap, low), (dear, high) = found[0], found[-1]
    return ((REFERENCE - cheap) * low + (REFERENCE - dear) * (high - low)) / REFERENCE


def test_only_trials_that_were_trained_to_their_end_are_offered() -> None:
    ledger = TrialLedger()
    for multiply_adds, parameters in ((100, 7), (90, 9), (80, 5), (70, 4)):
        ledger.create(multiply_adds, parameters)
    ledger.create(10, 1, arm="reference")
    ledger.finish(1, 0.25)
    ledger.finish(2, 0.5)
    ledger.finish(3, 0.75, TrialState.STOPPED_EARLY)
    ledger.fail(4, "diverged")
    ledger.finish(ledger.create(1, 1), None, TrialState.INFEASIBLE)
    ledger.measure_on_val(2, 0.375, 0.125)
    ledger.measure_on_val(5, 0.9, None)
    fronts = folded(ledger.entries).fronts
    assert fronts.trained == 4
    assert list(fronts.multiply_adds.members()) == [Joined(2, 2, 90, 0.5, 0.375, 0.125)]
    assert list(fronts.parameters.members()) == [Joined(1, 1, 7, 0.25), Joined(2, 2, 9, 0.5, 0.375, 0.125)]
    assert fronts.parameters.largest_cost == 9
    assert fronts.latency_ms == Front()
    assert Fronts.from_document(fronts.to_document()) == fronts


def test_trials_that_were_timed_have_a_front_of_their_latencies() -> None:
    ledger = TrialLedger()
    for median_ms, average_precision in ((20.5, 0.5), (12.25, 0.25), (30.0, 0.375)):
        number = ledger.create()
        ledger.time(number, median_ms)
        ledger.finish(number, average_precision)
    ledger.finish(ledger.create(), 0.75)
    insight = folded(ledger.entries)
    fronts = insight.fronts
    assert list(fronts.latency_ms.members()) == [Joined(2, 2, 12.25, 0.25), Joined(1, 1, 20.5, 0.5)]
    assert fronts.latency_ms.largest_cost == 30.0
    assert Fronts.from_document(fronts.to_document()) == fronts
    assert [point.latency_ms for point in insight.course.points()] == [20.5, 12.25, 30.0, None]
