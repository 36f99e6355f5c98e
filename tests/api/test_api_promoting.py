"""Trials are promoted to full trainings, and what becomes of these is shown and exported."""

from typing import Any

import httpx
import pytest

from nas_controller.records import JobKind, SearchState, TrialKey
from nas_controller.requests import RequestVerb
from nas_controller.store.base import Store
from tests.api.searches import SearchWriter, evaluation, write_small_search

SEARCH = "/v1/searches/blood-cells-000001"


@pytest.fixture
def writer(store: Store) -> SearchWriter:
    return write_small_search(store)


def train_in_full(writer: SearchWriter, number: int, value: float, num_steps: int | None = None) -> None:
    """What a controller does with one of the jobs."""
    job = writer.store.add_job(writer.lease, number, JobKind.FULL_TRAIN, 77, writer.tick(), num_steps)
    writer.store.start_attempt(writer.lease, job.id, "worker-1", writer.tick())
    writer.store.complete_attempt(writer.lease, job.id, 1, evaluation(value), None, writer.tick())


@pytest.mark.parametrize(
    ("body", "expected"),
    [(None, (None, 1)), ({}, (None, 1)), ({"steps": "20K", "seeds": 3}, (20_000, 3))],
)
def test_a_full_training_is_asked_for(
    client: httpx.Client, store: Store, writer: SearchWriter, body: Any, expected: tuple[int | None, int]
) -> None:
    answer = client.post(f"{SEARCH}/trials/4:promote", json=body)
    assert answer.status_code == 202
    asked = answer.json()
    assert (asked["verb"], asked["source"]) == ("promote", {"search": writer.search_id, "trial": 4})
    assert client.get(answer.headers["location"]).json() == asked
    (request,) = store.list_requests(writer.search_id)
    assert (request.draft.verb, request.draft.source) == (
        RequestVerb.PROMOTE,
        TrialKey(search_id=writer.search_id, number=4),
    )
    assert (request.draft.num_steps, request.draft.num_seeds) == expected


@pytest.mark.parametrize(
    ("body", "place"), [({"steps": 0}, "steps"), ({"seeds": 21}, "seeds"), ({"step": 7}, "step"), ([], "")]
)
def test_what_makes_no_sense_is_refused_by_place(
    client: httpx.Client, writer: SearchWriter, body: Any, place: str
) -> None:
    answer = client.post(f"{SEARCH}/trials/4:promote", json=body)
    assert answer.status_code == 422
    assert [error["place"] for error in answer.json()["errors"]] == [place]


@pytest.mark.parametrize(("number", "status"), [(2, 409), (3, 409), (5, 409), (6, 202), (99, 404)])
def test_only_a_trained_architecture_is_promoted(
    client: httpx.Client, writer: SearchWriter, number: int, status: int
) -> None:
    """2 is infeasible, 3 failed, 5 runs, 6 is a reference."""
    assert client.post(f"{SEARCH}/trials/{number}:promote").status_code == status


def test_a_search_that_ended_says_what_to_do_instead(client: httpx.Client, writer: SearchWriter) -> None:
    writer.finish(SearchState.SUCCEEDED, "")
    answer = client.post(f"{SEARCH}/trials/4:promote")
    assert (answer.status_code, answer.json()["code"]) == (409, "state.conflict")
    assert answer.json()["detail"] == (
        "search blood-cells-000001 is succeeded and trains nothing more: clone it, have this trial trained there "
        '(`trials:enqueue` with {"trial": 4, "search": "blood-cells-000001"}), and promote that one'
    )


def test_what_it_measured_is_shown_apart(client: httpx.Client, writer: SearchWriter) -> None:
    before = client.get(f"{SEARCH}/trials/4").json()
    train_in_full(writer, 4, 0.5, num_steps=600)
    trial = client.get(f"{SEARCH}/trials/4").json()
    for name in ("reward", "average_precision", "val_average_precision", "val_standard_error", "val_count"):
        assert trial[name] == before[name]
    *others, full = trial["jobs"]
    assert (full["kind"], full["num_steps"], full["evaluation"]["average_precision"]) == ("full_train", 600, 0.5)
    assert {job["num_steps"] for job in others} == {None}
    writer.store.add_job(writer.lease, 4, JobKind.FULL_TRAIN, 78, writer.tick())
    assert client.get(SEARCH).json()["open_jobs"]["full_train"] == 1


def test_a_card_tells_of_it_apart(client: httpx.Client, writer: SearchWriter) -> None:
    path = f"{SEARCH}/trials/4/export"
    before = client.get(path, params={"format": "card"}).text
    assert "Trained for longer" not in before
    assert "- A full training: all AP above is of trainings of 300 steps at 160 pixels" in before
    train_in_full(writer, 4, 0.5)
    card = client.get(path, params={"format": "card"}).text
    assert "Trained for longer, on all of train, at the size of the proxy task, and measured on val:" in card
    assert "| 300 | 77 | 50.0 |" in card  # the last step of its losses
    assert "- AP at target size: all AP above is of networks at 160 pixels and 0.25 of the width." in card
    assert "| this network | 25.0 | 0.6 | 3 (1000, 1001, 1002) |" in card
    origin = client.get(path).json()["provenance"]
    assert origin["full_trainings"] == [{"average_precision": 0.5, "seed": 77, "num_steps": 300}]


def test_the_pytorch_file_comes_at_the_size_that_was_trained(client: httpx.Client, writer: SearchWriter) -> None:
    path, trained = f"{SEARCH}/trials/4/export", {"format": "pytorch", "size": "trained"}
    whole, small = client.get(path, params={"format": "pytorch"}).text, client.get(path, params=trained).text
    assert "640 x 640 pixels, width scale 1" in whole
    assert "160 x 160 pixels, width scale 0.25" in small  # `cpu-small`
    refused = client.get(path, params={"format": "card", "size": "trained"})
    assert (refused.status_code, refused.json()["errors"][0]["place"]) == (422, "query.size")
