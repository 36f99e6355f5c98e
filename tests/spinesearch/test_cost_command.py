"""`spinesearch cost`: heads, sizes, the table of published numbers, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from search_space.cost import cost
from search_space.heads import HEADS, MaskRCNNHead
from search_space.plan import TargetNetwork, resolve
from search_space.published import published_table
from search_space.reference import published_target, reference
from spinesearch.cli import app
from spinesearch.commands.architecture import parse_image_size
from tests.spinesearch.conftest import Said, Typed


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["cost", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def document(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_the_references_own_head_is_taken_where_it_is_of_that_kind() -> None:
    found = document("--reference", "eff-spinenet-d0")
    report = cost(resolve(reference("eff-spinenet-d0"), published_target("eff-spinenet-d0")))
    assert (found["parameters"], found["multiply_adds"]) == (report.parameters, report.multiply_adds)
    assert found["head_kind"] == "retinanet"
    assert found["per_block"][0] == {
        "name": "stem",
        "kind": "stem",
        "level": 1,
        "parameters": 3 * 9 * 16 + 32,
        "multiply_adds": 3 * 9 * 16 * 256 * 256,
    }


@pytest.mark.parametrize(("name", "separable"), [("eff-spinenet-d0", True), ("spinenet-49", False)])
def test_another_head_is_the_default_one_separable_where_the_references_own_is(name: str, separable: bool) -> None:
    found = document("--reference", name, "--head", "mask-rcnn", "--image-size", "512")
    target = TargetNetwork(image_size=512, head=MaskRCNNHead(separable=separable))
    report = cost(resolve(reference(name), target))
    assert found["head"] == report.head._asdict()
    assert found["backbone"] == report.backbone._asdict()


@pytest.mark.parametrize("head", [*HEADS, "none"])
def test_every_head_is_counted(head: str) -> None:
    found = document("--reference", "spinenet-49", "--head", head, "--num-classes", "21")
    assert found["head_kind"] == head
    assert (found["head"]["parameters"] > 0) == (head != "none")
    assert sum(row["multiply_adds"] for row in found["per_block"]) == found["multiply_adds"]


def test_an_input_may_have_two_sides() -> None:
    found = document("--reference", "spinenet-49", "--image-size", "320x512", "--head", "none")
    report = cost(resolve(reference("spinenet-49"), TargetNetwork(image_size=(320, 512), head=None)))
    assert found["multiply_adds"] == report.multiply_adds
    assert found["image_size"] == [320, 512]
    assert "320x512 pixels" in run("--reference", "spinenet-49", "--image-size", "320x512")


@pytest.mark.parametrize("text", ["", "0x", "x512", "320x512x3", "320 512", "-320", "6.4e2", "320X512", "9999999", "²"])
def test_a_size_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"--image-size .*: must be N or HxW in pixels, such as 640 or 320x512"):
        parse_image_size(text)


def test_the_table_has_every_published_row() -> None:
    rows = document("--table")["rows"]
    assert [(row["network"], row["head"]) for row in rows][:2] == [("ResNet-50-FPN", "retinanet")] * 2
    assert len(rows) == len(published_table())
    d0 = next(row for row in rows if row["network"] == "Eff-SpineNet-D0" and row["head"] == "retinanet")
    assert d0["published"] == {"million_parameters": "3.6", "billion_multiply_adds": "2.5"}
    assert d0["ratio"]["parameters"] == pytest.approx(d0["counted"]["parameters"] / 3.6e6)
    printed = run("--table")
    assert all(row["network"] in printed for row in rows)


def edited(change: Any) -> str:
    spec = reference("spinenet-49").to_document()
    change(spec)
    return json.dumps(spec)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (edited(lambda d: d.update(schema_version=9)), "schema_version 9: this release reads 1 and 2"),
        (edited(lambda d: d.update(colour="red")), "spec: unknown field 'colour'; the fields are name, "),
        (
            edited(lambda d: d["blocks"][3].update(parents=[4, 7])),
            "block 5: parents (4, 7): must be earlier blocks, 0 to 4",
        ),
        (edited(lambda d: d["blocks"][3].update(level=9)), "block 5: level 9: must be 1 to 7"),
        (edited(lambda d: d["blocks"][3].update(width=0)), "block 5: width 0: must be at least 1"),
        (edited(lambda d: d["widths"].update({"3": -1})), "widths: level 3: -1: must be an integer, 1 or more"),
        ("{", "not JSON"),
    ],
)
def test_a_broken_spec_is_one_line_and_exit_status_2(text: str, message: str, tmp_path: Path, typed: Typed) -> None:
    file = tmp_path / "spec.json"
    file.write_text(text)
    assert_refused(typed("cost", str(file)), message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--image-size", "48"), "block 9: level 7: an image of 48 pixels holds levels 1 to 6"),
        (("--image-size", "640x32"), "block 9: level 7: an image of 32 pixels holds levels 1 to 6"),
        (("--image-size", "31"), "image_size 31: must be at least 32"),
        (("--image-size", "wide"), "--image-size 'wide': must be N or HxW in pixels"),
        (("--head", "yolo"), "--head 'yolo': must be one of retinanet, mask-rcnn, classification, segmentation, none"),
        (("--width-scale", "0"), "width_scale 0.0: must be above 0"),
        (("--num-classes", "0"), "num_classes 0: must be at least 1"),
        (("--table",), "--table counts all published networks"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_status_2(arguments: tuple[str, ...], message: str, typed: Typed) -> None:
    assert_refused(typed("cost", "--reference", "spinenet-49", *arguments), message)


def assert_refused(said: Said, message: str) -> None:
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith(f"error: {message}")
    assert said.err.count("\n") == 1
