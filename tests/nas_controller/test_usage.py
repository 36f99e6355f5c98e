import pytest

from nas_controller.search_config import Price, Workers
from nas_controller.usage import Usage, usage

POOLS = (Workers(count=1, cpus=8, gpus=2), Workers(count=2, cpus=3, gpus=0.5, tpus=4))


def test_each_worker_counts_with_what_its_pool_has() -> None:
    used = usage(POOLS, {"worker-1": 3600.0, "worker-2": 1800.0, "worker-3": 900.0})
    # one hour of 2 GPUs and 8 cores; three quarters of an hour of half a GPU, 4 chips and 3 cores
    assert used == Usage(gpu_hours=2 + 0.75 * 0.5, tpu_hours=0.75 * 4, cpu_hours=8 + 0.75 * 3)


def test_a_worker_beyond_the_pools_counts_as_one_of_the_last() -> None:
    assert usage(POOLS, {"worker-4": 3600.0}) == Usage(gpu_hours=0.5, tpu_hours=4, cpu_hours=3)


def test_no_work_is_no_usage() -> None:
    assert usage(POOLS, {}) == Usage()


def test_cost_is_hours_by_their_price() -> None:
    price = Price(gpu_hour=2.5, tpu_hour=1.5, cpu_hour=0.1)
    assert Usage(gpu_hours=2, tpu_hours=3, cpu_hours=10).cost(price) == pytest.approx(5 + 4.5 + 1)
