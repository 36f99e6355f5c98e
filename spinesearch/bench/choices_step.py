"""The step of one variant of `bench choices`.

Legend: B images, C channels, H and W pixels.
"""

from typing import cast

import torch

from search_space.plan import resolve
from spinesearch.bench.choices import Timing, Variant
from spinesearch.bench.proxy_limits import bare_step, median_step_seconds, seconds_of
from spinesearch.bench.proxy_peers import plain_optimizer
from trainer.data.dataset import load_split
from trainer.device import ComputeDevice, choose_device, keep_freed_memory
from trainer.loop import Training, begin_training, make_optimizer, zero_gradients
from trainer.model.retinanet import RetinaNet, build_retinanet
from trainer.task import EvaluationRequest


def measure(request: EvaluationRequest, variant: Variant) -> Timing:
    """Times the variant's step on random tensors, in this process."""
    torch.set_num_threads(request.threads)
    if variant.keeps_memory:
        keep_freed_memory()
    task, on = request.task, choose_device(request.device, request.task.precision)
    on = ComputeDevice(on.device, on.uses_bf16 and variant.uses_bf16)
    num_classes = load_split(request.data, request.split.value, task.image_size).num_classes
    generator = torch.Generator().manual_seed(request.seed)
    model = build_retinanet(resolve(request.spec, task.network(num_classes)), generator).to(on.device)
    images_BCHW = torch.randn(task.batch_size, 3, task.image_size, task.image_size, generator=generator).to(on.device)
    if variant.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images_BCHW = images_BCHW.contiguous(memory_format=torch.channels_last)
    training = _training(model, request, variant, on)
    network = cast(RetinaNet, torch.compile(model)) if variant.compiles else model
    zero = (lambda: zero_gradients(training)) if variant.flat else training.optimizer.zero_grad
    step = bare_step(network, training, images_BCHW, task.learning_rate, on, zero, records=variant.records)
    return Timing(seconds_of(step, on.device), median_step_seconds(step, on.device))


def _training(model: RetinaNet, request: EvaluationRequest, variant: Variant, on: ComputeDevice) -> Training:
    """A training as `begin_training` makes it, but for what the variant leaves out."""
    task = request.task
    if variant.flat and variant.rounds_at_once:
        return begin_training(model, task, task.batch_size, on)
    model.train()
    optimizer = make_optimizer(model, task) if variant.flat else plain_optimizer(model, task)
    return Training(model, optimizer, None, torch.zeros(1, device=on.device))
