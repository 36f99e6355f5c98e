"""REINFORCE (Williams 1992) over the decision points of a space, updated once for each told trial.

The update ascends ``weight * (sum_t rho_t * advantage * log pi_t + beta * sum_t entropy_t)`` over the decisions t
of the told genotype, with Adam:

* ``advantage`` = (reward - baseline) / spread, clipped; baseline and spread are bias-corrected exponential
  moving averages over the rewards told before.
* ``rho_t`` = min(1, pi_t / mu_t) against the behaviour policy mu that sampled decision t, for results that come
  late (truncated importance weights, each decision on its own: Espeholt et al. 2018, c = 1).
* ``entropy_t`` is divided by the log of the number of options; beta holds for the first quarter of `horizon`
  trained trials and falls linearly until three quarters of it.

An infeasible trial has no reward. Feasibility is a second, known signal: 1 or 0, with its own moving average as
baseline, scaled by `infeasible_penalty` and added to the advantage of every told trial. It vanishes where
all candidates are feasible. A failed trial counts as a reward at the 5 % quantile of a normal distribution, at
half weight, and does not move the baseline.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.policy import PolicyNetwork, Walk, single_thread, walk
from nas_controller.algorithms.random_search import trial_draws
from nas_controller.records import TrialState
from search_space.decisions import SearchSpace

_FAILED_ADVANTAGE = -1.645
_FAILED_WEIGHT = 0.5
_LEAST_SPREAD = 1e-4
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinforceSettings:
    """Settings and their defaults. `horizon` is the expected number of trained trials."""

    learning_rate: float = 0.01
    horizon: float = 400
    entropy_start: float = 0.02
    entropy_end: float = 0.002
    baseline_decay: float = 0.95
    advantage_clip: float = 3.0
    gradient_clip: float = 10.0
    infeasible_penalty: float = 0.3
    key_width: float = 32
    hidden_width: float = 32
    recurrent_scale: float = 1.0
    beta2: float = 0.999


@dataclass(slots=True)
class _MovingAverage:
    decay: float
    total: float = 0.0
    weight: float = 0.0

    def add(self, value: float) -> None:
        self.total = self.decay * self.total + (1 - self.decay) * value
        self.weight = self.decay * self.weight + 1 - self.decay

    @property
    def value(self) -> float:
        return self.total / self.weight if self.weight else 0.0


class Reinforce(SearchAlgorithm):
    def __init__(self, space, seed, settings: Mapping[str, float]):
        self.space = space
        self.seed = seed
        self.s = s = ReinforceSettings(**settings)
        self.net = PolicyNetwork(int(s.key_width), int(s.hidden_width), trial_draws(seed, 0))
        self.params = list(self.net.parameters())
        self.m = [torch.zeros_like(p) for p in self.params]
        self.v = [torch.zeros_like(p) for p in self.params]
        self.steps = 0
        self.mean = _MovingAverage(s.baseline_decay)
        self.square = _MovingAverage(s.baseline_decay)
        self.feas = _MovingAverage(s.baseline_decay)
        self.trained = 0
        self.d = {}

    def ask(self, n):
        with single_thread():
            g, lp = self.net.sample(self.space, trial_draws(self.seed, n))
        return Proposal(genotype=g, arm="policy", log_probs=lp)

    def tell(self, t):
        s = self.s
        w = walk(self.space, t.genotype)
        adv, weight = 0.0, 1.0
        f = float(t.state is not TrialState.INFEASIBLE)
        if self.feas.weight:
            adv += s.infeasible_penalty * (f - self.feas.value)
        self.feas.add(f)
        if t.state is TrialState.FAILED:
            adv += _FAILED_ADVANTAGE
            weight = _FAILED_WEIGHT
        if t.reward is not None:
            if self.trained >= 2:
                std = max(self.square.value - self.mean.value**2, 0) ** 0.5
                adv += float(np.clip((t.reward - self.mean.value) / max(std, _LEAST_SPREAD), -s.advantage_clip, s.advantage_clip))
            self.mean.add(t.reward)
            self.square.add(t.reward**2)
        if f: self.trained += 1
        frac = self.trained / s.horizon
        beta = s.entropy_start + (s.entropy_end - s.entropy_start) * min(1, max(0, (frac - 0.25) / 0.5))
        with single_thread():
            logs = self.net.log_probs(w)
            taken = logs[torch.arange(len(t.genotype)), w.taken_T]
            mu = torch.tensor(t.log_probs, dtype=torch.float64)
            rho = (taken.detach() - mu).clamp(max=0).exp()
            H = -(logs.exp() * logs).sum(-1)
            n = w.offered_TO.sum(-1)
            Hn = H[n > 1] / n[n > 1].log()
            loss = -weight * (adv * (rho * taken).sum() + beta * Hn.sum())
            grads = torch.autograd.grad(loss, self.params)
            norm = float(torch.stack([g.norm() for g in grads]).norm())
            scale = min(1.0, s.gradient_clip / (norm + 1e-12))
            self.steps += 1
            c1, c2 = 1 - 0.9**self.steps, 1 - s.beta2**self.steps
            with torch.no_grad():
                for p, g, m, v in zip(self.params, grads, self.m, self.v):
                    g = g * scale
                    m.lerp_(g, 0.1)
                    v.mul_(s.beta2).addcmul_(g, g, value=1 - s.beta2)
                    p.addcdiv_(m / c1, (v / c2).sqrt() + 1e-8, value=-s.learning_rate)
        self.d = dict(entropy=float(Hn.mean()), rho=float(rho.mean()), norm=norm, adv=adv)
    def state_dict(self): ...
    def load_state_dict(self, s): ...
    def diagnostics(self): return self.d
