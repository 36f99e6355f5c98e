"""Results of `bench algorithms` in a file: what was run is not run again, an interrupted line is."""

from dataclasses import replace
from pathlib import Path

import pytest

from spinesearch.bench import kept_results, many_searches
from spinesearch.bench.algorithm_tasks import Contender, Plan, Result, Task
from spinesearch.bench.algorithms import run_algorithms
from spinesearch.bench.kept_results import KeptResults

RESULT = Result(incumbents=(0.5, 1.5), curve=(0.25, 0.75), milliseconds=2.5)
PLAN = Plan(
    spaces=("r35-sp18",),
    kinds=("additive",),
    contenders=(Contender(name="random", algorithm="random"),),
    seeds=(1, 2),
    budgets=(20, 30),
)


def tasks() -> list[Task]:
    return PLAN.tasks()


def test_a_result_comes_back_from_the_file(tmp_path: Path) -> None:
    one, other = tasks()
    KeptResults(tmp_path / "kept.jsonl").add(one, RESULT)
    again = KeptResults(tmp_path / "kept.jsonl")
    assert again.get(one) == RESULT
    assert again.get(other) is None
    renamed = replace(one, contender=replace(one.contender, name="by chance"))
    assert again.get(renamed) == RESULT, "the same search by another name"
    assert again.get(replace(one, contender=replace(one.contender, settings=(("sample", 2),)))) is None


def test_what_other_code_ran_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = tasks()
    KeptResults(tmp_path / "kept.jsonl").add(one, RESULT)
    monkeypatch.setattr(kept_results, "PACKAGES", kept_results.PACKAGES[:-1])
    assert KeptResults(tmp_path / "kept.jsonl").get(one) is None


def test_a_line_that_was_cut_off_is_run_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    one, other = tasks()
    kept = KeptResults(path)
    kept.add(one, RESULT)
    kept.add(other, RESULT)
    path.write_text(path.read_text()[:-20])
    cut = KeptResults(path)
    assert (cut.get(one), cut.get(other)) == (RESULT, None)
    cut.add(other, RESULT)
    assert KeptResults(path).get(other) == RESULT


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_text('{"trial": 1}\n')
    with pytest.raises(ValueError, match=r"kept.jsonl, line 1: not a kept result"):
        KeptResults(path)
    assert path.read_text() == '{"trial": 1}\n'


@pytest.mark.slow
def test_only_what_is_missing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first search is taken from the file, with numbers that no search has; the second one is run and kept."""
    monkeypatch.setattr(many_searches, "NUM_PROCESSES", 1)  # each begins with an import of torch
    one, other = tasks()
    made_up = replace(RESULT, curve=(7.0,) * 20)
    kept = KeptResults(tmp_path / "kept.jsonl")
    kept.add(one, made_up)
    (row,) = run_algorithms(PLAN, kept).rows
    result = KeptResults(tmp_path / "kept.jsonl").get(other)
    assert result is not None
    assert row.means == pytest.approx([(a + b) / 2 for a, b in zip(result.incumbents, made_up.incumbents, strict=True)])
