"""The whole state of a training as bytes, and back: `pack(training, fingerprint)`, `unpack(content, training, ...)`.

The bytes are a safetensors file (a JSON header, then the tensors) whose metadata hold the fingerprint of the request.
The weights are kept as the optimizer's flat vectors, whose layout is the trainer's own: a checkpoint is read by
the trainer version that wrote it only. There is no random state: what a step draws depends on seed and step alone.
"""

import hashlib
import json

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from trainer.data.dataset import data_hash
from trainer.loop import Training
from trainer.task import TRAINER_VERSION, EvaluationRequest


class CheckpointError(ValueError):
    """A checkpoint that this training cannot go on from; the message says why. The training is unchanged."""


def request_fingerprint(request: EvaluationRequest) -> str:
    """A hash of what decides every step of a training: spec, task, data, form of the images, seed, trainer version, and
    the part of the data where it is all of train.

    Raises:
        TaskError: a data set that cannot be read.
    """
    parts = {
        "spec": request.spec.to_document(),
        "task": request.task.to_document(),
        "data": data_hash(request.data, request.image_form),
        "images": request.image_form,
        "seed": request.seed,
        "trainer": TRAINER_VERSION,
        **({"part": request.trained_part} if request.is_full else {}),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def pack(training: Training, fingerprint: str) -> bytes:
    """The state after `training.step` steps, at least one."""
    metadata = {
        "fingerprint": fingerprint,
        "step": str(training.step),
        "seconds": repr(training.seconds),
        "measuring_seconds": repr(training.measuring_seconds),
    }
    tensors = {**_tensors(training), **_optimizer_tensors(training)}
    return safetensors.torch.save({name: tensor.detach().cpu() for name, tensor in tensors.items()}, metadata)


def unpack(content: bytes, training: Training, fingerprint: str) -> None:
    """Brings a training that has not begun to where the checkpoint was written.

    Raises:
        CheckpointError: a checkpoint of another request, or no whole checkpoint.
    """
    metadata, tensors = _parsed(content)
    if metadata.get("fingerprint") != fingerprint:
        raise CheckpointError("the checkpoint is of another request: spec, task, data, seed or trainer version differ")
    own = _tensors(training)
    differing = [name for name, tensor in own.items() if name not in tensors or tensors[name].shape != tensor.shape]
    if differing:
        raise CheckpointError(f"the checkpoint does not fit the network: {differing[0]} is missing or of another shape")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors.pop(name))
    for name, tensor in tensors.items():
        _, position, key = name.split(".")
        parameter = _flat_parameters(training)[int(position)]
        # The optimizer counts its steps on the device of the parameter where it is fused, as it is here.
        training.optimizer.state[parameter][key] = tensor.to(parameter.device, copy=True)
    training.step = int(metadata["step"])
    training.seconds = float(metadata["seconds"])
    training.measuring_seconds = float(metadata["measuring_seconds"])


def _parsed(content: bytes) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors; safetensors itself gives the metadata of files only."""
    try:
        tensors = safetensors.torch.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"not a whole checkpoint: {error}") from error
    return header.get("__metadata__", {}), tensors


def _flat_parameters(training: Training) -> list[Tensor]:
    return [parameter for group in training.optimizer.param_groups for parameter in group["params"]]


def _tensors(training: Training) -> dict[str, Tensor]:
    """What there is before the first step: weights, batch norm statistics and the losses."""
    parameters = {f"parameters.{i}": parameter for i, parameter in enumerate(_flat_parameters(training))}
    buffers = {f"buffers.{name}": buffer for name, buffer in training.model.named_buffers()}
    return {"losses": training.losses_S, **parameters, **buffers}


def _optimizer_tensors(training: Training) -> dict[str, Tensor]:
    """What the optimizer remembers of each flat vector, by its own names."""
    return {
        f"optimizer.{i}.{key}": value
        for i, parameter in enumerate(_flat_parameters(training))
        for key, value in training.optimizer.state[parameter].items()
    }
