"""`webhook create`, `list`, `show`, `test` and `delete`, against a served API, as the page says them."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas_controller.store.memory import MemoryStore
from nas_controller.webhooks.hosts import WebhookHosts
from nas_controller.webhooks.records import MessageType, Outcome
from nas_controller.webhooks.signing import key_sha256, signing_key
from spinesearch.client import ApiError
from tests.api.searches import START, write_small_search
from tests.api.serving import make_settings
from tests.conformance.store_webhook_suite import make_cursor, make_delivery
from tests.spinesearch import served_commands
from tests.spinesearch.served_commands import commands_of

URL = "https://hooks.example.com/searches"
HOSTS = WebhookHosts.parse("hooks.example.com")
PAGE = Path(__file__).parents[2] / "docs" / "tokens-and-webhooks.md"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryStore]:
    """What a service works on, which the environment names; it has a search."""
    store = MemoryStore()
    write_small_search(store)
    with commands_of(store, tmp_path, monkeypatch, clock=lambda: START, webhook_hosts=HOSTS):
        yield store


def said(*arguments: str) -> str:
    """What a command about webhooks prints that succeeds."""
    return served_commands.said("webhook", *arguments)


def test_what_the_page_says_can_be_typed(store: MemoryStore) -> None:
    lines = re.findall(r"^    spinesearch webhook (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    create, *others = (shlex.split(line, comments=True) for line in lines)
    assert [line[0] for line in others] == ["list", "test", "show", "delete"]
    key = said(*create[: create.index(">")]).strip()
    (webhook,) = store.list_webhooks()
    assert webhook.types == (MessageType.SEARCH_STATE, MessageType.SEARCH_BEST)
    of_service = signing_key(make_settings().session_secret, webhook.id)
    assert (key.startswith("whsec_"), webhook.secret_sha256) == (True, key_sha256(of_service))
    printed = {line[0]: said(line[0], *([webhook.id] if len(line) > 1 else [])) for line in others}
    assert printed["list"].split() == [
        *(webhook.id, "active", "0", "delivered,", "0", "given", "up"),
        *("search.state,", "search.best", "of", "all", "searches", URL),
    ]
    assert printed["test"] == f"webhook {webhook.id} is sent a test soon\n"
    assert f"a test that was asked for at {START:%Y-%m-%dT%H:%M:%S}Z was not sent yet" in printed["show"]
    assert store.list_webhooks() == []


def test_what_became_of_messages_is_shown(store: MemoryStore) -> None:
    made = json.loads(said("create", URL, "--event", "search.best", "--search", "blood-cells-000001", "--json"))
    lease = store.claim_webhook(made["id"], "daemon", START, 60)
    assert lease is not None
    cursor = make_cursor(webhook_id=made["id"], search_id="blood-cells-000001", num_attempts=2, next_attempt_at=START)
    store.record_delivery(
        lease, make_delivery(0, status=500, outcome=Outcome.FAILED, error="answered\x1b with 500"), cursor
    )
    shown = said("show", made["id"])
    assert "answered with 500: answered\\x1b with 500" in shown
    assert "search blood-cells-000001: failed 2 times, next at 2026-03-01T09:00:00Z" in shown
    assert json.loads(said("show", made["id"], "--json"))["retries"][0]["attempts"] == 2
    assert "search.best of search blood-cells-000001" in said("list")
    assert json.loads(said("list", "--json"))[0]["id"] == made["id"]


def test_what_the_service_refuses_is_an_error(store: MemoryStore) -> None:
    with pytest.raises(ApiError, match="SPINESEARCH_WEBHOOK_HOSTS"):
        said("create", "https://example.com/", "--event", "search.state")
    with pytest.raises(ApiError, match="events"):
        said("create", URL, "--event", "webhook.test")
    with pytest.raises(ApiError, match="no webhook"):
        said("delete", "f" * 12)
