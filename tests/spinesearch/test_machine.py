"""What a daemon's searches share: told or counted, on this machine or on a cluster."""

import math
from pathlib import Path

import pytest

from nas_controller.resources import Devices, Machine, Resources
from spinesearch.machine import device_variables, machine_of

ANY_NUMBER = {"searches": math.inf, "workers": math.inf}


def device_files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return folder


def test_a_machine_is_counted(tmp_path: Path) -> None:
    dev = device_files(tmp_path, "nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null")
    assert machine_of({}, 8, dev, None) == Machine(
        capacity=Resources(**ANY_NUMBER, cpus=8, gpus=2, tpus=0), cores=8, devices=Devices(gpus=("0", "1"))
    )


@pytest.mark.parametrize("files", [("accel0", "accel1"), ("vfio/0", "vfio/1", "vfio/vfio")])
def test_chips_are_counted_where_either_driver_has_them(tmp_path: Path, files: tuple[str, ...]) -> None:
    assert machine_of({}, 8, device_files(tmp_path, *files), None).devices == Devices(tpus=("0", "1"))


def test_what_is_told_is_not_counted(tmp_path: Path) -> None:
    told = {
        "SPINESEARCH_CPUS": "4",
        "SPINESEARCH_GPUS": "1",
        "SPINESEARCH_TPUS": "3",
        "SPINESEARCH_MAX_SEARCHES": "5",
        "SPINESEARCH_MAX_WORKERS": "6",
    }
    machine = machine_of(told, 8, device_files(tmp_path, "nvidia0", "nvidia1"), None)
    assert machine.capacity == Resources(searches=5, workers=6, cpus=4, gpus=1, tpus=3)
    assert machine.devices == Devices(gpus=("0",), tpus=("0", "1", "2"))
    assert machine.cores == math.inf, "4 CPUs are a limit: no search is let run with more"


@pytest.mark.parametrize(
    ("visible", "names"), [("3,GPU-7f", ("3", "GPU-7f")), (" 1 , 0 ", ("1", "0")), ("", ()), ("-1", ())]
)
def test_devices_that_are_hidden_are_not_there(tmp_path: Path, visible: str, names: tuple[str, ...]) -> None:
    dev = device_files(tmp_path, *(f"nvidia{index}" for index in range(8)))
    machine = machine_of({"CUDA_VISIBLE_DEVICES": visible}, 8, dev, None)
    assert (machine.devices.gpus, machine.capacity.gpus) == (names, len(names))


def test_more_devices_than_are_visible_are_refused(tmp_path: Path) -> None:
    told = {"CUDA_VISIBLE_DEVICES": "3,5", "SPINESEARCH_GPUS": "3"}
    with pytest.raises(ValueError, match="SPINESEARCH_GPUS: 3: CUDA_VISIBLE_DEVICES names 2"):
        machine_of(told, 8, tmp_path, None)


@pytest.mark.parametrize("name", ["CPUS", "MAX_SEARCHES", "MAX_WORKERS"])
@pytest.mark.parametrize("address", [None, "ray-head:6379"])
def test_a_wrong_number_is_refused_with_its_name(tmp_path: Path, name: str, address: str | None) -> None:
    with pytest.raises(ValueError, match=f"SPINESEARCH_{name}: '0': must be an integer of at least 1"):
        machine_of({f"SPINESEARCH_{name}": "0"}, 8, tmp_path, address)


def test_of_a_cluster_nothing_is_guessed(tmp_path: Path) -> None:
    dev = device_files(tmp_path, "nvidia0")
    everything = Resources(**ANY_NUMBER, cpus=math.inf, gpus=math.inf, tpus=math.inf)
    assert machine_of({"CUDA_VISIBLE_DEVICES": "0"}, 8, dev, "ray-head:6379") == Machine(capacity=everything)
    told = machine_of({"SPINESEARCH_CPUS": "64", "SPINESEARCH_GPUS": "16"}, 8, dev, "ray-head:6379")
    assert (told.capacity.cpus, told.capacity.gpus, told.devices) == (64, 16, Devices())


def test_a_process_is_told_its_devices() -> None:
    assert device_variables(Devices(gpus=("3", "GPU-7f"))) == {"CUDA_VISIBLE_DEVICES": "3,GPU-7f"}
    assert device_variables(Devices()) == {"CUDA_VISIBLE_DEVICES": ""}
    both = {"CUDA_VISIBLE_DEVICES": "", "TPU_VISIBLE_CHIPS": "0,1"}
    assert device_variables(Devices(tpus=("0", "1"))) == both
