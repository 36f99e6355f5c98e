"""What a training cannot beat: the bare network's step, and the machine's matrix product.

Legend: B images, C channels, H and W pixels, A anchors, K classes.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from search_space.plan import resolve
from spinesearch.bench.proxy import Limits
from trainer.data.dataset import load_split
from trainer.device import ComputeDevice, choose_device, keep_freed_memory
from trainer.loop import Training, begin_training, update_weights, zero_gradients
from trainer.model.retinanet import RetinaNet, build_retinanet
from trainer.recorded import recorded
from trainer.task import EvaluationRequest

WARM_UP_STEPS, TIMED_STEPS = 5, 30
MATRIX_SIDES = {"cpu": 2048, "cuda": 8192}
MATRIX_REPEATS = 8


def measure(request: EvaluationRequest) -> Limits:
    """The limits for a request's network and device, in this process."""
    torch.set_num_threads(request.threads)
    keep_freed_memory()
    on = choose_device(request.device, request.task.precision)
    return Limits(
        bare_step_seconds=bare_step_seconds(request, on),
        bf16_flops=matrix_flops(torch.bfloat16, on.device),
        fp32_flops=matrix_flops(torch.float32, on.device),
    )


def bare_step_seconds(request: EvaluationRequest, on: ComputeDevice) -> float:
    """Median seconds of a forward pass, a backward pass and an optimizer step on random tensors, nothing else."""
    task = request.task
    num_classes = load_split(request.data, request.split.value, task.image_size).num_classes
    generator = torch.Generator().manual_seed(request.seed)
    model = build_retinanet(resolve(request.spec, task.network(num_classes)), generator)
    model = model.to(on.device).to(memory_format=torch.channels_last)
    training = begin_training(model, task, task.batch_size, on)
    images_BCHW = torch.randn(task.batch_size, 3, task.image_size, task.image_size, generator=generator)
    images_BCHW = images_BCHW.to(on.device).contiguous(memory_format=torch.channels_last)
    step = bare_step(model, training, images_BCHW, task.learning_rate, on, lambda: zero_gradients(training))
    return median_step_seconds(step, on.device)


def bare_step(
    network: RetinaNet,
    training: Training,
    images_BCHW: Tensor,
    learning_rate: float,
    on: ComputeDevice,
    zero: Callable[[], None],
    *,
    records: bool = True,
) -> Callable[[], object]:
    """Forward pass, backward pass and optimizer on the same images again and again.

    Args:
        zero: makes ready for the backward pass.
        records: on CUDA the step is recorded, as in a training.
    """
    gradients: list[Tensor] = []

    def step(batch: tuple[Tensor, ...], rate: float | Tensor) -> Tensor:
        with on.autocast():
            predictions: tuple[Tensor, Tensor] = network(batch[0])
        if not gradients:  # of the size of a mean over predictions, and drawn once
            gradients.extend(torch.randn_like(prediction) / prediction.numel() for prediction in predictions)
        zero()
        torch.autograd.backward(predictions, gradients)
        update_weights(training, rate, clip_norm=None)
        return predictions[0].detach()

    take_step = recorded(step, training.model, on.device) if records else step
    return lambda: take_step((images_BCHW,), learning_rate)


def median_step_seconds(step: Callable[[], object], device: torch.device) -> float:
    """Of a step's times, when it is warm."""
    for _ in range(WARM_UP_STEPS):
        step()
    seconds = sorted(seconds_of(step, device) for _ in range(TIMED_STEPS))
    return seconds[len(seconds) // 2]


def matrix_flops(dtype: torch.dtype, device: torch.device) -> float:
    """Floating-point operations a second of the best of some large square matrix products, two a multiply-add."""
    side = MATRIX_SIDES[device.type]
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(left)
    torch.matmul(left, right, out=product)
    best = min(seconds_of(lambda: torch.matmul(left, right, out=product), device) for _ in range(MATRIX_REPEATS))
    return 2 * side**3 / best


def seconds_of(action: Callable[[], object], device: torch.device) -> float:
    """Wall time of an action, that of the device included."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
