"""Searches are edited, cloned, archived, deleted and found again."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from nas_controller.records import EntryKind, SearchState
from nas_controller.store.base import Store
from spinesearch.client import ApiError, Client
from tests.api.searches import DOCUMENT, START, SearchWriter, write_small_search
from tests.api.serving import TOKEN

SEARCH = "/v1/searches/s1"
SMALLEST = {"space": "spinenet-49", "data": "generated"}


def ended(store: Store, search_id: str = "s1") -> SearchWriter:
    """A search that succeeded, and whose controller is gone."""
    writer = SearchWriter(store, search_id)
    writer.run()
    writer.finish(SearchState.SUCCEEDED, "")
    store.release_lease(writer.lease)
    return writer


def patched(client: httpx.Client, patch: Any, tag: str | None = None) -> httpx.Response:
    """An edit by somebody who has just read the search, or at another time."""
    tag = client.get(SEARCH).headers["etag"] if tag is None else tag
    headers = {"If-Match": tag, "Content-Type": "application/merge-patch+json"}
    return client.patch(SEARCH, json=patch, headers=headers)


# Edits


def test_limits_name_and_notes_are_merged(client: httpx.Client, store: Store) -> None:
    SearchWriter(store, "s1", {**DOCUMENT, "limits": {"trials": 40, "hours": 2}}).run()
    answer = patched(client, {"name": "red cells", "notes": "longer", "limits": {"trials": "1K", "hours": None}})
    assert answer.status_code == 200
    body = answer.json()
    limits = body["config"]["limits"]
    assert (body["name"], body["notes"], limits["trials"], limits["hours"]) == ("red cells", "longer", 1000, None)
    assert (body["config"]["name"], body["progress"]["trials"]) == ("blood cells", 1000)
    shown = client.get(SEARCH)
    assert (shown.json(), shown.headers["etag"]) == (body, answer.headers["etag"])
    (entry,) = store.read_ledger("s1", kinds=[EntryKind.SEARCH_EDITED])
    assert entry.payload == {"name": "red cells", "notes": "longer", "limits": limits}
    assert patched(client, {"notes": None, "limits": None}).json()["notes"] == ""
    assert store.get_search("s1").config["limits"]["trials"] == 100  # the default


@pytest.mark.parametrize(
    ("patch", "place"),
    [
        ({"state": "paused"}, "state"),
        ({"config": {"space": "joint"}}, "config"),
        ({"limits": {"trials": 0}}, "limits.trials"),
        ({"limits": {"trial": 7}}, "limits.trial"),
        ({"limits": {"cost": 7}}, "limits.cost"),  # without a price
        ({"limits": [7]}, "limits"),
        ({"name": None}, "name"),
        ({"name": "<script>"}, "name"),
        ({"notes": "x" * 10_001}, "notes"),
    ],
)
def test_a_wrong_edit_is_refused_by_place(client: httpx.Client, store: Store, patch: Any, place: str) -> None:
    SearchWriter(store, "s1")
    before = store.get_search("s1")
    answer = patched(client, patch)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert place in [error["place"] for error in answer.json()["errors"]]
    assert store.get_search("s1") == before


def test_an_edit_says_what_it_has_seen(client: httpx.Client, store: Store) -> None:
    writer = SearchWriter(store, "s1")
    seen = client.get(SEARCH).headers["etag"]
    without = client.patch(SEARCH, json={"notes": "mine"})
    assert (without.status_code, without.json()["code"]) == (428, "if_match.required")
    writer.run()  # what a controller does is no edit
    assert patched(client, {"notes": "first"}, f'"other", {seen}').status_code == 200
    stale = patched(client, {"notes": "second"}, seen)
    assert (stale.status_code, stale.json()["code"]) == (412, "if_match.stale")
    assert patched(client, {"notes": "weak"}, f"W/{seen}").status_code == 412
    assert store.get_search("s1").notes == "first"
    assert patched(client, {"notes": "whatever"}, "*").json()["notes"] == "whatever"


def test_a_search_that_ended_has_a_name_and_notes_only(client: httpx.Client, store: Store) -> None:
    ended(store)
    refused = patched(client, {"notes": "good", "limits": {"trials": 7}})
    assert (refused.status_code, refused.json()["code"]) == (409, "state.conflict")
    assert patched(client, {"notes": "good"}).json()["notes"] == "good"


def test_an_edited_search_is_still_the_one_of_its_key(client: httpx.Client, store: Store) -> None:
    key = {"Idempotency-Key": "9f2c"}
    first = client.post("/v1/searches", json=SMALLEST, headers=key)
    path, tag = first.headers["location"], first.headers["etag"]
    assert client.patch(path, json={"limits": {"trials": 7}}, headers={"If-Match": tag}).status_code == 200
    again = client.post("/v1/searches", json=SMALLEST, headers=key)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


# Clones


def test_a_clone_is_a_new_search_of_the_patched_document(client: httpx.Client, store: Store) -> None:
    ended(store)
    patch = {"name": "again", "algorithm": {"seed": 8}, "limits": {"trials": 7}}
    answer = client.post(f"{SEARCH}:clone", json=patch, headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["location"] == f"/v1/searches/{body['id']}"
    assert (body["state"], body["name"], body["cloned_from"]) == ("pending", "again", "s1")
    assert (body["config"]["algorithm"]["seed"], body["config"]["limits"]["trials"]) == (8, 7)
    assert body["config"]["algorithm"]["settings"]["horizon"] == 7
    whole = client.post(f"{SEARCH}:clone")
    assert whole.status_code == 201
    assert whole.json()["config"] == store.get_search("s1").config


def test_a_clone_is_checked_like_a_new_search(client: httpx.Client, store: Store) -> None:
    ended(store)
    wrong = client.post(f"{SEARCH}:clone", json={"limits": {"trials": 0}})
    assert (wrong.status_code, wrong.json()["errors"][0]["place"]) == (422, "limits.trials")
    key = {"Idempotency-Key": "9f2c"}
    codes = [
        client.post(f"{SEARCH}:clone", json=patch, headers=key).status_code for patch in ({}, {}, {"name": "other"})
    ]
    assert codes == [201, 200, 409]
    assert client.post("/v1/searches/none:clone").status_code == 404
    assert len(store.list_searches(10)) == 2


def test_a_warm_start_is_from_searches_that_are_there(client: httpx.Client, store: Store) -> None:
    ended(store)
    document = {**SMALLEST, "warm_start": {"searches": ["none"]}}
    answer = client.post("/v1/searches", json=document)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"place": "warm_start.searches", "message": "no search none"}]
    of_another_space = {**SMALLEST, "space": "r0-sp53", "warm_start": {"searches": ["s1"], "references": ["r0-sp53"]}}
    assert client.post("/v1/searches", json=of_another_space).status_code == 201
    nothing = client.post("/v1/searches", json={**SMALLEST, "warm_start": {}}).json()["errors"]
    assert nothing == [{"place": "warm_start", "message": "give searches, references or both"}]


def test_the_client_steers_a_search(client: httpx.Client, store: Store) -> None:
    SearchWriter(store, "s1")
    with Client(str(client.base_url), TOKEN) as ours:
        assert ours.edit_search("s1", {"limits": {"trials": 7}})["config"]["limits"]["trials"] == 7
        asked = ours.enqueue("s1", {"reference": "spinenet-49"})
        assert ours.get_request("s1", asked["number"]) == asked
        for ask in (ours.stop_trial, ours.retry_trial):
            with pytest.raises(ApiError, match="no trial 1"):
                ask("s1", 1)
        clone = ours.clone_search("s1", {"name": "again"})
        assert (clone["cloned_from"], clone["name"]) == ("s1", "again")
        ours.cancel("s1")
        assert ours.archive("s1")["archived_at"] is not None
        assert [search["id"] for search in ours.list_searches()] == [clone["id"]]
        assert [search["id"] for search in ours.list_searches(archived="yes")] == ["s1"]
        assert ours.unarchive("s1")["archived_at"] is None
        ours.delete_search("s1")
        assert [search["id"] for search in ours.list_searches(archived="all")] == [clone["id"]]


# What is left of a search


def test_a_search_that_ended_is_deleted(client: httpx.Client, store: Store) -> None:
    writer = write_small_search(store)
    path = f"/v1/searches/{writer.search_id}"
    refused = client.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "state.conflict")
    writer.finish(SearchState.SUCCEEDED, "")
    assert client.delete(path).status_code == 409  # its controller has it still
    store.release_lease(writer.lease)
    assert client.delete(path).status_code == 204
    assert (client.get(path).status_code, client.delete(path).status_code) == (404, 404)
    assert store.list_searches(10) == []


def test_an_archived_search_is_out_of_the_way(client: httpx.Client, store: Store) -> None:
    ended(store)
    SearchWriter(store, "s2")

    def listed(**query: str) -> list[str]:
        return [search["id"] for search in client.get("/v1/searches", params=query).json()["searches"]]

    assert client.post(f"{SEARCH}:archive").json()["archived_at"] == START.isoformat().replace("+00:00", "Z")
    assert (listed(), listed(archived="yes"), listed(archived="all")) == (["s2"], ["s1"], ["s2", "s1"])
    assert client.get(SEARCH).status_code == 200
    assert client.post("/v1/searches/s2:archive").status_code == 409
    assert client.post(f"{SEARCH}:unarchive").json()["archived_at"] is None
    assert listed() == ["s2", "s1"]


def test_lists_are_filtered_and_ordered(client: httpx.Client, store: Store) -> None:
    for search_id, name in (("s1", "beta"), ("s2", "alpha"), ("s3", "Alphabet")):
        SearchWriter(store, search_id, {**DOCUMENT, "name": name})
    store.request_state("s1", SearchState.PAUSED, "", START)

    def listed(**query: Any) -> list[str]:
        return [search["id"] for search in client.get("/v1/searches", params=query).json()["searches"]]

    assert listed(name="ALPHA") == ["s3", "s2"]
    assert listed(order_by="name") == ["s3", "s2", "s1"]
    assert listed(order_by="oldest", page_size=2) == ["s1", "s2"]
    assert listed(order_by="oldest", page_size=2, page_token="s2") == ["s3"]
    assert listed(state="paused") == ["s1"]
    assert sorted(listed(state=["paused", "pending"])) == ["s1", "s2", "s3"]
    assert client.get("/v1/searches", params={"order_by": "color"}).status_code == 422


def test_a_search_shows_what_it_used(client: httpx.Client, store: Store) -> None:
    pools = [{"count": 1, "gpus": 2, "cpus": 4}, {"count": 1, "cpus": 1}]
    writer = SearchWriter(store, "s1", {**DOCUMENT, "workers": pools, "price": {"gpu_hour": 3}}, step_seconds=1800)
    writer.run()
    client_sees = client.get(SEARCH).json()["usage"]
    assert client_sees == {"gpu_hours": 0, "tpu_hours": 0, "cpu_hours": 0, "cost": 0, "currency": "EUR"}
    lease = writer.lease
    small = write_small_search(store)  # for an architecture
    draft = store.get_trial(small.search_id, 1).draft
    for worker in ("worker-1", "worker-2"):
        number = len(store.list_trials("s1", 10)) + 1
        job = store.start_trial(lease, replace(draft, number=number), 7, worker, writer.tick())
        document = store.list_jobs(small.search_id, 1)[0].evaluation
        assert document is not None
        store.complete_attempt(lease, job.id, 1, document, 0.5, writer.tick())
    # half an hour on worker-1, with two GPUs and four cores, and half an hour on worker-2, with one core
    assert client.get(SEARCH).json()["usage"] == {
        "gpu_hours": 1.0,
        "tpu_hours": 0.0,
        "cpu_hours": 2.5,
        "cost": 3.0,
        "currency": "EUR",
    }
