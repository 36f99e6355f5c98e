from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.auth import SESSION_COOKIE, Auth, Grant
from api.settings import hash_token, read_or_create_secret
from nas_controller.access_tokens import Scope
from nas_controller.store.memory import MemoryStore
from tests.api.searches import START
from tests.api.serving import BEARER, TOKEN, make_settings, serve


def app_of(**changes: object) -> FastAPI:
    return create_app(MemoryStore(), None, make_settings(**changes))  # type: ignore[arg-type]


def test_a_token_opens_and_its_scheme_matters() -> None:
    with serve(app_of()) as url, httpx.Client(base_url=url) as client:
        assert client.get("/v1/searches", headers=BEARER).status_code == 200
        assert client.get("/v1/searches", headers={"Authorization": f"Basic {TOKEN}"}).status_code == 401
        assert client.get("/v1/searches", params={"token": TOKEN}).status_code == 401
        refused = client.get("/v1/searches")
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.json()["code"] == "auth.required"


def test_a_sign_in_link_works_once_and_its_cookie_is_strict() -> None:
    app = app_of()
    with serve(app) as url, httpx.Client(base_url=url) as client:
        code = Auth(make_settings()).issue_login_code()  # as another process with the same settings would
        answer = client.get("/login", params={"code": code})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert client.get("/v1/searches").status_code == 200
        assert httpx.get(f"{url}/login", params={"code": code}).status_code == 401
        assert client.post("/logout", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
        assert client.get("/v1/searches").status_code == 401


def test_codes_and_sessions_expire_and_cannot_be_exchanged() -> None:
    now = START
    settings = make_settings()
    auth = Auth(settings, lambda: now)
    code = auth.issue_login_code()
    assert auth.session_grant(code) is None
    session = auth.redeem_login_code(code)
    assert session is not None
    assert auth.redeem_login_code(session) is None
    late = auth.issue_login_code()
    now = START + timedelta(seconds=settings.login_seconds)
    assert auth.redeem_login_code(late) is None
    assert auth.session_grant(session) is not None
    now = START + timedelta(seconds=settings.session_seconds)
    assert auth.session_grant(session) is None


@pytest.mark.parametrize("change", [{"token_sha256": hash_token("another")}, {"session_secret": "t" * 32}])
def test_another_token_or_secret_ends_sessions(change: dict[str, str]) -> None:
    auth = Auth(make_settings())
    session = auth.redeem_login_code(auth.issue_login_code())
    assert session is not None
    assert Auth(make_settings(**change)).session_grant(session) is None


@pytest.mark.parametrize(
    "value", ["", "..", "1.2", "1.2.3.4", "9999999999....", "x.y.z", "é.1.1", "9999999999.a.admin..b", "é....é"]
)
def test_a_malformed_cookie_is_no_session(value: str) -> None:
    assert Auth(make_settings()).session_grant(value) is None


def test_a_session_has_the_scope_of_its_link_and_no_other() -> None:
    auth = Auth(make_settings())
    cookie = auth.redeem_login_code(auth.issue_login_code(Grant(scope=Scope.READ, token_id="3f9a1c2b4d5e")))
    assert cookie is not None
    grant = auth.session_grant(cookie)
    assert grant is not None
    assert (grant.scope, grant.token_id) == (Scope.READ, "3f9a1c2b4d5e")
    for was, forged in ((".read.", ".admin."), (".3f9a1c2b4d5e.", "."), (".3f9a1c2b4d5e.", "..")):
        assert auth.session_grant(cookie.replace(was, forged)) is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "SELF"}, 404),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_with_a_cookie_things_are_changed_from_our_own_pages_only(headers: dict[str, str], status: int) -> None:
    auth = Auth(make_settings())
    session = auth.redeem_login_code(auth.issue_login_code())
    with serve(app_of()) as url, httpx.Client(base_url=url, cookies={SESSION_COOKIE: session or ""}) as client:
        sent = {name: url if value == "SELF" else value for name, value in headers.items()}
        answer = client.post("/v1/searches/none:cancel", headers=sent)
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "auth.cross_origin"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8080", 200),
        ("LOCALHOST", 200),
        ("[::1]:8080", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("evil.example:127.0.0.1", 400),
    ],
)
def test_only_our_own_host_names_are_answered(host: str, status: int) -> None:
    with serve(app_of()) as url:
        answer = httpx.get(f"{url}/healthz", headers={"Host": host})
        assert answer.status_code == status


def test_browsers_are_led_to_the_sign_in_page() -> None:
    with serve(app_of()) as url:
        answer = httpx.get(url, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        page = httpx.get(f"{url}/login")
        assert page.status_code == 401
        assert "spinesearch up" in page.text


def test_every_answer_has_the_security_headers() -> None:
    with serve(app_of()) as url, httpx.Client(base_url=url) as client:
        for path in ("/healthz", "/login", "/static/dashboard.css", "/v1/searches", "/nothing"):
            headers = client.get(path, headers=BEARER).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "token"
    secret = read_or_create_secret(path)
    assert len(secret) == 64
    assert read_or_create_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["token"]


def test_processes_that_make_a_secret_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        secrets = set(threads.map(lambda _: read_or_create_secret(tmp_path / "token"), range(64)))
    assert {len(secret) for secret in secrets} == {64}
    assert len(secrets) == 1
