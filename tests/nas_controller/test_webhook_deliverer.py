"""What is sent when, to real receivers, over a clock that a test moves."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nas_controller.records import SearchState
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import open_store
from nas_controller.webhooks.courier import Courier
from nas_controller.webhooks.deliverer import LEASE_SECONDS, MAX_ATTEMPTS, Deliverer, delivering
from nas_controller.webhooks.hosts import WebhookHosts
from nas_controller.webhooks.records import MessageType, Outcome, Webhook
from nas_controller.webhooks.signing import key_sha256, shown, signing_key
from tests.conformance.store_cases import START, at, claimed, finished
from tests.conformance.store_webhook_suite import make_webhook
from tests.nas_controller.webhook_receiver import Receiver, receiving

SESSION_SECRET = "s" * 32
ALL = (MessageType.SEARCH_STATE, MessageType.SEARCH_BEST, MessageType.SEARCH_FAILING)
HERE = Courier(hosts=WebhookHosts.parse("http://127.0.0.1"), seconds=0.3)
DELAYS = [5, 25, 125, 625, 3125, 15625, 78125]
"""Seconds after each failed attempt; there is none after the eighth."""


@dataclass
class Clock:
    """A time that a test moves."""

    time: datetime = START

    def __call__(self) -> datetime:
        return self.time

    def move(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Bench:
    """A store, a deliverer, and their clock."""

    store: Store = field(default_factory=MemoryStore)
    clock: Clock = field(default_factory=Clock)

    def deliverer(self, owner: str = "daemon", jitter: Callable[[], float] = lambda: 0.5, **changes: Any) -> Deliverer:
        return Deliverer(
            self.store,
            **{
                "post": HERE.post,
                "session_secret": SESSION_SECRET,
                "now": self.clock,
                "jitter": jitter,
                "owner": owner,
                **changes,
            },
        )

    def told(self, receiver: Receiver, number: int = 1, **changes: Any) -> Webhook:
        """A new webhook of this receiver, from now on."""
        key = signing_key(SESSION_SECRET, f"w{number}")
        webhook = make_webhook(number, url=receiver.url(), types=ALL, secret_sha256=key_sha256(key), **changes)
        return self.store.create_webhook(webhook)


def run(deliverer: Deliverer) -> int:
    """Steps until nothing is left to do; how many."""
    steps = 0
    while deliverer.step():
        steps += 1
        assert steps < 1000
    return steps


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_what_happens_is_told_in_order_signed_and_once(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    lease = claimed(bench.store)
    deliverer = bench.deliverer()
    run(deliverer)
    finished(bench.store, lease, 1, 0.25)
    run(deliverer)
    finished(bench.store, lease, 2, 0.5)
    bench.store.set_search_state(lease, SearchState.SUCCEEDED, "", at(50))
    run(deliverer)
    assert receiver.ids == ["w1_s1_1_state", "w1_s1_2_state", "w1_s1_5_best", "w1_s1_8_best", "w1_s1_9_state"]
    secret = shown(signing_key(SESSION_SECRET, "w1"))
    assert all(received.is_signed_with(secret) for received in receiver.received)
    assert receiver.received[0].document == {
        "type": "search.state",
        "timestamp": "2026-03-01T09:30:00.250000Z",
        "data": {"search": "s1", "name": "blood cells", "state": "pending", "reason": ""},
    }
    assert run(deliverer) == run(bench.deliverer("another")) == 0
    assert deliverer.ahead == {}, "of a search that has ended nothing is kept in mind"
    assert (bench.store.get_webhook("w1").num_delivered, bench.store.webhook_cursors("w1")) == (5, [])


def test_the_timestamp_is_that_of_the_attempt(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    bench.store.create_search("s1", "cells", {}, START)
    receiver.answers = [500]
    deliverer = bench.deliverer()
    run(deliverer)
    bench.clock.move(5)
    run(deliverer)
    first, second = receiver.received
    assert first.id == second.id
    times = [int(received.headers["webhook-timestamp"]) for received in receiver.received]
    assert times == [int(START.timestamp()), int(START.timestamp()) + 5]
    assert first.body == second.body


def test_what_was_before_the_webhook_is_not_told_but_counts(bench: Bench, receiver: Receiver) -> None:
    lease = claimed(bench.store)
    finished(bench.store, lease, 1, 0.5)
    bench.told(receiver)
    finished(bench.store, lease, 2, 0.25)
    finished(bench.store, lease, 3, 0.75)
    run(bench.deliverer())
    (best,) = receiver.received
    assert best.document["data"]["best_before"] == 0.5


def test_a_failed_message_is_tried_eight_times_in_a_day_then_given_up(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    bench.store.create_search("s1", "cells", {}, START)
    bench.store.request_state("s1", SearchState.CANCELLED, "", at(1))
    receiver.answers = [500] * MAX_ATTEMPTS
    deliverer = bench.deliverer()
    for number, delay in enumerate(DELAYS, 1):
        run(deliverer)
        assert receiver.ids == ["w1_s1_1_state"] * number
        last = bench.store.get_webhook("w1").last_delivery
        assert last is not None
        assert (last.attempt, last.outcome, last.status, last.error) == (
            number,
            Outcome.FAILED,
            500,
            "answered with 500",
        )
        (cursor,) = bench.store.webhook_cursors("w1")
        assert cursor.next_attempt_at == bench.clock() + timedelta(seconds=delay)
        bench.clock.move(delay - 1)
        run(deliverer)
        assert len(receiver.ids) == number, "not before its time"
        bench.clock.move(1)
    run(deliverer)
    assert receiver.ids == ["w1_s1_1_state"] * 8 + ["w1_s1_2_state"], "what follows is told"
    webhook = bench.store.get_webhook("w1")
    assert (webhook.num_given_up, webhook.num_delivered) == (1, 1)
    assert 24 * 3600 < sum(DELAYS) < 30 * 3600


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_delays_differ_by_chance(bench: Bench, receiver: Receiver, chance: float, seconds: float) -> None:
    bench.told(receiver)
    bench.store.create_search("s1", "cells", {}, START)
    receiver.answers = [500]
    run(bench.deliverer(jitter=lambda: chance))
    assert bench.store.webhook_cursors("w1")[0].next_attempt_at == START + timedelta(seconds=seconds)


def test_another_process_goes_on_with_the_attempts(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    bench.store.create_search("s1", "cells", {}, START)
    receiver.answers = [500, 503]
    run(bench.deliverer("first"))
    bench.clock.move(LEASE_SECONDS)
    run(bench.deliverer("second"))
    (cursor,) = bench.store.webhook_cursors("w1")
    assert (cursor.num_attempts, cursor.next_attempt_at) == (2, bench.clock() + timedelta(seconds=25))


def test_410_disables(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    lease = claimed(bench.store)
    receiver.answers = [410]
    deliverer = bench.deliverer()
    run(deliverer)
    finished(bench.store, lease, 1, 0.5)
    bench.clock.move(10 * 86_400)
    assert run(deliverer) == 0
    webhook = bench.store.get_webhook("w1")
    assert (receiver.ids, webhook.disabled_at) == (["w1_s1_1_state"], START)
    assert webhook.last_delivery is not None
    assert webhook.last_delivery.outcome is Outcome.GONE


def test_a_redirect_is_a_failure(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    bench.store.create_search("s1", "cells", {}, START)
    receiver.answers, receiver.headers = [302], {"Location": receiver.url("/elsewhere")}
    run(bench.deliverer())
    assert [received.path for received in receiver.received] == ["/hook"]
    last = bench.store.get_webhook("w1").last_delivery
    assert last is not None
    assert (last.outcome, last.error) == (Outcome.FAILED, "answered with 302: redirects are not followed")


def test_a_receiver_that_is_away_is_told_when_it_is_back(bench: Bench) -> None:
    with receiving() as receiver:
        bench.told(receiver)
    claimed(bench.store)
    deliverer = bench.deliverer()
    run(deliverer)
    last = bench.store.get_webhook("w1").last_delivery
    assert last is not None
    assert (last.status, last.outcome) == (None, Outcome.FAILED)
    with receiving(receiver.port) as again:
        bench.clock.move(5)
        run(deliverer)
    assert again.ids == ["w1_s1_1_state", "w1_s1_2_state"]


def test_one_search_that_fails_does_not_hold_up_another(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    bench.store.create_search("s1", "cells", {}, START)
    bench.store.create_search("s2", "cells", {}, START)
    receiver.answers = [500]  # the first message of s1
    run(bench.deliverer())
    assert receiver.ids == ["w1_s1_1_state", "w1_s2_1_state"]


def test_searches_take_turns(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    for search_id in ("s1", "s2", "s3"):
        claimed(bench.store, search_id)
    run(bench.deliverer())
    assert [message_id.split("_")[1] for message_id in receiver.ids] == ["s1", "s2", "s3", "s1", "s2", "s3"]


def test_a_receiver_that_hangs_costs_another_one_attempt(bench: Bench, receiver: Receiver) -> None:
    is_over = threading.Event()
    with receiving() as slow:
        slow.before = lambda file: is_over.wait(30)
        bench.told(slow, 1)
        bench.told(receiver, 2)
        claimed(bench.store)
        run(bench.deliverer())
        is_over.set()
    assert receiver.ids == ["w2_s1_1_state", "w2_s1_2_state"]
    assert slow.ids == ["w1_s1_1_state"]
    last = bench.store.get_webhook("w1").last_delivery
    assert last is not None
    assert last.error == "no answer within 0.3 s"


def test_a_test_is_sent_once_whatever_becomes_of_it(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    for status, outcome in ((204, Outcome.DELIVERED), (500, Outcome.GIVEN_UP)):
        bench.clock.move(10)
        receiver.status = status
        bench.store.ask_webhook_test("w1", bench.clock())
        run(bench.deliverer())
        webhook = bench.store.get_webhook("w1")
        assert webhook.test_asked_at is None
        assert webhook.last_delivery is not None
        assert (webhook.last_delivery.type, webhook.last_delivery.outcome) == (MessageType.TEST, outcome)
    assert [received.document["type"] for received in receiver.received] == ["webhook.test", "webhook.test"]
    assert len(set(receiver.ids)) == 2


def test_a_webhook_of_one_search_is_told_of_no_other(bench: Bench, receiver: Receiver) -> None:
    bench.store.create_search("s1", "cells", {}, START)
    bench.told(receiver, search_id="s1")
    claimed(bench.store, "s2")
    bench.store.request_state("s1", SearchState.CANCELLED, "", at(1))
    run(bench.deliverer())
    assert receiver.ids == ["w1_s1_2_state"]


def test_a_key_that_its_receiver_does_not_know_is_not_used(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    bench.store.create_search("s1", "cells", {}, START)
    run(bench.deliverer(session_secret="t" * 32))
    last = bench.store.get_webhook("w1").last_delivery
    assert last is not None
    assert (last.status, last.outcome) == (None, Outcome.FAILED)
    assert "another session secret" in last.error
    assert receiver.received == []


def test_a_host_that_is_not_allowed_any_more_gets_nothing(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    bench.store.create_search("s1", "cells", {}, START)
    run(bench.deliverer(post=Courier(hosts=WebhookHosts.parse("hooks.example.com")).post))
    last = bench.store.get_webhook("w1").last_delivery
    assert last is not None
    assert "SPINESEARCH_WEBHOOK_HOSTS" in last.error
    assert receiver.received == []


def test_a_search_or_a_webhook_that_is_deleted_meanwhile_hurts_nobody(bench: Bench, receiver: Receiver) -> None:
    for number in (1, 2):
        bench.told(receiver, number)
    for search_id in ("s1", "s2"):
        bench.store.create_search(search_id, "cells", {}, START)
        bench.store.request_state(search_id, SearchState.CANCELLED, "", at(1))

    def delete(file: object) -> None:
        bench.store.delete_search("s1", at(60))
        bench.store.delete_webhook("w1")

    receiver.before = delete
    run(bench.deliverer())
    assert receiver.ids == ["w1_s1_1_state", "w2_s2_1_state", "w2_s2_2_state"]


def test_nothing_is_written_while_nothing_is_told(tmp_path: Path, receiver: Receiver) -> None:
    """A search that runs writes all the time; what makes no message costs reads only."""
    writes: list[str] = []
    store = open_store(f"sqlite:///{tmp_path / 'searches.sqlite'}", lambda access, seconds: writes.append(access))
    bench = Bench(store)
    bench.told(receiver)
    lease = claimed(store)
    finished(store, lease, 1, 0.5)
    deliverer = bench.deliverer()
    run(deliverer)
    for number in range(2, 6):
        finished(store, lease, number, 0.25)
        writes.clear()
        assert run(deliverer) == 0
        assert "write" not in writes
    store.close()


@pytest.mark.parametrize("num_threads", [2, 4])
def test_of_several_processes_one_sends(tmp_path: Path, receiver: Receiver, num_threads: int) -> None:
    url = f"sqlite:///{tmp_path / 'searches.sqlite'}"
    stores = [open_store(url) for _ in range(num_threads)]
    bench = Bench(stores[0])
    bench.told(receiver)
    lease = claimed(stores[0])
    for number in range(1, 9):
        finished(stores[0], lease, number, number / 16)
    deliverers = [replace(bench.deliverer(f"daemon {number}"), store=store) for number, store in enumerate(stores)]
    with ThreadPoolExecutor(num_threads) as threads:
        list(threads.map(run, deliverers))
    sequences = [int(message_id.split("_")[2]) for message_id in receiver.ids]
    assert sequences == [1, 2, *range(5, 27, 3)], "each once, in order"
    for store in stores:
        store.close()


def test_a_lease_is_given_back_at_the_end(bench: Bench, receiver: Receiver) -> None:
    bench.told(receiver)
    claimed(bench.store)
    first = bench.deliverer("first")
    run(first)
    assert bench.store.claim_webhook("w1", "second", bench.clock(), 60) is None
    first.close()
    assert bench.store.claim_webhook("w1", "second", bench.clock(), 60) is not None


def test_the_thread_outlives_what_a_turn_raises(
    bench: Bench, receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas_controller.webhooks.deliverer.POLL_SECONDS", 0.01)
    bench.told(receiver)
    claimed(bench.store)
    failures = [OSError("the disk is gone")]

    def post(url: str, headers: Any, body: bytes) -> Any:
        if failures:
            raise failures.pop()
        return HERE.post(url, headers, body)

    with delivering(bench.deliverer(post=post), threading.Event()):
        deadline = time.monotonic() + 30
        while len(receiver.ids) < 2:
            assert time.monotonic() < deadline, "nothing was sent"
            time.sleep(0.01)
    assert "the disk is gone" in caplog.text
    assert bench.store.claim_webhook("w1", "another", bench.clock(), 60) is not None, "its lease was given back"
