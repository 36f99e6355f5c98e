"""Where a training runs and in which precision."""

import ctypes
import importlib
import resource
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from trainer.task import TaskError

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1
_KEEP_BYTES = 2**30
_HUGE_BYTES, _PAGE_BYTES, _MADV_HUGEPAGE = 2**30 - 2**21, 2**12, 14


@dataclass(frozen=True, slots=True)
class ComputeDevice:
    """A device and the precision of convolutions on it; weights and losses are always float32.

    Args:
        uses_bf16: convolutions run in bfloat16.
        share: of the device's memory that this process may take, in (0, 1]; only CUDA's is shared out.
    """

    device: torch.device
    uses_bf16: bool
    share: float = 1.0

    def autocast(self) -> AbstractContextManager[object]:
        """The context that convolutions run in."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.uses_bf16 else nullcontext()

    def end_step(self) -> None:
        """Runs what was recorded of a step, on XLA; other devices compute as they are told."""
        if self.device.type == "xla":
            importlib.import_module("torch_xla").sync()

    def describe(self) -> str:
        """For people, e.g. ``cpu (bf16)``."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        return f"{name} ({'bf16' if self.uses_bf16 else 'fp32'})"

    def peak_memory_bytes(self) -> int:
        """Largest memory in use so far: of the device, or of the process on a CPU."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def choose_device(name: str, precision: str, share: float = 1.0) -> ComputeDevice:
    """The device called `name` (``auto``: CUDA where there is one, else CPU) at ``auto``, ``bf16`` or ``fp32``.

    Raises:
        TaskError: a device that this machine, or this release, does not have.
    """
    if name not in ("auto", "cpu", "cuda", "xla"):
        raise TaskError(f"device: {name!r}: must be auto, cpu, cuda or xla")
    if name == "xla":
        return _xla_device(precision)
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise TaskError("device: 'cuda': this machine has no CUDA device")
    device = torch.device("cuda" if has_cuda and name != "cpu" else "cpu")
    return ComputeDevice(device, precision == "bf16" or (precision == "auto" and computes_bf16(device)), share)


def _xla_device(precision: str) -> ComputeDevice:
    """A TPU, or whatever PJRT_DEVICE names; ``auto`` is bf16 on a TPU only."""
    try:
        torch_xla, runtime = importlib.import_module("torch_xla"), importlib.import_module("torch_xla.runtime")
    except ImportError as error:
        raise TaskError(f"device: 'xla': torch_xla cannot be loaded here: {error}") from error
    is_tpu = runtime.device_type() == "TPU"
    return ComputeDevice(torch_xla.device(), precision == "bf16" or (precision == "auto" and is_tpu))


def computes_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware: AMX or AVX-512 on a CPU, Ampere or later on CUDA."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def keep_freed_memory() -> None:
    """Tells glibc's allocator to keep freed memory for the process, in huge pages; elsewhere does nothing.

    Every training step allocates the same tensors. Returned and taken anew, each page faults again: that was a
    tenth of a step. In small pages their addresses do not fit the processor's table: that was a twentieth. It holds for
    the rest of the process.
    """
    try:
        library = ctypes.CDLL(None)
        mallopt, madvise, malloc, free = library.mallopt, library.madvise, library.malloc, library.free
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    # The heap grows by a block that is given back at once, untouched: what is allocated next lies in it.
    malloc.restype, malloc.argtypes, free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    block = malloc(_HUGE_BYTES)
    if block:
        first = -(-block // _PAGE_BYTES) * _PAGE_BYTES
        madvise(first, block + _HUGE_BYTES - first, _MADV_HUGEPAGE)
        free(block)


def return_freed_memory() -> None:
    """Gives the memory that `keep_freed_memory` kept back to the machine, so that others see it; else does nothing."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return
