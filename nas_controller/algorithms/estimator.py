"""The gradient of REINFORCE for one told genotype, by the scores of its options.

Up to a factor it is that of ``advantage * sum_t rho_t log pi_t + beta * sum_t entropy_t`` over the decisions t; every
rho_t is a constant. Results come late: each decision is weighted on its own, by its ratio pi_t / mu_t, where mu is the
policy that took it. Products of ratios over a whole genotype are near 0 nearly always.

Shapes: T decisions, N options of all of them.
"""

from enum import IntEnum

import numpy as np

from nas_controller.algorithms.parameters import Array
from nas_controller.algorithms.policy import Reading

_LARGEST_LOG_RATIO = 30.0
"""Its square is a finite number; weights are at most 1 anyway."""


class Importance(IntEnum):
    """How a decision's ratio weighs it.

    NONE: not at all. TRUNCATED: by min(1, ratio), as in V-trace with c = 1 (Espeholt et al. 2018). TRUNCATED_BELOW: the
    same where the advantage is negative, not at all where it is positive: a stale good result is harmless, a stale
    bad one makes a decision rarer that is rare already.
    """

    NONE = 0
    TRUNCATED = 1
    TRUNCATED_BELOW = 2


def ratios(reading: Reading, behaviour_T: Array) -> Array:
    """pi_t / mu_t of the decisions taken, T.

    Args:
        behaviour_T: log mu_t.
    """
    taken_T = reading.log_probs_N[reading.offers.taken_T]
    return np.exp(np.minimum(taken_T - behaviour_T, _LARGEST_LOG_RATIO))


def decision_weights(ratios_T: Array, advantage: float, importance: Importance, ratio_clip: float) -> Array:
    """rho_t, T.

    Args:
        ratio_clip: a decision whose ratio differs by more than this from 1, in the direction of the advantage, weighs
            nothing (proximal policy optimisation, Schulman et al. 2017, with one step a result); 0 for no such limit.
    """
    is_weighted = importance is Importance.TRUNCATED or (importance is Importance.TRUNCATED_BELOW and advantage < 0)
    weights_T: Array = np.minimum(ratios_T, 1.0) if is_weighted else np.ones_like(ratios_T)
    if ratio_clip:
        is_beyond_T = ratios_T > 1 + ratio_clip if advantage > 0 else ratios_T < 1 - ratio_clip
        weights_T[is_beyond_T] = 0.0
    return weights_T


def entropies(reading: Reading) -> tuple[Array, Array]:
    """Of each decision, T: the entropy, and that of a uniform choice; the latter is 1 where there is no choice."""
    log_probs_N = reading.log_probs_N
    entropy_T = -np.add.reduceat(np.exp(log_probs_N) * log_probs_N, reading.offers.starts_T)
    return entropy_T, np.log(np.where(reading.offers.counts_T > 1, reading.offers.counts_T, np.e))


def score_gradient(reading: Reading, weighted_T: Array, beta: float, guard: float) -> Array:
    """Gradient of ``sum_t weighted_t log pi_t + beta * sum_t entropy_t + guard * sum_t evenness_t`` by the scores, N;
    entropy and evenness are divided by the entropy of a uniform choice.

    A log-probability log p_a has the gradient 1[o = a] - p_o. That of the entropy H, -p_o (log p_o + H), vanishes where
    one option is nearly certain. Evenness is the mean log-probability of the n options, with the gradient 1 / n - p_o.
    """
    offers, probs_N = reading.offers, np.exp(reading.log_probs_N)
    entropy_T, uniform_T = entropies(reading)
    bonus_N = (beta / uniform_T)[offers.points_N]
    gradient_N = -probs_N * (weighted_T[offers.points_N] + bonus_N * (reading.log_probs_N + entropy_T[offers.points_N]))
    gradient_N[offers.taken_T] += weighted_T
    if guard:
        gradient_N += (guard / uniform_T)[offers.points_N] * (1 / offers.counts_T[offers.points_N] - probs_N)
    return gradient_N
