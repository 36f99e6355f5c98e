"""What a search has used of its workers' time, and what that costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nas_controller.search_config import Price, Workers

HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Hours of one GPU, one TPU chip and one CPU core, while their worker was at work on an attempt."""

    gpu_hours: float = 0.0
    tpu_hours: float = 0.0
    cpu_hours: float = 0.0

    def cost(self, price: Price) -> float:
        """In the price's currency."""
        return self.gpu_hours * price.gpu_hour + self.tpu_hours * price.tpu_hour + self.cpu_hours * price.cpu_hour


def usage(pools: Sequence[Workers], worker_seconds: Mapping[str, float]) -> Usage:
    """What the workers of these pools used.

    Args:
        worker_seconds: at work, by the name of the worker: ``worker-1``, ``worker-2``, ... through all pools.
    """
    gpus = tpus = cpus = 0.0
    for worker, seconds in worker_seconds.items():
        pool = _pool_of(pools, worker)
        gpus, tpus, cpus = gpus + seconds * pool.gpus, tpus + seconds * pool.tpus, cpus + seconds * pool.cpus
    return Usage(gpus / HOUR_SECONDS, tpus / HOUR_SECONDS, cpus / HOUR_SECONDS)


def _pool_of(pools: Sequence[Workers], worker: str) -> Workers:
    """The last one for a worker that none of them has."""
    number = int(worker.rpartition("-")[2])
    for pool in pools:
        if number <= pool.count:
            return pool
        number -= pool.count
    return pools[-1]
