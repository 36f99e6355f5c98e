"""The command line as a user types it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.spinesearch.conftest import Typed

ROOT = Path(__file__).parents[2]
SEARCH: dict[str, Any] = {
    "name": "cli",
    "space": "r0-sp53",
    "data": "generated",
    "budget": {"relative_to": "r0-sp53", "tolerance": 0.15},
    "proxy": {"preset": "cpu-tiny"},
    "limits": {"trials": 10},
    "workers": [{"count": 2, "cpus": 1}],
    "reevaluate": {"top": 1, "seeds": 2, "references": ["spinenet-49"]},
    "evaluator": "tests.integration.evaluators:closed_form",
}


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "SPINESEARCH_HOME": str(home), "PYTHONPATH": str(ROOT)}


def spinesearch(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "spinesearch", *arguments]
    return subprocess.run(line, env=environment(home), capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the commands that are typed; it is not made."""
    monkeypatch.setenv("SPINESEARCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_cost_of_spinenet_49_is_the_published_one(tmp_path: Path) -> None:
    result = spinesearch(tmp_path, "cost", "--reference", "spinenet-49", "--image-size", "640", "--json")
    document = json.loads(result.stdout)
    assert (document["parameters"], document["multiply_adds"]) == (28_543_383, 85_281_555_200)
    assert sum(row["multiply_adds"] for row in document["per_block"]) == document["multiply_adds"]


def test_cost_takes_a_spec_file_and_a_width_scale(tmp_path: Path, typed: Typed) -> None:
    file = tmp_path / "spec.json"
    assert typed("export", "--reference", "spinenet-49", "-o", str(file)).status == 0
    line = ("cost", str(file), "--image-size", "640", "--num-classes", "80", "--head", "none", "--json")
    document = json.loads(typed(*line).out)
    assert document["multiply_adds"] == 28_261_990_400  # the backbone with endpoints
    half = json.loads(typed(*line, "--width-scale", "0.5").out)
    assert half["parameters"] < document["parameters"] / 3


def test_draw_writes_an_svg(tmp_path: Path, typed: Typed) -> None:
    file = tmp_path / "a.svg"
    assert typed("draw", "--reference", "resnet-50-fpn", "-o", str(file)).status == 0
    assert file.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cost", "--reference", "spinenet-50"), "spinenet-50"),
        (("cost",), "give either a SPEC.json or --reference NAME"),
        (("cost", "--reference", "spinenet-49", "--image-size", "8"), "image_size 8: must be"),
        (("search", "run", "nowhere.yaml"), "nowhere.yaml: No such file"),
        (("search", "list"), "no service runs here"),
        (("export", "no-such-search"), "no search no-such-search"),
        (("export", "--reference", "spinenet-49", "--format", "docx"), "must be one of spec, pytorch, torchvision"),
        (("data", "check", "nowhere"), "nowhere"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(
    home: Path, typed: Typed, arguments: tuple[str, ...], message: str
) -> None:
    result = typed(*arguments)
    assert result.status == 2
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_generated_data_set_passes_its_own_check(tmp_path: Path, typed: Typed) -> None:
    assert typed("data", "generate", str(tmp_path / "data")).status == 0
    checked = typed("data", "check", str(tmp_path / "data"))
    assert checked.status == 0, checked.err
    assert "train" in checked.out


@pytest.mark.slow
def test_a_foreground_run_goes_on_after_an_interruption_and_exports_its_best(tmp_path: Path) -> None:
    file, home = tmp_path / "search.yaml", tmp_path / "home"
    file.write_text(yaml.safe_dump(SEARCH))
    line = [sys.executable, "-m", "spinesearch", "search", "run", str(file)]
    with subprocess.Popen(line, env=environment(home), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for text in process.stdout:
            lines.append(text)
            if text.startswith("trial"):
                process.send_signal(signal.SIGINT)
                break
        lines += process.stdout.readlines()
    assert process.returncode == 130
    assert "goes on from here" in "".join(lines)
    search_id = lines[0].split()[1]
    left = home / "artifacts" / "ab" / ("ab" * 32)
    left.parent.mkdir(exist_ok=True)
    left.touch()
    os.utime(left, (0, 0))
    result = spinesearch(home, "search", "run", str(file), "--json")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["search"], summary["trials"]["completed"]) == (search_id, 10)
    assert not left.exists(), "nothing needs it"
    exported = json.loads(spinesearch(home, "export", search_id).stdout)
    assert exported["blocks"] == summary["best"]["spec"]["blocks"]
    again = json.loads(spinesearch(home, "search", "run", str(file), "--json").stdout)
    assert again["search"] != search_id, "a finished search starts anew"


def test_a_search_file_that_could_only_fail_writes_nothing(tmp_path: Path, home: Path, typed: Typed) -> None:
    file = tmp_path / "search.yaml"
    file.write_text(yaml.safe_dump({**SEARCH, "budget": {"multiply_adds": "1M"}}))
    result = typed("search", "run", str(file))
    assert result.status == 2
    assert "they cost" in result.err
    assert not home.exists()
