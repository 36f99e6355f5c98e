"""Where a training runs and in which precision."""

import ctypes
import importlib
import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
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

    @property
    def is_compiled(self) -> bool:
        """Whether a step is recorded and compiled: anew where its operations, shapes or constants differ."""
        return self.device.type == "xla"

    @property
    def staging_device(self) -> torch.device:
        """Where batches are augmented and statistics kept: on XLA the CPU, as no compiled step is to know of them."""
        return torch.device("cpu") if self.is_compiled else self.device

    def autocast(self) -> AbstractContextManager[object]:
        """The context that convolutions run in."""
        if not self.uses_bf16:
            return nullcontext()
        # With its cache the first pass within a context would be another graph than the next.
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=not self.is_compiled)

    def end_step(self) -> None:
        """Runs what was recorded, on XLA; other devices compute as they are told.

        What was recorded before a step and is left to it would be part of its graph.
        """
        if self.is_compiled:
            importlib.import_module("torch_xla").sync()

    def wait(self) -> None:
        """Until the device has done all that it was told; on XLA, also what was recorded, if its results are held."""
        if self.is_compiled:
            importlib.import_module("torch_xla").sync(wait=True)
        elif self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def varying(self, number: float) -> float | torch.Tensor:
        """A number that is another in each step; on XLA a tensor, as numbers are part of the graph.

        It has a dimension: of scalars, torch_xla makes 0 and 1 constants, and equal ones, as by chance, one input.
        """
        return torch.tensor([number]).to(self.device) if self.is_compiled else number

    def write(self, vector_N: torch.Tensor, position: int, value: torch.Tensor) -> None:
        """Puts a scalar at a position of a vector, both on the device."""
        if self.is_compiled:
            vector_N.index_copy_(0, torch.tensor([position]).to(self.device), value[None])
        else:
            vector_N[position] = value

    def describe(self) -> str:
        """For people, e.g. ``cpu (bf16)`` or ``xla TPU (bf16)``."""
        name = f"xla {xla_platform()}" if self.is_compiled else self.device.type
        if self.device.type == "cuda":
            name = torch.cuda.get_device_name(self.device)
        return f"{name} ({'bf16' if self.uses_bf16 else 'fp32'})"

    def peak_memory_bytes(self) -> int:
        """Largest memory in use so far: of the device, or of the process on a CPU, XLA's CPU plug-in included."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        tpu_memory = xla_memory(self.device) if self.is_compiled else None
        if tpu_memory is not None:
            return tpu_memory["peak_bytes_used"]
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on the device, without waiting for what a CUDA device is at: only pinned memory is copied in turn."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def choose_device(name: str, precision: str, share: float = 1.0) -> ComputeDevice:
    """The device called `name` at precision ``auto``, ``bf16`` or ``fp32``.

    ``auto`` is XLA where PJRT_DEVICE, torch_xla's own choice of hardware, says TPU; else CUDA where there is one; else
    the CPU.

    Raises:
        TaskError: a device that this machine, or this release, does not have.
    """
    if name not in ("auto", "cpu", "cuda", "xla"):
        raise TaskError(f"device: {name!r}: must be auto, cpu, cuda or xla")
    if name == "xla" or (name == "auto" and os.environ.get("PJRT_DEVICE") == "TPU"):
        return _xla_device(precision)
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise TaskError("device: 'cuda': this machine has no CUDA device")
    # With its number: some of torch's functions refuse a CUDA device without one.
    device = torch.device("cuda", torch.cuda.current_device()) if has_cuda and name != "cpu" else torch.device("cpu")
    return ComputeDevice(device, precision == "bf16" or (precision == "auto" and computes_bf16(device)), share)


def _xla_device(precision: str) -> ComputeDevice:
    """A TPU, or whatever PJRT_DEVICE names; ``auto`` is bf16 on a TPU only."""
    try:
        torch_xla = importlib.import_module("torch_xla")
    except ImportError as error:
        raise TaskError(f"device: 'xla': torch_xla cannot be loaded here: {error}") from error
    is_tpu = xla_platform() == "TPU"
    return ComputeDevice(torch_xla.device(), precision == "bf16" or (precision == "auto" and is_tpu))


def xla_platform() -> str:
    """What XLA computes on, as PJRT_DEVICE names it, e.g. ``TPU`` or ``CPU``."""
    return str(importlib.import_module("torch_xla.runtime").device_type())


def xla_memory(device: torch.device) -> Mapping[str, int] | None:
    """``bytes_used``, ``bytes_limit`` and ``peak_bytes_used`` of an XLA device; None on the CPU plug-in."""
    if xla_platform() == "CPU":
        return None
    memory: Mapping[str, int] = importlib.import_module("torch_xla.core.xla_model").get_memory_info(device)
    return memory


def computes_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware: AMX or AVX-512 on a CPU, Ampere or later on CUDA."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if not hasattr(torch.cpu, "get_capabilities"):  # torch 2.9, which torch_xla needs
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


@contextmanager
def repeatable_convolutions() -> Iterator[None]:
    """Inside, cuDNN takes only algorithms that give the same bits each time; without it those for float32 do not."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


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
