"""An ONNX file against ONNX Runtime, with weights that are ours and not the first ones."""

import builtins
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import trainer.onnx_file
from search_space.cost import cost
from search_space.plan import NetworkPlan, TargetNetwork, resolve
from search_space.reference import reference
from tests.search_space.test_export_pytorch import MIXED, RESIDUAL_FPN, disturb
from trainer.model.backbone import Backbone
from trainer.onnx_file import OPSET, OnnxError, write_onnx

SMALL = TargetNetwork(image_size=(77, 130), width_scale=0.1, head=None, endpoint_channels=8)


MADE = {"mixed": MIXED, "tiny": RESIDUAL_FPN}


def plan(name: str) -> NetworkPlan:
    return resolve(MADE.get(name) or reference(name), SMALL)


@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("mixed", "eff-spinenet-m0")), "tiny"]
)
def test_onnx_runtime_computes_the_features_of_given_weights_for_any_batch(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = Backbone(plan(name)).eval()
    disturb(trained, seed=1)
    path = tmp_path / "a.onnx"
    check = write_onnx(plan(name), path, weights=trained.state_dict())
    assert check.opset == OPSET
    assert 0 <= check.largest_difference < 1e-4
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["images"]
    assert [one.name for one in session.get_outputs()] == ["p3", "p4", "p5", "p6", "p7"]
    images = torch.rand(2, 3, 77, 130)  # a batch that the writer did not check
    outputs = session.run(None, {"images": images.numpy()})
    with torch.inference_mode():
        expected = trained(images)
    for output, feature in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(output, feature.numpy(), rtol=1e-3, atol=1e-4)


def test_the_file_is_whole_of_its_opset_and_has_the_weights_that_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    write_onnx(plan("tiny"), path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.onnx"]
    model = onnx.load(path)
    assert [one.version for one in model.opset_import if one.domain == ""] == [OPSET]
    batch = model.graph.input[0].type.tensor_type.shape.dim
    assert ([side.dim_value for side in batch[1:]], bool(batch[0].dim_param)) == ([3, 77, 130], True)
    held = sum(int(np.prod(one.dims)) for one in model.graph.initializer)
    # Batch norm may be folded into convolutions, whose bias it becomes: two vectors become one.
    assert 0.8 < held / cost(plan("tiny")).backbone.parameters < 1.2


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    features = []
    for number, seed in enumerate((1, 1, 2)):
        path = tmp_path / f"{number}.onnx"
        write_onnx(plan("tiny"), path, seed=seed)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        features.append(session.run(["p3"], {"images": np.ones((1, 3, 77, 130), np.float32)})[0])
    assert np.array_equal(features[0], features[1])
    assert not np.allclose(features[0], features[2])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = Backbone(resolve(MIXED, replace(SMALL, width_scale=0.2)))
    with pytest.raises(OnnxError, match="the weights are of another network"):
        write_onnx(plan("mixed"), tmp_path / "a.onnx", weights=other.state_dict())
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without_onnxscript(name: str, *arguments: object, **more: object) -> ModuleType:
        if name == "onnxscript":
            raise ModuleNotFoundError("No module named 'onnxscript'", name=name)
        return original(name, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_onnxscript)
    with pytest.raises(OnnxError, match=r"onnxscript.*pip install 'spinesearch\[onnx\]'"):
        write_onnx(plan("mixed"), tmp_path / "a.onnx")


def test_a_file_that_is_another_network_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer.onnx_file, "TOLERANCE", -1.0)
    with pytest.raises(OnnxError, match="features differ from torch's by"):
        write_onnx(plan("tiny"), tmp_path / "a.onnx")
