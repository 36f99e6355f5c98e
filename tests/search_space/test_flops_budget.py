"""The budget's edges, where it comes from, and how much of a space it lets through."""

import pytest

from search_space.budget import FlopsBudget, backbone_multiply_adds, budget_from, feasible_share, own_budget
from search_space.plan import TargetNetwork
from search_space.reference import reference
from search_space.spaces import SPACES, SPINENET_49

TARGET = TargetNetwork(image_size=640)


def test_both_ends_are_inside() -> None:
    budget = FlopsBudget(centre=1000, tolerance=0.05)
    assert [budget.contains(number) for number in (949, 950, 1000, 1050, 1051)] == [False, True, True, True, False]


def test_a_reference_is_counted_at_the_target_without_its_head() -> None:
    budget = budget_from(TARGET, relative_to="spinenet-49", tolerance=0.05)
    assert budget == FlopsBudget(28_261_990_400, 0.05)
    assert budget.describe() == "28.26 B multiply-adds ± 5%"
    large = TargetNetwork(image_size=1280, num_classes=3)
    assert budget_from(large, relative_to="spinenet-49", tolerance=0.05).centre == 4 * 28_261_990_400


def test_an_absolute_budget() -> None:
    assert budget_from(TARGET, multiply_adds=3.5e9, tolerance=0.1) == FlopsBudget(3_500_000_000, 0.1)


def test_a_wrong_budget_is_named() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        budget_from(TARGET, tolerance=0.1)
    with pytest.raises(ValueError, match="exactly one"):
        budget_from(TARGET, relative_to="spinenet-49", multiply_adds=1e9, tolerance=0.1)
    with pytest.raises(ValueError, match="reference 'x': unknown"):
        budget_from(TARGET, relative_to="x", tolerance=0.1)
    with pytest.raises(ValueError, match="tolerance 0"):
        budget_from(TARGET, relative_to="spinenet-49", tolerance=0)
    with pytest.raises(ValueError, match="budget of 0 multiply-adds"):
        budget_from(TARGET, multiply_adds=0.2, tolerance=0.1)


@pytest.mark.parametrize("name", list(SPACES))
def test_the_default_budget_of_a_space_lets_enough_through(name: str) -> None:
    space = SPACES[name]
    budget = own_budget(space, space.target)
    found = feasible_share(space, budget, space.target, draws=200, seed=0)
    assert found.interval[0] > 0.2
    assert found.smallest <= found.low <= found.high <= found.largest
    assert found == feasible_share(space, budget, space.target, draws=200, seed=0)


def test_spinenet_49_space_around_spinenet_49() -> None:
    # Counted independently: nine in ten lie between 0.83 and 1.21 of SpineNet-49, and 5 % passes about a third.
    centre = backbone_multiply_adds(reference("spinenet-49"), TARGET)
    found = feasible_share(SPINENET_49, FlopsBudget(centre, 0.05), TARGET, draws=1000, seed=1)
    assert found.interval[0] < 1 / 3 < found.interval[1] + 0.02
    assert found.low / centre == pytest.approx(0.83, abs=0.02)
    assert found.high / centre == pytest.approx(1.21, abs=0.02)


def test_an_impossible_budget_has_a_share_of_zero_and_says_the_range() -> None:
    found = feasible_share(SPINENET_49, FlopsBudget(1_000_000, 0.05), TARGET, draws=50, seed=0)
    assert found.share == 0
    assert found.describe().startswith("0.0% of 50 random architectures are inside; they cost ")
    with pytest.raises(ValueError, match="0 draws: must be at least 1"):
        feasible_share(SPINENET_49, FlopsBudget(1, 0.05), TARGET, draws=0, seed=0)
