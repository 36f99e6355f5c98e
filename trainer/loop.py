"""The training loop: `train(...)`, flat and once.

What happens at a step depends on the seed and the step number alone, never on the process' random state.

Legend: B images of a batch, C channels, H and W pixels, S steps, M boxes, A anchors.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from trainer.data.augment import Batch, augment
from trainer.data.tensors import DetectionTensors
from trainer.device import ComputeDevice
from trainer.model.blocks import BATCH_NORM_MOMENTUM, BatchNorm
from trainer.model.loss import detection_loss
from trainer.model.retinanet import RetinaNet
from trainer.task import ProxyTask, TrainingDiverged

PIXEL_MEAN = (123.7, 116.3, 103.5)
PIXEL_DEVIATION = (58.4, 57.1, 57.4)
ADAM_BETAS = (0.9, 0.99)  # a short memory of squared gradients: a proxy task has a few hundred steps
CHECK_INTERVAL = 20
MAX_LOSS_POINTS = 100
STATISTICS_BATCHES, STATISTICS_BATCH_SIZE = 6, 32


@dataclass(frozen=True, slots=True)
class Training:
    """What a training leaves besides the model.

    Args:
        losses: (step, mean total loss since the point before), at most 100 points.
        seconds: wall time of the steps.
    """

    losses: tuple[tuple[int, float], ...]
    seconds: float


def train(
    model: RetinaNet, anchors_A4: Tensor, images: DetectionTensors, task: ProxyTask, seed: int, on: ComputeDevice
) -> Training:
    """Trains `model` in place for the task's steps.

    Raises:
        TrainingDiverged: the loss was not finite; the message names the step.
    """
    started = time.perf_counter()
    steps = num_steps(task, images.num_images)
    optimizer = make_optimizer(model, task)
    flat_parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    losses_S = torch.zeros(steps, device=on.device)
    model.train()
    for step, batch in enumerate(batches(images, task, steps, seed, on)):
        for group in optimizer.param_groups:
            group["lr"] = task.learning_rate * learning_rate_factor(task, step, steps)
        with on.autocast():
            logits_BAK, deltas_BA4 = model(batch.images_BCHW)
        loss = detection_loss(logits_BAK, deltas_BA4, anchors_A4, *batch[1:])
        optimizer.zero_grad(set_to_none=False)
        loss.backward()  # type: ignore[no-untyped-call]
        if task.clip_norm is not None:
            nn.utils.clip_grad_norm_(flat_parameters, task.clip_norm)
        optimizer.step()
        losses_S[step] = loss.detach()
        if (step + 1) % CHECK_INTERVAL == 0 or step + 1 == steps:
            require_finite(losses_S[: step + 1])
    reestimate_batch_norm(model, images, task, seed, on)
    return Training(loss_points(losses_S), time.perf_counter() - started)


def reestimate_batch_norm(
    model: RetinaNet, images: DetectionTensors, task: ProxyTask, seed: int, on: ComputeDevice
) -> None:
    """Replaces the running statistics by their mean over a few larger batches under the final weights.

    During a short training the running averages lag behind the weights, and small batches make them noisy on the
    high levels of the pyramid (Wu and Johnson 2021, section 3).
    """
    norms = [module for module in model.modules() if isinstance(module, BatchNorm)]
    larger = replace(task, batch_size=STATISTICS_BATCH_SIZE)
    model.train()
    with torch.no_grad(), on.autocast():
        for step, batch in enumerate(batches(images, larger, STATISTICS_BATCHES, seed, on)):
            for norm in norms:
                norm.momentum = 1 / (step + 1)
            model(batch.images_BCHW)
    for norm in norms:
        norm.momentum = BATCH_NORM_MOMENTUM


def num_steps(task: ProxyTask, num_images: int) -> int:
    """Optimizer steps of the task on so many images, at least 1."""
    if task.steps is not None:
        return task.steps
    return max(1, round((task.epochs or 0.0) * num_images / task.batch_size))


def learning_rate_factor(task: ProxyTask, step: int, steps: int) -> float:
    """Share of the task's learning rate at a step: linear warm-up, then cosine to zero or two steps down."""
    if step < task.warmup_steps:
        return (step + 1) / (task.warmup_steps + 1)
    if task.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - task.warmup_steps) / max(1, steps - task.warmup_steps)))
    return 1.0 if step < steps * 2 / 3 else 0.1 if step < steps * 8 / 9 else 0.01


def make_optimizer(model: nn.Module, task: ProxyTask) -> torch.optim.Optimizer:
    """AdamW, or SGD with momentum 0.9, on two flat parameters; weight decay on convolution weights only."""
    decayed = flattened([p for p in model.parameters() if p.ndim > 1])
    others = flattened([p for p in model.parameters() if p.ndim <= 1])
    groups = [{"params": [decayed], "weight_decay": task.weight_decay}, {"params": [others], "weight_decay": 0.0}]
    if task.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=task.learning_rate, betas=ADAM_BETAS, fused=True)
    return torch.optim.SGD(groups, lr=task.learning_rate, momentum=0.9, fused=True)


def flattened(parameters: list[nn.Parameter]) -> nn.Parameter:
    """One vector that holds all the parameters, which become views of it, as their gradients of its gradient.

    An optimizer step is then a few operations on long vectors, not a few hundred on short ones.
    """
    flat = nn.Parameter(torch.cat([_in_memory_order(p.detach()).reshape(-1) for p in parameters]))
    flat.grad = torch.zeros_like(flat)
    first = 0
    for parameter in parameters:
        place = slice(first, first + parameter.numel())
        parameter.data = _view_like(flat.detach()[place], parameter)
        parameter.grad = _view_like(flat.grad[place], parameter)
        first = place.stop
    return flat


def _in_memory_order(weights: Tensor) -> Tensor:
    return weights.permute(0, 2, 3, 1) if weights.ndim == 4 else weights


def _view_like(vector: Tensor, parameter: Tensor) -> Tensor:
    """The vector in the parameter's shape, convolution weights channels last."""
    if parameter.ndim != 4:
        return vector.view(parameter.shape)
    out_channels, in_channels, height, width = parameter.shape
    return vector.view(out_channels, height, width, in_channels).permute(0, 3, 1, 2)


def image_order(num_images: int, batch_size: int, steps: int, seed: int) -> Tensor:
    """Indices of the images of each step (S, B): one random permutation of the images after another."""
    generator = torch.Generator().manual_seed(seed)
    passes = math.ceil(steps * batch_size / num_images)
    order = torch.cat([torch.randperm(num_images, generator=generator) for _ in range(passes)])
    return order[: steps * batch_size].reshape(steps, batch_size)


def batches(images: DetectionTensors, task: ProxyTask, steps: int, seed: int, on: ComputeDevice) -> Iterator[Batch]:
    """The augmented, normalised batches of all steps, on the device."""
    order_SB = image_order(images.num_images, task.batch_size, steps, seed)
    for step in range(steps):
        generator = torch.Generator().manual_seed((seed % 2**31 << 32) + step)
        index_B = order_SB[step]
        batch = augment(
            images.images_NCHW[index_B].to(on.device),
            images.boxes_NM4[index_B].to(on.device),
            images.labels_NM[index_B].to(on.device),
            images.crowd_NM[index_B].to(on.device),
            images.valid_sizes_N2[index_B],
            flip=task.flip,
            scale_jitter=task.scale_jitter,
            generator=generator,
        )
        yield batch._replace(images_BCHW=normalised(batch.images_BCHW))


def normalised(images_BCHW: Tensor) -> Tensor:
    """Pixels 0 to 255 as float32 of about zero mean and unit deviation, channels last in memory."""
    mean_C11 = torch.tensor(PIXEL_MEAN, device=images_BCHW.device)[:, None, None]
    deviation_C11 = torch.tensor(PIXEL_DEVIATION, device=images_BCHW.device)[:, None, None]
    return ((images_BCHW - mean_C11) / deviation_C11).contiguous(memory_format=torch.channels_last)


def require_finite(losses_S: Tensor) -> None:
    """Raises TrainingDiverged at the first loss that is infinite or not a number."""
    is_bad_S = ~torch.isfinite(losses_S)
    if bool(is_bad_S.any()):
        step = int(is_bad_S.nonzero()[0])
        raise TrainingDiverged(f"the loss became {float(losses_S[step])} at step {step + 1}")


def loss_points(losses_S: Tensor) -> tuple[tuple[int, float], ...]:
    """(Step, mean loss since the point before) at no more than 100 steps, the last one included."""
    values = losses_S.tolist()
    interval = math.ceil(len(values) / MAX_LOSS_POINTS)
    points = []
    for first in range(0, len(values), interval):
        part = values[first : first + interval]
        points.append((first + len(part), sum(part) / len(part)))
    return tuple(points)
