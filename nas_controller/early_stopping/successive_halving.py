"""Asynchronous successive halving (Li et al. 2020, ASHA, section 3.2), as a rule that stops instead of pausing."""

from collections.abc import Sequence

from nas_controller.early_stopping.base import StoppingRule


class SuccessiveHalvingRule(StoppingRule):
    """At each rung, only a trial among the best 1 / `eta` of those that came there goes on.

    The paper pauses a trial at its rung and promotes it once it is among the best; then its checkpoint is kept until
    the end of the search. Here a trial is judged once, when it comes to the rung, and goes on or ends; ties go on.

    Args:
        eta: above 1.
        min_trials: others that must have come to a rung before one is ended there, at least 1. The paper has none:
            of fewer than `eta` trials it promotes nobody, where this rule ends nobody.
    """

    def __init__(self, eta: float, min_trials: int) -> None:
        self._eta = eta
        self._min_trials = min_trials

    def decide(self, others: Sequence[float], value: float) -> bool:
        """As the contract says."""
        num_kept = int((len(others) + 1) / self._eta)
        if len(others) < self._min_trials or num_kept == 0:
            return False
        return sum(other > value for other in others) >= num_kept
