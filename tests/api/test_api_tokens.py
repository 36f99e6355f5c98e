"""Tokens that are made, used and revoked over REST."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.settings import hash_token
from nas_controller.access_tokens import Scope
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import open_store
from tests.api.granting import DAY, add_token, bearer, session, token_id_of
from tests.api.searches import START, write_small_search
from tests.api.serving import BEARER, make_settings, serve

SEARCHES = "/v1/searches"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "searches.sqlite"


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{database}")
    yield store
    store.close()


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    """Of a service over the store, with no credential."""
    with serve(create_app(store, None, make_settings())) as url, httpx.Client(base_url=url) as client:  # type: ignore[arg-type]
        yield client


def made(client: httpx.Client, **wanted: object) -> dict[str, object]:
    """A token that an admin made."""
    answer = client.post("/v1/tokens", json={"name": "a laptop", "scope": "read", **wanted}, headers=BEARER)
    assert answer.status_code == 201
    token: dict[str, object] = answer.json()
    return token


def headers_of(token: dict[str, object]) -> dict[str, str]:
    return {"Authorization": f"Bearer {token['secret']}"}


def test_a_token_is_made_used_and_revoked(client: httpx.Client, store: Store) -> None:
    token = made(client, days=30)
    assert set(token) == {
        *("id", "name", "scope", "state", "secret"),
        *("created_at", "expires_at", "revoked_at", "last_used_on"),
    }
    created_at, expires_at = (datetime.fromisoformat(str(token[name])) for name in ("created_at", "expires_at"))
    assert expires_at - created_at == timedelta(days=30)
    kept = store.get_token(str(token["id"]))
    assert kept.secret_sha256 == hash_token(str(token["secret"]))
    assert client.get(SEARCHES, headers=headers_of(token)).status_code == 200
    (shown,) = client.get("/v1/tokens", headers=BEARER).json()["tokens"]
    assert shown == {
        **{name: value for name, value in token.items() if name != "secret"},
        "last_used_on": datetime.now(UTC).date().isoformat(),
    }
    assert client.delete(f"/v1/tokens/{token['id']}", headers=BEARER).status_code == 204
    refused = client.get(SEARCHES, headers=headers_of(token))
    assert (refused.status_code, refused.json()["code"]) == (401, "auth.revoked")
    (shown,) = client.get("/v1/tokens", headers=BEARER).json()["tokens"]
    assert (shown["state"], shown["revoked_at"] is None) == ("revoked", False)


def test_an_answer_with_a_secret_is_kept_by_nobody(client: httpx.Client) -> None:
    answer = client.post("/v1/tokens", json={"name": "a", "scope": "read"}, headers=BEARER)
    assert answer.headers["cache-control"] == "no-store"


def test_secrets_are_no_two_alike_and_long(client: httpx.Client) -> None:
    secrets = {str(made(client)["secret"]) for _ in range(20)}
    assert len(secrets) == 20
    assert {len(secret.removeprefix("spinesearch_")) for secret in secrets} == {64}


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scope": "root"}, "scope"),
        ({"days": 0}, "days"),
        ({"days": 4000}, "days"),
        ({"secret": "mine"}, "secret"),
    ],
)
def test_a_token_that_cannot_be_is_refused(client: httpx.Client, wanted: dict[str, object], place: str) -> None:
    answer = client.post("/v1/tokens", json={"name": "a", "scope": "read", **wanted}, headers=BEARER)
    assert (answer.status_code, answer.json()["errors"][0]["place"]) == (422, place)


def test_lists_are_paged(client: httpx.Client, store: Store) -> None:
    for number in range(5):
        add_token(store, number, Scope.READ, created_at=START + timedelta(seconds=number))
    found, query = [], {"page_size": "2"}
    while True:
        page = client.get("/v1/tokens", params=query, headers=BEARER).json()
        found += [token["id"] for token in page["tokens"]]
        if page["next_page_token"] is None:
            break
        query["page_token"] = page["next_page_token"]
    assert found == [token_id_of(number) for number in (4, 3, 2, 1, 0)]
    unknown = client.get("/v1/tokens", params={"page_token": "f" * 12}, headers=BEARER)
    assert (unknown.status_code, unknown.json()["code"]) == (400, "page_token.unknown")
    assert client.delete(f"/v1/tokens/{'f' * 12}", headers=BEARER).status_code == 404


def test_revoking_works_at_once_in_every_process(client: httpx.Client, store: Store, database: Path) -> None:
    headers = add_token(store, 1, Scope.ADMIN)
    browser = {**session(Scope.ADMIN, token_id_of(1)), "Sec-Fetch-Site": "same-origin"}
    another = open_store(f"sqlite:///{database}")
    with serve(create_app(another, None, make_settings())) as url:  # type: ignore[arg-type]
        for credential in (headers, browser):
            assert httpx.get(url + SEARCHES, headers=credential).status_code == 200
        assert client.delete(f"/v1/tokens/{token_id_of(1)}", headers=headers).status_code == 204
        for credential in (headers, browser):
            assert httpx.get(url + SEARCHES, headers=credential).status_code == 401
    another.close()


def test_a_token_opens_until_it_expires() -> None:
    now = START
    store = MemoryStore()
    headers = add_token(store, 1, Scope.READ, created_at=START, expires_at=START + DAY)
    for_ever = add_token(store, 2, Scope.READ, created_at=START, expires_at=None)
    app = create_app(store, None, make_settings(), clock=lambda: now)  # type: ignore[arg-type]
    with serve(app) as url:
        now = START + DAY - timedelta(seconds=1)
        assert httpx.get(url + SEARCHES, headers=headers).status_code == 200
        now = START + DAY
        refused = httpx.get(url + SEARCHES, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "auth.expired")
        now = START + 5000 * DAY
        assert httpx.get(url + SEARCHES, headers=for_ever).status_code == 200


def test_a_stream_ends_when_its_token_is_revoked() -> None:
    store = MemoryStore()
    search_id = write_small_search(store).search_id
    headers = add_token(store, 1, Scope.READ)
    with (
        serve(create_app(store, None, make_settings())) as url,  # type: ignore[arg-type]
        httpx.stream("GET", f"{url}/v1/searches/{search_id}/events", headers=headers) as response,
    ):
        lines = response.iter_lines()
        assert "id: 1" in lines  # reads up to there
        store.revoke_token(token_id_of(1), datetime.now(UTC))
        list(lines)  # to the end, which there is: the search has none


def test_the_day_of_use_is_written_once(database: Path) -> None:
    writes: list[float] = []
    store = open_store(
        f"sqlite:///{database}", lambda access, seconds: writes.append(seconds) if access == "write" else None
    )
    now = START
    headers = add_token(store, 1, Scope.READ, created_at=START, expires_at=None)
    with serve(create_app(store, None, make_settings(), clock=lambda: now)) as url:  # type: ignore[arg-type]
        for day in (0, 1):
            now = START + day * DAY
            writes.clear()
            for _ in range(5):
                assert httpx.get(url + SEARCHES, headers=headers).status_code == 200
            assert len(writes) == 1
            assert store.get_token(token_id_of(1)).last_used_on == now.date()
    store.close()


def test_a_database_that_takes_no_writes_holds_up_nobody_who_reads(
    client: httpx.Client, store: Store, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    headers = add_token(store, 1, Scope.READ)
    with sqlite3.connect(database) as connection:
        full = "SELECT RAISE(FAIL, 'database or disk is full')"
        connection.execute(f"CREATE TRIGGER full BEFORE UPDATE ON token BEGIN {full}; END")
    connection.close()
    assert client.get(SEARCHES, headers=headers).status_code == 200
    assert "disk is full" in caplog.text
    assert headers["Authorization"].split("_")[1] not in caplog.text


def test_a_database_that_does_not_answer_is_no_wrong_token(client: httpx.Client, store: Store, database: Path) -> None:
    headers = add_token(store, 1, Scope.READ)
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TABLE token")
    connection.close()
    away = client.get("/v1/spaces", headers=headers)
    assert (away.status_code, away.json()["code"]) == (503, "store.unavailable")
    assert client.get("/v1/spaces", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/v1/spaces", headers=BEARER).status_code == 200, "the service's own token is not in the database"


def test_readiness_says_why_to_whoever_has_a_good_token(client: httpx.Client, store: Store) -> None:
    good = add_token(store, 1, Scope.READ)
    revoked = add_token(store, 2, Scope.ADMIN, revoked_at=datetime.now(UTC))
    assert client.get("/readyz", headers=good).json()["checks"] != []
    assert client.get("/readyz", headers=revoked).status_code == 401
    assert client.get("/readyz").json()["checks"] == []


def test_failures_are_limited_for_made_tokens_too() -> None:
    store = MemoryStore()
    good = add_token(store, 1, Scope.READ)
    revoked = add_token(store, 2, Scope.READ, revoked_at=datetime.now(UTC))
    app = create_app(store, None, make_settings(failures_per_minute=3))  # type: ignore[arg-type]
    with serve(app) as url:
        answers = [httpx.get(url + SEARCHES, headers=headers).status_code for headers in [revoked, bearer(9)] * 3]
        assert answers == [401] * 3 + [429] * 3
        assert httpx.get(url + SEARCHES, headers=good).status_code == 200, "nobody locks out who has a good one"


def test_each_token_has_writes_of_its_own_and_its_sessions_spend_them() -> None:
    store = MemoryStore()
    first, second = (add_token(store, number, Scope.WRITE) for number in (1, 2))
    browser = {**session(Scope.WRITE, token_id_of(1)), "Sec-Fetch-Site": "same-origin"}
    app = create_app(store, None, make_settings(writes_per_minute=2))  # type: ignore[arg-type]
    with serve(app) as url:

        def write(headers: dict[str, str]) -> int:
            return httpx.post(f"{url}/v1/searches/none:stop", headers=headers).status_code

        assert [write(first), write(browser), write(first), write(browser)] == [404, 404, 429, 429]
        assert [write(second), write(BEARER)] == [404, 404]


def test_a_sign_in_link_carries_the_scope_of_who_made_it(client: httpx.Client, store: Store) -> None:
    headers = add_token(store, 1, Scope.READ)
    made_link = client.post("/v1/sign-in-links", headers=headers)
    assert made_link.status_code == 201
    link = made_link.json()
    assert link["scope"] == "read"
    with httpx.Client(base_url=client.base_url, headers={"Sec-Fetch-Site": "same-origin"}) as browser:
        assert browser.get(link["path"]).status_code == 303
        assert browser.get(SEARCHES).status_code == 200
        refused = browser.post("/v1/searches", json={"space": "spinenet-49", "data": "generated"})
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.needs_write")
        refused = browser.post("/v1/sign-in-links")
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.needs_token"), "no session renews itself"
        store.revoke_token(token_id_of(1), datetime.now(UTC))
        assert browser.get(SEARCHES).status_code == 401


def test_no_answer_but_the_first_has_a_secret(client: httpx.Client) -> None:
    token = made(client)
    listed = json.dumps(client.get("/v1/tokens", headers=BEARER).json())
    assert str(token["secret"]) not in listed
    assert hash_token(str(token["secret"])) not in listed


def test_a_refused_token_is_not_logged(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "api"):
        client.get(SEARCHES, headers=bearer(9))
    assert bearer(9)["Authorization"].removeprefix("Bearer ") not in caplog.text
