import httpx
import pytest

from api.app import create_app
from nas_controller.records import SearchState
from nas_controller.search_config import SearchConfig, SearchConfigError
from nas_controller.store.base import Store
from tests.api.searches import DOCUMENT, SearchWriter, write_small_search
from tests.api.serving import BEARER, make_settings, serve

SMALLEST = {"space": "spinenet-49", "data": "generated"}


def test_a_search_is_created_with_its_defaults_filled_in(client: httpx.Client, store: Store) -> None:
    answer = client.post("/v1/searches", json={**SMALLEST, "name": "Blood Cells!".removesuffix("!")})
    assert answer.status_code == 201
    body = answer.json()
    assert body["id"].startswith("blood-cells-")
    assert answer.headers["location"] == f"/v1/searches/{body['id']}"
    assert body["state"] == "pending"
    assert body["config"]["limits"]["trials"] == SearchConfig.from_document(SMALLEST).limits.trials
    assert store.get_search(body["id"]).config == body["config"]
    assert client.get(answer.headers["location"]).json() == body


def test_one_idempotency_key_makes_one_search(client: httpx.Client, store: Store) -> None:
    key = {"Idempotency-Key": "9f2c"}
    first = client.post("/v1/searches", json=SMALLEST, headers=key)
    again = client.post("/v1/searches", json=SMALLEST, headers=key)
    other = client.post("/v1/searches", json={**SMALLEST, "space": "r0-sp53"}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json()["id"] == again.json()["id"]
    assert other.json()["code"] == "state.conflict"
    assert len(store.list_searches(10)) == 1


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"data": "generated"}, "space"),
        ({**SMALLEST, "limits": {"trials": 0}}, "limits.trials"),
        ({**SMALLEST, "limit": {}}, "limit"),
        ({**SMALLEST, "budget": {}}, "budget"),
        ({**SMALLEST, "data": {"root": "/x"}}, "data.train"),
        ({**SMALLEST, "proxy": {"preset": "none"}}, "proxy"),
        ({**SMALLEST, "name": "<script>"}, "name"),
    ],
)
def test_a_wrong_document_is_refused_by_place(
    client: httpx.Client, store: Store, document: dict[str, object], place: str
) -> None:
    answer = client.post("/v1/searches", json=document)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "request.invalid"
    assert place in [error["place"] for error in problem["errors"]]
    assert store.list_searches(10) == []


def test_what_only_the_composition_root_can_check_is_refused_by_place(store: Store) -> None:
    def check(config: SearchConfig) -> None:
        raise SearchConfigError("data.root", "no such folder (given: '/x')")

    app = create_app(store, None, make_settings(), check_search=check)  # type: ignore[arg-type]
    with serve(app) as url:
        answer = httpx.post(f"{url}/v1/searches", json=SMALLEST, headers=BEARER)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "search.refused"
    assert problem["errors"] == [{"place": "data.root", "message": "no such folder (given: '/x')"}]
    assert store.list_searches(10) == []


def test_searches_are_paged_newest_first(client: httpx.Client, store: Store) -> None:
    for number in range(5):
        SearchWriter(store, f"s{number}")
    seen, token, pages = [], "", 0
    while token is not None:
        page = client.get("/v1/searches", params={"page_size": 2, **({"page_token": token} if token else {})}).json()
        seen += [search["id"] for search in page["searches"]]
        token = page["next_page_token"]
        pages += 1
    assert (seen, pages) == (["s4", "s3", "s2", "s1", "s0"], 3)


def test_a_search_shows_counts_progress_and_best(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    body = client.get("/v1/searches/blood-cells-000001").json()
    counts = body["counts"]
    assert (counts["completed"], counts["failed"], counts["infeasible"], counts["running"]) == (2, 1, 1, 1)
    assert (counts["total"], counts["trained"]) == (5, 3)
    assert body["progress"]["trained"] == 3
    assert body["progress"]["trials"] == 40
    assert body["best"]["number"] == 4
    assert body["best"]["val_average_precision"] == pytest.approx(0.25)
    assert body["best"]["val_standard_error"] == pytest.approx(0.01 / 3**0.5)  # sd of .24 .25 .26 is 0.01
    assert body["open_jobs"] == {"latency": 0, "proxy": 1, "reevaluate": 0, "full_train": 0}


def test_time_left_is_the_pace_so_far(store: Store) -> None:
    writer = write_small_search(store)
    started_at = store.get_search(writer.search_id).started_at
    assert started_at is not None
    app = create_app(store, None, make_settings(), clock=lambda: writer.now)  # type: ignore[arg-type]
    with serve(app) as url:
        progress = httpx.get(f"{url}/v1/searches/{writer.search_id}", headers=BEARER).json()["progress"]
    elapsed = (writer.now - started_at).total_seconds()
    assert progress["elapsed_seconds"] == elapsed
    assert progress["seconds_left"] == pytest.approx(elapsed / 3 * (40 - 3))


def test_the_verbs_change_the_state_and_refuse_what_makes_no_sense(client: httpx.Client, store: Store) -> None:
    SearchWriter(store, "s1", DOCUMENT)

    def verb(name: str) -> httpx.Response:
        return client.post(f"/v1/searches/s1:{name}")

    assert verb("pause").json()["state"] == "paused"
    assert verb("pause").json()["state"] == "paused"
    assert verb("resume").json()["state"] == "pending"
    assert verb("stop").json()["state"] == "stopping"
    refused = verb("pause")
    assert (refused.status_code, refused.json()["code"]) == (409, "state.conflict")
    assert verb("cancel").json()["state"] == "cancelled"
    assert verb("resume").status_code == 409
    assert store.get_search("s1").state is SearchState.CANCELLED


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/searches/none"),
        ("POST", "/v1/searches/none:pause"),
        ("GET", "/v1/searches/none/trials"),
        ("GET", "/v1/searches/none/trials/1"),
        ("GET", "/v1/searches/none/trials:best"),
        ("GET", "/v1/searches/none/history"),
        ("GET", "/v1/searches/none/events"),
        ("GET", "/v1/searches/none/trials/1/export"),
        ("GET", "/v1/searches/blood-cells-000001/trials/99"),
        ("GET", "/v1/searches/blood-cells-000001/trials/99/export"),
        ("GET", "/searches/none"),
    ],
)
def test_what_is_not_there_is_404(client: httpx.Client, store: Store, method: str, path: str) -> None:
    write_small_search(store)
    assert client.request(method, path).status_code == 404
