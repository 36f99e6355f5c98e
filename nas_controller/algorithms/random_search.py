"""Random search: every option equally likely at every decision point."""

import math
from collections.abc import Mapping

import numpy as np

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.told import check_told
from search_space.decisions import SearchSpace


class RandomSearch(SearchAlgorithm):
    """Proposes uniform genotypes; learns nothing but how many trials were told."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._num_told = 0

    def ask(self, trial_number: int) -> Proposal:
        """A uniform genotype; the same for the same search seed and trial number, whatever was told."""
        draws = trial_draws(self._seed, trial_number)
        counts = self._space.option_counts
        genotype = tuple(int(draws.integers(count)) for count in counts)
        log_probs = tuple(-math.log(count) for count in counts)
        return Proposal(genotype=genotype, arm="random", log_probs=log_probs)

    def tell(self, trial: ToldTrial) -> None:
        """Counts the trial."""
        check_told(self._space, trial)
        self._num_told += 1

    def state_dict(self) -> StateDict:
        """The number of told trials."""
        return {"told": np.array(self._num_told, dtype=np.int64)}

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over the number of told trials."""
        told = state.get("told")
        if len(state) != 1 or told is None or told.shape != () or told.dtype != np.int64 or int(told) < 0:
            raise ValueError("random: a state is one whole number `told`, 0 or more")
        self._num_told = int(told)

    def diagnostics(self) -> Mapping[str, float]:
        """How many trials were told."""
        return {"told": float(self._num_told)}
