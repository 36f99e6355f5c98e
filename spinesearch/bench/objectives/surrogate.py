"""What a training of any architecture would give, from the trainings of some: a Gaussian process on whole networks.

It is made to be searched, so it must not look like the model that a contender has: `guided` adds up what single
decisions and neighbourhoods are worth, this one compares networks by how their outputs are reached (path lengths,
coarsest resolution on the way, ancestors), through a Matérn kernel, which no sum is. A second kernel, of the blocks
that two networks share at the same places, holds what the first cannot tell.

Shapes: N networks that were trained, M others, D properties, B blocks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from search_space.graph import feature_inputs, live_features
from search_space.spec import ArchitectureSpec, BlockType

Array = NDArray[np.float64]
LEVELS = range(2, 8)
_LOG_RANGES = ((-4.0, 4.0), (-1.0, 3.0), (-4.0, 4.0), (-2.0, 3.0), (-6.0, 1.0))
"""Of the natural logarithms of `Kernel`'s fields."""
_START = (0.0, 1.0, -1.0, 1.0, -2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Variances in that of the values, lengths in properties' deviations and in blocks.

    Args:
        networks, length: of the Matérn kernel (5/2) on properties.
        blocks, reach: of exp(-blocks that differ / reach).
        noise: of one training.
    """

    networks: float
    length: float
    blocks: float
    reach: float
    noise: float

    def covariance(self, one: "Looks", other: "Looks") -> Array:
        """Between two sets of networks; without noise."""
        squares = (one.properties_ND**2).sum(1)[:, None] + (other.properties_ND**2).sum(1)[None]
        apart = np.maximum(squares - 2 * one.properties_ND @ other.properties_ND.T, 0) / one.properties_ND.shape[1]
        steps = np.sqrt(5 * apart) / self.length
        differing = (one.blocks_NB[:, None] != other.blocks_NB[None]).sum(2)
        smooth = (1 + steps + steps**2 / 3) * np.exp(-steps)
        covariance: Array = self.networks * smooth + self.blocks * np.exp(-differing / self.reach)
        return covariance


@dataclass(frozen=True, slots=True)
class Looks:
    """What the kernels compare: standardised properties, and a number for each block with its parents."""

    properties_ND: Array
    blocks_NB: NDArray[np.int64]


class Surrogate:
    """Predicts values of architectures.

    Args:
        specs, values: that were trained, with what came of it; at least two different values.
        kernel: None to take the one that makes the values most likely.
    """

    def __init__(
        self, specs: Sequence[ArchitectureSpec], values: Sequence[float], kernel: Kernel | None = None
    ) -> None:
        raw_ND = np.array([properties(spec) for spec in specs])
        self._centre_D = raw_ND.mean(0)
        self._spread_D = np.where(raw_ND.std(0) > 0, raw_ND.std(0), 1.0)
        self._looks = self._seen(specs)
        self._mean, self._spread = float(np.mean(values)), float(np.std(values))
        self._values_N = (np.array(values) - self._mean) / self._spread
        self.kernel = kernel or _likeliest(self._looks, self._values_N)
        covariance = self.kernel.covariance(self._looks, self._looks) + self.kernel.noise * np.eye(len(values))
        self._factor = cho_factor(covariance)
        self._weights_N: Array = cho_solve(self._factor, self._values_N)

    def predict(self, specs: Sequence[ArchitectureSpec]) -> Array:
        """The expected value of each."""
        predicted: Array = self.kernel.covariance(self._seen(specs), self._looks) @ self._weights_N
        return self._mean + self._spread * predicted

    def left_out(self) -> Array:
        """For each training what the others predict of it (Rasmussen and Williams 2006, equation 5.12)."""
        precision_N = np.diag(cho_solve(self._factor, np.eye(len(self._values_N))))
        left_out: Array = self._mean + self._spread * (self._values_N - self._weights_N / precision_N)
        return left_out

    def _seen(self, specs: Sequence[ArchitectureSpec]) -> Looks:
        properties_ND = (np.array([properties(spec) for spec in specs]) - self._centre_D) / self._spread_D
        return Looks(properties_ND, np.array([_blocks(spec) for spec in specs], dtype=np.int64))


def _likeliest(looks: Looks, values_N: Array) -> Kernel:
    """The kernel with the largest marginal likelihood."""

    def surprise(logs: Array) -> float:
        kernel = _kernel(logs)
        covariance = kernel.covariance(looks, looks) + kernel.noise * np.eye(len(values_N))
        factor = cho_factor(covariance)
        fit = values_N @ cho_solve(factor, values_N)
        return float(fit / 2 + np.log(np.diag(factor[0])).sum())

    return _kernel(minimize(surprise, np.array(_START), method="L-BFGS-B", bounds=_LOG_RANGES).x)


def _kernel(logs: Array) -> Kernel:
    networks, length, blocks, reach, noise = map(float, np.exp(logs))
    return Kernel(networks=networks, length=length, blocks=blocks, reach=reach, noise=noise)


def properties(spec: ArchitectureSpec) -> list[float]:
    """What a network is, whatever the order in which it was decided: D numbers."""
    inputs, live = feature_inputs(spec), live_features(spec)
    blocks = spec.all_blocks
    edges = [blocks[feature].level - blocks[source].level for feature in live for source in inputs[feature]]
    found = [float(len(blocks) - len(live)), sum(step > 0 for step in edges) / len(edges)]
    found += [sum(step < 0 for step in edges) / len(edges), sum(map(abs, edges)) / len(edges)]
    found += [float(sum(blocks[feature].level == level for feature in live)) for level in LEVELS]
    found.append(float(sum(blocks[feature].block_type is BlockType.RESIDUAL for feature in live)))
    reached = _reached(spec, inputs)
    outputs = sorted((block.level, feature) for feature, block in enumerate(blocks) if block.is_output)
    return found + [number for _, feature in outputs for number in reached[feature]]


def _reached(spec: ArchitectureSpec, inputs: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
    """For each feature: shortest and longest path from the stem, logarithm of the number of paths, coarsest level of
    the path where that is finest, its mean over all paths, and the number of blocks that it depends on."""
    shortest: list[int] = []
    longest: list[int] = []
    paths_by_coarsest: list[dict[int, int]] = []
    ancestors: list[frozenset[int]] = []
    found = []
    for block, sources in zip(spec.all_blocks, inputs, strict=True):
        paths: dict[int, int] = {}
        for coarsest, count in _ways(paths_by_coarsest, sources):
            paths[max(coarsest, block.level)] = paths.get(max(coarsest, block.level), 0) + count
        shortest.append(1 + min((shortest[source] for source in sources), default=0))
        longest.append(1 + max((longest[source] for source in sources), default=0))
        paths_by_coarsest.append(paths)
        ancestors.append(frozenset(sources).union(*(ancestors[source] for source in sources)))
        num_paths = sum(paths.values())
        mean = sum(level * count for level, count in paths.items()) / num_paths
        numbers = (shortest[-1], longest[-1], math.log(num_paths), min(paths), mean, len(ancestors[-1]))
        found.append(tuple(map(float, numbers)))
    return found


def _ways(paths_by_coarsest: Sequence[Mapping[int, int]], sources: Sequence[int]) -> list[tuple[int, int]]:
    """Of the paths that come in, how many have which coarsest level; the image itself is one path."""
    if not sources:
        return [(0, 1)]
    return [way for source in sources for way in paths_by_coarsest[source].items()]


def _blocks(spec: ArchitectureSpec) -> list[int]:
    """For each searched block a number for its level, type and parents."""
    return [hash((block.level, tuple(map(ord, block.block_type)), block.parents)) for block in spec.blocks]
