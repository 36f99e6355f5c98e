"""The median rule (Golovin et al. 2017, Google Vizier, section 3.2.2): better half goes on."""

import statistics
from collections.abc import Sequence

from nas_controller.early_stopping.base import StoppingRule


class MedianRule(StoppingRule):
    """Ends a trial that is strictly worse than the median of the others.

    The paper compares a trial's best value so far with the running averages of the completed trials. Here values of
    one step are compared, of all trials that were measured there: AP rises while a network trains, so that an
    average over earlier steps says less; and trials that were given up count too, else the median would rise by itself.

    Args:
        min_trials: others that must have been measured before one is ended, at least 1.
    """

    def __init__(self, min_trials: int) -> None:
        self._min_trials = min_trials

    def decide(self, others: Sequence[float], value: float) -> bool:
        """As the contract says."""
        return len(others) >= self._min_trials and value < statistics.median(others)
