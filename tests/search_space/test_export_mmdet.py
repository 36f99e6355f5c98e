"""The file for MMDetection: its backbone runs alone, its configuration loads, and a registry gets to know the class.

That MMDetection itself builds and trains the model from them was tried by hand (docs/export.md); it is not installed.
"""

import ast
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from search_space.cost import cost
from search_space.export.mmdet import CLASS, export_mmdet
from search_space.plan import TargetNetwork, resolve
from search_space.reference import published_target, reference
from search_space.spec import ArchitectureSpec
from tests.search_space.alone import run_alone
from tests.search_space.test_export_pytorch import CROWDED, MBCONV_FPN, MIXED, ORPHANS, REPEATED, SMALL, disturb
from trainer.model.backbone import Backbone

SPECS = [ORPHANS, CROWDED, MIXED, MBCONV_FPN, REPEATED, reference("eff-spinenet-d0")]
each_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
SPINENET_49, TARGET = reference("spinenet-49"), published_target("spinenet-49")


def module(source: str) -> ModuleType:
    made = ModuleType("exported")
    exec(compile(source, "exported.py", "exec"), made.__dict__)  # noqa: S102 - our own text is what is tested
    return made


class Registry:
    """As much of mmengine's registry as registering takes: `register_module(name, force, module)`."""

    def __init__(self) -> None:
        self.classes: dict[str, type] = {}

    def register_module(self, name: str | None = None, force: bool = False, module: type | None = None) -> type:
        assert name is not None
        assert module is not None
        assert force or name not in self.classes
        self.classes[name] = module
        return module


def with_registry(monkeypatch: pytest.MonkeyPatch, *names: str) -> dict[str, Registry]:
    """Packages that hold a registry and nothing else."""
    registries = {}
    for name in names:
        package, registry = types.ModuleType(name), types.ModuleType(f"{name}.registry")
        registries[name] = Registry()
        registry.MODELS = registries[name]  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, package)
        monkeypatch.setitem(sys.modules, f"{name}.registry", registry)
    return registries


@each_spec
def test_the_class_gives_the_features_of_the_searched_network_as_a_tuple(spec: ArchitectureSpec) -> None:
    size = (65, 130)
    torch.manual_seed(0)
    trained = Backbone(resolve(spec, replace(SMALL, image_size=size))).eval()
    disturb(trained, seed=1)
    exported = getattr(module(export_mmdet(spec, SMALL)), CLASS)().eval()
    assert sum(p.numel() for p in exported.parameters()) == cost(resolve(spec, SMALL)).backbone.parameters
    exported.backbone.load_state_dict(trained.state_dict())
    images = torch.rand(2, 3, *size)
    with torch.inference_mode():
        features, expected = exported(images), trained(images)
    assert isinstance(features, tuple)
    for feature, wanted in zip(features, expected, strict=True):
        torch.testing.assert_close(feature, wanted, rtol=1e-4, atol=1e-5)


def test_the_file_runs_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(export_mmdet(MIXED, SMALL), encoding="utf-8")
    done = run_alone(path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"(1, 8, {side}, {side})" for side in (12, 6, 3, 2, 1)]  # of 96 pixels


@pytest.mark.parametrize("present", [("mmdet", "mmengine"), ("mmengine",)])
def test_it_registers_with_mmdet_and_without_it_with_mmengine(
    monkeypatch: pytest.MonkeyPatch, present: tuple[str, ...]
) -> None:
    registries = with_registry(monkeypatch, *present)
    made = module(export_mmdet(ORPHANS, SMALL))
    first, *others = present
    assert registries[first].classes == {CLASS: getattr(made, CLASS)}
    assert all(not registries[name].classes for name in others)
    assert made.register()  # once more, as when the file is imported under two names


def test_without_a_registry_it_is_not_registered() -> None:
    assert not module(export_mmdet(ORPHANS, SMALL)).register()


def config(tmp_path: Path, source: str) -> dict[str, Any]:
    """The configuration that the file writes, loaded as mmengine does: executed, its names kept."""
    path = tmp_path / "own_backbone.py"
    path.write_text(source, encoding="utf-8")
    done = run_alone(path, "--write-config", "config.py")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    text = (tmp_path / "config.py").read_text(encoding="utf-8")
    # Imports and definitions would make mmengine read it in another way; there are none.
    assert {type(statement) for statement in ast.parse(text).body} == {ast.Assign}
    names: dict[str, Any] = {"__builtins__": {}}
    exec(compile(text, "config.py", "exec"), names)  # noqa: S102 - our own text is what is tested
    del names["__builtins__"]
    return names


def test_the_written_configuration_is_the_files_own_and_imports_it(tmp_path: Path) -> None:
    source = export_mmdet(SPINENET_49, TARGET)
    written = config(tmp_path, source)
    assert written.pop("custom_imports") == {"imports": ["own_backbone"], "allow_failed_imports": False}
    assert written == module(source).CONFIG


def test_the_head_fits_the_backbone_and_the_target(tmp_path: Path) -> None:
    written = config(tmp_path, export_mmdet(SPINENET_49, TARGET))
    model = written["model"]
    assert (model["type"], model["backbone"], model["neck"]) == ("RetinaNet", {"type": CLASS}, None)
    head = model["bbox_head"]
    assert head["num_classes"] == 80  # COCO's; the papers count 91
    assert (head["num_ins"], head["in_channels"], head["feat_channels"], head["stacked_convs"]) == (5, 256, 256, 4)
    assert head["anchor_generator"]["strides"] == [8, 16, 32, 64, 128]
    assert model["data_preprocessor"]["pad_size_divisor"] == 128
    scales = [step["scale"] for step in written["train_dataloader"]["dataset"]["pipeline"] if "scale" in step]
    assert scales == [(640, 640)]
    for name in ("train", "val", "test"):
        assert {f"{name}_cfg", f"{name}_dataloader"} <= set(written)


def test_own_classes_an_oblong_size_and_a_separable_head(tmp_path: Path) -> None:
    spec, published = reference("eff-spinenet-d0"), published_target("eff-spinenet-d0")
    source = export_mmdet(spec, replace(published, num_classes=3, image_size=(320, 512)))
    written = config(tmp_path, source)
    head = written["model"]["bbox_head"]
    assert (head["num_classes"], head["in_channels"], head["feat_channels"], head["stacked_convs"]) == (3, 64, 64, 3)
    pipeline = written["train_dataloader"]["dataset"]["pipeline"]
    assert [step["scale"] for step in pipeline if "scale" in step] == [(512, 320)]  # width, height
    assert [step["crop_size"] for step in pipeline if "crop_size" in step] == [(320, 512)]  # height, width
    assert "64 channels, not separable" in source


def test_a_backbone_alone_gets_a_head_of_the_pyramids_width(tmp_path: Path) -> None:
    head = config(tmp_path, export_mmdet(ORPHANS, SMALL))["model"]["bbox_head"]
    assert (head["in_channels"], head["feat_channels"], head["stacked_convs"]) == (8, 8, 4)


def test_a_file_name_that_python_cannot_import_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.backbone.py"
    path.write_text(export_mmdet(ORPHANS, SMALL), encoding="utf-8")
    done = run_alone(path, "--write-config", "config.py")
    assert done.returncode == 2
    assert "own.backbone.py: rename it" in done.stderr
    assert not (tmp_path / "config.py").exists()


@pytest.mark.parametrize("name", ['"""', "\\", "a\nimport os", "$BLOCKS ${x} $", "\u202e\x00", "ü" * 300, " "])
def test_a_name_changes_nothing_but_the_name(name: str) -> None:
    plain, named = (export_mmdet(spec, SMALL) for spec in (ORPHANS, ORPHANS.renamed(name)))
    kinds = [[type(node) for node in ast.walk(ast.parse(source))] for source in (plain, named)]
    assert kinds[0] == kinds[1]
    assert ArchitectureSpec.from_document(module(named).load_spec()) == ORPHANS.renamed(name)


@each_spec
@pytest.mark.parametrize("command", ["check", "format --check --line-length=88", "format --check --line-length=120"])
@pytest.mark.parametrize("target", [SMALL, TargetNetwork(image_size=640)], ids=["small", "large"])
def test_ruff_finds_nothing_to_say(spec: ArchitectureSpec, command: str, target: TargetNetwork) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split(), "--stdin-filename", "exported.py", "-"],
        input=export_mmdet(spec, target),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_mypy_finds_nothing_to_say(tmp_path: Path) -> None:
    for number, spec in enumerate(SPECS):
        (tmp_path / f"registers_{number}.py").write_text(export_mmdet(spec, SMALL), encoding="utf-8")
    files = sorted(map(str, tmp_path.glob("*.py")))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
