"""The front that a document wants: its targets, what is trained, and where widths are settled."""

from typing import Any

import pytest

from nas_controller.search_config import SearchConfig, SearchConfigError
from nas_controller.wanted_front import WantedFront

MINIMAL: dict[str, Any] = {"space": "joint", "data": "generated"}
FRONT = {"low": "15G", "high": "60G", "points": 5}


def front(**change: object) -> WantedFront:
    found = SearchConfig.from_document({**MINIMAL, "front": {**FRONT, **change}}).front
    assert found is not None
    return found


def test_targets_are_evenly_spread_over_the_logarithm() -> None:
    # Four steps from 15 to 60 are a factor of 4 ** (1 / 4) = 1.41421 each.
    assert front().targets == (15_000_000_000, 21_213_203_436, 30_000_000_000, 42_426_406_871, 60_000_000_000)
    assert front(points=2).targets == (15_000_000_000, 60_000_000_000)
    assert front(points=2).ceilings == (15_150_000_000, 60_600_000_000)  # 1 % above


def test_what_lies_between_the_ends_is_trained() -> None:
    budget = SearchConfig.from_document({**MINIMAL, "front": FRONT}).flops_budget()
    assert budget.contains(14_850_000_001)
    assert budget.contains(60_599_999_999)
    assert not budget.contains(14_849_000_000)
    assert not budget.contains(60_601_000_000)
    assert budget.describe() == "14.85 B to 60.6 B multiply-adds"


def test_each_number_has_its_target_and_each_cost_the_nearest_one() -> None:
    wanted = front()
    assert [wanted.budget_for(number).centre for number in (5, 6, 9, 10)] == [wanted.targets[p] for p in (0, 1, 4, 0)]
    assert wanted.budget_for(7).tolerance == 0.01
    # Between 15 and 21.2 the geometric mean divides: 17.84.
    assert [wanted.budget_near(cost * 10**6).centre for cost in (3_000, 17_800, 17_900, 90_000)] == [
        wanted.targets[place] for place in (0, 0, 1, 4)
    ]
    assert (wanted.is_for_same_target(3, 13), wanted.is_for_same_target(3, 4)) == (True, False)


def test_without_a_front_all_is_settled_within_the_budget() -> None:
    config = SearchConfig.from_document({**MINIMAL, "budget": {"multiply_adds": "20G"}})
    assert config.budget_near(50 * 10**9) == config.flops_budget()


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        ({"front": {"low": "15G"}}, "front.high", "Field required"),
        ({"front": {**FRONT, "points": 1}}, "front.points", "greater than or equal to 2"),
        ({"front": {**FRONT, "high": "14G"}}, "front", "5 targets need a high of at least 1.22 low"),
        ({"front": {"low": "10G", "high": "12G"}}, "front", "5 targets need a high of at least 1.22 low"),
        ({"front": FRONT, "budget": {"multiply_adds": "20G"}}, "front", "it takes the place of budget: give one"),
        (
            {"front": FRONT, "reward": {"targets": [{"cost": "multiply_adds", "target": "20G"}]}},
            "front",
            "it has targets of multiply_adds: leave that of reward.targets out",
        ),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], place: str, message: str) -> None:
    with pytest.raises(SearchConfigError) as error:
        SearchConfig.from_document({**MINIMAL, **change})
    assert error.value.place == place
    assert message in str(error.value)
