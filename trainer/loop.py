"""The training loop: `train_steps(...)`, flat and once.

What happens at a step depends on the seed and the step number alone, never on the process' random state.

Legend: B images of a batch, C channels, H and W pixels, S steps, M boxes, A anchors.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from trainer.compiled_optimizer import make_compiled_adamw, make_compiled_sgd
from trainer.data.augment import Batch, augment
from trainer.data.tensors import DetectionTensors, pixel_batches
from trainer.device import ComputeDevice, moved
from trainer.flat import RoundedWeights, flattened
from trainer.model.blocks import BATCH_NORM_MOMENTUM, BatchNorm
from trainer.model.loss import FOCAL_ALPHA, FOCAL_GAMMA, detection_loss
from trainer.model.retinanet import PRIOR_PROBABILITY, RetinaNet
from trainer.recorded import Step, recorded
from trainer.task import ProxyTask, TimeLimitReached, TrainingDiverged

PIXEL_MEAN = (123.7, 116.3, 103.5)
PIXEL_DEVIATION = (58.4, 57.1, 57.4)
ADAM_BETAS = (0.9, 0.99)  # a short memory of squared gradients: a proxy task has a few hundred steps
SGD_MOMENTUM = 0.9
CHECK_INTERVAL = 20
MAX_LOSS_POINTS = 100
EXPLOSION_FACTOR = 100.0
UNTRAINED_OBJECT_LOSS = 10.0  # for each positive anchor: its class about 1, its four deltas about 2 each
STATISTICS_BATCHES, STATISTICS_BATCH_SIZE = 6, 32


@dataclass(slots=True, eq=False)
class Training:
    """A training under way, or ended.

    Args:
        model: trained in place.
        optimizer: on flat vectors, of which the model's parameters are views; where steps are compiled on them all.
        rounded: what the model computes with in bfloat16; None in float32, and where steps are compiled.
        losses_S: total loss of each step; zero for those to come.
        step: steps done.
        seconds: wall time of the steps, of those before an interruption too.
        measuring_seconds: wall time of the measurements between them, likewise.
    """

    model: RetinaNet
    optimizer: torch.optim.Optimizer
    rounded: RoundedWeights | None
    losses_S: Tensor
    step: int = 0
    seconds: float = 0.0
    measuring_seconds: float = 0.0

    @property
    def num_steps(self) -> int:
        """Of the whole training."""
        return self.losses_S.shape[0]

    @property
    def all_seconds(self) -> float:
        """Wall time of steps and measurements."""
        return self.seconds + self.measuring_seconds

    @property
    def losses(self) -> tuple[tuple[int, float], ...]:
        """(Step, mean total loss since the point before), at most 100 points."""
        return loss_points(self.losses_S.cpu()[: self.step])


@dataclass(frozen=True, slots=True, eq=False)
class Deadline:
    """When a training is over, finished or not.

    Args:
        limit_seconds: None for no limit.
        started: when it began by `time.perf_counter`; earlier by what was done before an interruption.
    """

    training: Training
    limit_seconds: float | None
    started: float

    def check(self) -> None:
        """Raises TimeLimitReached when the time is over."""
        seconds = time.perf_counter() - self.started
        if self.limit_seconds is not None and seconds > self.limit_seconds:
            progress = f"at step {self.training.step} of {self.training.num_steps} after {seconds:.1f} s"
            raise TimeLimitReached(f"{progress}; the limit is {self.limit_seconds:g} s")


def begin_training(model: RetinaNet, task: ProxyTask, num_images: int, on: ComputeDevice) -> Training:
    """The training of `model`, already on the device, before its first step."""
    model.train()
    optimizer = make_optimizer(model, task)
    decayed = optimizer.param_groups[0]["params"][0]
    rounded = RoundedWeights(decayed_parameters(model), decayed) if on.uses_bf16 and not on.is_compiled else None
    training = Training(model, optimizer, rounded, torch.zeros(num_steps(task, num_images), device=on.device))
    on.end_step()
    return training


def train(
    model: RetinaNet, anchors_A4: Tensor, images: DetectionTensors, task: ProxyTask, seed: int, on: ComputeDevice
) -> Training:
    """Trains `model` in place for the task's steps, uninterrupted; its batch norms are then ready to predict.

    Raises:
        TrainingDiverged: as `train_steps`.
    """
    training = begin_training(model, task, images.num_images, on)
    for _ in train_steps(training, anchors_A4, images, task, seed, on):
        pass
    reestimate_batch_norm(model, images, task, seed, on)
    return training


def train_steps(
    training: Training, anchors_A4: Tensor, images: DetectionTensors, task: ProxyTask, seed: int, on: ComputeDevice
) -> Iterator[int]:
    """Trains from `training.step` to the end; yields the number of steps done after each.

    Between two steps the caller may do what it likes, if it leaves parameters, optimizer and training mode alone.

    Raises:
        TrainingDiverged: the loss was not finite, or above `largest_healthy_loss`; seen at once on a CPU, elsewhere
            within 20 steps. The message names step and loss.
    """
    losses_S, steps = training.losses_S, training.num_steps
    largest_loss = largest_healthy_loss(task.batch_size * anchors_A4.shape[0] * training.model.num_classes)
    check_interval = 1 if on.device.type == "cpu" else CHECK_INTERVAL  # elsewhere reading a loss waits for the device
    started = time.perf_counter()
    if training.rounded is not None:
        training.rounded.follow()  # the exact weights may be those of a checkpoint
    take_step = make_step(training, anchors_A4, task.clip_norm, on)
    for step, batch in enumerate(batches(images, task, steps, seed, on, first_step=training.step), training.step):
        learning_rate = on.varying(task.learning_rate * learning_rate_factor(task, step, steps))
        on.write(losses_S, step, take_step(batch, learning_rate))
        on.end_step()
        training.step = step + 1
        if training.step % check_interval == 0 or training.step == steps:
            require_healthy(losses_S, training.step - check_interval, training.step, largest_loss)
        training.seconds += time.perf_counter() - started
        yield training.step
        started = time.perf_counter()


def make_step(training: Training, anchors_A4: Tensor, clip_norm: float | None, on: ComputeDevice) -> Step:
    """The step of a training: forward pass, loss, backward pass and optimizer; on CUDA it is recorded, if it can be."""

    def step(batch: tuple[Tensor, ...], learning_rate: float | Tensor) -> Tensor:
        images_BCHW, boxes_BM4, labels_BM, crowd_BM = batch
        with on.autocast():
            logits_BAK, deltas_BA4 = training.model(images_BCHW)
        loss = detection_loss(logits_BAK, deltas_BA4, anchors_A4, boxes_BM4, labels_BM, crowd_BM)
        zero_gradients(training)
        loss.backward()  # type: ignore[no-untyped-call]
        update_weights(training, learning_rate, clip_norm)
        return loss.detach()

    return recorded(step, training.model, on.device)


def zero_gradients(training: Training) -> None:
    """Makes ready for a backward pass."""
    training.optimizer.zero_grad(set_to_none=False)
    if training.rounded is not None:
        training.rounded.zero_gradient()


def update_weights(training: Training, learning_rate: float | Tensor, clip_norm: float | None) -> None:
    """One step of the optimizer along the gradients of the backward pass."""
    if training.rounded is not None:
        training.rounded.hand_over_gradient()
    groups = training.optimizer.param_groups
    for group in groups:
        group["lr"] = learning_rate
    if clip_norm is not None:
        nn.utils.clip_grad_norm_([parameter for group in groups for parameter in group["params"]], clip_norm)
    training.optimizer.step()
    if training.rounded is not None:
        training.rounded.follow()


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
            share = on.varying(1 / (step + 1))
            if isinstance(share, Tensor):
                _mix_in_statistics(model, norms, batch.images_BCHW, share)
            else:
                for norm in norms:
                    norm.momentum = share
                model(batch.images_BCHW)
            on.end_step()
    for norm in norms:
        norm.momentum = BATCH_NORM_MOMENTUM


def _mix_in_statistics(model: RetinaNet, norms: list[BatchNorm], images_BCHW: Tensor, share: Tensor) -> None:
    """Moves running statistics by a share towards those of a batch; a momentum would be a constant of the graph."""
    running = running_statistics(model)
    earlier = [statistics.clone() for statistics in running]
    for norm in norms:
        norm.momentum = 1.0
    model(images_BCHW)
    for statistics, before in zip(running, earlier, strict=True):
        statistics.copy_(before.lerp(statistics, share))


@contextmanager
def reestimated_batch_norm(
    model: RetinaNet, images: DetectionTensors, task: ProxyTask, seed: int, on: ComputeDevice
) -> Iterator[None]:
    """Predictions inside see batch norms as `reestimate_batch_norm` makes them; the training goes on with the old."""
    kept = [statistics.to(on.staging_device, copy=True) for statistics in running_statistics(model)]
    reestimate_batch_norm(model, images, task, seed, on)
    yield
    for statistics, earlier in zip(running_statistics(model), kept, strict=True):
        statistics.copy_(earlier)
    on.end_step()
    model.train()


def running_statistics(model: RetinaNet) -> list[Tensor]:
    """Means and variances of all batch norms, as the model holds them; not torch's counters, which nobody reads."""
    return [buffer for buffer in model.buffers() if buffer.is_floating_point()]


def num_steps(task: ProxyTask, num_images: int) -> int:
    """Optimizer steps of the task on so many images, at least 1."""
    if task.steps is not None:
        return task.steps
    return max(1, round((task.epochs or 0.0) * num_images / task.batch_size))


def measured_steps(task: ProxyTask, steps: int) -> tuple[int, ...]:
    """The steps after which AP is measured on the way, rising; the last step is not one of them."""
    nearest = {round(share * steps) for share in task.measure_at}
    return tuple(sorted(nearest - {0, steps}))


def learning_rate_factor(task: ProxyTask, step: int, steps: int) -> float:
    """Share of the task's learning rate at a step: linear warm-up, then cosine to zero or two steps down."""
    if step < task.warmup_steps:
        return (step + 1) / (task.warmup_steps + 1)
    if task.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - task.warmup_steps) / max(1, steps - task.warmup_steps)))
    return 1.0 if step < steps * 2 / 3 else 0.1 if step < steps * 8 / 9 else 0.01


def decayed_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Weights of convolutions: those that weight decay is for, and that are rounded to bfloat16."""
    return [parameter for parameter in model.parameters() if parameter.ndim > 1]


def make_optimizer(model: nn.Module, task: ProxyTask) -> torch.optim.Optimizer:
    """AdamW, or SGD with momentum 0.9; weight decay on convolution weights only.

    It moves two flat parameters; on XLA each by itself (`trainer.compiled_optimizer`).
    """
    decayed, others = decayed_parameters(model), [p for p in model.parameters() if p.ndim <= 1]
    kind = decayed[0].device.type
    is_compiled = kind == "xla"
    if not is_compiled:
        decayed, others = [flattened(decayed)], [flattened(others)]
    groups = [{"params": decayed, "weight_decay": task.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if task.optimizer == "adamw":
        if is_compiled:
            return make_compiled_adamw(groups, ADAM_BETAS)
        capturable = kind == "cuda"  # what is recorded must not read the number of its step on the host
        return torch.optim.AdamW(groups, lr=task.learning_rate, betas=ADAM_BETAS, fused=True, capturable=capturable)
    if is_compiled:
        return make_compiled_sgd(groups, SGD_MOMENTUM)
    return torch.optim.SGD(groups, lr=task.learning_rate, momentum=SGD_MOMENTUM, fused=True)


def image_order(num_images: int, batch_size: int, steps: int, seed: int) -> Tensor:
    """Indices of the images of each step (S, B): one random permutation of the images after another."""
    generator = torch.Generator().manual_seed(seed)
    passes = math.ceil(steps * batch_size / num_images)
    order = torch.cat([torch.randperm(num_images, generator=generator) for _ in range(passes)])
    return order[: steps * batch_size].reshape(steps, batch_size)


def batches(
    images: DetectionTensors, task: ProxyTask, steps: int, seed: int, on: ComputeDevice, first_step: int = 0
) -> Iterator[Batch]:
    """The augmented, normalised batches of the steps from `first_step` on, on the device."""
    staging = on.staging_device
    order_SB = image_order(images.num_images, task.batch_size, steps, seed)
    pixels = pixel_batches(images.images_NCHW, order_SB[first_step:], staging)
    for step, pixels_BCHW in enumerate(pixels, first_step):
        generator = torch.Generator().manual_seed((seed % 2**31 << 32) + step)
        index_B = order_SB[step]
        batch = augment(
            pixels_BCHW,
            moved(images.boxes_NM4[index_B], staging),
            moved(images.labels_NM[index_B], staging),
            moved(images.crowd_NM[index_B], staging),
            images.valid_sizes_N2[index_B],
            flip=task.flip,
            scale_jitter=task.scale_jitter,
            generator=generator,
        )
        batch = Batch(*(tensor.to(on.device) for tensor in batch))
        yield batch._replace(images_BCHW=normalised(batch.images_BCHW))


def normalised(images_BCHW: Tensor) -> Tensor:
    """Pixels 0 to 255 as float32 of about zero mean and unit deviation, channels last in memory."""
    mean_C11 = moved(torch.tensor(PIXEL_MEAN), images_BCHW.device)[:, None, None]
    deviation_C11 = moved(torch.tensor(PIXEL_DEVIATION), images_BCHW.device)[:, None, None]
    pixels_BCHW = images_BCHW.contiguous(memory_format=torch.channels_last).to(torch.float32, copy=True)
    return pixels_BCHW.sub_(mean_C11).div_(deviation_C11)


def largest_healthy_loss(num_logits: int) -> float:
    """The largest loss of a batch in a training that learns: `EXPLOSION_FACTOR` times that of an untrained network.

    That one gives every class the prior probability and predicts no shift, and has its largest loss on a batch without
    objects, where the focal losses of all logits are summed and divided by one; with objects they are divided by their
    anchors, and each of these adds `UNTRAINED_OBJECT_LOSS`. The bound depends on the request alone, not on what
    was seen before, so that a training which was interrupted is judged like one that was not. Measured (`cpu-tiny`, 60
    steps, bound 1,042): the losses of AdamW and SGD at learning rates up to 0.1 stay below 5, AdamW at 1.0 reaches
    233 and comes back; AdamW at 10 is stopped at step 2, SGD at 10 without clipping at step 10, before its NaN at 25.
    """
    wrong: float = (1 - FOCAL_ALPHA) * PRIOR_PROBABILITY**FOCAL_GAMMA * -math.log(1 - PRIOR_PROBABILITY)
    return EXPLOSION_FACTOR * (num_logits * wrong + UNTRAINED_OBJECT_LOSS)


def require_healthy(losses_S: Tensor, first: int, end: int, largest_loss: float) -> None:
    """Raises TrainingDiverged at the first loss from `first` to before `end` that is not finite or above the bound."""
    for step, loss in enumerate(losses_S.cpu()[max(0, first) : end].tolist(), max(0, first) + 1):
        if not loss <= largest_loss:  # NaN is not
            bound = f"; a training that learns stays below {largest_loss:.0f}" if math.isfinite(loss) else ""
            raise TrainingDiverged(f"the loss became {loss:.6g} at step {step}{bound}")


def loss_points(losses_S: Tensor) -> tuple[tuple[int, float], ...]:
    """(Step, mean loss since the point before) at no more than 100 steps, the last one included."""
    values = losses_S.tolist()
    interval = math.ceil(len(values) / MAX_LOSS_POINTS)
    points = []
    for first in range(0, len(values), interval):
        part = values[first : first + interval]
        points.append((first + len(part), sum(part) / len(part)))
    return tuple(points)
