"""Regularized evolution (Real et al. 2019, arXiv 1802.01548, algorithm 1), asynchronous.

The population are the trials that were told last: the oldest dies, not the worst. A child is a mutation of the best of
a random sample of it. The first trials are random, until the population is full. The paper's settings (100 and 25) were
made for 20,000 networks; ours are the smaller pair that it also ran, for searches of a few hundred trials.
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

ARM = "evolution"
_RANGES = {"population": (2, 2000), "sample": (1, 2000)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvolutionSettings:
    """The settings.

    Args:
        population: trials that live.
        sample: of them drawn for a parent, the same one perhaps twice; the larger, the greedier.
    """

    population: int = 50
    sample: int = 10

    @classmethod
    def from_mapping(cls, settings: Mapping[str, float]) -> "EvolutionSettings":
        """The settings with defaults for what is left out. Raises ValueError for a wrong one."""
        return cls(**whole_settings(settings, _RANGES))


class RegularizedEvolution(SearchAlgorithm):
    """Mutates the best of a sample of the youngest."""

    def __init__(self, space: SearchSpace, seed: int, settings: EvolutionSettings) -> None:
        self._space = space
        self._seed = seed
        self._settings = settings
        self._random = RandomSearch(space, seed)
        self._population = Population(space, settings.population)
        self._seen = Seen()

    def ask(self, trial_number: int) -> Proposal:
        """A random genotype until the population is full; then a child."""
        if len(self._population) < self._settings.population:
            return self._random.ask(trial_number)
        rng = Random(int(trial_draws(self._seed, trial_number).integers(2**63)))
        sample = [rng.randrange(len(self._population)) for _ in range(self._settings.sample)]
        return mutated(self._space, self._population.best(sample), self._seen, rng, ARM)

    def tell(self, trial: ToldTrial) -> None:
        """Takes in a trial that was trained to its end; remembers the network of any."""
        check_told(self._space, trial)
        self._population.add(trial)
        self._seen.add(identity(self._space, trial.genotype))

    def state_dict(self) -> StateDict:
        """The population, and which networks were told."""
        return {**self._population.state_dict(), **self._seen.state_dict()}

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave."""
        require_like(self.state_dict(), state, "evolution")
        self._population.load_state_dict(state)
        self._seen.load_state_dict(state)

    def diagnostics(self) -> Mapping[str, float]:
        """How many trials live, and the mean and the best of their rewards."""
        living = [self._population[index].reward for index in range(len(self._population))]
        if not living:
            return {"population": 0.0}
        return {
            "population": float(len(living)),
            "population_mean": sum(living) / len(living),
            "population_best": max(living),
        }
