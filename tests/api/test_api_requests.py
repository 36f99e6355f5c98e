"""What users ask of a search that runs: trials of their own, another try, an early end."""

import random
from typing import Any

import httpx
import pytest

from nas_controller.records import SearchState, TrialKey
from nas_controller.requests import RequestState, RequestVerb
from nas_controller.store.base import Store
from search_space.reference import reference
from search_space.spaces import SPINENET_49
from tests.api.searches import DOCUMENT, SearchWriter, random_genotype, write_small_search

SEARCH = "/v1/searches/blood-cells-000001"
WIDE = {**DOCUMENT, "budget": {"relative_to": "spinenet-49", "tolerance": 0.9}}


def asked(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """What was accepted, as it is found where the answer says."""
    assert answer.status_code == 202
    body: dict[str, Any] = answer.json()
    assert answer.headers["location"].endswith(f"/requests/{body['number']}")
    assert client.get(answer.headers["location"]).json() == body
    return body


def test_a_reference_is_asked_for_by_name(client: httpx.Client, store: Store) -> None:
    SearchWriter(store, "s1")
    body = asked(client, client.post("/v1/searches/s1/trials:enqueue", json={"reference": "spinenet-49"}))
    assert (body["verb"], body["state"], body["name"], body["trial"]) == ("enqueue", "open", "spinenet-49", None)
    (request,) = store.list_requests("s1")
    assert request.draft.genotype == SPINENET_49.encode(reference("spinenet-49"))
    assert request.draft.spec == reference("spinenet-49").to_document()


def test_a_spec_and_the_trial_of_another_search_are_asked_for(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    SearchWriter(store, "s1", WIDE)
    genotype = random_genotype(random.Random(5))
    spec = SPINENET_49.decode(genotype, "mine")
    path = "/v1/searches/s1/trials:enqueue"
    asked(client, client.post(path, json={"spec": spec.to_document()}))
    body = asked(client, client.post(path, json={"trial": 4, "search": "blood-cells-000001"}))
    assert body["source"] == {"search": "blood-cells-000001", "trial": 4}
    own, other = store.list_requests("s1")
    assert SPINENET_49.decode(own.draft.genotype, "mine") == spec
    assert other.draft.spec == store.get_trial("blood-cells-000001", 4).draft.spec
    assert other.draft.source == TrialKey(search_id="blood-cells-000001", number=4)


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        ({"reference": "resnet-50-fpn"}, "reference", "not an architecture of spinenet-49"),
        ({"reference": "spinenet-143"}, "reference", ""),
        ({"reference": "none"}, "reference", "none"),
        ({"spec": {"schema_version": 99}}, "spec", "schema_version 99"),
        ({"trial": 4711}, "trial", "no trial 4711"),
        ({"trial": 1, "search": "none"}, "trial", "no search none"),
    ],
)
def test_what_the_search_would_not_train_is_refused_at_once(
    client: httpx.Client, store: Store, body: dict[str, Any], place: str, message: str
) -> None:
    SearchWriter(store, "s1")
    answer = client.post("/v1/searches/s1/trials:enqueue", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "architecture.refused")
    (error,) = answer.json()["errors"]
    assert error["place"] == place
    assert message in error["message"]
    assert store.list_requests("s1") == []


def test_what_is_off_budget_or_of_another_space_is_taken_by_force(client: httpx.Client, store: Store) -> None:
    tight = {**DOCUMENT, "budget": {"multiply_adds": "1G", "tolerance": 0.05}}
    SearchWriter(store, "s1", tight)
    path = "/v1/searches/s1/trials:enqueue"
    off_budget = client.post(path, json={"reference": "spinenet-49"})
    assert (off_budget.status_code, "budget 1 B multiply-adds" in off_budget.json()["detail"]) == (422, True)
    for name in ("spinenet-49", "resnet-50-fpn"):
        asked(client, client.post(path, json={"reference": name, "force": True}))
    inside, outside = store.list_requests("s1")
    assert (inside.draft.genotype, outside.draft.genotype) == (SPINENET_49.encode(reference("spinenet-49")), ())


@pytest.mark.parametrize(
    "body", [{}, {"reference": "spinenet-49", "trial": 1}, {"reference": "spinenet-49", "search": "s1"}, {"other": 1}]
)
def test_exactly_one_architecture_is_named(client: httpx.Client, store: Store, body: dict[str, Any]) -> None:
    SearchWriter(store, "s1")
    answer = client.post("/v1/searches/s1/trials:enqueue", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


def test_a_trial_that_runs_is_stopped(client: httpx.Client, store: Store) -> None:
    measured = {**DOCUMENT, "proxy": {"preset": "cpu-small", "measure_at": [0.5]}}
    writer = SearchWriter(store, "s1", measured)
    writer.run()
    spec = SPINENET_49.decode(random_genotype(random.Random(5)))
    writer.start(writer.add(spec))
    writer.complete(writer.add(spec), 0.25)
    body = asked(client, client.post("/v1/searches/s1/trials/1:stop"))
    assert (body["verb"], body["source"]) == ("stop", {"search": "s1", "trial": 1})
    (request,) = store.list_requests("s1")
    assert (request.draft.verb, request.draft.spec) == (RequestVerb.STOP, None)
    ended = client.post("/v1/searches/s1/trials/2:stop")
    assert (ended.status_code, ended.json()["code"]) == (409, "state.conflict")
    assert client.post("/v1/searches/s1/trials/3:stop").status_code == 404


def test_a_trial_that_is_measured_at_its_end_only_is_not_stopped(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    answer = client.post(f"{SEARCH}/trials/5:stop")
    assert (answer.status_code, "measure_at" in answer.json()["detail"]) == (409, True)


def test_a_failed_trial_is_tried_again(client: httpx.Client, store: Store) -> None:
    writer = write_small_search(store)
    body = asked(client, client.post(f"{SEARCH}/trials/3:retry"))
    assert (body["verb"], body["source"]) == ("retry", {"search": writer.search_id, "trial": 3})
    (request,) = store.list_requests(writer.search_id)
    assert request.draft.spec == store.get_trial(writer.search_id, 3).draft.spec
    assert client.post(f"{SEARCH}/trials/1:retry").status_code == 409
    assert client.post(f"{SEARCH}/trials/99:retry").status_code == 404


def test_nothing_is_asked_of_a_search_that_ended(client: httpx.Client, store: Store) -> None:
    writer = write_small_search(store)
    writer.finish(SearchState.SUCCEEDED, "")
    for path, body in (("trials:enqueue", {"trial": 1, "force": True}), ("trials/3:retry", None)):
        assert client.post(f"{SEARCH}/{path}", json=body).status_code == 409


def test_requests_are_listed_with_what_became_of_them(client: httpx.Client, store: Store) -> None:
    writer = write_small_search(store)
    for number in (1, 3, 4):
        client.post(f"{SEARCH}/trials:enqueue", json={"trial": number, "force": True})
    store.answer_request(writer.lease, 2, RequestState.REFUSED, "no such level", writer.tick())
    first = client.get(f"{SEARCH}/requests", params={"page_size": 2}).json()
    assert [(request["number"], request["state"], request["reason"]) for request in first["requests"]] == [
        (1, "open", ""),
        (2, "refused", "no such level"),
    ]
    second = client.get(f"{SEARCH}/requests", params={"page_token": first["next_page_token"]}).json()
    assert ([request["number"] for request in second["requests"]], second["next_page_token"]) == ([3], None)
    still_open = client.get(f"{SEARCH}/requests", params={"open_only": True}).json()["requests"]
    assert [request["number"] for request in still_open] == [1, 3]
    assert client.get(f"{SEARCH}/requests/4").status_code == 404
    assert client.get("/v1/searches/none/requests").status_code == 404
