"""The parts of a trial, timed one by one; see `profile`.

Legend: B images, A anchors, 4 = x0, y0, x1, y1.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity

from search_space.cost import cost
from search_space.plan import NetworkPlan, resolve
from spinesearch.bench.profile import Measured, OperatorKind, Phase, operator_kinds
from trainer.coco_eval import coco_scores
from trainer.data.augment import Batch
from trainer.data.dataset import coco_ground_truth, load_split
from trainer.data.tensors import DetectionTensors
from trainer.device import ComputeDevice, choose_device
from trainer.evaluate import detection_rows, evaluate_architecture
from trainer.loop import (
    Training,
    batches,
    begin_training,
    learning_rate_factor,
    reestimate_batch_norm,
    update_weights,
    zero_gradients,
)
from trainer.model.anchors import anchor_boxes, anchors_by_level
from trainer.model.loss import detection_loss
from trainer.model.retinanet import build_retinanet
from trainer.task import EvaluationRequest, ProxyTask

WARM_UP_STEPS, PROFILED_STEPS = 5, 5


class Clock:
    """Wall seconds by name, those of the device included."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Adds what happens inside under a name."""
        self._settle()
        started = time.perf_counter()
        yield
        self._settle()
        self.seconds[name].append(time.perf_counter() - started)

    def _settle(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def measure(request: EvaluationRequest) -> Measured:
    """One trial in one piece, then its parts, in this process."""
    started = time.perf_counter()
    whole = evaluate_architecture(request)
    trial_seconds = time.perf_counter() - started
    torch.set_num_threads(request.threads)
    load_split.cache_clear()
    task, on = request.task, choose_device(request.device, request.task.precision)
    once, steps = Clock(on.device), Clock(on.device)
    with once.time("read images"):
        train_images = load_split(request.data, "train", task.image_size, request.cache)
        eval_images = load_split(request.data, request.split.value, task.image_size, request.cache)
    with once.time("build network"):
        plan = resolve(request.spec, task.network(train_images.num_classes))
        model = build_retinanet(plan, torch.Generator().manual_seed(request.seed))
        model = model.to(on.device).to(memory_format=torch.channels_last)
        training = begin_training(model, task, train_images.num_images, on)
        anchors_A4 = anchor_boxes(plan).to(on.device)
    given = batches(train_images, task, training.num_steps, request.seed, on)
    for _ in range(training.num_steps):
        with steps.time("put batch together"):
            batch = next(given)
        _step(training, batch, anchors_A4, task, on, steps)
    _measure_evaluation(request, plan, training, anchors_A4, train_images, eval_images, on, once)
    return Measured(
        device=whole.device,
        uses_bf16=on.uses_bf16,
        steps=training.num_steps,
        multiply_adds=cost(plan).multiply_adds,
        trial_seconds=trial_seconds,
        phases=_phases(once, steps, training.num_steps),
        operators=_operators(lambda: _step(training, batch, anchors_A4, task, on, Clock(on.device)), on),
    )


def _step(
    training: Training, batch: Batch, anchors_A4: Tensor, task: ProxyTask, on: ComputeDevice, clock: Clock
) -> None:
    """One step as `loop.make_step` takes it; on CUDA not recorded, for a recording has no parts."""
    with clock.time("forward pass"), on.autocast():
        logits_BAK, deltas_BA4 = training.model(batch.images_BCHW)
    with clock.time("targets and loss"):
        loss = detection_loss(logits_BAK, deltas_BA4, anchors_A4, *batch[1:])
    with clock.time("backward pass, of the loss too"):
        zero_gradients(training)
        loss.backward()  # type: ignore[no-untyped-call]
    with clock.time("optimizer"):
        factor = learning_rate_factor(task, training.step, training.num_steps)
        update_weights(training, task.learning_rate * factor, task.clip_norm)
    training.step += 1


def _measure_evaluation(
    request: EvaluationRequest,
    plan: NetworkPlan,
    training: Training,
    anchors_A4: Tensor,
    train_images: DetectionTensors,
    eval_images: DetectionTensors,
    on: ComputeDevice,
    clock: Clock,
) -> None:
    """What comes after the last step, as `evaluate_architecture` does it."""
    model, task = training.model, request.task
    with clock.time("batch norm statistics"):
        reestimate_batch_norm(model, train_images, task, request.seed, on)
    num_images = min(eval_images.num_images, task.max_eval_images or eval_images.num_images)
    with clock.time("detections"):
        rows_D7 = detection_rows(model, anchors_A4, anchors_by_level(plan), eval_images, num_images, on)
    with clock.time("COCO scores"):
        coco_scores(coco_ground_truth(request.data, request.split.value), rows_D7, task.coco_eval)


def _phases(once: Clock, steps: Clock, num_steps: int) -> tuple[Phase, ...]:
    """What is done once before the steps, the parts of a step, and what is done once after."""
    single = [Phase(name=name, seconds=sum(times), is_step=False) for name, times in once.seconds.items()]
    repeated = [
        Phase(name=name, seconds=num_steps * statistics.median(times), is_step=True)
        for name, times in steps.seconds.items()
    ]
    return (*single[:2], *repeated, *single[2:])


def _operators(step: Callable[[], None], on: ComputeDevice) -> tuple[OperatorKind, ...]:
    for _ in range(WARM_UP_STEPS):
        step()
    is_cuda = on.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_cuda else [])]
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        for _ in range(PROFILED_STEPS):
            step()
    rows = [
        (event.key, event.count, event.self_device_time_total if is_cuda else event.self_cpu_time_total)
        for event in profiler.key_averages()
    ]
    return operator_kinds(rows, PROFILED_STEPS)
