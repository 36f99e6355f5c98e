"""Who is answered: every path of the application, by every method, with every kind of credential.

The paths come from the application's own route table, so that a new route is in here without a word.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from starlette.routing import Mount, Route

from api.app import create_app
from api.auth import SESSION_COOKIE
from nas_controller.access_tokens import Scope
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.records import SearchState
from nas_controller.store.memory import MemoryStore
from tests.api.granting import add_token, bearer, session, token_id_of
from tests.api.searches import write_small_search
from tests.api.serving import BEARER, TOKEN, make_settings, serve

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
READING = ("GET", "HEAD", "OPTIONS")
OPEN = {"/healthz", "/readyz", "/login", "/static/plotly.min.js", "/static/dashboard.css", "/static/nothing.js"}
BESIDE_THE_TABLE = {"/static/dashboard.css", "/static/nothing.js", "/docs", "/redoc", "/nothing", "/v1", "/v1/nothing"}
SEARCH_ID = "blood-cells-000001"
GONE_BY, REVOKED, UNKNOWN = 7, 8, 9
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
READING_POSTS = {"/v1/searches:validate", "/v1/searches:estimate", "/v1/sign-in-links", "/logout"}
"""What only looks, or concerns nobody else."""


def app_with_a_search(folder: Path) -> object:
    """The application over one search that is final, so that its event stream ends."""
    store = MemoryStore()
    write_small_search(store).finish(SearchState.SUCCEEDED, "")
    for number, scope in enumerate(Scope):
        add_token(store, number, scope)
    now = datetime.now(UTC)
    add_token(store, GONE_BY, Scope.ADMIN, expires_at=now - timedelta(seconds=1))
    add_token(store, REVOKED, Scope.ADMIN, revoked_at=now)
    return create_app(store, DirectoryArtifactStore(folder), make_settings())


def route_paths(app: object) -> set[str]:
    """Every path of the application, its parameters filled in."""
    found: set[str] = set()

    def walk(routes: list[object]) -> None:
        for route in routes:
            if isinstance(route, Route):
                found.add(re.sub(r"\{[^}]+\}", "1", route.path.replace("{search_id}", SEARCH_ID)))
            elif not isinstance(route, Mount):
                walk(getattr(route, "routes", None) or getattr(route, "original_router").routes)  # noqa: B009

    walk(app.routes)  # type: ignore[attr-defined]
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, set[str]]]:
    """The application's address and its paths."""
    app = app_with_a_search(tmp_path_factory.mktemp("artifacts"))
    with serve(app) as url:  # type: ignore[arg-type]
        yield url, route_paths(app) | BESIDE_THE_TABLE


EXPIRED = timedelta(seconds=make_settings().session_seconds + 1)


def statuses(
    served: tuple[str, set[str]],
    headers: dict[str, str],
    query: dict[str, str] | None = None,
    methods: tuple[str, ...] = METHODS,
) -> dict[tuple[str, str], int]:
    """The status of every method on every path."""
    url, paths = served
    with httpx.Client(base_url=url, headers=headers) as client:
        return {
            (method, path): client.request(method, path, params=query).status_code
            for path in sorted(paths)
            for method in methods
        }


def test_the_route_table_is_what_we_think(served: tuple[str, set[str]]) -> None:
    paths = served[1]
    names = ("pause", "resume", "stop", "cancel", "clone", "archive", "unarchive")
    verbs = {f"/v1/searches/{SEARCH_ID}:{verb}" for verb in names}
    verbs |= {f"/v1/searches/{SEARCH_ID}/{path}" for path in ("trials:enqueue", "trials/1:stop", "trials/1:retry")}
    assert {"/", "/v1/searches", f"/v1/searches/{SEARCH_ID}/events", "/readyz", "/openapi.json", *verbs} <= paths
    assert paths >= OPEN


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"Authorization": "Bearer wrong"}, {}, id="wrong token"),
        pytest.param({"Authorization": f"Basic {TOKEN}"}, {}, id="other scheme"),
        pytest.param({"Authorization": "Bearer"}, {}, id="empty token"),
        pytest.param(
            {}, {"token": TOKEN, "access_token": TOKEN, "Authorization": f"Bearer {TOKEN}"}, id="in the query"
        ),
        pytest.param({"Cookie": f"{SESSION_COOKIE}={TOKEN}; token={TOKEN}"}, {}, id="token as cookie"),
        pytest.param({"X-Authorization": f"Bearer {TOKEN}", "X-Ray-Authorization": f"Bearer {TOKEN}"}, {}, id="header"),
        pytest.param(session(age=EXPIRED), {}, id="expired session"),
        pytest.param(bearer(UNKNOWN), {}, id="unknown token"),
        pytest.param(bearer(GONE_BY), {}, id="expired token"),
        pytest.param(bearer(REVOKED), {}, id="revoked token"),
        pytest.param(session(token_id=token_id_of(REVOKED)), {}, id="session of a revoked token"),
        pytest.param({"Authorization": "Bearer wrong", **session()}, {}, id="wrong token beside a session"),
    ],
)
def test_without_a_good_credential_only_the_open_paths_answer(
    served: tuple[str, set[str]], headers: dict[str, str], query: dict[str, str]
) -> None:
    # A credential is looked at before the path and the method: all of these are tried without one.
    found = statuses(served, headers, query, ("GET", "POST") if headers or query else METHODS)
    assert {key for key, status in found.items() if status != 401 and key[1] not in OPEN} == set()
    answered = {key for key, status in found.items() if status < 400}
    assert answered <= {(method, path) for method in READING for path in OPEN}
    assert ("GET", "/healthz") in answered


def needed(method: str, path: str) -> Scope:
    """What `README` promises."""
    if re.match(r"/v1/(tokens|webhooks)\b", path):
        return Scope.ADMIN
    is_reading = method in READING or (method == "POST" and path in READING_POSTS)
    return Scope.READ if is_reading else Scope.WRITE


@pytest.mark.parametrize(
    ("by", "number"), [("token", 0), ("token", 1), ("token", 2), ("session", 2), ("session of a token", 0)]
)
def test_everybody_may_do_what_the_scope_says_and_nothing_else(
    served: tuple[str, set[str]], by: str, number: int
) -> None:
    scope = list(Scope)[number]
    token_id = token_id_of(number) if by == "session of a token" else ""
    headers = bearer(number) if by == "token" else {**session(scope, token_id), **SAME_ORIGIN}
    ranks = list(Scope)
    found = {key: status for key, status in statuses(served, headers).items() if key[1] not in OPEN}
    if by != "token":
        assert found.pop(("POST", "/v1/sign-in-links")) == 403, "a session would renew itself for ever"
    for (method, path), status in found.items():
        if ranks.index(needed(method, path)) <= number:
            assert status not in (401, 403, 500), (method, path)
        else:
            assert status == 403, (method, path)
    assert {("POST", path) for path in READING_POSTS - {"/v1/sign-in-links"}} <= set(found)


def test_a_refusal_names_the_scope_that_is_needed(served: tuple[str, set[str]]) -> None:
    with httpx.Client(base_url=served[0]) as client:
        by_read = client.post("/v1/searches", headers=bearer(0))
        by_write = client.get("/v1/tokens", headers=bearer(1))
    assert by_read.headers["content-type"] == "application/problem+json"
    assert (by_read.json()["code"], by_write.json()["code"]) == ("auth.needs_write", "auth.needs_admin")
    assert by_write.json()["detail"] == "this wants a token with the scope admin, yours has write"


@pytest.mark.parametrize("origin", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {}])
def test_with_a_session_another_page_changes_nothing(served: tuple[str, set[str]], origin: dict[str, str]) -> None:
    for (method, path), status in statuses(served, {**session(), **origin}).items():
        if path not in OPEN and method not in READING:
            assert status == 403, (method, path)
        elif path != "/login":  # which wants a code
            assert status in (200, 204, 404, 405, 422), (method, path)


def test_the_token_opens_every_path(served: tuple[str, set[str]]) -> None:
    found = statuses(served, BEARER)
    # 401 is the sign-in page without a code; a method or a search that is not there is 404, 405, 409 or 422; an edit
    # that does not say what it has seen is 422 or 428. The search is not deleted: its controller has not left it.
    done = {200, 201, 204, 303}
    assert {status for key, status in found.items() if key[1] != "/login"} <= done | {404, 405, 409, 410, 422, 428}
    assert found["GET", f"/v1/searches/{SEARCH_ID}/events"] == 200
    assert found["TRACE", "/v1/searches"] == 405
