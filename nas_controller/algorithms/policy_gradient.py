"""REINFORCE (Williams 1992) over the decision points of a space, with one update for each told trial, of any policy.

An update takes one Adam step up the gradient of
``weight * (advantage * sum_t rho_t log pi_t + beta * sum_t entropy_t)`` over the decisions t of the told genotype:

* ``advantage`` is (reward - baseline) / spread, clipped. Baseline and spread are the moving mean and standard
  deviation of the rewards told before; the first two rewards only found them. So it does not matter in which units
  rewards are measured.
* ``rho_t`` corrects for results that come late: see `estimator`. For an architecture that a user took, mu is 1, so a
  decision weighs what the policy would have given it: one that it never takes says little about what it does take.
* ``entropy_t`` is divided by the log of the number of options. beta holds for the first quarter of `horizon`
  and falls linearly until three quarters of it.
* A guard watches over the first half: where the policy has collapsed, a pull towards even choices is added, and grows
  with each trial until it has recovered. More entropy bonus would not do: its gradient vanishes where one option is
  certain.
* The step shrinks where the ratios pi / mu of its own last 64 results differ much: by the effective sample size of
  their decisions over half of their number.

An infeasible trial has no reward, and neither baseline nor horizon count it. Whether a trial is feasible is a second
signal, 1 or 0, with a moving mean of its own: `infeasible_penalty` times the difference is added to the advantage of
every told trial. So the policy learns the budget, and the term vanishes once all candidates keep it.

A failed trial counts as one at the 5 % quantile of a normal distribution of rewards, at half weight, and does not move
the baseline. A trial that was stopped early does not move it either: its reward was measured after a part of the
training, where AP is lower, and counting it would make the next whole training look better than it is. Its advantage is
at most 0, for it was behind the others, and at least that of a failed trial: how far behind a whole training would have
been is not known. References and cancelled trials are not told.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import ClassVar, Self

import numpy as np

from nas_controller.algorithms.adam import Adam
from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.estimator import Importance, decision_weights, entropies, ratios, score_gradient
from nas_controller.algorithms.parameters import Array
from nas_controller.algorithms.policy import Policy, Reading
from nas_controller.algorithms.progress import Progress, RecentRatios
from nas_controller.algorithms.settings import Ranges, checked_settings
from nas_controller.algorithms.state import require_like
from nas_controller.algorithms.told import check_told
from nas_controller.records import TrialState
from search_space.decisions import DecisionKind, SearchSpace

ARM = "policy"
_FAILED_ADVANTAGE = -1.645
_FAILED_WEIGHT = 0.5
_REWARDS_BEFORE_LEARNING = 2
_SMALLEST_NORM = 1e-8
_GUARD_STEP, _MOST_GUARD = 0.05, 1.0
"""What the pull towards even choices grows by with each trial while the policy has collapsed, and falls by afterwards;
and the most that it is, in units of the advantage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyGradientSettings:
    """The settings; each choice can be turned off, and `bench algorithms --ablations` measures what that costs.

    Args:
        learning_rate: Adam's step.
        horizon: expected number of trained trials; only entropy schedule and collapse guard follow it.
        entropy_start, entropy_end: beta, in units of the advantage.
        collapse_entropy: normalised entropy below which the policy has collapsed; 0 for no guard.
        baseline_decay: of the moving averages.
        advantage_clip: largest size of an advantage from a reward.
        infeasible_penalty: advantage between a feasible and an infeasible trial.
        importance: 0, 1 or 2; see `estimator.Importance`.
        ratio_clip: see `estimator.decision_weights`; 0 for none.
        effective_share: of the sample size, below which the step shrinks; 0 for never.
        gradient_clip: largest norm of a gradient; 0 for any.
    """

    learning_rate: float = 0.02
    horizon: float = 400.0
    entropy_start: float = 0.02
    entropy_end: float = 0.002
    collapse_entropy: float = 0.05
    baseline_decay: float = 0.95
    advantage_clip: float = 3.0
    infeasible_penalty: float = 0.3
    importance: float = float(Importance.TRUNCATED)
    ratio_clip: float = 0.0
    effective_share: float = 0.5
    gradient_clip: float = 0.0

    RANGES: ClassVar[Ranges] = {
        "learning_rate": (1e-6, 1.0),
        "horizon": (1.0, 1e7),
        "entropy_start": (0.0, 1.0),
        "entropy_end": (0.0, 1.0),
        "collapse_entropy": (0.0, 0.5),
        "baseline_decay": (0.5, 0.9999),
        "advantage_clip": (0.1, 100.0),
        "infeasible_penalty": (0.0, 10.0),
        "importance": (0.0, 2.0),
        "ratio_clip": (0.0, 10.0),
        "effective_share": (0.0, 1.0),
        "gradient_clip": (0.0, 1e6),
    }

    def __post_init__(self) -> None:
        if self.importance not in tuple(Importance):
            raise ValueError(f"algorithm.settings.importance: {self.importance!r}: must be 0, 1 or 2")

    @classmethod
    def from_mapping(cls, settings: Mapping[str, float]) -> Self:
        """The settings with defaults for what is left out.

        Raises:
            ValueError: an unknown setting, or a value out of range.
        """
        return cls(**checked_settings(settings, cls.RANGES))


class PolicyGradient(SearchAlgorithm):
    """A policy, moved towards what was rewarded."""

    def __init__(self, space: SearchSpace, seed: int, settings: PolicyGradientSettings, policy: Policy) -> None:
        self._space = space
        self._seed = seed
        self._settings = settings
        self._policy = policy
        self._adam = Adam(policy.parameters.vector_P, policy.rates_P)
        self._progress = Progress()
        self._recent = RecentRatios()

    def ask(self, trial_number: int) -> Proposal:
        """A genotype sampled from the policy as it is."""
        genotype, log_probs = self._policy.sample(trial_draws(self._seed, trial_number))
        return Proposal(genotype=genotype, arm=ARM, log_probs=log_probs)

    def tell(self, trial: ToldTrial) -> None:
        """Takes one step for the trial; a trial that is refused with `ValueError` changes nothing."""
        check_told(self._space, trial)
        advantage = self._advantage(trial)
        weight = _FAILED_WEIGHT if trial.state is TrialState.FAILED else 1.0
        reading = self._policy.read(trial.genotype)
        self._progress.count(trial, self._settings.baseline_decay)
        self._progress.advantage = advantage
        self._watch_entropy(reading)
        weights_T = self._decision_weights(reading, trial, advantage)
        progress = self._progress
        by_scores_N = score_gradient(reading, advantage * weights_T, progress.entropy_bonus, progress.guard)
        self._step(reading.backward(-weight * by_scores_N))

    def _advantage(self, trial: ToldTrial) -> float:
        """How much better than expected the trial is, in standard deviations of the reward."""
        progress, settings = self._progress, self._settings
        feasible = trial.state is not TrialState.INFEASIBLE
        budget = settings.infeasible_penalty * (feasible - progress.feasible_share) if progress.told else 0.0
        if trial.state is TrialState.FAILED:
            return budget + _FAILED_ADVANTAGE
        if trial.reward is None or progress.rewarded < _REWARDS_BEFORE_LEARNING:
            return budget
        deviation = (trial.reward - progress.baseline) / progress.spread
        if trial.state is TrialState.STOPPED_EARLY:
            return budget + min(max(deviation, _FAILED_ADVANTAGE), 0.0)
        return budget + min(max(deviation, -settings.advantage_clip), settings.advantage_clip)

    def _watch_entropy(self, reading: Reading) -> None:
        """Sets beta, which is constant, then falls, then is constant; and what the collapse guard does."""
        settings, progress = self._settings, self._progress
        entropy_T, uniform_T = entropies(reading)
        has_choice_T = reading.offers.counts_T > 1
        normalised_T = entropy_T / uniform_T
        progress.entropy = float(normalised_T[has_choice_T].mean())
        # Blocks of one level are alike: which of them is picked keeps some entropy for ever.
        counts_T = has_choice_T & [point.kind is not DecisionKind.INTERMEDIATE_LEVEL for point in reading.points]
        past = progress.trained / settings.horizon
        is_collapsed = bool(normalised_T[counts_T].mean() < settings.collapse_entropy) and past <= 0.5
        guard = progress.guard + (_GUARD_STEP if is_collapsed else -_GUARD_STEP)
        progress.guard = min(max(guard, 0.0), _MOST_GUARD)
        fallen = min(max((past - 0.25) / 0.5, 0.0), 1.0)
        progress.entropy_bonus = settings.entropy_start + fallen * (settings.entropy_end - settings.entropy_start)

    def _decision_weights(self, reading: Reading, trial: ToldTrial, advantage: float) -> Array:
        """rho of each decision; notes the ratios, where it was this policy that proposed the trial."""
        settings = self._settings
        ratios_T = ratios(reading, np.array(trial.log_probs))
        if trial.arm == ARM:
            self._recent.add(ratios_T[reading.offers.counts_T > 1])
        self._progress.importance_weight = float(np.minimum(ratios_T, 1.0).mean())
        return decision_weights(ratios_T, advantage, Importance(int(settings.importance)), settings.ratio_clip)

    def _step(self, gradient_P: Array) -> None:
        """One Adam step, with a gradient that is no longer than it may be."""
        settings = self._settings
        norm = float(np.sqrt(np.square(gradient_P).sum()))
        self._progress.gradient_norm = norm
        clip = trust = 1.0
        if settings.gradient_clip:
            clip = min(1.0, settings.gradient_clip / max(norm, _SMALLEST_NORM))
        if settings.effective_share:
            trust = min(1.0, self._recent.effective_share / settings.effective_share)
        self._adam.step(clip * gradient_P, trust * settings.learning_rate, int(self._progress.told))

    def state_dict(self) -> StateDict:
        """Parameters, Adam's moments, the scalars and the last ratios; about 1 MB whatever was told."""
        return {
            **{name: vector_P.copy() for name, vector_P in self._vectors().items()},
            **{f"progress.{name}": np.array(value) for name, value in asdict(self._progress).items()},
            **self._recent.state_dict(),
        }

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave."""
        require_like(self.state_dict(), state, "reinforce")
        for name, vector_P in self._vectors().items():
            vector_P[...] = state[name]
        self._progress = Progress(**{field.name: float(state[f"progress.{field.name}"]) for field in fields(Progress)})
        self._recent.load_state_dict(state)

    def _vectors(self) -> dict[str, Array]:
        means_P, squares_P = self._adam.means_P, self._adam.squares_P
        return {"parameters": self._policy.parameters.vector_P, "means": means_P, "squares": squares_P}

    def diagnostics(self) -> Mapping[str, float]:
        """Of the last told trial: mean normalised entropy and its weight, advantage, mean truncated ratio, gradient
        norm; and the moving baseline, spread of the rewards, shares of feasible trials and of the sample that is
        effective, and how much the collapse guard pulls towards even choices."""
        progress = self._progress
        names = ("told", "entropy", "entropy_bonus", "baseline", "spread", "advantage", "importance_weight")
        return {name: getattr(progress, name) for name in (*names, "gradient_norm", "feasible_share")} | {
            "effective_share": self._recent.effective_share,
            "collapse_guard": progress.guard,
        }
