"""From an evaluation to a reward."""

import math
from dataclasses import replace

import pytest

from nas_controller.reward import TargetForm, aimed, reward_of
from nas_controller.search_config import CostTarget
from trainer.task import Evaluation

MEASURED = Evaluation(
    average_precision=0.25,
    num_images=4,
    train_seconds=1.0,
    eval_seconds=1.0,
    setup_seconds=1.0,
    parameters=1,
    multiply_adds=1,
    peak_memory_bytes=1,
    device="cpu",
    metrics={"ap50": 0.5, "ap_small": -1.0},
)


def test_the_metric_is_the_reward() -> None:
    assert reward_of(MEASURED, "ap") == 0.25
    assert reward_of(MEASURED, "ap50") == 0.5


def test_coco_minus_one_is_nothing_found() -> None:
    assert reward_of(replace(MEASURED, metrics={"ap50": -1.0}), "ap50") == 0.0


def test_what_cannot_be_a_reward_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reward.metric: 'ap75': must be one of ap, ap50"):
        reward_of(MEASURED, "ap75")
    with pytest.raises(ValueError, match=r"ap50: the evaluation measured only ap$"):
        reward_of(replace(MEASURED, metrics={}), "ap50")
    for value in (math.nan, math.inf, 1.5):
        with pytest.raises(ValueError, match=r"must be in \[-1, 1\]"):
            reward_of(replace(MEASURED, metrics={"ap50": value}), "ap50")


def target(form: TargetForm, of: float = 100.0) -> CostTarget:
    return CostTarget(cost="parameters", target=of, form=form)


def test_a_soft_target_trades_and_a_hard_one_fines_what_is_above() -> None:
    # 2 ** 0.07 = 1.0497: "twice the latency for 5 % more accuracy" is even, says the MnasNet paper.
    cases = {50.0: (1.0497, 1.0), 100.0: (1.0, 1.0), 200.0: (1 / 1.0497, 0.5), 400.0: (1 / 1.0497**2, 0.25)}
    for cost, (soft, hard) in cases.items():
        assert aimed(1.0, [target(TargetForm.SOFT)], {"parameters": cost}) == pytest.approx(soft, rel=1e-4)
        assert aimed(1.0, [target(TargetForm.HARD)], {"parameters": cost}) == pytest.approx(hard, rel=1e-12)


def test_targets_multiply_and_none_change_nothing() -> None:
    costs = {"parameters": 200.0, "multiply_adds": 30.0}
    both = [target(TargetForm.HARD), CostTarget(cost="multiply_adds", target=10.0, form=TargetForm.HARD)]
    assert aimed(0.3, both, costs) == pytest.approx(0.3 / 2 / 3)
    assert aimed(0.3, [], {}) == 0.3
