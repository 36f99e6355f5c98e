"""A trial's architecture with other decisions: shown, and trained."""

import random
from typing import Any

import httpx
import pytest

from nas_controller.store.base import Store
from search_space.decisions import DecisionKind, Genotype
from search_space.difference import compare
from search_space.drawing.svg import draw_difference
from search_space.reference import reference
from search_space.spaces import SPACES, SPINENET_49
from search_space.spec import ArchitectureSpec
from tests.api.searches import DOCUMENT, SearchWriter, network_cost, random_genotype, write_small_search

SEARCH = "/v1/searches/s1"
WIDE = {**DOCUMENT, "budget": {"relative_to": "spinenet-49", "tolerance": 0.9}}
GENOTYPE = SPINENET_49.encode(SPINENET_49.decode(random_genotype(random.Random(5))))
TYPE_OF_7 = next(p for p, point in enumerate(SPINENET_49.points) if point == (DecisionKind.BLOCK_TYPE, 7))


def edited(position: int = TYPE_OF_7) -> Genotype:
    """With the next option at one decision."""
    taken = (GENOTYPE[position] + 1) % SPINENET_49.option_counts[position]
    return (*GENOTYPE[:position], taken, *GENOTYPE[position + 1 :])


def written(store: Store, document: dict[str, Any] = WIDE) -> SearchWriter:
    """Trial 1 has the genotype, trial 2 is a reference."""
    writer = SearchWriter(store, "s1", document)
    writer.run()
    writer.complete(writer.add(SPINENET_49.decode(GENOTYPE), genotype=GENOTYPE), 0.25)
    writer.add(reference("spinenet-49"), arm="reference", name="spinenet-49")
    return writer


def shown(client: httpx.Client, genotype: Genotype, number: int = 1) -> httpx.Response:
    query = {"genotype": ",".join(map(str, genotype))}
    return client.get(f"{SEARCH}/trials/{number}/variant", params=query)


def asked(client: httpx.Client, **architecture: Any) -> httpx.Response:
    return client.post(f"{SEARCH}/trials:enqueue", json=architecture)


def test_a_variant_is_shown_before_it_is_trained(client: httpx.Client, store: Store) -> None:
    written(store)
    variant = shown(client, edited()).json()
    spec = SPINENET_49.decode(edited())
    assert (variant["genotype"], variant["problem"]) == (list(SPINENET_49.encode(spec)), "")
    assert variant["edits"] == ["block 7: type bottleneck -> residual"]
    counted = network_cost(spec)
    assert variant["cost"]["backbone_multiply_adds"] == counted.backbone_multiply_adds
    assert variant["cost"]["detector_parameters"] == counted.detector_parameters
    decision = variant["decisions"][TYPE_OF_7]
    assert (decision["block"], decision["options"]) == (7, ["bottleneck", "residual"])
    assert (decision["taken"], decision["label"], decision["log_prob"]) == (1, "residual", None)
    assert shown(client, GENOTYPE).json()["edits"] == []
    before = client.get(f"{SEARCH}/trials/1/decisions").json()["decisions"][TYPE_OF_7]
    assert (before["taken"], before["options"]) == (0, ["bottleneck", "residual"])


def test_a_variant_is_drawn_with_what_differs_from_the_trial(client: httpx.Client, store: Store) -> None:
    written(store)
    query = {"genotype": ",".join(map(str, edited()))}
    answer = client.get(f"{SEARCH}/trials/1/variant/drawing", params=query)
    assert answer.headers["content-type"] == "image/svg+xml"
    before, after = SPINENET_49.decode(GENOTYPE, "trial 1"), SPINENET_49.decode(edited(), "variant")
    assert answer.text == draw_difference(compare(before, after))
    assert client.get(f"{SEARCH}/trials/1/variant/drawing", params={"genotype": "0,1"}).status_code == 422


def test_a_variant_off_budget_says_so(client: httpx.Client, store: Store) -> None:
    written(store, {**DOCUMENT, "budget": {"multiply_adds": "1G", "tolerance": 0.05}})
    assert "budget 1 B multiply-adds" in shown(client, edited()).json()["problem"]
    refused = asked(client, trial=1, genotype=edited())
    assert (refused.status_code, refused.json()["errors"][0]["place"]) == (422, "genotype")
    assert asked(client, trial=1, genotype=edited(), force=True).status_code == 202


def test_a_variant_keeps_where_it_comes_from(client: httpx.Client, store: Store) -> None:
    written(store)
    answer = asked(client, trial=1, genotype=edited())
    assert answer.status_code == 202
    assert (answer.json()["parents"], answer.json()["source"]) == ([1], None)
    assert answer.json()["edits"] == ["block 7: type bottleneck -> residual"]
    (request,) = store.list_requests("s1")
    assert request.draft.genotype == SPINENET_49.encode(SPINENET_49.decode(edited()))
    assert (request.draft.parents, request.draft.edits) == ((1,), ("block 7: type bottleneck -> residual",))


def test_where_widths_are_settled_a_variant_is_of_the_target_of_its_trial(client: httpx.Client, store: Store) -> None:
    """The trial costs as much as SpineNet-49, 28 billion: 30 is the nearest of 15, 30 and 60."""
    space = SPACES["joint"]
    genotype = space.encode(space.decode((0,) * space.genotype_length))
    front = {"low": "15G", "high": "60G", "points": 3}
    writer = SearchWriter(store, "s1", {**DOCUMENT, "space": "joint", "front": front})
    writer.run()
    writer.complete(writer.add(reference("spinenet-49"), genotype=genotype), 0.25)
    other = (*genotype[:-1], genotype[-1] + 1)
    found = shown(client, other).json()
    assert (found["problem"], found["cost"]["backbone_multiply_adds"]) == ("", pytest.approx(30e9, rel=0.01))
    assert asked(client, trial=1, genotype=other).status_code == 202
    (request,) = store.list_requests("s1")
    counted = network_cost(ArchitectureSpec.from_document(request.draft.spec or {}))
    assert counted.backbone_multiply_adds == found["cost"]["backbone_multiply_adds"]


def test_a_genotype_needs_no_parent_and_a_reference_may_be_one(client: httpx.Client, store: Store) -> None:
    written(store)
    of_reference = SPINENET_49.encode(reference("spinenet-49"))
    assert asked(client, genotype=GENOTYPE).json()["parents"] == []
    assert asked(client, trial=2, genotype=GENOTYPE).json()["parents"] == [2]
    assert asked(client, trial=1, genotype=of_reference).json()["parents"] == [1]
    assert [request.draft.genotype for request in store.list_requests("s1")] == [GENOTYPE, GENOTYPE, of_reference]


def test_what_is_wrong_with_decisions_is_said_one_by_one(client: httpx.Client, store: Store) -> None:
    written(store)
    wrong = [99, *GENOTYPE[1:-1], 99]
    last = len(GENOTYPE) - 1
    first_count, last_count = SPINENET_49.option_counts[0], SPINENET_49.option_counts[-1]
    expected = [
        ("genotype.0", f"99: must be 0 to {first_count - 1}: {SPINENET_49.describe_point(0)}"),
        (f"genotype.{last}", f"99: must be 0 to {last_count - 1}: {SPINENET_49.describe_point(last)}"),
    ]
    for answer, prefix in ((asked(client, trial=1, genotype=wrong), ""), (shown(client, tuple(wrong)), "query.")):
        assert (answer.status_code, answer.json()["code"]) == (422, "architecture.refused")
        errors = [(error["place"], error["message"]) for error in answer.json()["errors"]]
        assert errors == [(prefix + place, message) for place, message in expected]
    assert store.list_requests("s1") == []


@pytest.mark.parametrize(
    ("architecture", "place", "message"),
    [
        ({"genotype": GENOTYPE[1:]}, "genotype", f"{len(GENOTYPE) - 1} decisions: spinenet-49 has {len(GENOTYPE)}"),
        ({"trial": 1, "genotype": GENOTYPE}, "genotype", "nothing differs from trial 1"),
        ({"trial": 7, "genotype": GENOTYPE}, "trial", "no trial 7"),
        ({"trial": 1, "search": "s1", "genotype": GENOTYPE}, "", "a trial is one of this search"),
        ({"reference": "spinenet-49", "genotype": GENOTYPE}, "", "exactly one of"),
        ({"genotype": ["first"]}, "genotype.0", "integer"),
    ],
)
def test_what_is_no_variant_is_refused(
    client: httpx.Client, store: Store, architecture: dict[str, Any], place: str, message: str
) -> None:
    written(store)
    answer = asked(client, **architecture)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["place"] == place
    assert message in error["message"]
    assert store.list_requests("s1") == []


@pytest.mark.parametrize("genotype", ["", "1,", "1;2", "-1", "0," * 1000 + "0"])
def test_a_genotype_is_numbers_with_commas(client: httpx.Client, store: Store, genotype: str) -> None:
    writer = write_small_search(store)
    answer = client.get(f"/v1/searches/{writer.search_id}/trials/1/variant", params={"genotype": genotype})
    assert (answer.status_code, answer.json()["errors"][0]["place"]) == (422, "query.genotype")
