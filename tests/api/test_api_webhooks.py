"""Webhooks that are made, shown, tested and deleted over REST."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from api.app import create_app
from nas_controller.records import SearchState
from nas_controller.store.memory import MemoryStore
from nas_controller.webhooks.courier import Courier
from nas_controller.webhooks.deliverer import Deliverer
from nas_controller.webhooks.hosts import WebhookHosts
from nas_controller.webhooks.signing import key_sha256
from tests.api.searches import START
from tests.api.serving import BEARER, make_settings, serve
from tests.nas_controller.webhook_receiver import Receiver, receiving

HOSTS = WebhookHosts.parse("hooks.example.com, http://127.0.0.1")
URL = "https://hooks.example.com/searches?key=of-the-receiver"
WEBHOOKS = "/v1/webhooks"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def client(store: MemoryStore) -> Iterator[httpx.Client]:
    """Of an admin."""
    app = create_app(store, None, make_settings(webhook_hosts=HOSTS), clock=lambda: START)  # type: ignore[arg-type]
    with serve(app) as url, httpx.Client(base_url=url, headers=BEARER) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def made(client: httpx.Client, **wanted: object) -> dict[str, object]:
    answer = client.post(WEBHOOKS, json={"url": URL, "events": ["search.state", "search.best"], **wanted})
    assert answer.status_code == 201, answer.text
    webhook: dict[str, object] = answer.json()
    return webhook


def send(store: MemoryStore, seconds: float = 0) -> None:
    """What a controller with the same settings does."""
    secret, hosts = make_settings().session_secret, HOSTS
    deliverer = Deliverer(
        store, Courier(hosts=hosts).post, secret, lambda: START + timedelta(seconds=seconds), lambda: 0.5, "daemon"
    )
    while deliverer.step():
        pass


def test_a_webhook_is_made_shown_and_deleted(client: httpx.Client, store: MemoryStore) -> None:
    webhook = made(client, events=["search.best", "search.failing", "search.best"])
    assert str(webhook.pop("secret")).startswith("whsec_")
    assert webhook == {
        "id": webhook["id"],
        "url": URL,
        "events": ["search.best", "search.failing"],
        "search": None,
        "state": "active",
        "created_at": START.isoformat().replace("+00:00", "Z"),
        "disabled_at": None,
        "test_asked_at": None,
        "num_delivered": 0,
        "num_given_up": 0,
        "last_delivery": None,
    }
    assert client.get(WEBHOOKS).json() == {"webhooks": [webhook]}
    path = f"{WEBHOOKS}/{webhook['id']}"
    assert client.get(path).json() == {**webhook, "retries": []}
    assert client.delete(path).status_code == 204
    assert [client.get(path).status_code, client.delete(path).status_code] == [404, 404]
    assert store.list_webhooks() == []


def test_the_key_is_told_once_and_not_kept(client: httpx.Client, store: MemoryStore) -> None:
    first, second = made(client), made(client)
    assert first["secret"] != second["secret"]
    shown = client.get(WEBHOOKS).text + client.get(f"{WEBHOOKS}/{first['id']}").text
    (kept, _) = store.list_webhooks()
    for secret in (str(first["secret"]), str(first["secret"]).removeprefix("whsec_"), kept.secret_sha256):
        assert secret not in shown
    assert str(first["secret"]) not in repr(kept)
    assert key_sha256(b"") != kept.secret_sha256


@pytest.mark.parametrize(
    ("wanted", "place", "said"),
    [
        ({"url": "https://example.com/"}, "url", "SPINESEARCH_WEBHOOK_HOSTS=example.com"),
        ({"url": "http://hooks.example.com/"}, "url", "https://"),
        ({"url": "https://user@hooks.example.com/"}, "url", "without a user"),
        ({"url": "https://169.254.169.254/latest"}, "url", "may not go to"),
        ({"url": "a" * 3000}, "url", ""),
        ({"events": []}, "events", ""),
        ({"events": ["webhook.test"]}, "events.0", ""),
        ({"events": ["search.everything"]}, "events.0", ""),
        ({"search": "none"}, "search", "no search none"),
        ({"secret": "mine"}, "secret", ""),
    ],
)
def test_what_cannot_be_is_refused_and_it_is_said_why(
    client: httpx.Client, store: MemoryStore, wanted: dict[str, object], place: str, said: str
) -> None:
    answer = client.post(WEBHOOKS, json={"url": URL, "events": ["search.state"], **wanted})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["place"] == place
    assert said in error["message"]
    assert store.list_webhooks() == []


def test_without_allowed_hosts_there_are_no_webhooks() -> None:
    app = create_app(MemoryStore(), None, make_settings())  # type: ignore[arg-type]
    with serve(app) as url:
        answer = httpx.post(url + WEBHOOKS, json={"url": URL, "events": ["search.state"]}, headers=BEARER)
    assert (answer.status_code, answer.json()["code"]) == (422, "webhook.refused")
    assert "SPINESEARCH_WEBHOOK_HOSTS=hooks.example.com" in answer.json()["detail"]


def test_there_are_at_most_a_hundred(client: httpx.Client) -> None:
    for _ in range(100):
        made(client)
    refused = client.post(WEBHOOKS, json={"url": URL, "events": ["search.state"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "state.conflict")


def test_what_became_of_messages_is_shown(client: httpx.Client, store: MemoryStore, receiver: Receiver) -> None:
    webhook = made(client, url=receiver.url())
    path = f"{WEBHOOKS}/{webhook['id']}"
    store.create_search("s1", "cells", {}, START)
    receiver.answers = [503]
    send(store)
    shown = client.get(path).json()
    assert shown["last_delivery"] == {
        "message_id": f"{webhook['id']}_s1_1_state",
        "type": "search.state",
        "at": shown["last_delivery"]["at"],
        "attempt": 1,
        "outcome": "failed",
        "status": 503,
        "error": "answered with 503",
    }
    (retry,) = shown["retries"]
    assert (retry["search"], retry["attempts"]) == ("s1", 1)
    send(store, 6)
    shown = client.get(path).json()
    assert (shown["num_delivered"], shown["last_delivery"]["outcome"], shown["retries"]) == (1, "delivered", [])
    assert all(received.is_signed_with(str(webhook["secret"])) for received in receiver.received)


def test_a_test_is_asked_for_and_sent(client: httpx.Client, store: MemoryStore, receiver: Receiver) -> None:
    webhook = made(client, url=receiver.url())
    path = f"{WEBHOOKS}/{webhook['id']}"
    asked = client.post(f"{path}:test")
    assert (asked.status_code, asked.json()["test_asked_at"] is not None) == (202, True)
    assert receiver.received == [], "the API sends nothing itself"
    send(store)
    (received,) = receiver.received
    assert received.document["type"] == "webhook.test"
    assert received.is_signed_with(str(webhook["secret"]))
    shown = client.get(path).json()
    assert (shown["test_asked_at"], shown["last_delivery"]["type"]) == (None, "webhook.test")
    assert client.post(f"{WEBHOOKS}/{'f' * 12}:test").status_code == 404


def test_a_receiver_that_wants_no_more_is_shown_as_disabled(
    client: httpx.Client, store: MemoryStore, receiver: Receiver
) -> None:
    webhook = made(client, url=receiver.url())
    path = f"{WEBHOOKS}/{webhook['id']}"
    store.create_search("s1", "cells", {}, START)
    receiver.status = 410
    send(store)
    shown = client.get(path).json()
    assert (shown["state"], shown["last_delivery"]["outcome"]) == ("disabled", "gone")
    refused = client.post(f"{path}:test")
    assert (refused.status_code, refused.json()["code"]) == (409, "state.conflict")


def test_a_webhook_of_a_search_goes_with_it(client: httpx.Client, store: MemoryStore) -> None:
    store.create_search("s1", "cells", {}, START)
    assert made(client, search="s1")["search"] == "s1"
    store.request_state("s1", SearchState.CANCELLED, "", START)
    assert client.delete("/v1/searches/s1").status_code == 204
    assert client.get(WEBHOOKS).json() == {"webhooks": []}
