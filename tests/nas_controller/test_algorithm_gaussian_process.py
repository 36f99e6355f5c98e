"""The Gaussian process against the textbook's formulas, written out."""

from random import Random

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad

from nas_controller.algorithms import gaussian_process
from nas_controller.algorithms.features import GROUPS, Bags, features
from nas_controller.algorithms.gaussian_process import GaussianProcess, Weights, _unlikelihood
from search_space.decisions import random_genotype
from search_space.spaces import R23_SP30


def bags_and_rewards(count: int, seed: int) -> tuple[Bags, np.ndarray]:
    """Random networks; the reward is how many features of the first group are odd, and noise."""
    rng, draws = Random(seed), np.random.default_rng(seed)
    bags = features(R23_SP30, [random_genotype(R23_SP30, rng) for _ in range(count)])
    rewards = (bags[0] % 2).sum(1).astype(np.float64)
    return bags, 0.3 + 0.01 * (rewards + draws.normal(size=count))


def dense(process: GaussianProcess, bags: Bags) -> np.ndarray:
    """Counts less their means over the trials; in each group these have a mean squared length of 1."""
    own = process.vocabulary.counts_NF.toarray()
    centred = own - own.mean(0)
    rows = process.vocabulary.of(bags).toarray() - own.mean(0)
    for columns in process.vocabulary.slices:
        rows[:, columns] /= (centred[:, columns] ** 2).sum(1).mean() ** 0.5
    return rows  # type: ignore[no-any-return]


def kernel(process: GaussianProcess, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The weighted sum of linear kernels."""
    groups = zip(process.vocabulary.slices, np.exp(process.weights.log_groups_G), strict=True)
    return sum(weight * one[:, columns] @ other[:, columns].T for columns, weight in groups)  # type: ignore[no-any-return]


def test_its_mean_and_its_draws_are_those_of_the_formulas() -> None:
    """Rasmussen and Williams 2006, equations 2.25 and 2.26: mean and covariance of the values at other networks."""
    bags, rewards = bags_and_rewards(40, 1)
    others, _ = bags_and_rewards(6, 2)
    process = GaussianProcess(bags, rewards, Weights.initial())
    own, new = dense(process, bags), dense(process, others)
    noise = np.exp(process.weights.log_noise) + 1e-6
    inverse = np.linalg.inv(kernel(process, own, own) + noise * np.eye(40))
    targets = (rewards - rewards.mean()) / rewards.std()
    mean = kernel(process, new, own) @ inverse @ targets
    covariance = kernel(process, new, new) - kernel(process, new, own) @ inverse @ kernel(process, own, new)
    np.testing.assert_allclose(process.means_N, kernel(process, own, own) @ inverse @ targets, atol=1e-9)
    draws = process.values(others, process.functions(np.random.default_rng(3), 5_000))
    spread = np.sqrt(np.diag(covariance).max())
    # Five standard errors of a mean and of a covariance of 5,000 draws.
    np.testing.assert_allclose(draws.mean(1), mean, atol=5 * spread / 71)
    np.testing.assert_allclose(np.cov(draws), covariance, atol=5 * spread**2 * 2**0.5 / 71)


def test_the_gradient_is_that_of_the_likelihood() -> None:
    bags, rewards = bags_and_rewards(30, 3)
    process = GaussianProcess(bags, rewards, Weights.initial())
    own = dense(process, bags)
    products = np.stack([own[:, columns] @ own[:, columns].T for columns in process.vocabulary.slices])
    grams = torch.stack([process.vocabulary.gram(group, np.arange(30)) for group in range(len(GROUPS))])
    np.testing.assert_allclose(grams, products, atol=1e-12)
    targets = torch.from_numpy((rewards - rewards.mean()) / rewards.std())
    for logs in (np.full(len(GROUPS) + 1, -1.0), np.linspace(-3.0, 1.0, len(GROUPS) + 1)):
        error = check_grad(
            lambda at: _unlikelihood(at, grams, targets)[0], lambda at: _unlikelihood(at, grams, targets)[1], logs
        )
        assert error < 1e-4


def test_it_finds_out_which_group_matters_and_how_much_is_noise() -> None:
    """Rewards that only features of the first group make, with noise of a known share."""
    bags, rewards = bags_and_rewards(300, 4)
    process = GaussianProcess(bags, rewards, Weights.initial())
    shares = np.exp(process.weights.log_groups_G)
    assert shares.argmax() == GROUPS.index("place")
    noise_share = 0.01**2 / rewards.var()
    assert np.exp(process.weights.log_noise) == pytest.approx(noise_share, rel=0.5)


def test_it_predicts_networks_that_it_has_not_seen() -> None:
    bags, rewards = bags_and_rewards(300, 5)
    known, others = tuple(group[:200] for group in bags), tuple(group[200:] for group in bags)
    process = GaussianProcess(known, rewards[:200], Weights.initial())
    functions = process.functions(np.random.default_rng(1), 200)
    predicted = process.values(others, functions).mean(1)
    assert np.corrcoef(predicted, rewards[200:])[0, 1] > 0.7


@pytest.mark.parametrize("most_dense", [0, 10_000])
def test_sparse_and_dense_products_are_equal(most_dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bags, rewards = bags_and_rewards(25, 8)
    process = GaussianProcess(bags, rewards, Weights.initial())
    monkeypatch.setattr(gaussian_process, "MOST_DENSE", most_dense)
    own = dense(process, bags)
    for group, columns in enumerate(process.vocabulary.slices):
        gram = process.vocabulary.gram(group, np.array([0, 3, 20]))
        np.testing.assert_allclose(gram, own[[0, 3, 20]][:, columns] @ own[[0, 3, 20]][:, columns].T, atol=1e-12)


def test_equal_rewards_are_survived() -> None:
    bags, _ = bags_and_rewards(10, 6)
    process = GaussianProcess(bags, np.full(10, 0.2), Weights.initial())
    assert np.isfinite(process.means_N).all()
    assert np.isfinite(process.functions(np.random.default_rng(1), 5)).all()
