"""`search edit`, `enqueue`, `clone`, `delete` and `archive`, against a served API."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas_controller.records import SearchState, TrialKey
from nas_controller.requests import RequestState
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from search_space.reference import reference
from search_space.spaces import SPINENET_49
from spinesearch.cli import app
from spinesearch.client import Client
from tests.api.searches import START, SearchWriter, write_small_search
from tests.spinesearch import served_commands
from tests.spinesearch.served_commands import commands_of


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """What a service works on, which the environment names; it has the search s1."""
    store = MemoryStore()
    SearchWriter(store, "s1")
    with commands_of(store, tmp_path, monkeypatch):
        yield store


def said(*arguments: str) -> str:
    """What a command about searches prints that succeeds."""
    return served_commands.said("search", *arguments)


def test_name_notes_and_limits_are_edited(store: Store) -> None:
    assert "red cells" in said("edit", "s1", "--name", "red cells", "--limit", "trials=300", "--limit", "hours=2")
    said("edit", "s1", "--notes", "longer", "--limit", "hours=none")
    search = store.get_search("s1")
    limits = search.config["limits"]
    assert (search.name, search.notes, limits["trials"], limits["hours"]) == ("red cells", "longer", 300, None)
    with pytest.raises(ValueError, match="must be NAME=VALUE"):
        said("edit", "s1", "--limit", "trials")


def test_architectures_are_enqueued(store: Store, tmp_path: Path) -> None:
    assert said("enqueue", "s1", "--reference", "spinenet-49") == "request 1 of s1 is open\n"
    file = tmp_path / "spec.json"
    file.write_text(reference("resnet-50-fpn").to_json())
    said("enqueue", "s1", "--spec", str(file), "--force")
    by_name, by_file = store.list_requests("s1")
    assert (by_name.draft.name, by_name.state) == ("spinenet-49", RequestState.OPEN)
    assert by_file.draft.spec == reference("resnet-50-fpn").to_document()


def test_a_variant_of_a_trial_is_enqueued(store: Store) -> None:
    write_small_search(store, "s2")
    genotype = SPINENET_49.encode(reference("spinenet-49"))
    said("enqueue", "s2", "--trial", "4", "--genotype", ",".join(map(str, genotype)))
    (asked,) = store.list_requests("s2")
    assert (asked.draft.genotype, asked.draft.parents) == (genotype, (4,))
    with Client() as client:
        variant = client.variant("s2", 4, genotype)
        assert (tuple(variant["genotype"]), tuple(variant["edits"])) == (genotype, asked.draft.edits)
        assert client.decisions("s2", 6) == []
    with pytest.raises(ValueError, match="must be numbers with commas"):
        said("enqueue", "s2", "--genotype", "1,b")


def test_a_trial_is_promoted(store: Store) -> None:
    writer = write_small_search(store, "s2")
    assert said("promote", "s2", "4", "--steps", "600", "--seeds", "2") == "request 1 of s2 is open\n"
    said("promote", "s2", "1")
    first, second = store.list_requests(writer.search_id)
    assert (first.draft.source, first.draft.num_steps, first.draft.num_seeds) == (
        TrialKey(search_id="s2", number=4),
        600,
        2,
    )
    assert (second.draft.num_steps, second.draft.num_seeds) == (None, 1)


def test_a_clone_has_what_a_file_says(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "patch.yaml"
    file.write_text("name: again\nlimits: {trials: 7}\n")
    clone = store.get_search(said("clone", "s1", "--patch", str(file)).split()[0])
    assert (clone.name, clone.cloned_from, clone.config["limits"]["trials"]) == ("again", "s1", 7)
    same = store.get_search(said("clone", "s1").split()[0])
    assert same.config == store.get_search("s1").config


def test_what_has_ended_is_archived_and_deleted(store: Store) -> None:
    store.request_state("s1", SearchState.CANCELLED, "", START)
    said("archive", "s1")
    assert store.get_search("s1").archived_at is not None
    said("archive", "s1", "--undo")
    assert store.get_search("s1").archived_at is None
    assert CliRunner().invoke(app, ["search", "delete", "s1"], input="n\n").exit_code == 1
    assert len(store.list_searches(10)) == 1
    said("delete", "s1", "--yes")
    assert store.list_searches(10) == []
