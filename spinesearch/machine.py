"""What the searches of this machine's daemon share: told by the environment, or counted."""

import math
from collections.abc import Mapping
from pathlib import Path

from nas_controller.resources import Devices, Machine, Resources
from spinesearch import environment

CUDA_DEVICES = "CUDA_VISIBLE_DEVICES"
TPU_CHIPS = "TPU_VISIBLE_CHIPS"
NO_DEVICES = ("", "-1", "NoDevFiles")


def machine_of(variables: Mapping[str, str], num_cores: int, dev: Path, ray_address: str | None) -> Machine:
    """This machine, or a cluster at the address: how large that is nobody here knows, Ray places its workers.

    Args:
        dev: the folder of device files; libraries that could count take seconds to import.

    Raises:
        ValueError: a variable says what cannot be.
    """
    if ray_address is not None:
        return Machine(capacity=_capacity(variables, math.inf, math.inf, math.inf))
    devices = Devices(
        gpus=_names(variables, CUDA_DEVICES, environment.GPUS, _count_gpus(dev)),
        tpus=_names(variables, TPU_CHIPS, environment.TPUS, _count_tpus(dev)),
    )
    return Machine(
        capacity=_capacity(variables, num_cores, len(devices.gpus), len(devices.tpus)),
        cores=num_cores if environment.count(environment.CPUS, variables) is None else math.inf,
        devices=devices,
    )


def device_variables(devices: Devices) -> dict[str, str]:
    """What a process on this machine is told, so that it, and Ray in it, use these devices and no other."""
    variables = {CUDA_DEVICES: ",".join(devices.gpus)}
    return variables | ({TPU_CHIPS: ",".join(devices.tpus)} if devices.tpus else {})


def _capacity(variables: Mapping[str, str], cpus: float, gpus: float, tpus: float) -> Resources:
    """What the environment says, and these numbers where it says nothing."""

    def told(variable: str, default: float, least: int = 1) -> float:
        number = environment.count(variable, variables, least)
        return default if number is None else number

    return Resources(
        searches=told(environment.MAX_SEARCHES, math.inf),
        workers=told(environment.MAX_WORKERS, math.inf),
        cpus=told(environment.CPUS, cpus),
        gpus=told(environment.GPUS, gpus, least=0),
        tpus=told(environment.TPUS, tpus, least=0),
    )


def _names(variables: Mapping[str, str], visible: str, limit: str, num_counted: int) -> tuple[str, ...]:
    """Devices that searches may have: those that are visible, as many of them as the limit says.

    Raises:
        ValueError: more are wanted than are visible.
    """
    told = variables.get(visible)
    number = environment.count(limit, variables, least=0)
    if told is None:
        return tuple(str(index) for index in range(num_counted if number is None else number))
    names = tuple(name.strip() for name in told.split(",") if name.strip() not in NO_DEVICES)
    if number is not None and number > len(names):
        raise ValueError(f"{limit}: {number}: {visible} names {len(names)}")
    return names[:number]


def _count_gpus(dev: Path) -> int:
    """NVIDIA GPUs that have a device file."""
    return len(list(dev.glob("nvidia[0-9]*")))


def _count_tpus(dev: Path) -> int:
    """TPU chips that have a device file, where Ray looks for them too."""
    return len(list(dev.glob("accel[0-9]*"))) or len(list(dev.glob("vfio/[0-9]*")))
