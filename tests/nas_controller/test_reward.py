"""From an evaluation to a reward."""

import math
from dataclasses import replace

import pytest

from nas_controller.reward import reward_of
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
