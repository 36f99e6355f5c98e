"""What a search takes: the sum over its pools, GPUs whole."""

from typing import Any

import pytest

from nas_controller.resources import UNLIMITED, Devices, Resources
from nas_controller.search_config import SearchConfig


def resources(*pools: dict[str, Any]) -> Resources:
    return Resources.of(SearchConfig.from_document({"space": "r0-sp53", "data": "generated", "workers": list(pools)}))


def test_a_search_takes_the_sum_over_its_pools() -> None:
    pools = ({"count": 2, "cpus": 3}, {"count": 4, "cpus": 1, "gpus": 1}, {"count": 1, "cpus": 8, "tpus": 4})
    # 2 + 4 + 1 workers, 2 x 3 + 4 x 1 + 1 x 8 CPUs
    assert resources(*pools) == Resources(searches=1, workers=7, cpus=18, gpus=4, tpus=4)


@pytest.mark.parametrize(
    ("count", "share", "gpus"),
    [
        (1, 0.5, 1),
        (2, 0.5, 1),
        (3, 0.5, 2),
        (2, 0.6, 2),  # the second half of a GPU is too small
        (10, 0.1, 1),
        (3, 1 / 3, 1),
        (7, 0.33, 3),
        (1, 1e-9, 1),
        (3, 2, 6),
        (2, 0, 0),
    ],
)
def test_a_share_of_a_gpu_stays_on_one(count: int, share: float, gpus: int) -> None:
    assert resources({"count": count, "gpus": share}).gpus == gpus


def test_what_is_missing_is_named() -> None:
    room = Resources(searches=1, workers=4, cpus=2, gpus=0, tpus=-1)
    assert Resources(searches=1, workers=4, cpus=2).beyond(room) == []
    assert Resources(searches=1, workers=5, cpus=3, gpus=1).beyond(room) == ["workers", "cpus", "gpus"]
    assert Resources(searches=1, workers=10**6, cpus=10**9, gpus=64, tpus=64).beyond(UNLIMITED) == []


def test_it_is_said_in_words() -> None:
    few, many = Resources(searches=1, workers=1, cpus=1, gpus=1, tpus=1), Resources(workers=2, cpus=64, gpus=2, tpus=4)
    names = ("searches", "workers", "cpus", "gpus", "tpus")
    assert [few.said(name) for name in names] == ["1 place", "1 worker", "1 CPU", "1 GPU", "1 TPU chip"]
    assert [many.said(name) for name in names[1:]] == ["2 workers", "64 CPUs", "2 GPUs", "4 TPU chips"]
    assert many.said("searches") == "0 places"


def test_devices_are_handed_out_in_order() -> None:
    every = Devices(gpus=("0", "1", "2", "3"), tpus=("0", "1"))
    free = every.without([Devices(gpus=("1",)), Devices(gpus=("0",), tpus=("1",))])
    assert free == Devices(gpus=("2", "3"), tpus=("0",))
    assert free.first(Resources(gpus=1)) == Devices(gpus=("2",))
    assert Devices().first(Resources(gpus=1, tpus=1)) == Devices()
