"""A full training learns from all of train, and leaves weights that the exported file takes."""

import json
from dataclasses import replace
from types import ModuleType

import pytest
import safetensors
import safetensors.torch
import torch

from search_space.export.pytorch import export_pytorch
from search_space.plan import resolve
from search_space.reference import reference
from tests.trainer.sessions import RecordingSession
from trainer.checkpoint import request_fingerprint
from trainer.data.dataset import load_split
from trainer.device import choose_device
from trainer.evaluate import evaluate_architecture
from trainer.full_training import BACKBONE_FILE, HEAD_FILE
from trainer.loop import train
from trainer.model.anchors import anchor_boxes
from trainer.model.retinanet import RetinaNet, build_retinanet
from trainer.task import DataSource, EvaluationRequest, ProxyTask, Split, TaskError

TASK = ProxyTask(
    image_size=64,
    width_scale=0.125,
    endpoint_channels=8,
    head_channels=8,
    head_convs=1,
    steps=2,
    batch_size=4,
    learning_rate=2e-3,
    precision="fp32",
)


@pytest.fixture(scope="module")
def full(small_data: DataSource) -> EvaluationRequest:
    spec = reference("spinenet-49")
    return EvaluationRequest(spec=spec, task=TASK, data=small_data, seed=3, split=Split.VAL, device="cpu", is_full=True)


@pytest.fixture(scope="module")
def files(full: EvaluationRequest) -> dict[str, bytes]:
    """What such a training keeps."""
    session = RecordingSession()
    evaluation = evaluate_architecture(full, session)
    assert evaluation.num_images == 6
    return {name: content for name, (_, content) in session.files.items()}


@pytest.fixture(scope="module")
def trained(full: EvaluationRequest) -> RetinaNet:
    """The network of the same training, by hand, ready to predict."""
    torch.set_num_threads(1)
    on = choose_device("cpu", "fp32")
    images = load_split(full.data, "whole", TASK.image_size)
    plan = resolve(full.spec, TASK.network(images.num_classes))
    model = build_retinanet(plan, torch.Generator().manual_seed(3)).to(memory_format=torch.channels_last)
    train(model, anchor_boxes(plan), images, TASK, 3, on)
    return model.eval()


def exported(request: EvaluationRequest) -> torch.nn.Module:
    """The backbone of the exported file, at the size that was trained."""
    source = export_pytorch(request.spec, replace(TASK.network(91), head=None))
    module = ModuleType("exported")
    exec(compile(source, "exported.py", "exec"), module.__dict__)  # noqa: S102 - our own text is what is tested
    backbone: torch.nn.Module = module.build_backbone()
    return backbone


def test_its_weights_load_into_the_exported_file_which_then_gives_the_same(
    full: EvaluationRequest, files: dict[str, bytes], trained: RetinaNet
) -> None:
    backbone = exported(full)
    backbone.load_state_dict(safetensors.torch.load(files[BACKBONE_FILE]))
    images_BCHW = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features = backbone.eval()(images_BCHW)
        expected = trained.backbone(images_BCHW)
    assert len(features) == len(expected) == 5
    for feature, other in zip(features.values(), expected, strict=True):
        torch.testing.assert_close(feature, other, rtol=1e-4, atol=1e-5)


def test_nothing_of_the_network_is_left_out(files: dict[str, bytes], trained: RetinaNet) -> None:
    backbone, head = (safetensors.torch.load(files[name]) for name in (BACKBONE_FILE, HEAD_FILE))
    kept = {**{f"backbone.{name}": tensor for name, tensor in backbone.items()}, **head}
    expected = trained.state_dict()
    assert set(kept) == set(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(kept[name], tensor, rtol=1e-4, atol=1e-5)


def test_weights_that_were_rounded_are_kept_in_float32(full: EvaluationRequest) -> None:
    session = RecordingSession()
    evaluate_architecture(replace(full, task=replace(TASK, precision="bf16")), session)
    tensors = safetensors.torch.load(session.files[BACKBONE_FILE][1])
    assert {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()} == {torch.float32}
    weight = next(tensor for tensor in tensors.values() if tensor.ndim == 4)
    assert torch.equal(weight, weight.bfloat16().float())


def test_a_file_says_what_it_is_of(full: EvaluationRequest, files: dict[str, bytes]) -> None:
    header = json.loads(files[BACKBONE_FILE][8 : 8 + int.from_bytes(files[BACKBONE_FILE][:8], "little")])
    metadata = header["__metadata__"]
    assert json.loads(metadata["spec"]) == full.spec.to_document()
    assert (metadata["image_size"], metadata["width_scale"]) == ("64", "0.125")
    assert len(json.loads(metadata["classes"])) == 4


def test_it_learns_from_the_reward_split_too(full: EvaluationRequest) -> None:
    data = full.data
    whole, train_part, reward = (
        load_split(data, part, 64).image_ids_N.tolist() for part in ("whole", "train", "reward")
    )
    assert sorted(train_part + reward) == sorted(whole)
    assert len(reward) == 4  # a fifth of 20
    session = RecordingSession()
    evaluate_architecture(replace(full, is_full=False), session)
    assert BACKBONE_FILE not in session.files
    # Nor does it go on from the checkpoint of a training that does not.
    assert request_fingerprint(full) != request_fingerprint(replace(full, is_full=False))


def test_the_reward_split_does_not_measure_what_learned_from_it(full: EvaluationRequest) -> None:
    with pytest.raises(TaskError, match="a full training is measured on val"):
        replace(full, split=Split.REWARD)
