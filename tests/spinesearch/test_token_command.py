"""`token create`, `list` and `revoke`, and `sign-in --scope`, against a served API."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.settings import hash_token
from nas_controller.access_tokens import Scope
from nas_controller.store.memory import MemoryStore
from spinesearch.client import ApiError, Client
from tests.spinesearch.served_commands import commands_of, said

SESSION_SECRET = "s" * 32


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryStore]:
    """What a service works on, which the environment names, with its secrets."""
    store = MemoryStore()
    file = tmp_path / "session-secret"
    file.write_text(SESSION_SECRET)
    monkeypatch.setenv("SPINESEARCH_SESSION_SECRET_FILE", str(file))
    with commands_of(store, tmp_path, monkeypatch):
        yield store


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
