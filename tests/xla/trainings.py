"""A small network and a short training of it, on any device, for the tests of XLA: a graph takes long to compile."""

from dataclasses import dataclass

import torch
from torch import Tensor

from search_space.plan import NetworkPlan, resolve
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType
from trainer.data.tensors import DetectionTensors
from trainer.device import ComputeDevice
from trainer.loop import Training, begin_training
from trainer.model.anchors import anchor_boxes
from trainer.model.retinanet import build_retinanet
from trainer.task import ProxyTask

B, R = BlockType.BOTTLENECK, BlockType.RESIDUAL

SMALL = ArchitectureSpec(
    name="a small scale permutation, with ways up and down",
    blocks=(
        BlockSpec(4, R, (0, 1)),
        BlockSpec(5, B, (1, 2)),
        BlockSpec(3, R, (1, 3), is_output=True),
        BlockSpec(4, R, (2, 4), is_output=True),
        BlockSpec(5, R, (3, 4), is_output=True),
        BlockSpec(6, R, (3, 5), is_output=True),
        BlockSpec(7, R, (6, 7), is_output=True),
    ),
)

TASK = ProxyTask(
    image_size=64,
    width_scale=0.125,
    endpoint_channels=16,
    head_channels=16,
    head_convs=0,
    steps=8,
    batch_size=4,
    learning_rate=4e-3,
    # The first rate is 1e-3, by chance the epsilon of batch norm: equal scalars would be one input of the graph.
    warmup_steps=3,
    scale_jitter=(0.8, 1.2),
    precision="fp32",
)


@dataclass(frozen=True, slots=True, eq=False)
class SmallTraining:
    """A training before its first step, on a device."""

    plan: NetworkPlan
    anchors_A4: Tensor
    training: Training


def begin(
    task: ProxyTask, images: DetectionTensors, seed: int, on: ComputeDevice, spec: ArchitectureSpec = SMALL
) -> SmallTraining:
    """The training on the device; its weights depend on the seed alone."""
    plan = resolve(spec, task.network(images.num_classes))
    model = build_retinanet(plan, torch.Generator().manual_seed(seed)).to(on.device)
    model = model.to(memory_format=torch.channels_last)
    return SmallTraining(plan, anchor_boxes(plan).to(on.device), begin_training(model, task, images.num_images, on))
