"""A Gaussian process over bags of features: how much each group of them matters is learned from the rewards.

The covariance is a weighted sum of linear kernels, one for each group, and noise (Rasmussen and Williams 2006, chapters
2 and 5). Weights and noise are those that make the rewards most likely. As the kernels are linear, a draw from the
posterior is one weight for each feature, by Matheron's rule (Wilson et al. 2020, arXiv 2002.09309): a whole function,
whose value anywhere costs one product.

Features that no trial has are left out: what a candidate gains by them is unknown, with mean 0.

Shapes: N trials, M candidates, G groups, F different features, S draws.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from torch import Tensor

from nas_controller.algorithms.features import GROUPS, Bags

Array = NDArray[np.float64]
MAX_FITTED = 300
"""Trials that weights are fitted to."""
ITERATIONS = 8
MOST_DENSE = 2000
"""Features of a group up to which its products are faster dense."""
_LOG_RANGE, _LOG_NOISE_RANGE = (-9.0, 4.0), (-5.0, 1.0)
_JITTER = 1e-6
_LEAST_SQUARE = 1e-9
"""Of a length: below, trials differ in nothing but rounding."""


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
    """The features of N trials, centred; those of each group are scaled so that a trial has length 1 on average.

    Most features are those of few trials: counts are kept sparse, and their means are taken off what is computed with
    them.
    """

    def __init__(self, bags_N: Bags) -> None:
        self._ids = [np.unique(group) for group in bags_N]
        starts = np.cumsum([0, *map(len, self._ids)]).tolist()
        self.slices = [slice(start, stop) for start, stop in pairwise(starts)]
        self.counts_NF = self._counts(bags_N)
        self._mean_F: Array = self.counts_NF.mean(0)
        variances_F = self.counts_NF.power(2).mean(0) - self._mean_F**2
        self.scale_F = np.ones(starts[-1])
        for columns in self.slices:
            square_length = float(variances_F[columns].sum())
            if square_length > _LEAST_SQUARE:
                self.scale_F[columns] = square_length**-0.5

    def of(self, bags_M: Bags) -> csr_array:
        """The counts of others, MF, for `product`."""
        return self._counts(bags_M)

    def product(self, counts_MF: csr_array, weights_FS: Array) -> Array:
        """Centred counts times weights, MS."""
        centred_MS: Array = counts_MF @ weights_FS - self._mean_F @ weights_FS
        return centred_MS

    def transposed_product(self, values_NS: Array) -> Array:
        """The centred counts of the N trials, transposed, times values, FS."""
        centred_FS: Array = self.counts_NF.T @ values_NS - np.outer(self._mean_F, values_NS.sum(0))
        return centred_FS

    def gram(self, group: int, chosen: NDArray[np.intp]) -> Tensor:
        """Inner products of chosen trials in one group."""
        columns = self.slices[group]
        counts_NF, mean_F = self.counts_NF[chosen][:, columns], self._mean_F[columns]
        towards_mean_N = torch.from_numpy(counts_NF @ mean_F)
        products_NN = _products(counts_NF) - towards_mean_N[:, None] - towards_mean_N + float(mean_F @ mean_F)
        return products_NN * float(self.scale_F[columns][0]) ** 2

    def _counts(self, bags_M: Bags) -> csr_array:
        """How often each has each feature, those left out that no trial has."""
        columns, rows = [], []
        for given_MB, ids, place in zip(bags_M, self._ids, self.slices, strict=True):
            found_MB = np.searchsorted(ids, given_MB).clip(max=len(ids) - 1)
            is_known_MB = ids[found_MB] == given_MB
            columns.append(found_MB[is_known_MB] + place.start)
            rows.append(np.nonzero(is_known_MB)[0])
        indices = np.concatenate(rows), np.concatenate(columns)
        ones = np.ones(len(indices[0]))
        counts = csr_array((ones, indices), shape=(len(bags_M[0]), self.slices[-1].stop))
        counts.sum_duplicates()
        return counts


class GaussianProcess:
    """The process given N rewards; `means_N` is what it makes of these, free of noise."""

    def __init__(self, bags_N: Bags, rewards_N: Array, weights: Weights) -> None:
        self.vocabulary = Vocabulary(bags_N)
        spread = float(rewards_N.std()) or 1.0
        self._targets_N = torch.from_numpy((rewards_N - rewards_N.mean()) / spread)
        self.weights = self._fitted(weights)
        variances_G = np.exp(self.weights.log_groups_G)
        self._deviation_F = self.vocabulary.scale_F.copy()
        for columns, variance in zip(self.vocabulary.slices, variances_G, strict=True):
            self._deviation_F[columns] *= variance**0.5
        everyone = np.arange(len(rewards_N))
        grams = (float(variance) * self.vocabulary.gram(group, everyone) for group, variance in enumerate(variances_G))
        covariance_NN = torch.stack(list(grams)).sum(0)
        self._noise = float(np.exp(self.weights.log_noise)) + _JITTER
        self._factor_NN = torch.linalg.cholesky(covariance_NN + self._noise * _eye(len(rewards_N)))
        solved_N1 = torch.cholesky_solve(self._targets_N[:, None], self._factor_NN)
        self.means_N: Array = (covariance_NN @ solved_N1)[:, 0].numpy()

    def functions(self, draws: np.random.Generator, count: int) -> Array:
        """So many draws from the posterior: the weight of each feature, FS, for `values`."""
        vocabulary, deviation_F1 = self.vocabulary, self._deviation_F[:, None]
        prior_FS = deviation_F1 * draws.standard_normal((len(deviation_F1), count))
        noise_NS = draws.standard_normal((len(self._targets_N), count)) * self._noise**0.5
        missed_NS = self._targets_N.numpy()[:, None] - vocabulary.product(vocabulary.counts_NF, prior_FS) - noise_NS
        solved_NS = torch.cholesky_solve(torch.from_numpy(missed_NS), self._factor_NN).numpy()
        return prior_FS + deviation_F1**2 * vocabulary.transposed_product(solved_NS)

    def values(self, bags_M: Bags, functions_FS: Array) -> Array:
        """What each function makes of other networks, MS, in standard deviations of the rewards."""
        return self.vocabulary.product(self.vocabulary.of(bags_M), functions_FS)

    def _fitted(self, weights: Weights) -> Weights:
        """The weights that make the rewards most likely, looked for from those given."""
        chosen = _chosen(self._targets_N.numpy())
        grams_GNN = torch.stack([self.vocabulary.gram(group, chosen) for group in range(len(GROUPS))])
        bounds = [_LOG_RANGE] * len(grams_GNN) + [_LOG_NOISE_RANGE]
        start = np.append(weights.log_groups_G, weights.log_noise)
        known = (grams_GNN, self._targets_N[chosen])
        found = minimize(
            _unlikelihood, start, known, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": ITERATIONS}
        )
        return Weights(found.x[:-1].copy(), float(found.x[-1]))


def _products(counts_NF: csr_array) -> Tensor:
    """Of every two rows their inner product, NN."""
    if counts_NF.shape[1] > MOST_DENSE:
        return torch.from_numpy((counts_NF @ counts_NF.T).toarray())
    dense_NF = torch.from_numpy(counts_NF.toarray())
    return dense_NF @ dense_NF.T


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
