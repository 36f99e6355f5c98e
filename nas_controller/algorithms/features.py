"""What genotypes look like to a model that predicts rewards: bags of features, in groups of one kind each.

A feature is a number that stands for a fact, equal for equal facts of a group, in every process. The groups are

* place: each block's level, type, multiplier and each of its parents, at its place;
* edges: levels and types at both ends of each connection, and its distance; each block's multiplier by its level;
* order: which level and type stands before which, for every two blocks;
* neighbourhood: each block at its place together with all of its parents (Weisfeiler-Lehman features of depth 1, as in
  Ru et al. 2021, arXiv 2006.07556);
* pattern: the same wherever it occurs.

So a model can learn what holds at a place, what holds everywhere, and what holds of a combination only.

Shapes: M genotypes, S blocks about which something is decided, P parents of each, E connections, Q pairs of blocks.
"""

import hashlib
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from nas_controller.algorithms.blocks import Blocks, Numbers, reader_of
from search_space.decisions import Genotype, SearchSpace

Bags = tuple[Numbers, ...]
"""For each group the features of M genotypes, a row each, repeated where they occur more than once; every genotype of
a space has as many."""
GROUPS = ("place", "edges", "order", "neighbourhood", "pattern")
_BITS = 20
"""A feature that is no hash is three small numbers of so many bits."""
_LEVEL, _TYPE, _MULTIPLIER, _PARENT = (number << _BITS for number in range(4))
_EDGE, _DISTANCE, _MULTIPLIER_OF_LEVEL = (number << 2 * _BITS for number in range(3))
_ODD, _FOLD = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


def features(space: SearchSpace, genotypes: Sequence[Genotype]) -> Bags:
    """The features of complete genotypes, group by group."""
    blocks = reader_of(space).read(genotypes)
    subjects_S, parents_MSP, kinds_MF = blocks.subjects_S, blocks.parents_MSP, blocks.kinds
    kinds_MS, shares_MS = kinds_MF[:, subjects_S], blocks.shares_MF[:, subjects_S]
    rows_M11 = np.arange(len(kinds_MS))[:, None, None]
    near_kinds_MSP, near_shares_MSP = kinds_MF[rows_M11, parents_MSP], blocks.shares_MF[rows_M11, parents_MSP]
    distances_MSP = np.where(parents_MSP >= 0, subjects_S[:, None] - parents_MSP, 0)
    edges_MSP = _EDGE | near_kinds_MSP << _BITS | kinds_MS[:, :, None]
    multipliers_MS = _MULTIPLIER_OF_LEVEL | blocks.levels_MF[:, subjects_S] << _BITS | shares_MS
    earlier_Q, later_Q = _pairs(len(subjects_S))
    look = [kinds_MS, shares_MS]
    around = _columns(parents_MSP, near_kinds_MSP, near_shares_MSP)
    distant = _columns(distances_MSP, near_kinds_MSP, near_shares_MSP)
    return (
        _places(blocks),
        _joined(multipliers_MS, _of_edges(blocks, edges_MSP), _of_edges(blocks, _DISTANCE | distances_MSP)),
        kinds_MS[:, earlier_Q] << _BITS | kinds_MS[:, later_Q],
        _hashed(np.broadcast_to(subjects_S, kinds_MS.shape), *look, *around),
        _hashed(*look, *distant),
    )


def identities(bags: Bags) -> list[int]:
    """64 bits for each genotype, the same for all of a network: parents in another order, twins of the pool."""
    return [_digest(places) for places in np.sort(bags[0], axis=1)]


@lru_cache(maxsize=8)
def identity(space: SearchSpace, genotype: Genotype) -> int:
    """The same of one genotype: the parts of a mixture are told the same trial in turn."""
    return _digest(np.sort(_places(reader_of(space).read([genotype]))[0]))


def _digest(places: Numbers) -> int:
    return int.from_bytes(hashlib.blake2b(places.tobytes(), digest_size=8).digest(), "little")


def _places(blocks: Blocks) -> Numbers:
    """Level, type, multiplier and parents of each block, at its place."""
    subjects_S = blocks.subjects_S
    at_S = subjects_S << 2 * _BITS
    return _joined(
        at_S | _LEVEL | blocks.levels_MF[:, subjects_S],
        at_S | _TYPE | blocks.types_MF[:, subjects_S],
        at_S | _MULTIPLIER | blocks.shares_MF[:, subjects_S],
        _of_edges(blocks, at_S[:, None] | _PARENT | blocks.parents_MSP),
    )


def _of_edges(blocks: Blocks, values_MSP: Numbers) -> Numbers:
    """Those that belong to a connection, ME: not those of blocks whose parents are not searched."""
    return values_MSP[:, blocks.rows_R].reshape(len(values_MSP), -1)


def _columns(*arrays_MSP: Numbers) -> list[Numbers]:
    """All of the first parents, then all of the second ones."""
    return [array[:, :, parent] for parent in range(arrays_MSP[0].shape[2]) for array in arrays_MSP]


def _joined(*arrays: Numbers) -> Numbers:
    return np.concatenate(arrays, axis=1)


@cache
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places of every two of so many, the first one earlier."""
    earlier, later = np.triu_indices(count, 1)
    return earlier, later


def _hashed(*columns_MS: Numbers) -> Numbers:
    """63 bits of a hash of what is at the same place of all columns: each is mixed in by a product with an odd number
    and a shift (the finalisers of splitmix64; Steele et al. 2014)."""
    hashes_MS = np.zeros(columns_MS[0].shape, dtype=np.uint64)
    for column_MS in columns_MS:
        hashes_MS = (hashes_MS ^ column_MS.astype(np.uint64)) * _ODD
        hashes_MS ^= hashes_MS >> _FOLD
    return (hashes_MS >> np.uint64(1)).astype(np.int64)
