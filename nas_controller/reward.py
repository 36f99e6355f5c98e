"""From what a training measured, and what the network costs, to the number that an algorithm maximises."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from trainer.task import Evaluation

if TYPE_CHECKING:
    from nas_controller.search_config import CostTarget

METRICS = ("ap", "ap50")


class TargetForm(StrEnum):
    """How a target counts: SOFT trades a metric for a cost on both sides of it, HARD only fines what is above."""

    SOFT = "soft"
    HARD = "hard"


EXPONENTS: Mapping[TargetForm, tuple[float, float]] = {TargetForm.SOFT: (-0.07, -0.07), TargetForm.HARD: (0.0, -1.0)}
"""Below and above the target (Tan et al. 2019, MnasNet, section 3.1: alpha and beta; with -0.07, twice the cost is
worth 5 % more of the metric)."""


def reward_of(evaluation: Evaluation, metric: str) -> float:
    """The reward in [0, 1]: ``ap`` is COCO AP (IoU 0.50:0.95), ``ap50`` the AP at IoU 0.50.

    COCO's -1, for a split without objects, counts as 0: nothing was found.

    Raises:
        ValueError: an unknown metric, one that was not measured, or a number outside [-1, 1].
    """
    if metric not in METRICS:
        raise ValueError(f"reward.metric: {metric!r}: must be one of {', '.join(METRICS)}")
    measured = {**evaluation.metrics, "ap": evaluation.average_precision}
    if metric not in measured:
        raise ValueError(f"reward.metric: {metric}: the evaluation measured only {', '.join(sorted(measured))}")
    value = measured[metric]
    if not -1.0 <= value <= 1.0:
        raise ValueError(f"reward.metric: {metric} of {value}: must be in [-1, 1]")
    return max(0.0, value)


def aimed(metric: float, targets: "Sequence[CostTarget]", costs: Mapping[str, float]) -> float:
    """The metric times (cost / target) ** exponent for each target; so it may be above 1.

    Args:
        costs: of the network at target size, by the names that targets give.

    Raises:
        KeyError: a target of a cost that is not there.
    """
    return metric * math.prod(_factor(one.form, costs[one.cost] / one.target) for one in targets)


def _factor(form: TargetForm, ratio: float) -> float:
    below, above = EXPONENTS[form]
    return float(ratio ** (above if ratio > 1 else below))
