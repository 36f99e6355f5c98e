import json
from collections.abc import Iterator

import httpx
import pytest

from api.app import create_app
from nas_controller.records import Search
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from tests.api.serving import BEARER, make_settings, serve


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"urn:spinesearch:problem:{code}"
    assert problem["detail"]


def test_every_kind_of_error_is_a_problem(client: httpx.Client) -> None:
    assert_problem(client.get("/nothing"), 404, "route.not_found")
    assert_problem(client.delete("/v1/searches"), 405, "method.not_allowed")
    assert_problem(client.get("/v1/searches/none"), 404, "resource.not_found")
    assert_problem(client.get("/v1/searches?page_size=0"), 422, "request.invalid")
    assert_problem(client.get("/v1/searches?page_token=unknown"), 400, "page_token.unknown")
    assert_problem(client.get("/v1/searches/none/trials/0"), 422, "request.invalid")
    assert_problem(client.get("/healthz", headers={"Host": "x"}), 400, "host.not_allowed")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "request.invalid"),
        (b"{", 422, "request.invalid"),
        (b"[1]", 422, "request.invalid"),
        (b"\xff\xfe", 422, "request.invalid"),
        (b"[" * 10_000 + b"]" * 10_000, 400, "request.malformed"),
        (b'{"space": "s", "data": "generated", "proxy": ' + b'{"a":' * 300 + b"1" + b"}" * 301, 422, "request.invalid"),
    ],
)
def test_a_body_that_is_no_search_is_refused(client: httpx.Client, body: bytes, status: int, code: str) -> None:
    answer = client.post("/v1/searches", content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, status, code)


def test_json_in_disguise_is_refused(client: httpx.Client) -> None:
    body = json.dumps({"space": "spinenet-49", "data": "generated"})
    assert client.post("/v1/searches", content=body, headers={"Content-Type": "text/plain"}).status_code == 422


def test_a_body_over_the_limit_is_refused_whether_it_says_so_or_not(client: httpx.Client) -> None:
    def in_parts() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    assert_problem(client.post("/v1/searches", content=b" " * 1_000_001), 413, "body.too_large")
    assert_problem(client.post("/v1/searches", content=in_parts()), 413, "body.too_large")


class BrokenStore(MemoryStore):
    """A store whose database is away."""

    def list_searches(self, *args: object, **more: object) -> list[Search]:
        raise OSError("connection refused")


def test_a_database_that_is_away_is_said() -> None:
    store: Store = BrokenStore()
    app = create_app(store, None, make_settings())  # type: ignore[arg-type]
    with serve(app) as url, httpx.Client(base_url=url, headers=BEARER) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        internal = client.get("/v1/searches")
        assert_problem(internal, 500, "internal")
        assert "connection refused" not in internal.text
