"""Who of several arms proposes next: shares by what each has paid so far.

**A hit** is a trial of a new network whose reward is among the best tenth of the last `WINDOW` rewards, whoever
proposed these: a rank, so that neither the scale of rewards nor one lucky measurement matters, and a standard that
rises with the search. A trial that failed, was off budget or was stopped early is none, nor is the best network once
more.

**Counts.** Each arm has its hits and its trials. Both fade by `FADING` with every trial that is told, so what an arm
found hundreds of trials ago is forgotten. A result counts for the arm that proposed it, however late it comes.

**Shares.** An arm's rate is the mean of a Beta distribution: its counts, and `PRIOR_TRIALS` trials of a prior rate that
goes from its early to its late value over `SCHEDULE` rewards. Its weight is a power of that. Each has a least share, so
that it is noticed when it begins to pay. One that learns from its own trials has a larger one, so that it can learn
before; it loses it with the fourth power of its rate where that falls below the common one, `HIT_SHARE`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas_controller.algorithms.base import StateDict, ToldTrial
from nas_controller.records import TrialState

WINDOW, HIT_SHARE = 100, 0.1
FADING = 0.995
PRIOR_TRIALS = 20.0
SCHEDULE = 500
POWER, LOSS_POWER = 3.0, 4.0
LEAST = 0.04


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm.

    Args:
        early, late: rate of hits that is expected of it at the beginning, and later.
        least: its smallest share, as long as its rate is the common one.
    """

    name: str
    early: float
    late: float
    least: float = LEAST


class Credit:
    """The counts of some arms.

    Shapes: A arms, W rewards.
    """

    def __init__(self, arms: Sequence[Arm]) -> None:
        self._places = {arm.name: place for place, arm in enumerate(arms)}
        self._early_A = np.array([arm.early for arm in arms])
        self._late_A = np.array([arm.late for arm in arms])
        self._least_A = np.array([arm.least for arm in arms])
        self._hits_A = np.zeros(len(arms))
        self._told_A = np.zeros(len(arms))
        self._rewards_W = np.zeros(WINDOW)
        self._num_rewards = 0

    @property
    def num_rewards(self) -> int:
        """Trials that were trained to their end."""
        return self._num_rewards

    def tell(self, trial: ToldTrial, *, is_new: bool) -> None:
        """Counts a trial for the arm that proposed it; for none where that is another's.

        Args:
            is_new: whether no trial of its network was told before.
        """
        self._hits_A *= FADING
        self._told_A *= FADING
        place = self._places.get(trial.arm)
        if place is not None:
            self._hits_A[place] += is_new and self._is_hit(trial)
            self._told_A[place] += 1
        if trial.state is TrialState.COMPLETED and trial.reward is not None:
            self._rewards_W[self._num_rewards % WINDOW] = trial.reward
            self._num_rewards += 1

    def _is_hit(self, trial: ToldTrial) -> bool:
        if trial.state is not TrialState.COMPLETED or trial.reward is None or not self._num_rewards:
            return False
        return bool(trial.reward > np.quantile(self._rewards_W[: self._num_rewards], 1 - HIT_SHARE))

    def shares(self) -> NDArray[np.float64]:
        """The share of each arm now; all together 1."""
        late = min(self._num_rewards / SCHEDULE, 1.0)
        prior_A = self._early_A + late * (self._late_A - self._early_A)
        rates_A = (self._hits_A + PRIOR_TRIALS * prior_A) / (self._told_A + PRIOR_TRIALS)
        weights_A = rates_A**POWER
        least_A = np.maximum(self._least_A * np.minimum(rates_A / HIT_SHARE, 1) ** LOSS_POWER, LEAST)
        shares_A: NDArray[np.float64] = least_A + (1 - least_A.sum()) * weights_A / weights_A.sum()
        return shares_A

    def state_dict(self) -> StateDict:
        """Copies of its arrays."""
        return {
            "credit.hits": self._hits_A.copy(),
            "credit.told": self._told_A.copy(),
            "credit.rewards": self._rewards_W.copy(),
            "credit.num_rewards": np.array(self._num_rewards, dtype=np.int64),
        }

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave, checked by `state.require_like`."""
        self._hits_A = np.array(state["credit.hits"])
        self._told_A = np.array(state["credit.told"])
        self._rewards_W = np.array(state["credit.rewards"])
        self._num_rewards = int(state["credit.num_rewards"])
