"""Mutations that a model expects to be good, by Thompson sampling (Thompson 1933; many at once: Kandasamy et al. 2018).

The model is a Gaussian process over bags of features (`features`, `gaussian_process`), as in Ru et al. 2021. It is
fitted again whenever a sixth more trials were told. Then functions are drawn from it, each a guess at what any network
is worth, and candidates are bred: children of the trials that the model thinks best (those that look best may have been
lucky), children of those that are best in one of the functions, and so on. Of each function the best candidate that no
other function has is proposed: so what is tried may be the best, and many workers try different networks.

Until `initial` trials were trained, proposals are random. A failed trial, and one that was stopped early, counts as one
at the 5 % quantile of a normal distribution of rewards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.features import GROUPS, features, identities, identity
from nas_controller.algorithms.gaussian_process import Array, GaussianProcess, Weights
from nas_controller.algorithms.population import Parent, Population, Seen
from nas_controller.algorithms.random_search import RandomSearch
from nas_controller.algorithms.settings import whole_settings
from nas_controller.algorithms.state import require_like
from nas_controller.algorithms.threads import single_thread
from nas_controller.algorithms.told import check_told
from nas_controller.records import TrialState
from search_space.decisions import Genotype, SearchSpace

ARM = "guided"
MAX_TRIALS = 500
"""Of the newest, and of the best, that the model knows."""
NUM_PICKS = 128
"""Proposals of one fit; with more workers some propose the same again."""
PARENTS, CHILDREN, GENERATIONS = 12, 128, 8
MAX_PATH = 2 * GENERATIONS
LEAST_BETWEEN_FITS, FITTED_PARTS = 4, 6
"""The model is fitted again when so many more were told, or such a part of those it was fitted to."""
_LOW_QUANTILE = -1.645
_FITS = 2**63
"""Random numbers of fits are drawn by numbers that no trial has."""
_RANGES = {"initial": (5, 2000)}


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedSettings:
    """The settings.

    Args:
        initial: random trials that are trained before the model is fitted.
    """

    initial: int = 20

    @classmethod
    def from_mapping(cls, settings: Mapping[str, float]) -> "GuidedSettings":
        """The settings with defaults for what is left out. Raises ValueError for a wrong one."""
        return cls(**whole_settings(settings, _RANGES))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A network some moves away from a trial."""

    parent: Parent
    path: tuple[int, ...]  # seeds of the moves
    genotype: Genotype


class Guided(SearchAlgorithm):
    """Proposes what the model may think best."""

    def __init__(self, space: SearchSpace, seed: int, settings: GuidedSettings) -> None:
        self._space = space
        self._seed = seed
        self._settings = settings
        self._random = RandomSearch(space, seed)
        self._newest = Population(space, MAX_TRIALS)
        self._best = Population(space, MAX_TRIALS, keeps_best=True)
        self._seen = Seen()
        self._weights = Weights.initial()
        self._fitted_at = 0
        self._num_picks = 0
        self._pick_parents_P = np.zeros(NUM_PICKS, dtype=np.int64)
        self._pick_genotypes_PT = np.zeros((NUM_PICKS, space.genotype_length), dtype=np.int16)
        self._pick_paths_PS = np.zeros((NUM_PICKS, MAX_PATH), dtype=np.int64)

    def ask(self, trial_number: int) -> Proposal:
        """A random genotype at first; then the next of those that were drawn."""
        if self._num_picks == 0:
            return self._random.ask(trial_number)
        pick = trial_number % self._num_picks
        genotype: Genotype = tuple(int(option) for option in self._pick_genotypes_PT[pick])
        edits: tuple[str, ...] = ()
        for seed in self._pick_paths_PS[pick]:
            if seed:
                genotype, edit = self._space.mutate(genotype, int(seed))
                edits += edit
        parent = int(self._pick_parents_P[pick])
        log_probs = (0.0,) * len(genotype)
        return Proposal(genotype=genotype, arm=ARM, log_probs=log_probs, parents=(parent,), edits=edits)

    def tell(self, trial: ToldTrial) -> None:
        """Takes the trial in; fits the model again where that is due."""
        check_told(self._space, trial)
        self._seen.add(identity(self._space, trial.genotype))
        known = self._as_known(trial)
        if known is None:
            return
        self._newest.add(known)
        self._best.add(known)
        num_told = self._newest.num_told
        due = self._fitted_at + max(LEAST_BETWEEN_FITS, self._fitted_at // FITTED_PARTS)
        if num_told >= self._settings.initial and num_told >= due:
            with single_thread():
                self._fit()

    def has_seen(self, genotype: Genotype) -> bool:
        """Whether a trial of this network was told, whatever became of it."""
        return identity(self._space, genotype) in self._seen

    def _as_known(self, trial: ToldTrial) -> ToldTrial | None:
        """The trial as the model takes it; None where it says nothing about rewards."""
        if trial.state is TrialState.INFEASIBLE or trial.state is TrialState.COMPLETED:
            return trial if trial.state is TrialState.COMPLETED else None
        rewards = [self._newest[index].reward for index in range(len(self._newest))]
        if len(rewards) < 2:
            return None
        low = float(np.mean(rewards) + _LOW_QUANTILE * np.std(rewards))
        return replace(trial, state=TrialState.COMPLETED, reward=low)

    def _fit(self) -> None:
        """Fits the model to what is known, and replaces what is asked for."""
        known = self._known()
        bags_N = features(self._space, [parent.genotype for parent in known])
        process = GaussianProcess(bags_N, np.array([parent.reward for parent in known]), self._weights)
        self._weights, self._fitted_at = process.weights, self._newest.num_told
        draws = trial_draws(self._seed, _FITS + self._fitted_at)
        best = [known[index] for index in np.argsort(-process.means_N, kind="stable")[:PARENTS]]
        functions_FS = process.functions(draws, NUM_PICKS)
        bred, values_MS = self._bred(process, best, functions_FS, Random(int(draws.integers(2**63))))
        self._take(bred, values_MS)

    def _known(self) -> list[Parent]:
        """The newest trials and the best, each once, by number."""
        parents = [population[index] for population in (self._newest, self._best) for index in range(len(population))]
        return [parent for _, parent in sorted({parent.number: parent for parent in parents}.items())]

    def _bred(
        self, process: GaussianProcess, best: Sequence[Parent], functions_FS: Array, rng: Random
    ) -> tuple[list[_Candidate], Array]:
        """Generations of networks that were not told yet, with their values in each function: children of the best
        trials first, then of those that are best in one of the functions."""
        parents = [_Candidate(parent, (), parent.genotype) for parent in best]
        bred: list[_Candidate] = []
        known: set[int] = set()
        values_MS = np.empty((0, functions_FS.shape[1]))
        for _ in range(GENERATIONS):
            children = [self._child(rng.choice(parents), rng) for _ in range(CHILDREN)]
            bags = features(self._space, [child.genotype for child in children])
            fresh = []
            for place, key in enumerate(identities(bags)):
                if key not in known and key not in self._seen:
                    known.add(key)
                    fresh.append(place)
            if fresh:
                bred += [children[place] for place in fresh]
                values = process.values(tuple(group[fresh] for group in bags), functions_FS)
                values_MS = np.concatenate([values_MS, values])
                parents = [bred[index] for index in values_MS.argmax(0).tolist()]
        return bred, values_MS

    def _child(self, parent: _Candidate, rng: Random) -> _Candidate:
        """One move away, sometimes two."""
        genotype, path = parent.genotype, parent.path
        for _ in range(1 + (rng.random() < 0.3)):
            seed = rng.getrandbits(62) + 1
            genotype, _ = self._space.mutate(genotype, seed)
            path = (*path, seed)
        return _Candidate(parent.parent, path, genotype)

    def _take(self, candidates: Sequence[_Candidate], values_MS: Array) -> None:
        """Of each function the best candidate that no function before it has; these are asked for from now on. Where
        there is no candidate, what was drawn before is asked for again."""
        if not candidates:
            return
        self._num_picks = min(NUM_PICKS, len(candidates))
        for pick in range(self._num_picks):
            chosen = int(values_MS[:, pick].argmax())
            values_MS[chosen] = -np.inf
            candidate = candidates[chosen]
            self._pick_parents_P[pick] = candidate.parent.number
            self._pick_genotypes_PT[pick] = candidate.parent.genotype
            self._pick_paths_PS[pick] = np.pad(candidate.path, (0, MAX_PATH - len(candidate.path)))

    def state_dict(self) -> StateDict:
        """Trials, networks, weights, and what was drawn."""
        newest = {f"newest.{name}": array for name, array in self._newest.state_dict().items()}
        best = {f"best.{name}": array for name, array in self._best.state_dict().items()}
        return {
            **newest,
            **best,
            **self._seen.state_dict(),
            "weights": np.append(self._weights.log_groups_G, self._weights.log_noise),
            "fitted_at": np.array(self._fitted_at, dtype=np.int64),
            "picks": np.array(self._num_picks, dtype=np.int64),
            "pick.parents": self._pick_parents_P.copy(),
            "pick.genotypes": self._pick_genotypes_PT.copy(),
            "pick.paths": self._pick_paths_PS.copy(),
        }

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave."""
        require_like(self.state_dict(), state, "guided")
        for prefix, population in (("newest.", self._newest), ("best.", self._best)):
            population.load_state_dict({name.removeprefix(prefix): state[name] for name in state})
        self._seen.load_state_dict(state)
        self._weights = Weights(np.array(state["weights"][:-1]), float(state["weights"][-1]))
        self._fitted_at, self._num_picks = int(state["fitted_at"]), int(state["picks"])
        self._pick_parents_P = np.array(state["pick.parents"])
        self._pick_genotypes_PT = np.array(state["pick.genotypes"])
        self._pick_paths_PS = np.array(state["pick.paths"])

    def diagnostics(self) -> Mapping[str, float]:
        """What the model learned: the share of each group and of noise in the rewards' variance; and its last fit."""
        shares = np.exp(np.append(self._weights.log_groups_G, self._weights.log_noise))
        shares /= shares.sum()
        names = [f"share_{name}" for name in (*GROUPS, "noise")]
        return {"fitted_at": float(self._fitted_at)} | dict(zip(names, map(float, shares), strict=True))
