"""The exported file: the same network as the plan's, in parameters, names and outputs."""

import ast
import random
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from search_space.cost import cost
from search_space.decisions import random_genotype
from search_space.export.pytorch import export_pytorch
from search_space.heads import Head, MaskRCNNHead, SegmentationHead
from search_space.plan import EdgeKind, TargetNetwork, resolve
from search_space.reference import REFERENCES, published_target, reference
from search_space.spaces import SPACES
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, Fusion, Neck, Resampling, Stem, StemKind
from tests.search_space.alone import run_alone
from trainer.model.backbone import Backbone

B, R, M = BlockType.BOTTLENECK, BlockType.RESIDUAL, BlockType.MBCONV
SMALL = TargetNetwork(image_size=96, width_scale=0.1, head=None, endpoint_channels=8)
# Levels 1 to 7: 39, 20, 10, 5, 3, 2, 1 by 101, 51, 26, 13, 7, 4, 2.
ODD_SIZE = (77, 201)

# Four blocks join outputs: 3 at level 4 raw (bottlenecks of equal width), 2, 4 and 5 at level 5 resampled.
ORPHANS = ArchitectureSpec(
    name="orphans",
    blocks=(
        *(BlockSpec(level, kind, (0, 1)) for level, kind in ((5, R), (4, B), (5, R), (5, R))),
        *(BlockSpec(level, B, (0, 1), is_output=True) for level in (3, 4, 5, 6, 7)),
    ),
)
# So many join that rows are longer than a line: 5 at level 5; and that inputs alone are: 12 at level 4.
CROWDED = ArchitectureSpec(
    name="crowded",
    blocks=(
        *(BlockSpec(level, R, (0, 1)) for level in (5,) * 5 + (4,) * 12),
        *(BlockSpec(level, R, (0, 1), is_output=True) for level in (3, 4, 5, 6, 7)),
    ),
)
# Block 2 is at level 2, which has no output, and nobody reads it: dead.
DEAD = ArchitectureSpec(
    name="dead",
    activation="swish",
    blocks=(BlockSpec(2, B, (0, 1)), *(BlockSpec(k, R, (0, 1), is_output=True) for k in (3, 4, 5, 6, 7))),
)
REPEATED = reference("spinenet-96")
# Every type, down and up over several levels, an orphan (4) that joins raw where it may.
MIXED = ArchitectureSpec(
    name="mixed",
    stem=Stem(16, (BlockSpec(1, M, width=160, expansion=1, repeats=2), BlockSpec(2, R)), StemKind.CONV3),
    blocks=(
        BlockSpec(3, M, (0, 1), width=800, kernel=5, expansion=4, repeats=2, resource_multiplier=1 / 3),
        BlockSpec(6, B, (0, 2)),
        BlockSpec(4, M, (1, 3), width=1600),
        BlockSpec(3, M, (2, 3), is_output=True, width=800, kernel=7, expansion=1, repeats=3),
        BlockSpec(4, M, (2, 5), is_output=True, width=1600, repeats=2),
        *(BlockSpec(level, kind, (5, 6), is_output=True) for level, kind in ((5, B), (6, R), (7, M))),
    ),
)
_ALL_RESAMPLED = [
    replace(MIXED, name=f"mixed-{resampling}-{fusion}", resampling=resampling, fusion=fusion)
    for resampling, fusion in product(Resampling, Fusion)
]
NO_SQUEEZE = replace(MIXED, name="no-squeeze", se_ratio=0.0, activation="swish")
RESIDUAL_FPN = ArchitectureSpec(
    name="residual-fpn",
    stem=Stem(blocks=tuple(BlockSpec(level, R) for level in (2, 3, 3, 4, 5))),
    neck=Neck.FPN,
)
# The stem reaches every level of the pyramid.
MBCONV_FPN = ArchitectureSpec(
    name="mbconv-fpn",
    stem=Stem(8, tuple(BlockSpec(level, M, kernel=5) for level in (1, 2, 3, 4, 5, 6, 7)), StemKind.CONV3),
    neck=Neck.SEPARABLE_FPN,
)


AGAIN = " again"


def _random_specs() -> list[ArchitectureSpec]:
    rng = random.Random(0)
    return [
        space.decode(random_genotype(space, rng), name=f"{space.name}{ending}")
        for space in SPACES.values()
        for ending in ("", AGAIN)
    ]


MADE = [ORPHANS, CROWDED, DEAD, *_ALL_RESAMPLED, NO_SQUEEZE, RESIDUAL_FPN, MBCONV_FPN]
SPECS = [*_random_specs(), *MADE, *(entry.spec for entry in REFERENCES.values())]
LARGE = ("resnet-101-fpn", "resnet-152-fpn", "spinenet-143", "spinenet-190", "eff-spinenet-d2")
"""They have no block, edge or stem that smaller ones of their family do not have."""


def _case(spec: ArchitectureSpec, *more: object) -> object:
    """A large network takes ten seconds where others take one; of each space one is enough for every day."""
    is_slow = spec.name in LARGE or spec.name.endswith(AGAIN)
    return pytest.param(spec, *more, marks=[pytest.mark.slow] if is_slow else [])


each_spec = pytest.mark.parametrize("spec", [_case(spec) for spec in SPECS], ids=lambda spec: spec.name)
each_made = pytest.mark.parametrize("spec", [*MADE, REPEATED], ids=lambda spec: spec.name)


def _module(source: str) -> ModuleType:
    module = ModuleType("exported")
    exec(compile(source, "exported.py", "exec"), module.__dict__)  # noqa: S102 - our own text is what is tested
    return module


def disturb(backbone: nn.Module, seed: int) -> None:
    """Random batch norms and fusion weights, so that each of them shows in the output; a few weights are negative."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in backbone.state_dict().items():
        if name.endswith(".fusion"):
            tensor.uniform_(-0.2, 2.0, generator=generator)
        elif ".norm." in name and tensor.is_floating_point():
            low, high = (-0.1, 0.1) if name.endswith(("mean", "bias")) else (0.5, 1.0)
            tensor.uniform_(low, high, generator=generator)


@each_spec
def test_parameters_are_those_that_the_cost_model_counts(spec: ArchitectureSpec) -> None:
    backbone = _module(export_pytorch(spec, SMALL)).build_backbone()
    counted = cost(resolve(spec, SMALL)).backbone.parameters
    assert sum(parameter.numel() for parameter in backbone.parameters()) == counted


@pytest.mark.parametrize(
    ("spec", "size"),
    [*(_case(spec, ODD_SIZE) for spec in SPECS), *((spec, (96, 96)) for spec in MADE)],
    ids=lambda value: value.name if isinstance(value, ArchitectureSpec) else str(value[0]),
)
def test_weights_of_the_searched_network_load_and_give_the_same_features(
    spec: ArchitectureSpec, size: tuple[int, int]
) -> None:
    plan = resolve(spec, replace(SMALL, image_size=size))
    torch.manual_seed(0)
    trained = Backbone(plan).eval()
    disturb(trained, seed=1)
    exported = _module(export_pytorch(spec, SMALL)).build_backbone().eval()
    exported.load_state_dict(trained.state_dict())
    images = torch.rand(2, 3, *size)
    with torch.inference_mode():
        expected, features = trained(images), exported(images)
    assert list(features) == [f"p{level}" for level in range(spec.min_level, spec.max_level + 1)]
    for feature, wanted in zip(features.values(), expected, strict=True):
        assert wanted.std() > 0
        torch.testing.assert_close(feature, wanted, rtol=1e-4, atol=1e-5)


@each_spec
def test_a_file_has_the_code_that_its_network_needs_and_no_more(spec: ArchitectureSpec) -> None:
    source = export_pytorch(spec, SMALL)
    blocks = resolve(spec, SMALL).blocks
    types = {block.block_type for block in blocks}
    is_searched = spec.neck is Neck.ENDPOINTS
    needs = {
        "class Bottleneck(": B in types,
        "class Residual(": R in types,
        "def shortcut(": bool(types & {B, R}),
        "class MBConv(": M in types,
        "expansion": M in types,
        "class Squeeze(": any(layer.squeeze_channels for block in blocks for layer in block.layers),
        "SQUEEZE_RATIO": any(layer.squeeze_channels for block in blocks for layer in block.layers),
        "groups": M in types
        or (is_searched and spec.resampling is not Resampling.CONV)
        or spec.neck is Neck.SEPARABLE_FPN,
        "class Resample(": is_searched,
        "RAW": is_searched,
        "pixel_unshuffle": is_searched and spec.resampling is Resampling.SPACE_TO_DEPTH,
        "self.fusion": is_searched and spec.fusion is Fusion.WEIGHTED,
        "class Lateral(": not is_searched,
        "class SeparableConv(": spec.neck is Neck.SEPARABLE_FPN,
        "= functional.max_pool2d(self.stem(": spec.stem.kind is StemKind.CONV7_POOL,
    }
    code = source[: source.index("SPEC_JSON = ")]
    assert {text: text in code for text in needs} == needs


def test_the_cases_have_raw_and_resampled_orphans_long_rows_and_a_dead_block() -> None:
    joined = {
        (edge.source, edge.kind) for block in resolve(ORPHANS, SMALL).blocks for edge in block.edges if edge.is_orphan
    }
    assert joined == {(3, EdgeKind.RAW), *((k, EdgeKind.CONV) for k in (2, 4, 5))}
    crowded = export_pytorch(CROWDED, SMALL)
    for index, level, inputs in ((21, 5, "((0, 3), (1, 3), (2, RAW)"), (20, 4, "(\n            (0, 3),\n")):
        row = f'    Block(\n        {index},\n        {level},\n        "residual",\n        25,\n        {inputs}'
        assert row in crowded
    assert "Block(2, " not in export_pytorch(DEAD, SMALL)
    assert "Block(3, " in export_pytorch(DEAD, SMALL)


def test_the_header_has_the_numbers_of_the_target() -> None:
    # 21,831,488 and 28,261,990,400: SpineNet-49 with endpoints at 640, counted without this code.
    header = ast.get_docstring(ast.parse(export_pytorch(reference("spinenet-49"), published_target("spinenet-49"))))
    assert header is not None
    for text in ("spinenet-49:", "640 x 640", "21,831,488", "28,261,990,400"):
        assert text in header


def test_the_header_has_the_size_and_the_head_of_any_target() -> None:
    heads: dict[str, Head] = {"mask-rcnn": MaskRCNNHead(), "segmentation": SegmentationHead()}
    for text, head in heads.items():
        source = export_pytorch(DEAD, TargetNetwork(image_size=(320, 512), head=head, num_classes=12))
        assert f"{text}, 12 classes" in source
        assert "320 x 512 pixels" in source
        assert _module(source).IMAGE_SIZE == (320, 512)


@pytest.mark.parametrize("name", ['"""', "\\", "a\nimport os", "$BLOCKS ${x} $", "\u202e\x00", "ü" * 300, " "])
def test_a_name_changes_nothing_but_the_name(name: str) -> None:
    plain, named = (export_pytorch(spec, SMALL) for spec in (DEAD, DEAD.renamed(name)))
    module = _module(named)
    assert ArchitectureSpec.from_document(module.load_spec()) == DEAD.renamed(name)
    kinds = [[type(node) for node in ast.walk(ast.parse(source))] for source in (plain, named)]
    assert kinds[0] == kinds[1]


@each_made
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


@pytest.mark.slow
def test_mypy_finds_nothing_to_say(tmp_path: Path) -> None:
    for number, spec in enumerate(MADE):
        (tmp_path / f"made_{number}.py").write_text(export_pytorch(spec, SMALL), encoding="utf-8")
    files = sorted(map(str, tmp_path.glob("*.py")))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _run(source: str, folder: Path, *image_size: str) -> "subprocess.CompletedProcess[str]":
    path = folder / "backbone.py"
    path.write_text(source, encoding="utf-8")
    return run_alone(path, "--image-size", *image_size)


@pytest.mark.parametrize("spec", [REPEATED, MIXED, MBCONV_FPN], ids=lambda spec: spec.name)
def test_the_file_runs_by_itself(spec: ArchitectureSpec, tmp_path: Path) -> None:
    done = _run(export_pytorch(spec, SMALL), tmp_path, "65", "130")
    assert done.returncode == 0, done.stderr
    counted = cost(resolve(spec, SMALL)).backbone.parameters
    # ceil(65 / 8), ceil(65 / 16), ... and twice as wide: ceil(130 / 8), ...
    sizes = zip((3, 4, 5, 6, 7), (9, 5, 3, 2, 1), (17, 9, 5, 3, 2), strict=True)
    shapes = [f"p{level}: (1, 8, {height}, {width})" for level, height, width in sizes]
    assert done.stdout.splitlines() == [*shapes, f"parameters: {counted:,}"]


def test_one_side_is_a_square_and_a_wrong_size_is_an_error(tmp_path: Path) -> None:
    source = export_pytorch(MBCONV_FPN, SMALL)
    assert "p3: (1, 8, 9, 9)" in _run(source, tmp_path, "65").stdout
    wrong = _run(source, tmp_path, "65", "0")
    assert wrong.returncode == 2
    assert "--image-size [65, 0]: must be a side, or height and width" in wrong.stderr
