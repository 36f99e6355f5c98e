"""The file that trains: torchvision's RetinaNet around the same backbone, run where only torch and torchvision are."""

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from search_space.cost import cost
from search_space.export.torchvision import export_torchvision
from search_space.plan import TargetNetwork, resolve
from search_space.reference import published_target, reference
from search_space.spec import ArchitectureSpec
from tests.search_space.alone import run_alone
from tests.search_space.test_export_pytorch import CROWDED, MBCONV_FPN, MIXED, ORPHANS, REPEATED, SMALL, disturb
from trainer.data.generated import generate
from trainer.model.backbone import Backbone

SPECS = [ORPHANS, CROWDED, MIXED, MBCONV_FPN, REPEATED, reference("eff-spinenet-d0")]
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "pycocotools")
each_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
TARGET = TargetNetwork(image_size=64, width_scale=0.1, endpoint_channels=16)


def module(spec: ArchitectureSpec, target: TargetNetwork = SMALL) -> ModuleType:
    made = ModuleType("exported")
    code = compile(export_torchvision(spec, target), "exported.py", "exec")
    exec(code, made.__dict__)  # noqa: S102 - our own text is what is tested
    return made


@each_spec
def test_the_detector_has_the_backbone_that_is_counted_and_torchvisions_head(spec: ArchitectureSpec) -> None:
    detector = module(spec).build_detector(num_classes=7)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in detector.named_children()}
    assert counts["backbone"] == cost(resolve(spec, SMALL)).backbone.parameters
    # Two subnets of four 3x3 convolutions with group norm instead of a bias; 9 anchors with 7 scores and 4 numbers.
    tower = 4 * (9 * 8 * 8 + 2 * 8)
    assert counts["head"] == 2 * tower + 9 * (7 + 4) * (9 * 8 + 1)


@each_spec
def test_weights_of_the_searched_network_give_its_detector_the_same_features(spec: ArchitectureSpec) -> None:
    size = (65, 130)
    torch.manual_seed(0)
    trained = Backbone(resolve(spec, replace(SMALL, image_size=size))).eval()
    disturb(trained, seed=1)
    detector = module(spec).build_detector(num_classes=3).eval()
    detector.backbone.load_state_dict(trained.state_dict())
    images = torch.rand(2, 3, *size)
    with torch.inference_mode():
        features, expected = detector.backbone(images), trained(images)
    for feature, wanted in zip(features.values(), expected, strict=True):
        torch.testing.assert_close(feature, wanted, rtol=1e-4, atol=1e-5)


def test_images_are_resized_to_the_target_and_boxes_come_back_in_their_own_pixels() -> None:
    detector = module(ORPHANS).build_detector(num_classes=3).eval()
    images = [torch.rand(3, 30, 60), torch.rand(3, 200, 100)]
    resized, _ = detector.transform(images)
    assert resized.image_sizes == [(48, 96), (96, 48)]
    detector.score_thresh = 0.0
    with torch.inference_mode():
        found = detector(images)
    for image, one in zip(images, found, strict=True):
        assert len(one["boxes"]) > 0
        height, width = image.shape[1:]
        limits = torch.tensor([width, height, width, height])
        assert bool((one["boxes"] >= 0).all())
        assert bool((one["boxes"] <= limits + 1e-3).all())


def test_anchors_are_three_strides_by_three_sizes_and_aspects() -> None:
    detector = module(ORPHANS).build_detector(num_classes=3)
    sides = [[round(side) for side in sizes] for sizes in detector.anchor_generator.sizes]
    # 3 * 8 * 2 ** (0, 1/3, 2/3), and twice as many for each level above.
    assert sides == [[24, 30, 38], [48, 60, 76], [96, 121, 152], [192, 242, 305], [384, 484, 610]]


def write_data(folder: Path) -> None:
    """Generated images; one without any object, one object without an area, one crowd region on all of an image."""
    generate(folder, num_train=24, num_val=8, image_size=64)
    path = folder / "annotations" / "instances_train.json"
    document = json.loads(path.read_text())
    empty, crowded = (image["id"] for image in document["images"][:2])
    kept = [entry for entry in document["annotations"] if entry["image_id"] != empty]
    more = {"image_id": crowded, "category_id": document["categories"][0]["id"], "area": 4096}
    kept.append({**more, "id": 100_000, "bbox": [0, 0, 64, 64], "iscrowd": 1})
    kept.append({**more, "id": 100_001, "bbox": [5, 5, 0, 10], "iscrowd": 0})
    path.write_text(json.dumps({**document, "annotations": kept}))


def train(
    source: str, folder: Path, *more: str, packages: tuple[str, ...] = PACKAGES
) -> "subprocess.CompletedProcess[str]":
    path = folder / "train.py"
    path.write_text(source, encoding="utf-8")
    arguments = ["--images", "data/train", "--annotations", "data/annotations/instances_train.json"]
    arguments += ["--val-images", "data/val", "--val-annotations", "data/annotations/instances_val.json"]
    arguments += ["--batch-size", "4", "--workers", "0", "--scale", "1", "1", "--lr", "2e-3", *more]
    return run_alone(path, *arguments, packages=packages)


def test_the_script_trains_alone_and_its_loss_falls(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    done = train(export_torchvision(reference("spinenet-49"), TARGET), tmp_path, "--epochs", "4")
    assert done.returncode == 0, done.stderr
    lines = [re.fullmatch(r"epoch (\d): loss (\S+), AP on val (\S+)", line) for line in done.stdout.splitlines()]
    found = [line.groups() for line in lines if line is not None]
    assert [epoch for epoch, _, _ in found] == ["1", "2", "3", "4"], done.stdout
    losses = [float(loss) for _, loss, _ in found]
    assert losses[-1] < 0.9 * losses[0], losses
    assert all(0.0 <= float(ap) <= 1.0 for _, _, ap in found)
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    detector = module(reference("spinenet-49"), TARGET).build_detector(len(saved["category_ids"]))
    detector.load_state_dict(saved["model"])


def test_without_pycocotools_it_trains_and_says_what_ap_needs(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    packages = tuple(name for name in PACKAGES if name != "pycocotools")
    source = export_torchvision(MBCONV_FPN, TARGET)
    done = train(source, tmp_path, "--epochs", "1", packages=packages)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("AP on val needs pycocotools")


def test_crowds_and_boxes_without_an_area_are_no_targets(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    made = module(ORPHANS, TARGET)
    folder, annotations = tmp_path / "data" / "train", tmp_path / "data" / "annotations" / "instances_train.json"
    images = made.CocoImages(folder, annotations, made.training_transform(1.0, 1.0))
    document = json.loads(annotations.read_text())
    counts = [
        sum(
            entry["image_id"] == image["id"] and not entry["iscrowd"] and entry["bbox"][2] > 0
            for entry in document["annotations"]
        )
        for image in document["images"]
    ]
    targets = [images[k][1] for k in range(len(images))]
    assert [len(target["labels"]) for target in targets] == counts
    assert counts[0] == 0
    assert targets[0]["boxes"].shape == (0, 4)
    assert sorted(set(torch.cat([target["labels"] for target in targets]).tolist())) == [0, 1, 2, 3]


def test_scaled_samples_keep_the_target_size_and_boxes_inside(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    made = module(ORPHANS, TARGET)
    images = made.CocoImages(
        tmp_path / "data" / "train",
        tmp_path / "data" / "annotations" / "instances_train.json",
        made.training_transform(0.5, 2.0),
    )
    torch.manual_seed(0)
    for index in range(len(images)):
        image, target = images[index]
        assert image.shape == (3, 64, 64)
        assert image.dtype == torch.float32
        assert float(image.max()) <= 1.0
        assert bool((target["boxes"] >= 0).all())
        assert bool((target["boxes"] <= 64).all())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--batch-size", "1"), "--batch-size must be 2 or more"),
        (("--batch-size", "100"), "24 images are fewer than --batch-size"),
    ],
)
def test_what_cannot_be_trained_is_said(tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    write_data(tmp_path / "data")
    done = train(export_torchvision(MBCONV_FPN, TARGET), tmp_path, *more)
    assert done.returncode != 0
    assert message in done.stderr


def test_the_header_has_the_numbers_of_the_target() -> None:
    source = export_torchvision(reference("spinenet-49"), published_target("spinenet-49"))
    header = ast.get_docstring(ast.parse(source))
    assert header is not None
    for text in ("spinenet-49:", "640 x 640", "21,831,488", "28,261,990,400"):
        assert text in header


@pytest.mark.parametrize("name", ['"""', "\\", "a\nimport os", "$BLOCKS ${x} $", "\u202e\x00", "ü" * 300, " "])
def test_a_name_changes_nothing_but_the_name(name: str) -> None:
    plain, named = (export_torchvision(spec, SMALL) for spec in (ORPHANS, ORPHANS.renamed(name)))
    kinds = [[type(node) for node in ast.walk(ast.parse(source))] for source in (plain, named)]
    assert kinds[0] == kinds[1]
    assert ArchitectureSpec.from_document(module(ORPHANS.renamed(name)).load_spec()) == ORPHANS.renamed(name)


@each_spec
@pytest.mark.parametrize("command", ["check", "format --check --line-length=88", "format --check --line-length=120"])
def test_ruff_finds_nothing_to_say(spec: ArchitectureSpec, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split(), "--stdin-filename", "exported.py", "-"],
        input=export_torchvision(spec, SMALL),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_mypy_finds_nothing_to_say(tmp_path: Path) -> None:
    for number, spec in enumerate(SPECS):
        (tmp_path / f"trains_{number}.py").write_text(export_torchvision(spec, SMALL), encoding="utf-8")
    files = sorted(map(str, tmp_path.glob("*.py")))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
