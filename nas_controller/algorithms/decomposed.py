"""Any algorithm, searching for a whole front: one of its kind for each of some targets, all over one history.

Decomposition, as in MOEA/D (Zhang and Li 2007, IEEE Transactions on Evolutionary Computation 11(6), section III): the
search for a front is divided into searches for one number each, which learn from each other's trials. There the numbers
are weighted distances to an ideal point; here each is the metric in MnasNet's form for a target of its own
(`reward.aimed`), so that what is sought is what users ask for: the most precise network within so many multiply-adds.

A trial's number says which part proposes it, in turn. Whatever was proposed for one target is told to all parts, each
with its own reward. Nothing of a reward depends on what else was found, so the state stays a fold over told trials.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.state import require_like
from nas_controller.algorithms.told import check_told
from nas_controller.reward import aimed
from nas_controller.search_config import CostTarget
from search_space.decisions import SearchSpace


@dataclass(frozen=True, slots=True)
class Part:
    """An algorithm, and the target of multiply-adds that its rewards are aimed at."""

    algorithm: SearchAlgorithm
    target: CostTarget


class Decomposed(SearchAlgorithm):
    """Proposes what its parts propose, each in its turn."""

    def __init__(self, space: SearchSpace, parts: Sequence[Part]) -> None:
        self._space = space
        self._parts = tuple(parts)

    def ask(self, trial_number: int) -> Proposal:
        """The proposal of the part whose turn it is."""
        return self._parts[trial_number % len(self._parts)].algorithm.ask(trial_number)

    def tell(self, trial: ToldTrial) -> None:
        """Tells every part, with the reward as its target has it. Raises `ValueError` too where nothing was counted."""
        check_told(self._space, trial)
        if trial.multiply_adds < 1:
            raise ValueError(f"trial {trial.number}: {trial.multiply_adds} multiply-adds: must be at least 1")
        for part in self._parts:
            part.algorithm.tell(_aimed(trial, part.target))

    def state_dict(self) -> StateDict:
        """The states of the parts, each under its place."""
        states = [part.algorithm.state_dict() for part in self._parts]
        return {f"{place}.{key}": array for place, state in enumerate(states) for key, array in state.items()}

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave."""
        require_like(self.state_dict(), state, "decomposed")
        for place, part in enumerate(self._parts):
            own = f"{place}."
            part.algorithm.load_state_dict({key.removeprefix(own): state[key] for key in state if key.startswith(own)})

    def diagnostics(self) -> Mapping[str, float]:
        """The means of what the parts say of themselves."""
        said = [part.algorithm.diagnostics() for part in self._parts]
        return {name: sum(each.get(name, 0.0) for each in said) / len(said) for name in said[0]}


def _aimed(trial: ToldTrial, target: CostTarget) -> ToldTrial:
    if trial.reward is None:
        return trial
    return replace(trial, reward=aimed(trial.reward, [target], {target.cost: trial.multiply_adds}))
