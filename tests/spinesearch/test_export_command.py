"""`spinesearch export`, and the page about it: its commands do what it says."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest
import safetensors.torch
import torch

from search_space.export.formats import FORMATS, export_text
from search_space.export.provenance import Provenance
from search_space.plan import resolve
from search_space.reference import REFERENCES, published_target, reference
from spinesearch.commands.export import TEXT_FORMATS
from tests.spinesearch.conftest import Typed
from tests.spinesearch.test_cli import environment, spinesearch
from trainer.model.backbone import Backbone

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
SMALL = "spinenet-mobile-49xs"


def commands() -> list[str]:
    """The lines of the page that a reader types, `onnx` and the long training apart."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def run(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """A command as typed in a folder; `spinesearch` and `python` are this Python's."""
    words = shlex.split(command)
    front = [sys.executable, "-m", "spinesearch"] if words[0] == "spinesearch" else [sys.executable]
    return subprocess.run(
        [*front, *words[1:]],
        cwd=folder,
        env={**environment(folder / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_help_names_the_formats_there_are() -> None:
    assert ", ".join(FORMATS) == TEXT_FORMATS
    assert re.findall(r"^\| `([a-z-]+)` \| ", PAGE, flags=re.MULTILINE)[:8] == [
        "spec",
        "pytorch",
        "torchvision",
        "tf-vision",
        "mmdet",
        "onnx",
        "svg",
        "card",
    ]


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_reference_is_written_as_the_library_writes_it(tmp_path: Path, format_name: str) -> None:
    entry = REFERENCES["spinenet-49"]
    expected = export_text(entry.spec, entry.target, format_name, Provenance(source=entry.source)).text
    line = ("export", "--reference", "spinenet-49", "--format", format_name)
    result = spinesearch(tmp_path, *line, "-o", str(tmp_path / "file"))
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert (tmp_path / "file").read_text(encoding="utf-8") == expected
    assert spinesearch(tmp_path, *line).stdout == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "onnx"), "give -o FILE.onnx"),
        (("--trial", "3"), "--trial is one of a search"),
        (("--weights", "a.safetensors"), "--weights are for --format onnx only"),
        (("--format", "onnx", "-o", "a.onnx", "--weights", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--format", "onnx", "-o", "a.onnx", "--weights", __file__), "no safetensors file"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], message: str, typed: Typed) -> None:
    said = typed("export", "--reference", SMALL, *arguments)
    assert said.status == 2
    assert message in said.err
    assert "Traceback" not in said.err


@pytest.mark.slow
def test_onnx_is_written_with_the_weights_of_a_detectors_backbone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = Backbone(resolve(reference(SMALL), published_target(SMALL))).eval()
    of_detector = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
    safetensors.torch.save_file({**of_detector, "head.bias": torch.zeros(3)}, tmp_path / "a.safetensors")
    line = ("export", "--reference", SMALL, "--format", "onnx", "-o", str(tmp_path / "a.onnx"))
    result = spinesearch(tmp_path, *line, "--weights", str(tmp_path / "a.safetensors"))
    assert result.returncode == 0, result.stderr
    assert "a.onnx: opset 20, any batch, the given weights; ONNX Runtime differs from torch by" in result.stdout
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    images = torch.rand(2, 3, 256, 256)
    with torch.inference_mode():
        expected = backbone(images)
    for output, feature in zip(session.run(None, {"images": images.numpy()}), expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(output), feature, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    typed = [command for command in commands() if "SEARCH" not in command]  # there is no search here
    assert len(typed) == 7
    for command in typed:
        if command.startswith("python train.py"):  # SpineNet-49 at 640 pixels: too long here
            command = "python train.py --help"
        result = run(command, tmp_path)
        if "tf-vision" in command:
            assert result.returncode == 2
            assert f"$ {command}\n{result.stderr}" in PAGE
        else:
            assert result.returncode == 0, f"{command}: {result.stderr}"
    written = {path.name for path in tmp_path.iterdir()}
    assert {"train.py", "data", "spinenet_49.py", "retinanet_spinenet_49.py", "backbone.onnx"} <= written


def test_an_exported_spec_is_read_by_the_other_commands(tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    assert spinesearch(tmp_path, "export", "--reference", "spinenet-49", "-o", str(file)).returncode == 0
    assert len(json.loads(file.read_text())["fingerprint"]) == 64
    counted = json.loads(spinesearch(tmp_path, "cost", str(file), "--json").stdout)
    assert counted["parameters"] == 28_543_383
