"""REINFORCE (Williams 1992) over the decision points of a space, with one update for each told trial.

An update takes one Adam step (Kingma and Ba 2015) up the gradient of
``weight * (advantage * sum_t rho_t log pi_t + beta * sum_t entropy_t)`` over the decisions t of the told genotype:

* ``advantage`` is (reward - baseline) / spread, clipped. Baseline and spread are the moving mean and standard
  deviation of the rewards told before; the first two rewards only found them.
* ``rho_t`` is min(1, pi_t / mu_t), where mu is the policy that took decision t: results come late, and each decision
  is weighted on its own (truncated importance weights as in Espeholt et al. 2018, V-trace with c = 1). For an
  architecture that a user took, mu is 1, so a decision weighs what the policy would have given it: one that it never
  takes says little about what it does take.
* ``entropy_t`` is divided by the log of the number of options. beta holds for the first quarter of `horizon`
  and falls linearly until three quarters of it.

An infeasible trial has no reward, and neither baseline nor horizon count it. Whether a trial is feasible is a second
signal, 1 or 0, with a moving mean of its own: `infeasible_penalty` times the difference is added to the advantage of
every told trial. So the policy learns the budget, and the term vanishes once all candidates keep it.

A failed trial counts as one at the 5 % quantile of a normal distribution of rewards, at half weight, and does not move
the baseline. A trial that was stopped early does not move it either: its reward was measured after a part of the
training, where AP is lower, and counting it would make the next whole training look better than it is. Its advantage is
at most 0, for it was behind the others, and at least that of a failed trial: how far behind a whole training would have
been is not known. References and cancelled trials are not told.

The paper names the RNN controller of Zoph and Le 2017 (Du et al. 2020, section 5.1) and publishes neither estimator
nor settings: those are ours.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np
import torch
from torch import Tensor

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.policy import PolicyNetwork, Walk, single_thread, walk
from nas_controller.algorithms.settings import checked_settings
from nas_controller.algorithms.state import require_like
from nas_controller.algorithms.told import check_told
from nas_controller.records import TrialState
from search_space.decisions import SearchSpace

_FAILED_ADVANTAGE = -1.645
_FAILED_WEIGHT = 0.5
_REWARDS_BEFORE_LEARNING = 2
_LEAST_SPREAD = 1e-4
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8

_RANGES = {
    "learning_rate": (1e-6, 1.0),
    "horizon": (1.0, 1e7),
    "entropy_start": (0.0, 1.0),
    "entropy_end": (0.0, 1.0),
    "baseline_decay": (0.5, 0.9999),
    "advantage_clip": (0.1, 100.0),
    "infeasible_penalty": (0.0, 10.0),
    "gradient_clip": (1e-3, 1e6),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinforceSettings:
    """The settings; the defaults were chosen for 100 to 500 trials.

    Args:
        learning_rate: Adam's step.
        horizon: expected number of trained trials; only the entropy schedule follows it.
        entropy_start, entropy_end: beta, in units of the advantage.
        baseline_decay: of the moving averages.
        advantage_clip: largest size of an advantage from a reward.
        infeasible_penalty: advantage between a feasible and an infeasible trial.
        gradient_clip: largest norm of a gradient.
    """

    learning_rate: float = 0.02
    horizon: float = 400.0
    entropy_start: float = 0.02
    entropy_end: float = 0.002
    baseline_decay: float = 0.95
    advantage_clip: float = 3.0
    infeasible_penalty: float = 0.3
    gradient_clip: float = 10.0

    @classmethod
    def from_mapping(cls, settings: Mapping[str, float]) -> "ReinforceSettings":
        """The settings with defaults for what is left out.

        Raises:
            ValueError: an unknown setting, or a value out of range.
        """
        return cls(**checked_settings(settings, _RANGES))


@dataclass(slots=True)
class _Progress:
    """The scalars of the state. Moving averages are a decayed sum and the weight that it has gathered."""

    told: float = 0.0
    trained: float = 0.0
    rewarded: float = 0.0
    reward_sum: float = 0.0
    square_sum: float = 0.0
    reward_weight: float = 0.0
    feasible_sum: float = 0.0
    feasible_weight: float = 0.0
    advantage: float = 0.0
    entropy: float = 1.0
    importance_weight: float = 1.0
    gradient_norm: float = 0.0

    @property
    def baseline(self) -> float:
        return self.reward_sum / self.reward_weight if self.reward_weight else 0.0

    @property
    def spread(self) -> float:
        if not self.reward_weight:
            return _LEAST_SPREAD
        variance = self.square_sum / self.reward_weight - self.baseline**2
        return max(math.sqrt(max(variance, 0.0)), _LEAST_SPREAD)

    @property
    def feasible_share(self) -> float:
        return self.feasible_sum / self.feasible_weight if self.feasible_weight else 1.0

    def count(self, trial: ToldTrial, decay: float) -> None:
        """Adds a told trial to the counters and moving averages; rewards of whole trainings only."""
        feasible = trial.state is not TrialState.INFEASIBLE
        self.told += 1
        self.trained += feasible
        self.feasible_sum = decay * self.feasible_sum + (1 - decay) * feasible
        self.feasible_weight = decay * self.feasible_weight + (1 - decay)
        if trial.state is TrialState.COMPLETED and trial.reward is not None:
            self.rewarded += 1
            self.reward_sum = decay * self.reward_sum + (1 - decay) * trial.reward
            self.square_sum = decay * self.square_sum + (1 - decay) * trial.reward**2
            self.reward_weight = decay * self.reward_weight + (1 - decay)


class Reinforce(SearchAlgorithm):
    """A recurrent pointer policy, moved towards what was rewarded."""

    def __init__(self, space: SearchSpace, seed: int, settings: ReinforceSettings) -> None:
        self._space = space
        self._seed = seed
        self._settings = settings
        self._network = PolicyNetwork(trial_draws(seed, 0))
        self._parameters = list(self._network.parameters())
        self._rates = self._network.rates()
        self._means = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._progress = _Progress()

    def ask(self, trial_number: int) -> Proposal:
        """A genotype sampled from the policy as it is."""
        with single_thread():
            genotype, log_probs = self._network.sample(self._space, trial_draws(self._seed, trial_number))
        return Proposal(genotype=genotype, arm="policy", log_probs=log_probs)

    def tell(self, trial: ToldTrial) -> None:
        """Takes one step for the trial; a trial that is refused with `ValueError` changes nothing."""
        check_told(self._space, trial)
        advantage = self._advantage(trial)
        weight = _FAILED_WEIGHT if trial.state is TrialState.FAILED else 1.0
        walked = walk(self._space, trial.genotype)
        self._progress.count(trial, self._settings.baseline_decay)
        self._progress.advantage = advantage
        with single_thread():
            self._step(self._gradients(walked, trial.log_probs, advantage, weight))

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

    def _entropy_bonus(self) -> float:
        """beta now: constant, then falling, then constant."""
        settings = self._settings
        fallen = min(max((self._progress.trained / settings.horizon - 0.25) / 0.5, 0.0), 1.0)
        return settings.entropy_start + fallen * (settings.entropy_end - settings.entropy_start)

    def _gradients(
        self, walked: Walk, behaviour: tuple[float, ...], advantage: float, weight: float
    ) -> tuple[Tensor, ...]:
        """Gradients of the loss of one trial, not clipped; notes entropy and importance weight for `diagnostics`."""
        log_probs_TO = self._network.log_probs(walked)
        taken_T = log_probs_TO.gather(1, walked.taken_T[:, None])[:, 0]
        behaviour_T = torch.tensor(behaviour, dtype=torch.float64)
        importance_T = (taken_T.detach() - behaviour_T).clamp(max=0.0).exp()
        choices_T = walked.offered_TO.sum(-1)
        entropy_T = -(log_probs_TO.exp() * log_probs_TO).sum(-1)[choices_T > 1] / choices_T[choices_T > 1].log()
        gain = advantage * (importance_T * taken_T).sum() + self._entropy_bonus() * entropy_T.sum()
        self._progress.entropy = float(entropy_T.detach().mean())
        self._progress.importance_weight = float(importance_T.mean())
        return torch.autograd.grad(-weight * gain, self._parameters)

    @torch.no_grad()
    def _step(self, gradients: tuple[Tensor, ...]) -> None:
        """One Adam step with the gradient clipped by its norm."""
        norm = float(torch.stack([gradient.norm() for gradient in gradients]).norm())
        self._progress.gradient_norm = norm
        clip = min(1.0, self._settings.gradient_clip / max(norm, _EPSILON))
        step = self._settings.learning_rate / (1 - _BETA_1**self._progress.told)
        correction = 1 - _BETA_2**self._progress.told
        state = zip(self._parameters, self._rates, gradients, self._means, self._squares, strict=True)
        for parameter, rate, gradient, mean, square in state:
            mean.lerp_(clip * gradient, 1 - _BETA_1)
            square.mul_(_BETA_2).addcmul_(clip * gradient, clip * gradient, value=1 - _BETA_2)
            parameter.addcdiv_(mean, (square / correction).sqrt() + _EPSILON, value=-rate * step)

    def state_dict(self) -> StateDict:
        """Parameters, Adam's moments and the scalars; about 1.5 MB whatever was told."""
        arrays: dict[str, np.ndarray] = {}
        for part, tensors in self._tensors().items():
            for (name, _), tensor in zip(self._network.named_parameters(), tensors, strict=True):
                arrays[f"{part}.{name}"] = tensor.detach().numpy().copy()
        return arrays | {f"progress.{name}": np.array(value) for name, value in asdict(self._progress).items()}

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave."""
        require_like(self.state_dict(), state, "reinforce")
        for part, tensors in self._tensors().items():
            for (name, _), tensor in zip(self._network.named_parameters(), tensors, strict=True):
                tensor.detach().copy_(torch.from_numpy(np.array(state[f"{part}.{name}"])))
        self._progress = _Progress(
            **{field.name: float(state[f"progress.{field.name}"]) for field in fields(_Progress)}
        )

    def _tensors(self) -> dict[str, list[Tensor]]:
        return {"parameter": list(self._parameters), "mean": self._means, "square": self._squares}

    def diagnostics(self) -> Mapping[str, float]:
        """Of the last told trial: mean normalised entropy, advantage, mean importance weight, gradient norm;
        and the moving baseline, spread of the rewards and share of feasible trials."""
        progress = self._progress
        names = ("told", "entropy", "baseline", "spread", "advantage", "importance_weight", "gradient_norm")
        return {name: getattr(progress, name) for name in names} | {"feasible_share": progress.feasible_share}
