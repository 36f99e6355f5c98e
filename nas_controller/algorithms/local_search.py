"""Local search (White et al. 2021, arXiv 2005.02960): mutations of the best so far, asynchronous.

After some random trials every proposal is a network one move away from one of the best: hill climbing that takes the
first neighbour that is better, and does not wait for the others. Where all neighbours that it draws are known, it
looks two moves away. With several parents it climbs from the best few in turn: noise then misleads it less.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.features import identity
from nas_controller.algorithms.population import Population, Seen, mutated
from nas_controller.algorithms.random_search import RandomSearch
from nas_controller.algorithms.settings import whole_settings
from nas_controller.algorithms.state import require_like
from nas_controller.algorithms.told import check_told
from search_space.decisions import SearchSpace

ARM = "local_search"
_RANGES = {"initial": (1, 2000), "parents": (1, 200)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSearchSettings:
    """The settings.

    Args:
        initial: random trials that were trained before it climbs.
        parents: how many of the best it climbs from.
    """

    initial: int = 20
    parents: int = 1

    @classmethod
    def from_mapping(cls, settings: Mapping[str, float]) -> "LocalSearchSettings":
        """The settings with defaults for what is left out. Raises ValueError for a wrong one."""
        return cls(**whole_settings(settings, _RANGES))


class LocalSearch(SearchAlgorithm):
    """Mutates one of the best."""

    def __init__(self, space: SearchSpace, seed: int, settings: LocalSearchSettings) -> None:
        self._space = space
        self._seed = seed
        self._settings = settings
        self._random = RandomSearch(space, seed)
        self._best = Population(space, settings.parents, keeps_best=True)
        self._seen = Seen()

    def ask(self, trial_number: int) -> Proposal:
        """A random genotype at first; then a neighbour of one of the best."""
        if self._best.num_told < self._settings.initial:
            return self._random.ask(trial_number)
        rng = Random(int(trial_draws(self._seed, trial_number).integers(2**63)))
        parent = self._best[rng.randrange(len(self._best))]
        return mutated(self._space, parent, self._seen, rng, ARM)

    def tell(self, trial: ToldTrial) -> None:
        """Keeps a trial that is among the best; remembers the network of any."""
        check_told(self._space, trial)
        self._best.add(trial)
        self._seen.add(identity(self._space, trial.genotype))

    def state_dict(self) -> StateDict:
        """The best, and which networks were told."""
        return {**self._best.state_dict(), **self._seen.state_dict()}

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave."""
        require_like(self.state_dict(), state, "local_search")
        self._best.load_state_dict(state)
        self._seen.load_state_dict(state)

    def diagnostics(self) -> Mapping[str, float]:
        """The best reward that it climbs from, and the number of its trial."""
        if len(self._best) == 0:
            return {}
        best = self._best[self._best.ranked()[0]]
        return {"incumbent": float(best.number), "incumbent_reward": best.reward}
