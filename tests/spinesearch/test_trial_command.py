"""`trial ...`, and what `search` says of a search before and after, against a served API."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas_controller.records import TrialKey
from nas_controller.requests import RequestVerb
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from search_space.reference import reference
from spinesearch.client import ApiError
from tests.api.searches import SearchWriter, write_small_search
from tests.spinesearch.served_commands import commands_of, said


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """What a service works on, which the environment names."""
    store = MemoryStore()
    with commands_of(store, tmp_path, monkeypatch):
        yield store


@pytest.fixture
def writer(store: Store) -> SearchWriter:
    """The small search, under the id s1."""
    return write_small_search(store, "s1")


def test_trials_are_listed(writer: SearchWriter) -> None:
    lines = [line.split() for line in said("trial", "list", "s1").splitlines()]
    assert [line[:3] for line in lines] == [
        ["1", "completed", "policy"],
        ["2", "infeasible", "policy"],
        ["3", "failed", "policy"],
        ["4", "completed", "policy"],
        ["5", "running", "policy"],
        ["6", "completed", "reference"],
    ]
    assert (lines[3][3], lines[5][-1]) == ("0.250", "spinenet-49")
    chosen = said("trial", "list", "s1", "--state", "failed", "--state", "infeasible", "--json")
    assert [trial["number"] for trial in json.loads(chosen)] == [2, 3]


@pytest.mark.usefixtures("writer")
def test_the_front_is_shown_by_what_it_costs() -> None:
    found = json.loads(said("trial", "front", "s1", "--json"))
    numbers = [point["number"] for point in found["points"]]
    assert numbers
    by_cost = said("trial", "front", "s1")
    assert "multiply-adds" in by_cost
    assert all(f"trial {number} " in by_cost for number in numbers)
    assert "spinenet-49" in by_cost
    (known,) = json.loads(said("trial", "best", "s1", "--json"))["references"]
    by_parameters = said("trial", "front", "s1", "--cost", "parameters")
    (row,) = [line for line in by_parameters.splitlines() if known["name"] in line]
    assert row.split()[1:3] == [f"{known['target_cost']['backbone_parameters'] / 1e6:.1f}", "M"]


def test_the_best_are_shown_under_limits(writer: SearchWriter) -> None:
    costs = {n: writer.store.get_trial("s1", n).draft.target_cost.backbone_multiply_adds for n in (1, 4)}
    cheaper = min(costs, key=lambda number: costs[number])
    limits = ("--constraint", f"multiply_adds<={costs[cheaper]}", "--constraint", "parameters<=1G")
    found = json.loads(said("trial", "best", "s1", "--objective", "average_precision", *limits, "--json"))
    assert [trial["number"] for trial in found["trials"]] == [cheaper]
    on_val = json.loads(said("trial", "best", "s1", "--objective", "val_average_precision", "--json"))
    assert [trial["number"] for trial in on_val["trials"]] == [4]
    table = said("trial", "best", "s1", "--limit", "1")
    assert ("trial 4" in table, "trial 1" in table, "spinenet-49" in table) == (True, False, True)
    with pytest.raises(ApiError, match="must be multiply_adds<=NUMBER"):
        said("trial", "best", "s1", "--constraint", "latency<=5")


def test_a_trial_is_shown_with_what_was_made_from_it(writer: SearchWriter) -> None:
    child = writer.add(reference("spinenet-49"), parents=(4,))
    assert said("trial", "children", "s1", "4").split()[:2] == [str(child), "queued"]
    assert [trial["number"] for trial in json.loads(said("trial", "children", "s1", "4", "--json"))] == [child]
    assert json.loads(said("trial", "show", "s1", str(child)))["parents"] == [4]


def test_what_was_asked_is_listed(writer: SearchWriter) -> None:
    assert said("trial", "retry", "s1", "3") == "request 1 of s1 is open\n"
    with pytest.raises(ApiError, match="measured at their end only"):
        said("trial", "stop", "s1", "5")
    (asked,) = writer.store.list_requests("s1")
    assert (asked.draft.verb, asked.draft.source) == (RequestVerb.RETRY, TrialKey(search_id="s1", number=3))
    assert said("search", "requests", "s1").split() == ["1", "retry", "open"]
    assert json.loads(said("search", "requests", "s1", "--json"))[0]["source"] == {"search": "s1", "trial": 3}


def test_a_search_is_checked_and_estimated_before_it_is_started(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "search.yaml"
    file.write_text("space: r0-sp53\ndata: generated\nlimits: {trials: 7}\n")
    assert said("search", "validate", str(file)) == f"{file}: a search that can be started\n"
    estimate = said("search", "estimate", str(file))
    assert "inside the budget: " in estimate
    assert "hours and cost are not known: no training" in estimate
    assert json.loads(said("search", "estimate", str(file), "--json"))["concurrent"] == 2
    file.write_text("space: r0-sp53\ndata: generated\nlimits: {trials: 0}\n")
    with pytest.raises(ValueError, match=r"limits\.trials"):
        said("search", "validate", str(file))
    assert store.list_searches(10) == []


def test_all_trials_are_written_to_a_file(writer: SearchWriter, tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    assert said("search", "table", "s1", "-o", str(file)) == ""
    assert len(file.read_text().splitlines()) == 1 + len(writer.store.list_trials("s1", 100))
