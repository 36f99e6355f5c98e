"""Training steps on CUDA as one graph: recorded once, then played for each batch.

A step of a small network is thousands of kernels of a few microseconds each, and Python launches them more slowly than
the device runs them. A recorded step is launched in one piece.
"""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

WARM_UP_STEPS = 3  # libraries choose kernels and make buffers in the first steps, which a recording must not

SWITCH = "SPINESEARCH_RECORDED_STEPS"
"""An environment variable, 0 or 1; 0 launches every step's kernels one by one."""

Step = Callable[[tuple[Tensor, ...], float | Tensor], Tensor]
"""One training step on a batch at a learning rate; gives the loss, a scalar on the device."""


def is_recorded(network: nn.Module, device: torch.device) -> bool:
    """Whether the network's steps are recorded.

    Not with depthwise convolutions: a training of `eff-spinenet-d0` ended its process on an H100 (torch 2.11), and
    whether the recording or something else did it is not known yet.

    Raises:
        ValueError: the variable has another value.
    """
    switch = os.environ.get(SWITCH) or "1"
    if switch not in ("0", "1"):
        raise ValueError(f"{SWITCH}={switch}: must be 0 or 1")
    if device.type != "cuda" or switch == "0":
        return False
    return all(module.groups == 1 for module in network.modules() if isinstance(module, nn.Conv2d))


def recorded(step: Step, network: nn.Module, device: torch.device) -> Step:
    """The step of a network as a `RecordedStep`, or as it is where it is not recorded."""
    return RecordedStep(step, device) if is_recorded(network, device) else step


class RecordedStep:
    """A step that is taken as it is a few times, then recorded, then played.

    Args:
        step: it changes tensors in place only, does the same operations on batches of the same shapes, and never
            waits for the device.
    """

    def __init__(self, step: Step, device: torch.device) -> None:
        self._step = step
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._rate = torch.zeros((), device=device)
        self._num_taken = 0
        self._graph = torch.cuda.CUDAGraph()
        self._batch: tuple[Tensor, ...] = ()
        self._loss = self._rate

    def __call__(self, batch: tuple[Tensor, ...], learning_rate: float | Tensor) -> Tensor:
        """Takes the step; the loss holds until the next one."""
        self._rate.fill_(learning_rate)
        if self._num_taken < WARM_UP_STEPS:
            self._num_taken += 1
            return self._take_aside(batch)
        if not self._batch:
            self._record(batch)
        for place, tensor in zip(self._batch, batch, strict=True):
            place.copy_(tensor)
        self._graph.replay()
        return self._loss

    def _take_aside(self, batch: tuple[Tensor, ...]) -> Tensor:
        """The step as it is, on the stream that it is recorded on."""
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            loss = self._step(batch, self._rate)
        current.wait_stream(self._stream)
        return loss

    def _record(self, batch: tuple[Tensor, ...]) -> None:
        """Records the step without taking it. Meanwhile other threads may read images into pinned memory."""
        self._batch = tuple(tensor.clone() for tensor in batch)
        recording = torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local")
        with _uncollected(), recording:
            self._loss = self._step(self._batch, self._rate)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Inside, no garbage is collected: the graph of another training, freed while one is recorded, breaks that one."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
