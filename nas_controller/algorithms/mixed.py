"""Local search, evolution, the policy and the guided search over one history; who proposes is drawn by what has paid.

Every part is told every trial, whoever proposed it. The first trials are random. Then the part that proposes a trial
is drawn by its share (`credit`), and the proposal keeps the part's own arm. The guided search and local search are
expected to pay early, the policy late: it has a third of the trials at least, for it learns most from its own, until it
is evident that it pays less than the others.

**What the policy learns from the others.** Their decisions have no behaviour probability. It is told them as if they
had been drawn uniformly: a decision weighs min(1, pi / mu), so it learns from those that it takes to be at least as
likely as chance has it, and the more it knows, the less from those that it would not take.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.credit import Arm, Credit
from nas_controller.algorithms.draws import draw_index, trial_draws
from nas_controller.algorithms.evolution import ARM as EVOLUTION
from nas_controller.algorithms.evolution import EvolutionSettings, RegularizedEvolution
from nas_controller.algorithms.guided import ARM as GUIDED
from nas_controller.algorithms.guided import Guided, GuidedSettings
from nas_controller.algorithms.local_search import ARM as LOCAL_SEARCH
from nas_controller.algorithms.local_search import LocalSearch, LocalSearchSettings
from nas_controller.algorithms.policy_gradient import ARM as POLICY
from nas_controller.algorithms.policy_gradient import PolicyGradientSettings
from nas_controller.algorithms.random_search import RandomSearch
from nas_controller.algorithms.reinforce import Reinforce
from nas_controller.algorithms.settings import checked_settings, whole_settings
from nas_controller.algorithms.state import require_like
from nas_controller.algorithms.told import check_told
from search_space.decisions import SearchSpace

ARMS = (
    Arm(LOCAL_SEARCH, early=0.08, late=0.06),
    Arm(EVOLUTION, early=0.04, late=0.04),
    Arm(POLICY, early=0.16, late=0.1, least=0.35),
    Arm(GUIDED, early=0.16, late=0.12),
)
_DRAWS = 2**62
"""Who proposes is drawn by numbers that nothing else is drawn by."""
LEAST_INITIAL, USUAL_INITIAL = 5, 20
HORIZON = 400.0
_RANGES = {"initial": (float(LEAST_INITIAL), 2000.0), "horizon": (1.0, 1e7)}


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedSettings:
    """The settings.

    Args:
        initial: random trials that are trained before any part proposes; left out, a fifth of the horizon, but 5 to 20.
        horizon: expected number of trained trials: the policy's entropy schedule follows it.
    """

    initial: int = USUAL_INITIAL
    horizon: float = HORIZON

    @classmethod
    def from_mapping(cls, settings: Mapping[str, float]) -> "MixedSettings":
        """The settings with defaults for what is left out. Raises ValueError for a wrong one."""
        horizon = checked_settings(settings, _RANGES).get("horizon", HORIZON)
        usual = {"initial": min(max(horizon // 5, LEAST_INITIAL), USUAL_INITIAL)}
        given = {name: value for name, value in settings.items() if name == "initial"}
        return cls(**whole_settings({**usual, **given}, _RANGES), horizon=horizon)


def _policy_settings(settings: MixedSettings) -> PolicyGradientSettings:
    """Those of REINFORCE, but for the effective sample size: it would judge steps by trials that others proposed."""
    return PolicyGradientSettings(horizon=settings.horizon, effective_share=0.0)


class Mixed(SearchAlgorithm):
    """Proposes what one of its parts proposes."""

    def __init__(self, space: SearchSpace, seed: int, settings: MixedSettings) -> None:
        self._space = space
        self._seed = seed
        self._initial = settings.initial
        self._random = RandomSearch(space, seed)
        self._guided = Guided(space, seed, GuidedSettings(initial=self._initial))
        self._parts: dict[str, SearchAlgorithm] = {
            LOCAL_SEARCH: LocalSearch(space, seed, LocalSearchSettings(initial=self._initial)),
            EVOLUTION: RegularizedEvolution(space, seed, EvolutionSettings()),
            POLICY: Reinforce(space, seed, _policy_settings(settings)),
            GUIDED: self._guided,
        }
        self._credit = Credit(ARMS)
        self._uniform = tuple(-math.log(count) for count in space.option_counts)

    def ask(self, trial_number: int) -> Proposal:
        """A random genotype at first; then the proposal of the part that is drawn."""
        if self._credit.num_rewards < self._initial:
            return self._random.ask(trial_number)
        uniform = trial_draws(self._seed, _DRAWS + trial_number).random()
        arm = ARMS[draw_index(self._credit.shares(), uniform)]
        return self._parts[arm.name].ask(trial_number)

    def tell(self, trial: ToldTrial) -> None:
        """Tells every part; counts for the arm that proposed it."""
        check_told(self._space, trial)
        is_new = not self._guided.has_seen(trial.genotype)
        is_of_another_part = trial.arm != POLICY and trial.arm in self._parts
        for name, part in self._parts.items():
            as_drawn = name == POLICY and is_of_another_part
            part.tell(replace(trial, log_probs=self._uniform) if as_drawn else trial)
        self._credit.tell(trial, is_new=is_new)

    def state_dict(self) -> StateDict:
        """The states of the parts, each under its arm's name, and the counts."""
        states = {name: part.state_dict() for name, part in self._parts.items()}
        own = {f"{name}.{key}": array for name, state in states.items() for key, array in state.items()}
        return {**own, **self._credit.state_dict()}

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave."""
        require_like(self.state_dict(), state, "mixed")
        for name, part in self._parts.items():
            keys = {key: key.removeprefix(f"{name}.") for key in state if key.startswith(f"{name}.")}
            part.load_state_dict({own: state[key] for key, own in keys.items()})
        self._credit.load_state_dict(state)

    def diagnostics(self) -> Mapping[str, float]:
        """The share of each arm now, and what the policy says of itself."""
        shares = zip(ARMS, self._credit.shares(), strict=True)
        return {**self._parts[POLICY].diagnostics(), **{f"share_{arm.name}": float(share) for arm, share in shares}}
