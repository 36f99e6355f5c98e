"""Whether a trial is better than the best reference on val, or whether that is noise."""

import math

from api.schemas import Difference
from nas_controller.records import Trial
from nas_controller.trial_summaries import TrialSummary

# Two-sided 95 % points of Student's t for 1, 2, ... 10 degrees of freedom; beyond, the last is used (wider).
_T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def best_reference(references: list[Trial]) -> Trial | None:
    """The reference with the highest mean AP on val among those with at least two seeds; None without one."""
    measured = [trial for trial in references if trial.val_count >= 2]
    return max(measured, key=lambda trial: trial.val_average_precision or 0.0, default=None)


def compare(trial: Trial | TrialSummary, reference: Trial | None) -> Difference | None:
    """Mean AP on val of `trial` less that of `reference`, with Welch's 95 % interval (Welch 1947).

    None where either has fewer than two seeds: one run says nothing about noise.
    """
    if reference is None or trial.val_average_precision is None or reference.val_average_precision is None:
        return None
    if trial.val_standard_error is None or reference.val_standard_error is None:
        return None
    value = trial.val_average_precision - reference.val_average_precision
    variances = [trial.val_standard_error**2, reference.val_standard_error**2]
    counts = [trial.val_count, reference.val_count]
    half_width = _t_95(variances, counts) * math.sqrt(sum(variances))
    return Difference(
        reference=reference.draft.name,
        value=value,
        half_width=half_width,
        is_significant=abs(value) > half_width,
    )


def student_t_95(degrees: int) -> float:
    """The two-sided 95 % point of Student's t for so many degrees of freedom, 1 or more; above 10 a little too wide."""
    return _T_95[min(degrees, len(_T_95)) - 1]


def _t_95(variances: list[float], counts: list[int]) -> float:
    """Student's t for the degrees of freedom of Welch and Satterthwaite, rounded down."""
    weights = [variance**2 / (count - 1) for variance, count in zip(variances, counts, strict=True)]
    if sum(weights) == 0:
        return _T_95[-1]
    degrees = math.floor(sum(variances) ** 2 / sum(weights) + 1e-9)
    return student_t_95(max(degrees, 1))
