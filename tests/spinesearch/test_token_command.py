"""`token create`, `list` and `revoke`, and `sign-in --scope`, against a served API."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from api.app import create_app
from api.settings import hash_token
from nas_controller.access_tokens import Scope
from nas_controller.store.memory import MemoryStore
from spinesearch.cli import app
from spinesearch.client import ApiError, Client
from tests.api.serving import make_settings, serve

TOKEN = "token-of-the-tests" * 2
SESSION_SECRET = "s" * 32


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryStore]:
    """What a service works on, which the environment names, with its secrets."""
    store = MemoryStore()
    api = create_app(store, None, make_settings(token_sha256=hash_token(TOKEN)))  # type: ignore[arg-type]
    with serve(api) as url:
        monkeypatch.setenv("SPINESEARCH_HOME", str(tmp_path))
        monkeypatch.setenv("SPINESEARCH_URL", url)
        for variable, secret in (("TOKEN", TOKEN), ("SESSION_SECRET", SESSION_SECRET)):
            file = tmp_path / variable
            file.write_text(secret)
            monkeypatch.setenv(f"SPINESEARCH_{variable}_FILE", str(file))
        yield store


def said(*arguments: str) -> str:
    """What a command prints that succeeds."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_is_printed_is_a_token_file(store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = said("token", "create", "nightly reports", "--scope", "read", "--days", "30")
    (token,) = store.list_tokens(10)
    assert hash_token(printed.strip()) == token.secret_sha256
    assert token.expires_at is not None
    assert (token.name, token.scope, (token.expires_at - token.created_at).days) == ("nightly reports", Scope.READ, 30)
    (tmp_path / "made").write_text(printed)
    monkeypatch.setenv("SPINESEARCH_TOKEN_FILE", str(tmp_path / "made"))
    assert said("search", "list") == ""
    with pytest.raises(ApiError, match="scope admin, yours has read") as refused:
        said("token", "list")
    assert refused.value.code == "auth.needs_admin"


def test_tokens_are_listed_and_revoked(store: MemoryStore) -> None:
    made = json.loads(said("token", "create", "a laptop", "--scope", "write", "--json"))
    line = said("token", "list").split()
    assert line == [made["id"], "active", "write", "without", "an", "end", "never", "used", "a", "laptop"]
    assert said("token", "revoke", made["id"]) == ""
    (listed,) = json.loads(said("token", "list", "--json"))
    assert listed["state"] == "revoked"
    with pytest.raises(ApiError, match="no token"):
        said("token", "revoke", "f" * 12)


def test_a_link_is_made_with_less_than_all_rights(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client() as client:
        url = str(client._http.base_url).rstrip("/")
        path = client.create_sign_in_link()["path"]
    for link, status in ((said("sign-in", url, "--scope", "read").strip(), 403), (url + path, 200)):
        with httpx.Client() as browser:
            assert browser.get(link).status_code == 303
            assert browser.get(f"{url}/v1/tokens").status_code == status
