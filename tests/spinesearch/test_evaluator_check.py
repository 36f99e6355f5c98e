"""The conformance suite of evaluators finds each rule that is broken, and no other."""

import os
from pathlib import Path

import pytest
import torch

from spinesearch.evaluator_check import Finding, check_evaluator_rules
from trainer.task import CocoSource, DataSource

NOWHERE = CocoSource(images=Path("images"), annotations=Path("a.json"))
DATA = DataSource(train=NOWHERE, val=NOWHERE)

FOUND = "is found by its name"
ANSWERS = "answers with an Evaluation that can be kept as JSON"
NUMBERS = "gives numbers in their ranges"
REPEATS = "gives the same for the same request, in another process too, or says that it does not"
SEED = "another seed gives something else"
ARCHITECTURE = "another architecture gives something else"
STOPS = "ends when its session stops it"
STATE = "leaves the process as it was"


@pytest.fixture(autouse=True)
def the_process_as_it_was() -> object:
    """Some of these evaluators change it."""
    folder, threads = Path.cwd(), torch.get_num_threads()
    yield
    os.chdir(folder)
    torch.set_num_threads(threads)


def check(function: str) -> list[Finding]:
    library, _, name = function.rpartition(":")
    module = "odd_torch_evaluators" if library else "odd_evaluators"
    return check_evaluator_rules(f"tests.spinesearch.{module}:{name}", DATA)


@pytest.mark.parametrize("function", ["good", "rolls_dice_and_says_so"])
def test_an_evaluator_that_keeps_the_rules(function: str) -> None:
    findings = check(function)
    assert [finding.rule for finding in findings] == [FOUND, ANSWERS, NUMBERS, REPEATS, SEED, ARCHITECTURE, STATE]
    assert [finding.problem for finding in findings] == [""] * 7


def test_one_with_a_session_that_keeps_the_rules() -> None:
    findings = check("can_be_stopped")
    assert [finding.rule for finding in findings][-2:] == [STOPS, STATE]
    assert not any(finding.problem for finding in findings)


@pytest.mark.parametrize(
    ("function", "rule", "problem"),
    [
        ("missing", FOUND, "has no missing"),
        ("NOT_A_FUNCTION", FOUND, "is not a function"),
        ("gives_a_number", ANSWERS, "spinenet-49, seed 1, reward: TypeError: the evaluator gave float, not an Eval"),
        ("too_good", ANSWERS, "ValueError: average_precision 1.5: must be in [0, 1]"),
        ("loss_without_number", ANSWERS, "ValueError: Out of range float values"),
        ("number_of_numpy", ANSWERS, "TypeError: Object of type float32"),
        ("fails_on_val", ANSWERS, "spinenet-49, seed 1, val: KeyError: 'val'"),
        ("dies", ANSWERS, "the worker's process ended"),
        ("negative_seconds", NUMBERS, "train_seconds -1.0: must be 0 or more"),
        ("half_an_image", NUMBERS, "num_images 0.5: must be a whole number, 0 or more"),
        ("percent", NUMBERS, "metrics: ap50 37.5: must be in [0, 1], or -1"),
        ("losses_out_of_order", NUMBERS, "losses: steps [4, 2]: must rise"),
        ("rolls_dice", REPEATS, "let request.seed alone decide, or put {'deterministic': 'no'} in provenance"),
        ("torch:rolls_dice", REPEATS, "twice, but other metrics or losses: let request.seed alone decide"),
        ("hashes_strings", REPEATS, "let request.seed alone decide"),
        ("goes_elsewhere", STATE, "it changed the working directory: a worker serves many requests"),
        ("torch:takes_all_threads", STATE, "it changed torch's number of threads"),
        ("stops_and_does_not_say_so", STOPS, "stopped_at_step None: must be 2, where it was stopped"),
        ("cannot_be_stopped", STOPS, "it went on after session.measured raised TrainingStopped"),
        ("lets_the_stop_through", STOPS, "TrainingStopped"),
    ],
)
def test_a_broken_rule_is_found_and_no_other(function: str, rule: str, problem: str) -> None:
    (finding,) = [finding for finding in check(function) if finding.is_wrong]
    assert finding.rule == rule
    assert problem in finding.problem
    assert "\n" not in finding.problem


@pytest.mark.parametrize(
    ("function", "rule", "problem"),
    [
        ("ignores_the_seed", SEED, "standard errors over seeds will be 0"),
        ("ignores_the_architecture", ARCHITECTURE, "3 architectures gave the same"),
        ("never_measures", STOPS, "it takes a session but measured nothing"),
    ],
)
def test_what_may_be_on_purpose_is_advice(function: str, rule: str, problem: str) -> None:
    (finding,) = [finding for finding in check(function) if finding.problem]
    assert (finding.rule, finding.is_wrong) == (rule, False)
    assert problem in finding.problem


def test_a_module_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "unlicensed.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    (finding,) = check_evaluator_rules("unlicensed:evaluate", DATA)
    assert finding == Finding(FOUND, "evaluator 'unlicensed:evaluate': RuntimeError: no licence")


def test_the_example_keeps_the_rules() -> None:
    findings = check_evaluator_rules("examples.own_evaluator:closed_form", DATA)
    assert len(findings) == 7
    assert not any(finding.problem for finding in findings)
