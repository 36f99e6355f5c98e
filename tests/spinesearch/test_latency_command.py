"""`spinesearch latency`: what it measures, and what it refuses."""

import json

import pytest
import torch
from typer.testing import CliRunner

from search_space.cost import cost
from search_space.plan import resolve
from search_space.reference import published_target, reference
from spinesearch.cli import app
from tests.spinesearch.conftest import Typed

# A busy machine is steady enough.
SMALL = ("--width-scale", "0.1", "--image-size", "64", "--rounds", "6", "--slack", "1e9", "--precision", "fp32")


def run(*arguments: str) -> str:
    before = torch.get_num_threads()
    try:
        result = CliRunner().invoke(app, ["latency", "--reference", "spinenet-49s", *SMALL, *arguments])
    finally:
        torch.set_num_threads(before)
    assert result.exit_code == 0, result.output
    return result.output


def test_networks_are_measured_side_by_side_with_what_they_cost() -> None:
    found = json.loads(run("--against", "resnet-50-fpn", "--batch-size", "2", "--json"))
    assert [row["name"] for row in found["networks"]] == ["spinenet-49s", "resnet-50-fpn"]
    assert (found["batch_size"], found["threads"], found["precision"]) == (2, 1, "fp32")
    for row in found["networks"]:
        assert 0 < row["interval"][0] <= row["median"] <= row["interval"][1]
        assert row["image_size"] == "64x64"
    plan = resolve(reference("spinenet-49s"), published_target("spinenet-49s"))
    assert 0 < found["networks"][0]["multiply_adds"] < cost(plan).multiply_adds


def test_it_computes_with_the_threads_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not with as many in truth: where the cores are busy they wait for each other for minutes.
    asked: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    run("--threads", "7")
    assert 7 in asked


def test_the_table_says_what_it_is_comparable_with() -> None:
    text = " ".join(run().split())
    assert "cpu (fp32), 1 thread, 1 at a time" in text
    assert f"torch {torch.__version__}" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reference", "spinenet-50"], "'spinenet-50'"),
        (["--reference", "spinenet-49", "--device", "tpu"], "device: 'tpu': must be auto, cpu, cuda or xla"),
        (["--reference", "spinenet-49", "--against", "nowhere"], "'nowhere'"),
        ([], "give either a SPEC.json or --reference NAME"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: list[str], message: str, typed: Typed) -> None:
    said = typed("latency", *arguments)
    assert said.status == 2
    assert message in said.err
