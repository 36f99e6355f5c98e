"""The surrogate of trained networks: what it knows of them, and that nothing is predicted from itself."""

import math
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest
from scipy.stats import kendalltau

from search_space.decisions import random_genotype
from search_space.graph import feature_inputs
from search_space.reference import reference
from search_space.spaces import SPINENET_49
from search_space.spec import ArchitectureSpec
from spinesearch.bench.objectives.surrogate import Kernel, Surrogate, properties

KERNEL = Kernel(networks=1.0, length=1.5, blocks=0.3, reach=4.0, noise=0.05)


def architectures(count: int, seed: int) -> list[ArchitectureSpec]:
    rng = Random(seed)
    return [SPINENET_49.decode(random_genotype(SPINENET_49, rng)) for _ in range(count)]


def paths(inputs: tuple[tuple[int, ...], ...], feature: int) -> Iterator[list[int]]:
    """All ways from the stem to a feature, one by one."""
    if not inputs[feature]:
        yield [feature]
    for source in inputs[feature]:
        for path in paths(inputs, source):
            yield [*path, feature]


@pytest.mark.parametrize("spec", [reference("spinenet-49"), *architectures(3, 7)])
def test_outputs_are_described_by_all_their_paths(spec: ArchitectureSpec) -> None:
    levels = [block.level for block in spec.all_blocks]
    described = properties(spec)[-5 * 6 :]
    outputs = sorted((block.level, index) for index, block in enumerate(spec.all_blocks) if block.is_output)
    assert [level for level, _ in outputs] == [3, 4, 5, 6, 7]
    for place, (_, output) in enumerate(outputs):
        ways = list(paths(feature_inputs(spec), output))
        coarsest = [max(levels[feature] for feature in way) for way in ways]
        expected = [
            min(map(len, ways)),
            max(map(len, ways)),
            math.log(len(ways)),
            min(coarsest),
            sum(coarsest) / len(ways),
            len({feature for way in ways for feature in way}) - 1,
        ]
        assert described[6 * place : 6 * place + 6] == pytest.approx(expected)


def test_what_is_left_out_is_what_the_others_predict() -> None:
    """Against the definition: solve without the row, for each row."""
    specs = architectures(12, 1)
    values = [0.1 * number for number in range(12)]
    surrogate = Surrogate(specs, values, KERNEL)
    looks, mean, spread = surrogate._looks, np.mean(values), np.std(values)
    covariance = KERNEL.covariance(looks, looks)
    for row, left_out in enumerate(surrogate.left_out()):
        others = [number for number in range(12) if number != row]
        inner = covariance[np.ix_(others, others)] + KERNEL.noise * np.eye(11)
        weights = np.linalg.solve(inner, (np.array(values)[others] - mean) / spread)
        assert left_out == pytest.approx(mean + spread * covariance[row, others] @ weights)


def test_it_ranks_networks_that_it_never_saw() -> None:
    """Of a value that is made of paths the fitted one orders nine pairs of ten rightly: a tau of 0.8."""

    def value(spec: ArchitectureSpec) -> float:
        return properties(spec)[-30] - 0.5 * properties(spec)[0]

    seen, unseen = architectures(150, 2), architectures(100, 3)
    surrogate = Surrogate(seen, [value(spec) for spec in seen])
    assert kendalltau(surrogate.predict(unseen), [value(spec) for spec in unseen]).statistic > 0.8


def test_a_training_counts_at_its_own_network_as_far_as_noise_allows() -> None:
    specs = architectures(12, 1)
    exact = Surrogate(specs, range(12), Kernel(networks=1.0, length=1.5, blocks=0.3, reach=4.0, noise=1e-6))
    assert exact.predict(specs) == pytest.approx(list(range(12)), abs=1e-3)
