"""Where a training runs and in which precision."""

import ctypes
import resource
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from trainer.task import TaskError

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1
_KEEP_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class ComputeDevice:
    """A device and the precision of convolutions on it; weights and losses are always float32.

    Args:
        uses_bf16: convolutions run in bfloat16.
    """

    device: torch.device
    uses_bf16: bool

    def autocast(self) -> AbstractContextManager[object]:
        """The context that convolutions run in."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.uses_bf16 else nullcontext()

    def describe(self) -> str:
        """For people, e.g. ``cpu (bf16)``."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        return f"{name} ({'bf16' if self.uses_bf16 else 'fp32'})"

    def peak_memory_bytes(self) -> int:
        """Largest memory in use so far: of the device, or of the process on a CPU."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def choose_device(name: str, precision: str) -> ComputeDevice:
    """The device called `name` (``auto``: CUDA where there is one, else CPU) at ``auto``, ``bf16`` or ``fp32``.

    Raises:
        TaskError: a device that this machine, or this release, does not have.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise TaskError(f"device: {name!r}: must be auto, cpu or cuda")
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise TaskError("device: 'cuda': this machine has no CUDA device")
    device = torch.device("cuda" if has_cuda and name != "cpu" else "cpu")
    return ComputeDevice(device, precision == "bf16" or (precision == "auto" and computes_bf16(device)))


def computes_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware: AMX or AVX-512 on a CPU, Ampere or later on CUDA."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def keep_freed_memory() -> None:
    """Tells glibc's allocator to keep freed memory for the process instead of returning it; else does nothing.

    Every training step allocates the same tensors. Returned and taken anew, each page faults again: that was a
    tenth of a step. It holds for the rest of the process.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
