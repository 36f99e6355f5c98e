"""The exported file: the same network as the plan's, in parameters, names and outputs."""

import ast
import os
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from search_space.cost import cost
from search_space.decisions import random_genotype
from search_space.export.pytorch import export_pytorch
from search_space.plan import EdgeKind, TargetNetwork, resolve
from search_space.reference import published_target, reference
from search_space.spaces import SPACES
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, Neck, Stem
from trainer.model.backbone import Backbone

B, R = BlockType.BOTTLENECK, BlockType.RESIDUAL
# 100 is a multiple of no stride above 4: sizes 50, 25, 13, 7, 4, 2, 1.
SMALL = TargetNetwork(image_size=100, width_scale=0.1, head=None, endpoint_channels=8)

# Four blocks join outputs: 3 at level 4 raw (bottlenecks of equal width), 2, 4 and 5 at level 5 resampled.
ORPHANS = ArchitectureSpec(
    name="orphans",
    blocks=(
        *(BlockSpec(level, kind, (0, 1)) for level, kind in ((5, R), (4, B), (5, R), (5, R))),
        *(BlockSpec(level, B, (0, 1), is_output=True) for level in (3, 4, 5, 6, 7)),
    ),
)
# Block 2 is at level 2, which has no output, and nobody reads it: dead.
DEAD = ArchitectureSpec(
    name="dead",
    activation="swish",
    blocks=(BlockSpec(2, B, (0, 1)), *(BlockSpec(k, R, (0, 1), is_output=True) for k in (3, 4, 5, 6, 7))),
)
REPEATED = reference("spinenet-96")
RESIDUAL_FPN = ArchitectureSpec(
    name="residual-fpn",
    stem=Stem(blocks=tuple(BlockSpec(level, R) for level in (2, 3, 3, 4, 5))),
    neck=Neck.FPN,
)


def _random_specs() -> list[ArchitectureSpec]:
    rng = random.Random(0)
    return [space.decode(random_genotype(space, rng), name=space.name) for space in SPACES.values() for _ in range(2)]


SPECS = [*_random_specs(), ORPHANS, DEAD, REPEATED, RESIDUAL_FPN, reference("resnet-50-fpn")]
each_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def _module(source: str) -> ModuleType:
    module = ModuleType("exported")
    exec(compile(source, "exported.py", "exec"), module.__dict__)  # noqa: S102 - our own text is what is tested
    return module


def _disturb(backbone: nn.Module, seed: int) -> None:
    """Random batch norms, so that each of them shows in the output."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in backbone.state_dict().items():
        if ".norm." in name and tensor.is_floating_point():
            low, high = (-0.1, 0.1) if name.endswith(("mean", "bias")) else (0.5, 1.0)
            tensor.uniform_(low, high, generator=generator)


@each_spec
def test_parameters_are_those_that_the_cost_model_counts(spec: ArchitectureSpec) -> None:
    backbone = _module(export_pytorch(spec, SMALL)).build_backbone()
    counted = cost(resolve(spec, SMALL)).backbone.parameters
    assert sum(parameter.numel() for parameter in backbone.parameters()) == counted


@each_spec
def test_weights_of_the_searched_network_load_and_give_the_same_features(spec: ArchitectureSpec) -> None:
    plan = resolve(spec, SMALL)
    torch.manual_seed(0)
    trained = Backbone(plan).eval()
    _disturb(trained, seed=1)
    exported = _module(export_pytorch(spec, SMALL)).build_backbone().eval()
    exported.load_state_dict(trained.state_dict())
    images = torch.rand(2, 3, 100, 100)
    with torch.inference_mode():
        expected, features = trained(images), exported(images)
    assert list(features) == ["p3", "p4", "p5", "p6", "p7"]
    for feature, wanted in zip(features.values(), expected, strict=True):
        torch.testing.assert_close(feature, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (77, 201)])
def test_any_image_size_gives_ceil_sizes(height: int, width: int) -> None:
    backbone = _module(export_pytorch(reference("spinenet-49"), SMALL)).build_backbone().eval()
    with torch.inference_mode():
        features = backbone(torch.rand(1, 3, height, width))
    for level in range(3, 8):
        assert features[f"p{level}"].shape == (1, 8, -(-height // 2**level), -(-width // 2**level))


def test_the_cases_have_raw_and_resampled_orphans_and_a_dead_block() -> None:
    joined = {
        (edge.source, edge.kind) for block in resolve(ORPHANS, SMALL).blocks for edge in block.edges if edge.is_orphan
    }
    assert joined == {(3, EdgeKind.RAW), *((k, EdgeKind.RESAMPLE) for k in (2, 4, 5))}
    assert "Block(2, " not in export_pytorch(DEAD, SMALL)
    assert "Block(3, " in export_pytorch(DEAD, SMALL)


def test_the_header_has_the_numbers_of_the_target() -> None:
    # 21,831,488 and 28,261,990,400: SpineNet-49 with endpoints at 640, counted without this code.
    header = ast.get_docstring(ast.parse(export_pytorch(reference("spinenet-49"), published_target("spinenet-49"))))
    assert header is not None
    for text in ("spinenet-49:", "640 x 640", "21,831,488", "28,261,990,400"):
        assert text in header


@pytest.mark.parametrize("name", ['"""', "\\", "a\nimport os", "$BLOCKS ${x} $", "\u202e\x00", "ü" * 300, " "])
def test_a_name_changes_nothing_but_the_name(name: str) -> None:
    plain, named = (export_pytorch(spec, SMALL) for spec in (DEAD, DEAD.renamed(name)))
    module = _module(named)
    assert ArchitectureSpec.from_document(module.load_spec()) == DEAD.renamed(name)
    kinds = [[type(node) for node in ast.walk(ast.parse(source))] for source in (plain, named)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("spec", [ORPHANS, DEAD, REPEATED, RESIDUAL_FPN], ids=lambda spec: spec.name)
@pytest.mark.parametrize("command", ["check", "format --check --line-length=88", "format --check --line-length=120"])
def test_ruff_finds_nothing_to_say(spec: ArchitectureSpec, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split(), "--stdin-filename", "exported.py", "-"],
        input=export_pytorch(spec, SMALL),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("spec", [REPEATED, reference("resnet-50-fpn")], ids=lambda spec: spec.name)
def test_the_file_runs_by_itself(spec: ArchitectureSpec, tmp_path: Path) -> None:
    path = tmp_path / "backbone.py"
    path.write_text(export_pytorch(spec, SMALL), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-P", path.name, "--image-size", "65"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counted = cost(resolve(spec, SMALL)).backbone.parameters
    # ceil(65 / 8), ceil(65 / 16), ...
    sizes = zip((3, 4, 5, 6, 7), (9, 5, 3, 2, 1), strict=True)
    shapes = [f"p{level}: (1, 8, {size}, {size})" for level, size in sizes]
    assert done.stdout.splitlines() == [*shapes, f"parameters: {counted:,}"]
