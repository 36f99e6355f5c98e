"""The searcher as Tune calls it: what it suggests, what it tells, and that a saved one goes on."""

from pathlib import Path
from typing import Any

import pytest

from nas_controller.algorithms.table import make_algorithm
from search_space.budget import FlopsBudget, backbone_multiply_adds, own_budget
from search_space.spaces import SPINENET_49
from search_space.spec import ArchitectureSpec
from spinesearch.tune_searcher import SpineSearcher

BUDGET = own_budget(SPINENET_49, SPINENET_49.target)


def make(algorithm: str = "evolution", seed: int = 4, **arguments: Any) -> SpineSearcher:
    settings = {"population": 2, "sample": 2} if algorithm == "evolution" else {}
    return SpineSearcher(SPINENET_49, algorithm, seed, "score", settings=settings, **arguments)


def saved(searcher: SpineSearcher, path: Path) -> bytes:
    searcher.save(str(path))
    return path.read_bytes()


def test_a_suggestion_is_an_architecture_inside_the_budget_and_its_genotype() -> None:
    searcher = make()
    for number in range(6):
        config = searcher.suggest(f"trial {number}")
        spec = ArchitectureSpec.from_json(config["spec"])
        assert SPINENET_49.decode(config["genotype"]).blocks == spec.blocks
        assert BUDGET.contains(backbone_multiply_adds(spec, SPINENET_49.target))


def test_candidates_off_budget_are_told_and_passed_over() -> None:
    """The first suggestion is the first random genotype that meets the budget, whatever number that has."""
    searcher = make("random", seed=1)
    config = searcher.suggest("first")
    algorithm = make_algorithm("random", SPINENET_49, 1, {})
    genotypes = [list(algorithm.ask(number).genotype) for number in range(1, 30)]
    inside = [
        BUDGET.contains(backbone_multiply_adds(SPINENET_49.decode(genotype), SPINENET_49.target))
        for genotype in genotypes
    ]
    first = inside.index(True)
    assert first > 0, "the seed was chosen so"
    assert config["genotype"] == genotypes[first]
    assert searcher._algorithm.diagnostics()["told"] == first


def test_a_budget_that_nothing_meets_is_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spinesearch.tune_searcher.MAX_INFEASIBLE_IN_A_ROW", 5)
    with pytest.raises(RuntimeError, match="5 candidates in a row were off budget"):
        make("random", budget=FlopsBudget(centre=1, tolerance=0.1)).suggest("first")


@pytest.mark.parametrize(
    ("mode", "result", "error", "expected"),
    [
        ("max", {"score": 0.25}, False, [0.25]),
        ("min", {"score": 0.25}, False, [-0.25]),
        ("max", {"score": 0.25, "training_iteration": 4}, False, [0.25]),
        ("max", {"score": 0.25, "training_iteration": 3}, False, []),  # a scheduler stopped it
        ("max", {"score": float("nan")}, False, []),
        ("max", {"loss": 0.25}, False, []),
        ("max", {"score": 0.25}, True, []),
        ("max", None, True, []),
        ("max", None, False, []),
    ],
)
def test_what_became_of_a_trial_is_told(
    mode: str, result: dict[str, Any] | None, error: bool, expected: list[float]
) -> None:
    """Evolution takes in what was trained to its end."""
    searcher = make(mode=mode, whole_at=4)
    searcher.suggest("trial")
    searcher.on_trial_complete("trial", result, error)
    searcher.on_trial_complete("trial", result, error)  # of a trial that it no longer knows
    searcher.on_trial_complete("another", {"score": 0.5})
    state = searcher._algorithm.state_dict()
    assert int(state["population.count"]) == len(expected)
    assert state["population.rewards"][: len(expected)].tolist() == expected


def test_a_restored_searcher_goes_on_with_what_runs(tmp_path: Path) -> None:
    original, restored = make(), make()
    for number in range(8):
        original.suggest(f"trial {number}")
    for number in (3, 0, 5, 1):
        original.on_trial_complete(f"trial {number}", {"score": number / 10})
    original.save(str(tmp_path / "state"))
    restored.restore(str(tmp_path / "state"))
    for number in (7, 2, 4, 6):
        for searcher in (original, restored):
            searcher.on_trial_complete(f"trial {number}", {"score": number / 10})
    assert [restored.suggest(f"new {n}") for n in range(4)] == [original.suggest(f"new {n}") for n in range(4)]
    assert saved(restored, tmp_path / "one") == saved(original, tmp_path / "other")


def test_the_state_of_another_searcher_is_refused(tmp_path: Path) -> None:
    searcher, other = make(seed=4), make(seed=5)
    other.suggest("trial")
    before = saved(searcher, tmp_path / "before")
    other.save(str(tmp_path / "state"))
    with pytest.raises(ValueError, match=r"'seed': 5.*'seed': 4"):
        searcher.restore(str(tmp_path / "state"))
    assert saved(searcher, tmp_path / "after") == before


def test_what_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="must be one of"):
        make("magic")
    with pytest.raises(ValueError, match="mode 'least'"):
        make(mode="least")
