"""Any algorithm with a control arm: a share of the proposals are random, to compare the others with.

Whether a trial is a control depends on the search seed and its number only, never on what was told: so the two groups
differ in nothing but who proposed. The algorithm is told the controls too.
"""

from collections.abc import Mapping
from dataclasses import replace

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.random_search import RandomSearch
from nas_controller.arms import CONTROL_ARM
from search_space.decisions import SearchSpace

_DRAWS = 2**61
"""Who proposes is drawn by numbers that nothing else is drawn by."""


class Controlled(SearchAlgorithm):
    """Proposes what another algorithm does, and now and then something random."""

    def __init__(self, space: SearchSpace, seed: int, algorithm: SearchAlgorithm, share: float) -> None:
        self._seed = seed
        self._random = RandomSearch(space, seed)
        self._algorithm = algorithm
        self._share = share

    def ask(self, trial_number: int) -> Proposal:
        """The algorithm's proposal, or a uniform genotype."""
        if trial_draws(self._seed, _DRAWS + trial_number).random() < self._share:
            return replace(self._random.ask(trial_number), arm=CONTROL_ARM)
        return self._algorithm.ask(trial_number)

    def tell(self, trial: ToldTrial) -> None:
        """Tells the algorithm."""
        self._algorithm.tell(trial)

    def state_dict(self) -> StateDict:
        """The algorithm's own state; there is no other."""
        return self._algorithm.state_dict()

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave."""
        self._algorithm.load_state_dict(state)

    def diagnostics(self) -> Mapping[str, float]:
        """What the algorithm says of itself."""
        return self._algorithm.diagnostics()
