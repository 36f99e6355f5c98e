"""What a full training leaves: its final weights, as safetensors files of the attempt."""

import json
from collections.abc import Sequence

import safetensors.torch
import torch
from torch import Tensor, nn

from trainer.model.retinanet import RetinaNet
from trainer.session import TrainingSession
from trainer.task import EvaluationRequest

BACKBONE_FILE, HEAD_FILE = "backbone.safetensors", "head.safetensors"
MEDIA_TYPE = "application/octet-stream"


def keep_weights(
    session: TrainingSession, model: RetinaNet, request: EvaluationRequest, class_names: Sequence[str]
) -> None:
    """Makes the weights of a network that is ready to predict files of the attempt, in float32: those that it computes
    with, rounded where it does so in bfloat16.

    Those of the backbone have the names that exported PyTorch files have: `load_state_dict` takes them, where the file
    is of the size that was trained. The others are the two subnets' of the head.
    """
    task = request.task
    metadata = {
        "format": "pt",
        "spec": request.spec.to_json(),
        "image_size": str(task.image_size),
        "width_scale": repr(task.width_scale),
        "classes": json.dumps(list(class_names)),
    }
    subnets = nn.ModuleDict({"class_subnet": model.class_subnet, "box_subnet": model.box_subnet})
    for name, module in ((BACKBONE_FILE, model.backbone), (HEAD_FILE, subnets)):
        tensors = {key: _exact(tensor) for key, tensor in module.state_dict().items()}
        session.keep_file(name, MEDIA_TYPE, safetensors.torch.save(tensors, metadata))


def _exact(tensor: Tensor) -> Tensor:
    """The tensor on the CPU; what is rounded in float32 again."""
    kept = tensor.detach().cpu()
    return (kept.to(torch.float32) if kept.is_floating_point() else kept).contiguous()
