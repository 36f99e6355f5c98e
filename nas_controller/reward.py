"""From what a training measured to the number that an algorithm maximises."""

from trainer.task import Evaluation

METRICS = ("ap", "ap50")


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
