"""Shares by what has paid: who gets more, how soon, and what counts for nobody."""

from random import Random

import pytest

from nas_controller.algorithms.base import ToldTrial
from nas_controller.algorithms.credit import FADING, WINDOW, Arm, Credit
from nas_controller.records import TrialState

NAMES = ("a", "b", "c")
LEAST = 0.04
MOST = 1 - (len(NAMES) - 1) * LEAST


def make() -> Credit:
    return Credit([Arm(name, early=0.1, late=0.1, least=LEAST) for name in NAMES])


def tell(
    credit: Credit,
    arm: str,
    reward: float | None,
    state: TrialState = TrialState.COMPLETED,
    is_new: bool = True,
) -> None:
    credit.tell(ToldTrial(number=1, genotype=(), log_probs=(), state=state, reward=reward, arm=arm), is_new=is_new)


def shares(credit: Credit) -> dict[str, float]:
    return dict(zip(NAMES, map(float, credit.shares()), strict=True))


@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_the_arm_that_pays_gets_what_the_others_need_not_have(scale: float) -> None:
    """Its trials are better than the others' by as much as they differ among each other; results come 100 late."""
    credit, rng = make(), Random(3)
    waiting = [rng.choice(NAMES) for _ in range(100)]
    for _ in range(400):
        arm = waiting.pop(0)
        tell(credit, arm, scale * (rng.gauss(0, 1) + (arm == "b")))
        waiting.append(rng.choices(NAMES, list(shares(credit).values()))[0])
    assert shares(credit)["b"] > 0.7 * MOST
    assert min(shares(credit).values()) >= LEAST
    assert sum(shares(credit).values()) == pytest.approx(1)


def test_what_paid_long_ago_is_forgotten() -> None:
    credit, rng = make(), Random(4)
    course = []
    for number in range(1200):
        paying = "a" if number < 400 else "c"
        arm = rng.choice(NAMES)
        tell(credit, arm, rng.gauss(0, 1) + 2 * (arm == paying))
        course.append(shares(credit))
    assert course[399]["a"] > 0.7 * MOST
    assert course[1199]["c"] > 0.7 * MOST
    assert course[1199]["a"] < 1.5 * LEAST


def test_a_standard_that_rises_with_the_search_is_that_of_the_last_rewards() -> None:
    """A reward above nine of ten of the last hundred is a hit, however good earlier ones were."""
    for earlier in (0.0, 9.0):
        credit = make()
        for _ in range(500):
            tell(credit, "", earlier)
        for number in range(WINDOW):
            tell(credit, "", number / WINDOW)
        before = shares(credit)
        tell(credit, "a", 0.95)
        tell(credit, "b", 0.85)
        assert shares(credit)["a"] > before["a"]
        assert shares(credit)["b"] < before["b"]


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.INFEASIBLE, TrialState.STOPPED_EARLY])
def test_what_gave_no_whole_reward_is_no_hit(state: TrialState) -> None:
    credit, other = make(), make()
    for number in range(50):
        for each in (credit, other):
            tell(each, "", number / 50)
    for _ in range(10):
        tell(credit, "a", 0.99 if state is TrialState.STOPPED_EARLY else None, state)
        tell(other, "a", 0.99)
    assert shares(credit)["a"] < 1 / 3 < shares(other)["a"]
    assert credit.num_rewards == 50


def test_the_best_network_once_more_is_no_hit() -> None:
    credit = make()
    for number in range(50):
        tell(credit, "", number / 50)
    tell(credit, "a", 0.99)
    once = shares(credit)["a"]
    for _ in range(10):
        tell(credit, "a", 0.99, is_new=False)
    assert shares(credit)["a"] < 1 / 3 < once


def test_others_trials_set_the_standard_and_count_for_nobody() -> None:
    """A user's architecture, a random trial."""
    credit = make()
    for number in range(50):
        tell(credit, "enqueued", number / 50)
    assert shares(credit) == shares(make())


def test_an_arm_that_must_learn_first_keeps_its_least_share() -> None:
    credit = Credit([Arm("a", early=0.1, late=0.1, least=0.3), Arm("b", early=0.1, late=0.1), Arm("c", 0.1, 0.1)])
    assert credit.shares()[0] == pytest.approx(0.3 + (1 - 0.3 - 2 * 0.04) / 3)
    for number in range(300):
        # One in eight of its trials is among the best; of the other's each.
        tell(credit, "ab"[number % 2], float(number % 2 or number % 16 == 0) * number)
    assert 0.3 <= credit.shares()[0] < 0.35


def test_an_arm_that_never_pays_loses_what_it_had_for_learning() -> None:
    credit = Credit([Arm("a", early=0.1, late=0.1, least=0.3), Arm("b", early=0.1, late=0.1), Arm("c", 0.1, 0.1)])
    for _ in range(10):
        tell(credit, "a", None, TrialState.FAILED)
    # Ten trials that faded a little, and twenty of the prior rate: 2 / 29.8 in place of 0.1. What it has beside its
    # least share is the cube of that among the three.
    told = sum(FADING**age for age in range(10))
    rate = 2 / (told + 20)
    least = 0.3 * (rate / 0.1) ** 4
    beside = (1 - least - 2 * 0.04) * rate**3 / (rate**3 + 2 * 0.1**3)
    assert credit.shares()[0] == pytest.approx(least + beside)
    for number in range(1000):
        tell(credit, "ab"[number % 2], float(number % 2) * number)
    assert credit.shares()[0] == pytest.approx(0.04, abs=0.005)


def test_priors_go_from_early_to_late() -> None:
    credit = Credit([Arm("a", early=0.2, late=0.05), Arm("b", early=0.05, late=0.2)])
    begin = credit.shares()
    for _ in range(1000):
        tell(credit, "", 0.5)
    assert begin[0] > 0.8
    assert credit.shares() == pytest.approx(begin[::-1])


def test_state_is_all_of_it() -> None:
    credit, copy = make(), make()
    for number in range(130):
        tell(credit, NAMES[number % 3], 0.01 * number)
    copy.load_state_dict(credit.state_dict())
    tell(credit, "a", 2.0)
    tell(copy, "a", 2.0)
    assert shares(copy) == shares(credit)
