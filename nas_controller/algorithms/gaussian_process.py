"""A Gaussian process over bags of features: how much each group of them matters is learned from the rewards.

The covariance is a weighted sum of linear kernels, one for each group, and noise (Rasmussen and Williams 2006, chapters
2 and 5). Weights and noise are those that make the rewards most likely. As the kernels are linear, a draw from the
posterior is one weight for each feature, by Matheron's rule (Wilson et al. 2020, arXiv 2002.09309): a whole function,
whose value anywhere costs one product.

Features that no trial has are left out: what a candidate gains by them is unknown, with mean 0.

Shapes: N trials, M candidates, G groups, F different features, S draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from nas_controller.algorithms.features import GROUPS, Bags

Array = NDArray[np.float64]
MAX_FITTED = 300
"""Trials that weights are fitted to."""
ITERATIONS = 8
_LOG_RANGE, _LOG_NOISE_RANGE = (-9.0, 4.0), (-5.0, 1.0)
_JITTER = 1e-6


@dataclass(frozen=True, slots=True)
class Weights:
    """Natural logarithms of each group's variance and of the noise's, in units of the rewards' variance."""

    log_groups_G: Array
    log_noise: float

    @classmethod
    def initial(cls) -> "Weights":
        """Before anything is known: all groups matter alike, and noise is a tenth."""
        return cls(np.full(len(GROUPS), np.log(1 / len(GROUPS))), float(np.log(0.1)))


class Vocabulary:
    """The features of N trials, centred; those of each group are scaled so that a trial has length 1 on average."""

    def __init__(self, bags_N: Sequence[Bags]) -> None:
        self.slices = []
        self._columns: list[dict[int, int]] = []
        width = 0
        for group in range(len(GROUPS)):
            ids = np.unique(np.concatenate([bags[group] for bags in bags_N])).tolist()
            self._columns.append(dict(zip(ids, range(width, width + len(ids)), strict=True)))
            self.slices.append(slice(width, width + len(ids)))
            width += len(ids)
        counts_NF = self._counts(bags_N)
        self._mean_F = counts_NF.mean(0)
        self._scale_F = torch.ones(width, dtype=torch.float64)
        self.own_NF = counts_NF - self._mean_F
        for columns in self.slices:
            length = float(self.own_NF[:, columns].square().sum(1).mean().sqrt())
            self._scale_F[columns] = 1 / length if length else 1.0
        self.own_NF = self.own_NF * self._scale_F

    def of(self, bags_M: Sequence[Bags]) -> Tensor:
        """The same of others, MF."""
        return (self._counts(bags_M) - self._mean_F) * self._scale_F

    def _counts(self, bags: Sequence[Bags]) -> Tensor:
        width = self.slices[-1].stop
        counts = torch.zeros(len(bags), width, dtype=torch.float64)
        for row, groups in enumerate(bags):
            pairs = zip(self._columns, groups, strict=True)
            known = [columns[id_] for columns, ids in pairs for id_ in ids.tolist() if id_ in columns]
            counts[row] = torch.bincount(torch.tensor(known, dtype=torch.int64), minlength=width)
        return counts


class GaussianProcess:
    """The process given N rewards; `means_N` is what it makes of these, free of noise."""

    def __init__(self, bags_N: Sequence[Bags], rewards_N: Array, weights: Weights) -> None:
        self.vocabulary = Vocabulary(bags_N)
        spread = float(rewards_N.std()) or 1.0
        self._targets_N = torch.from_numpy((rewards_N - rewards_N.mean()) / spread)
        self.weights = self._fitted(weights)
        self._deviation_F = torch.ones(self.vocabulary.own_NF.shape[1], dtype=torch.float64)
        for columns, log in zip(self.vocabulary.slices, self.weights.log_groups_G, strict=True):
            self._deviation_F[columns] = float(np.exp(log / 2))
        self._own_NF = self.vocabulary.own_NF * self._deviation_F
        covariance_NN = self._own_NF @ self._own_NF.T
        self._noise = float(np.exp(self.weights.log_noise)) + _JITTER
        self._factor_NN = torch.linalg.cholesky(covariance_NN + self._noise * _eye(len(bags_N)))
        solved_N1 = torch.cholesky_solve(self._targets_N[:, None], self._factor_NN)
        self.means_N: Array = (covariance_NN @ solved_N1)[:, 0].numpy()

    def functions(self, draws: np.random.Generator, count: int) -> Tensor:
        """So many draws from the posterior: the weight of each feature, FS."""
        prior_FS = torch.from_numpy(draws.normal(size=(self._own_NF.shape[1], count)))
        noise_NS = torch.from_numpy(draws.normal(size=(self._own_NF.shape[0], count))) * self._noise**0.5
        missed_NS = self._targets_N[:, None] - self._own_NF @ prior_FS - noise_NS
        update_FS = self._own_NF.T @ torch.cholesky_solve(missed_NS, self._factor_NN)
        return self._deviation_F[:, None] * (prior_FS + update_FS)

    def _fitted(self, weights: Weights) -> Weights:
        """The weights that make the rewards most likely, looked for from those given."""
        chosen = _chosen(self._targets_N.numpy())
        own_NF = self.vocabulary.own_NF[chosen]
        grams_GNN = torch.stack([own_NF[:, columns] @ own_NF[:, columns].T for columns in self.vocabulary.slices])
        bounds = [_LOG_RANGE] * len(grams_GNN) + [_LOG_NOISE_RANGE]
        start = np.append(weights.log_groups_G, weights.log_noise)
        known = (grams_GNN, self._targets_N[chosen])
        found = minimize(
            _unlikelihood, start, known, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": ITERATIONS}
        )
        return Weights(found.x[:-1].copy(), float(found.x[-1]))


def _eye(count: int) -> Tensor:
    return torch.eye(count, dtype=torch.float64)


def _chosen(targets_N: Array) -> NDArray[np.intp]:
    """Of many trials the best third and evenly many of the others: what the weights are fitted to."""
    if len(targets_N) <= MAX_FITTED:
        return np.arange(len(targets_N))
    order = np.argsort(-targets_N, kind="stable")
    best, rest = order[: MAX_FITTED // 3], order[MAX_FITTED // 3 :]
    evenly = np.linspace(0, len(rest) - 1, MAX_FITTED - len(best)).astype(np.intp)
    return np.sort(np.concatenate([best, rest[evenly]]))


def _unlikelihood(logs: Array, grams_GNN: Tensor, targets_N: Tensor) -> tuple[float, Array]:
    """Minus the log likelihood of the rewards, but for a constant, and its gradient."""
    variances_G, noise = torch.from_numpy(np.exp(logs[:-1])), float(np.exp(logs[-1]))
    covariance_NN = torch.einsum("g,gnm->nm", variances_G, grams_GNN) + (noise + _JITTER) * _eye(len(targets_N))
    factor_NN = torch.linalg.cholesky(covariance_NN)
    inverse_NN = torch.cholesky_inverse(factor_NN)
    solved_N = inverse_NN @ targets_N
    value = 0.5 * float(targets_N @ solved_N) + float(factor_NN.diagonal().log().sum())
    gap_NN = inverse_NN - torch.outer(solved_N, solved_N)
    slopes_G = 0.5 * variances_G * torch.einsum("nm,gnm->g", gap_NN, grams_GNN)
    return value, np.append(slopes_G.numpy(), 0.5 * noise * float(gap_NN.trace()))
