"""What every algorithm checks before it learns from a trial."""

import math

from nas_controller.algorithms.base import ToldTrial
from nas_controller.records import TrialState
from search_space.decisions import SearchSpace

_REWARDED = (TrialState.COMPLETED, TrialState.STOPPED_EARLY)
_UNREWARDED = (TrialState.INFEASIBLE, TrialState.FAILED)


def check_told(space: SearchSpace, trial: ToldTrial) -> None:
    """Returns when the trial can be learned from.

    Raises:
        ValueError: not a complete genotype of the space, log-probabilities that do not fit it, a state that is
            never told, a missing reward, or one that is not finite.
    """
    place = f"trial {trial.number}"
    if space.options(trial.genotype) is not None:
        raise ValueError(f"{place}: genotype of {len(trial.genotype)} decisions: incomplete in {space.name}")
    if len(trial.log_probs) != len(trial.genotype):
        raise ValueError(f"{place}: {len(trial.log_probs)} log_probs for {len(trial.genotype)} decisions")
    if not all(-math.inf < log_prob <= 0 for log_prob in trial.log_probs):
        raise ValueError(f"{place}: log_probs must be finite and at most 0")
    if trial.state not in _REWARDED + _UNREWARDED:
        raise ValueError(f"{place}: state {trial.state}: an algorithm is told {', '.join(_REWARDED + _UNREWARDED)}")
    if (trial.reward is None) == (trial.state in _REWARDED):
        raise ValueError(f"{place}: reward {trial.reward}: {trial.state} trials have {_expected(trial.state)}")
    if trial.reward is not None and not math.isfinite(trial.reward):
        raise ValueError(f"{place}: reward {trial.reward}: must be finite")


def _expected(state: TrialState) -> str:
    return "one" if state in _REWARDED else "none"
