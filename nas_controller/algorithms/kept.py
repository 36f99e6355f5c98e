"""Told trials in the order in which they were told, in arrays whose size never changes.

Shapes: C trials at most, T decision points.
"""

from dataclasses import dataclass

import numpy as np

from nas_controller.algorithms.base import StateDict, ToldTrial
from nas_controller.records import TrialState
from search_space.decisions import Genotype, SearchSpace


@dataclass(frozen=True, slots=True)
class KeptTrial:
    """What is kept of a told trial. `reward`: None unless it was trained to its end."""

    number: int
    genotype: Genotype
    reward: float | None


class KeptTrials:
    """All told trials while there is room; then the newer half, and the best of the older half."""

    def __init__(self, space: SearchSpace, capacity: int) -> None:
        self._genotypes_CT = np.zeros((capacity, space.genotype_length), dtype=np.int16)
        self._rewards_C = np.zeros(capacity)
        self._is_complete_C = np.zeros(capacity, dtype=np.bool_)
        self._numbers_C = np.zeros(capacity, dtype=np.int64)
        self._count = 0
        self._num_cuts = 0

    def __len__(self) -> int:
        """How many there are now."""
        return self._count

    @property
    def num_cuts(self) -> int:
        """How often older ones were left out: the trials before the last cut are not those of before."""
        return self._num_cuts

    def __getitem__(self, index: int) -> KeptTrial:
        """One of them, in the order in which they were told."""
        genotype = tuple(int(option) for option in self._genotypes_CT[index])
        reward = float(self._rewards_C[index]) if self._is_complete_C[index] else None
        return KeptTrial(int(self._numbers_C[index]), genotype, reward)

    def add(self, trial: ToldTrial) -> None:
        """Takes the trial in; makes room first where there is none."""
        if self._count == len(self._numbers_C):
            self._cut()
        self._genotypes_CT[self._count] = trial.genotype
        self._is_complete_C[self._count] = trial.state is TrialState.COMPLETED
        self._rewards_C[self._count] = trial.reward if trial.state is TrialState.COMPLETED else 0.0
        self._numbers_C[self._count] = trial.number
        self._count += 1

    def _cut(self) -> None:
        """Keeps the newer half, and of the older one the best half."""
        half = self._count // 2
        worth = np.where(self._is_complete_C[:half], self._rewards_C[:half], -np.inf)
        best = np.sort(np.argsort(-worth, kind="stable")[: half // 2])
        left = np.concatenate([best, np.arange(half, self._count)])
        for array in (self._genotypes_CT, self._rewards_C, self._is_complete_C, self._numbers_C):
            array[: len(left)] = array[left]
            array[len(left) :] = 0
        self._count = len(left)
        self._num_cuts += 1

    def state_dict(self) -> StateDict:
        """Copies of its arrays."""
        return {
            "kept.genotypes": self._genotypes_CT.copy(),
            "kept.rewards": self._rewards_C.copy(),
            "kept.is_complete": self._is_complete_C.copy(),
            "kept.numbers": self._numbers_C.copy(),
            "kept.count": np.array([self._count, self._num_cuts], dtype=np.int64),
        }

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave, checked by `state.require_like`."""
        self._genotypes_CT = np.array(state["kept.genotypes"])
        self._rewards_C = np.array(state["kept.rewards"])
        self._is_complete_C = np.array(state["kept.is_complete"])
        self._numbers_C = np.array(state["kept.numbers"])
        self._count, self._num_cuts = (int(number) for number in state["kept.count"])
