"""What REINFORCE remembers beside parameters: counters, moving averages and the ratios of the last results."""

import math
from dataclasses import dataclass

import numpy as np

from nas_controller.algorithms.base import StateDict, ToldTrial
from nas_controller.algorithms.parameters import Array
from nas_controller.records import TrialState

NUM_RECENT = 64
"""Results that the effective sample size looks back on."""
_LEAST_SPREAD = 1e-12
"""Only so that nothing is divided by 0: rewards that are all the same deviate by nothing."""


@dataclass(slots=True)
class Progress:
    """The scalars of the state. Moving averages are bias-corrected: their weights sum to `reward_weight`.

    Args:
        baseline: moving mean of the rewards; 0 before the first.
        reward_squares: moving sum of squared deviations (West 1979), exact where rewards are large and alike.
        guard: weight of the collapse guard's pull towards even choices.
        gradient_norm ... importance_weight: of the last told trial.
    """

    told: float = 0.0
    trained: float = 0.0
    rewarded: float = 0.0
    baseline: float = 0.0
    reward_squares: float = 0.0
    reward_weight: float = 0.0
    feasible_sum: float = 0.0
    feasible_weight: float = 0.0
    guard: float = 0.0
    advantage: float = 0.0
    entropy: float = 1.0
    entropy_bonus: float = 0.0
    importance_weight: float = 1.0
    gradient_norm: float = 0.0

    @property
    def spread(self) -> float:
        """Moving standard deviation of the rewards."""
        variance = self.reward_squares / self.reward_weight if self.reward_weight else 0.0
        return max(math.sqrt(variance), _LEAST_SPREAD)

    @property
    def feasible_share(self) -> float:
        """Moving share of feasible trials; 1 before the first."""
        return self.feasible_sum / self.feasible_weight if self.feasible_weight else 1.0

    def count(self, trial: ToldTrial, decay: float) -> None:
        """Adds a told trial to the counters and moving averages; rewards of whole trainings only. The horizon does
        not count what an earlier search trained."""
        feasible = trial.state is not TrialState.INFEASIBLE
        self.told += 1
        self.trained += feasible and trial.number > 0
        self.feasible_sum = decay * self.feasible_sum + (1 - decay) * feasible
        self.feasible_weight = decay * self.feasible_weight + (1 - decay)
        if trial.state is TrialState.COMPLETED and trial.reward is not None:
            self.rewarded += 1
            self.reward_weight = decay * self.reward_weight + (1 - decay)
            deviation = trial.reward - self.baseline
            self.baseline += (1 - decay) / self.reward_weight * deviation
            self.reward_squares = decay * self.reward_squares + (1 - decay) * deviation * (trial.reward - self.baseline)


class RecentRatios:
    """Number, sum and sum of squares of the decisions' ratios pi / mu in each of the last results."""

    def __init__(self) -> None:
        self.sums_K3: Array = np.zeros((NUM_RECENT, 3))
        self._num_added = 0

    def add(self, ratios_T: Array) -> None:
        """Those of one more result, in place of the oldest."""
        row_3 = (len(ratios_T), ratios_T.sum(), np.square(ratios_T).sum())
        self.sums_K3[self._num_added % NUM_RECENT] = row_3
        self._num_added += 1

    @property
    def effective_share(self) -> float:
        """Effective sample size (Kish 1965) of the decisions, as a share of their number: 1 where all ratios are
        alike, near 0 where few outweigh all others."""
        number, total, squares = self.sums_K3.sum(0)
        return float(total**2 / (number * squares)) if squares else 1.0

    def state_dict(self) -> StateDict:
        """Sums, and how many results were added."""
        return {"recent.sums": self.sums_K3.copy(), "recent.added": np.array(self._num_added, dtype=np.int64)}

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave."""
        self.sums_K3 = np.array(state["recent.sums"])
        self._num_added = int(state["recent.added"])
