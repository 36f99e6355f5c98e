"""What searches take of a machine or a cluster, and what there is of it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

from nas_controller.search_config import SearchConfig, Workers

_UNITS: Mapping[str, tuple[str, str]] = {
    "searches": ("place", "places"),
    "workers": ("worker", "workers"),
    "cpus": ("CPU", "CPUs"),
    "gpus": ("GPU", "GPUs"),
    "tpus": ("TPU chip", "TPU chips"),
}
SMALLEST_SHARE = 1e-4
"""Of a GPU, as Ray counts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """How much of each thing: whole numbers, or infinity where nobody counts.

    Args:
        searches: how many at a time.
        workers: of all their pools.
        gpus: a search has its GPUs for itself; only workers of one pool share one.
        tpus: chips.
    """

    searches: float = 0
    workers: float = 0
    cpus: float = 0
    gpus: float = 0
    tpus: float = 0

    @classmethod
    def of(cls, config: SearchConfig) -> Self:
        """What a search takes while it runs: the sum over its pools."""
        pools = config.workers
        return cls(
            searches=1,
            workers=sum(pool.count for pool in pools),
            cpus=sum(pool.count * pool.cpus for pool in pools),
            gpus=sum(_whole_gpus(pool) for pool in pools),
            tpus=sum(pool.count * pool.tpus for pool in pools),
        )

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(**{name: getattr(self, name) + getattr(other, name) for name in _UNITS})

    def __sub__(self, other: "Resources") -> "Resources":
        return Resources(**{name: getattr(self, name) - getattr(other, name) for name in _UNITS})

    def at_most_cpus(self, cpus: float) -> "Resources":
        """The same with no more CPUs than these."""
        return replace(self, cpus=min(self.cpus, cpus))

    def beyond(self, room: "Resources") -> list[str]:
        """Names of the things of which more is wanted than there is; what is not wanted is not missed."""
        return [name for name in _UNITS if getattr(self, name) and getattr(self, name) > getattr(room, name)]

    def said(self, name: str) -> str:
        """How much of one thing, e.g. ``1 GPU``."""
        amount: float = getattr(self, name)
        return f"{amount:g} {_UNITS[name][amount != 1]}"


def _whole_gpus(pool: Workers) -> int:
    """GPUs that a pool fills: a share of one stays on one."""
    if pool.gpus == 0:
        return 0
    if pool.gpus >= 1:
        return pool.count * math.ceil(pool.gpus)
    return math.ceil(pool.count / math.floor(1 / max(pool.gpus, SMALLEST_SHARE) + SMALLEST_SHARE))


UNLIMITED = Resources(**{field.name: math.inf for field in fields(Resources)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """The GPUs and TPU chips of one search on its machine, by the names that their libraries know."""

    gpus: tuple[str, ...] = ()
    tpus: tuple[str, ...] = ()

    def without(self, held: Iterable["Devices"]) -> "Devices":
        """Those that are in none of the others."""
        gpus, tpus = set(self.gpus), set(self.tpus)
        for other in held:
            gpus -= set(other.gpus)
            tpus -= set(other.tpus)
        return Devices(
            gpus=tuple(name for name in self.gpus if name in gpus),
            tpus=tuple(name for name in self.tpus if name in tpus),
        )

    def first(self, needs: Resources) -> "Devices":
        """As many as are needed; fewer where there are no more."""
        return Devices(gpus=self.gpus[: int(needs.gpus)], tpus=self.tpus[: int(needs.tpus)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the searches of one daemon share.

    Args:
        capacity: what they may take together.
        cores: of a machine whose CPUs were counted, not set: a search that asks for more counts as all of them, and
            runs, slower.
        devices: that are handed out; none where Ray of a cluster does it.
    """

    capacity: Resources
    cores: float = math.inf
    devices: Devices = Devices()
