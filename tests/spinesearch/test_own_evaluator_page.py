"""docs/own-evaluator.md shows the example as it is, and its commands do what it says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own-evaluator.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of a language on the page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def run(command: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """A command of the page, typed in the repository's root; `spinesearch` is this Python's."""
    line = command.replace(" spinesearch ", f" {sys.executable} -m spinesearch ", 1)
    environment = {**os.environ, "SPINESEARCH_HOME": str(home)}
    return subprocess.run(
        line, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_the_page_shows_the_example_and_its_search() -> None:
    assert blocks("python")[0] == (ROOT / "examples" / "own_evaluator.py").read_text(encoding="utf-8")
    assert blocks("yaml") == [(ROOT / "examples" / "own-evaluator.yaml").read_text(encoding="utf-8")]


def test_the_check_prints_what_the_page_says(tmp_path: Path) -> None:
    command, _, expected = blocks("console")[0].removeprefix("$ ").partition("\n")
    result = run(command, tmp_path)
    assert result.stdout == expected, result.stderr
    assert result.returncode == 0


@pytest.mark.slow
def test_a_whole_search_without_any_training_finds_better_than_the_reference(tmp_path: Path) -> None:
    (command,) = blocks("console")[1].removeprefix("$ ").splitlines()
    result = run(command, tmp_path)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["state"], summary["trials"]["completed"]) == ("succeeded", 40)
    # SpineNet-49 joins scales in 2 of its 15 blocks, which is worth 0.2 + 0.5 * 2 / 15; a seed is worth 0.01.
    assert summary["best"]["val_ap"] > 0.2 + 0.5 * 2 / 15 + 0.05


@pytest.mark.parametrize(
    ("name", "status", "line"),
    [
        ("tests.spinesearch.odd_evaluators:percent", 1, "wrong   gives numbers in their ranges: metrics: ap50 37.5"),
        ("tests.spinesearch.odd_evaluators:ignores_the_seed", 0, "advice  another seed gives something else: seed 1"),
        ("no.such:thing", 1, "wrong   is found by its name: evaluator 'no.such:thing': No module named 'no'"),
    ],
)
def test_the_exit_status_says_whether_a_rule_is_broken(tmp_path: Path, name: str, status: int, line: str) -> None:
    result = run(f"PYTHONPATH=. spinesearch evaluator check {name}", tmp_path)
    assert result.returncode == status, result.stderr
    assert line in result.stdout


def test_task_and_data_are_taken_from_a_search(tmp_path: Path) -> None:
    file = tmp_path / "search.yaml"
    file.write_text(blocks("yaml")[0].replace("name: own-evaluator", "proxy: {preset: no-such-preset}"))
    result = run(
        f"PYTHONPATH=. spinesearch evaluator check examples.own_evaluator:closed_form --search {file}", tmp_path
    )
    assert result.returncode == 2
    assert "no-such-preset" in result.stderr


@pytest.mark.slow
def test_our_own_evaluator_keeps_the_rules(tmp_path: Path) -> None:
    result = run("PYTHONPATH=. spinesearch evaluator check spinesearch.detection", tmp_path)
    assert (result.returncode, result.stdout.count("ok ")) == (0, 8), result.stdout + result.stderr
