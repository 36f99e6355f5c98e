"""What every store must do with webhooks. Part of `StoreSuite`."""

from dataclasses import replace
from typing import Any

import pytest

from nas_controller.records import SearchState
from nas_controller.store.base import ConflictError, LeaseLostError, NotFoundError, Store
from nas_controller.store.webhooks import MAX_WEBHOOKS
from nas_controller.webhooks.records import (
    Course,
    Delivery,
    MessageType,
    Outcome,
    Webhook,
    WebhookCursor,
    WebhookLease,
)
from tests.conformance.store_cases import CONFIG, DAY, at, claimed, finished
from tests.conformance.store_editing_suite import ended

COURSE = Course(state="running", reason="", best_reward=0.25, num_trained=3, num_failed=1)


def make_webhook(number: int = 1, **changes: Any) -> Webhook:
    """Each number has its own id, and was made a second after the last."""
    webhook = Webhook(
        id=f"w{number}",
        url="https://hooks.example.com/searches",
        types=(MessageType.SEARCH_STATE, MessageType.SEARCH_BEST),
        search_id=None,
        secret_sha256="5e" * 32,
        created_at=at(number),
    )
    return replace(webhook, **changes)


def make_delivery(number: float = 1, **changes: Any) -> Delivery:
    """An attempt that succeeded, so many seconds after the start."""
    delivery = Delivery(
        message_id=f"w1_s1_{number}_state",
        type=MessageType.SEARCH_STATE,
        at=at(number),
        attempt=1,
        outcome=Outcome.DELIVERED,
        status=204,
    )
    return replace(delivery, **changes)


def make_cursor(search_id: str = "s1", **changes: Any) -> WebhookCursor:
    """At the beginning of a search."""
    return replace(WebhookCursor(webhook_id="w1", search_id=search_id), **changes)


def leased(store: Store, webhook_id: str = "w1", owner: str = "daemon", seconds: float = 0) -> WebhookLease:
    """A lease of a day from so many seconds after the start."""
    lease = store.claim_webhook(webhook_id, owner, at(seconds), DAY)
    assert lease is not None
    return lease


class StoreWebhookSuite:
    """Webhooks, their cursors and deliveries."""

    def test_a_webhook_is_kept_as_it_is(self, store: Store) -> None:
        claimed(store)
        first, second = make_webhook(1), make_webhook(2, search_id="s1", types=(MessageType.SEARCH_FAILING,))
        assert store.create_webhook(second) == second
        assert store.create_webhook(first) == store.create_webhook(first) == first, "the answer was lost"
        assert store.list_webhooks() == [first, second]
        assert store.get_webhook("w2") == second
        store.delete_webhook("w2")
        store.delete_webhook("w2")
        assert store.list_webhooks() == [first]
        with pytest.raises(NotFoundError, match="w2"):
            store.get_webhook("w2")

    def test_what_cannot_be_made_is_refused(self, store: Store) -> None:
        store.create_webhook(make_webhook())
        with pytest.raises(ConflictError):
            store.create_webhook(make_webhook(url="https://other.example.com"))
        with pytest.raises(NotFoundError):
            store.create_webhook(make_webhook(2, search_id="none"))
        for number in range(2, MAX_WEBHOOKS + 1):
            store.create_webhook(make_webhook(number))
        with pytest.raises(ConflictError, match="100"):
            store.create_webhook(make_webhook(MAX_WEBHOOKS + 1))

    def test_it_is_told_of_what_comes_after_it_was_made(self, store: Store) -> None:
        lease = claimed(store)
        ended(store, "s2")
        store.create_search("s3", "search", CONFIG, at(0))
        there = store.get_search("s1").last_sequence
        store.create_webhook(make_webhook())
        store.create_webhook(make_webhook(2, search_id="s1"))
        assert store.webhook_cursors("w1") == []
        finished(store, lease, 1, 0.5)
        store.create_search("s4", "search", CONFIG, at(2))
        assert store.webhook_cursors("w1") == [make_cursor("s1", sequence=there), make_cursor("s4")]
        assert store.webhook_cursors("w2") == [make_cursor("s1", webhook_id="w2", sequence=there)]
        assert store.webhook_cursors("none") == []

    def test_one_at_a_time_sends(self, store: Store) -> None:
        store.create_webhook(make_webhook())
        first = store.claim_webhook("w1", "a", at(0), 60)
        assert first == WebhookLease(webhook_id="w1", owner="a", token=1, expires_at=at(60))
        assert store.claim_webhook("w1", "b", at(59), 60) is None
        again = store.claim_webhook("w1", "a", at(59), 60)
        assert again is not None
        assert again.token > first.token
        taken = store.claim_webhook("w1", "b", at(119), 60)
        assert taken is not None
        assert taken.token > again.token
        assert store.claim_webhook("none", "a", at(0), 60) is None

    def test_who_lost_the_lease_writes_nothing(self, store: Store) -> None:
        claimed(store)
        store.create_webhook(make_webhook())
        lost = leased(store)
        leased(store, seconds=1)
        before = (store.get_webhook("w1"), store.webhook_cursors("w1"))
        with pytest.raises(LeaseLostError):
            store.record_delivery(lost, make_delivery(), make_cursor(sequence=1))
        with pytest.raises(LeaseLostError):
            store.move_webhook_cursor(lost, make_cursor(sequence=1))
        assert (store.get_webhook("w1"), store.webhook_cursors("w1")) == before
        store.delete_webhook("w1")
        with pytest.raises(LeaseLostError):
            store.record_delivery(lost, make_delivery(), None)

    def test_a_delivery_and_its_cursor_are_kept_together(self, store: Store) -> None:
        store.create_webhook(make_webhook())
        claimed(store)  # two entries
        lease = leased(store)
        (first,) = store.webhook_cursors("w1")
        waits = replace(first, num_attempts=1, next_attempt_at=at(20))
        failed = make_delivery(5, outcome=Outcome.FAILED, status=None, error="no answer within 10 s")
        store.record_delivery(lease, failed, waits)
        assert store.get_webhook("w1") == make_webhook(last_delivery=failed)
        assert store.webhook_cursors("w1") == [waits]
        done = make_cursor(sequence=1, num_done=1, course=COURSE)
        for _ in range(2):  # the second time as its answer was lost
            store.record_delivery(lease, make_delivery(20, attempt=2), done)
            assert store.webhook_cursors("w1") == [done]
            told = make_webhook(num_delivered=1, last_delivery=make_delivery(20, attempt=2))
            assert store.get_webhook("w1") == told
        store.record_delivery(lease, make_delivery(21, outcome=Outcome.GIVEN_UP, status=500), done)
        assert (store.get_webhook("w1").num_delivered, store.get_webhook("w1").num_given_up) == (1, 1)

    def test_a_closed_cursor_is_not_looked_at(self, store: Store) -> None:
        store.create_webhook(make_webhook())
        ended(store)
        lease = leased(store)
        last = store.get_search("s1").last_sequence
        store.move_webhook_cursor(lease, make_cursor(sequence=last - 1))
        assert store.webhook_cursors("w1") == [make_cursor(sequence=last - 1)]
        store.move_webhook_cursor(lease, make_cursor(sequence=last - 1, is_closed=True))
        assert store.webhook_cursors("w1") == []

    def test_a_receiver_that_wants_no_more_gets_no_more(self, store: Store) -> None:
        claimed(store)
        store.create_webhook(make_webhook())
        gone = make_delivery(9, outcome=Outcome.GONE, status=410)
        store.record_delivery(leased(store), gone, make_cursor())
        assert store.get_webhook("w1") == make_webhook(last_delivery=gone, disabled_at=at(9))
        assert store.claim_webhook("w1", "daemon", at(10), 60) is None
        with pytest.raises(ConflictError, match="disabled"):
            store.ask_webhook_test("w1", at(10))

    def test_a_test_is_asked_for_until_it_is_sent(self, store: Store) -> None:
        store.create_webhook(make_webhook())
        asked = store.ask_webhook_test("w1", at(5))
        assert asked == store.get_webhook("w1") == make_webhook(test_asked_at=at(5))
        assert store.ask_webhook_test("w1", at(6)) == asked
        sent = make_delivery(7, type=MessageType.TEST)
        store.record_delivery(leased(store), sent, None)
        assert store.get_webhook("w1") == make_webhook(last_delivery=sent), "a test is not counted"
        with pytest.raises(NotFoundError):
            store.ask_webhook_test("none", at(5))

    def test_a_deleted_search_is_forgotten(self, store: Store) -> None:
        ended(store, "s1")
        claimed(store, "s2")
        store.create_webhook(make_webhook(1))
        store.create_webhook(make_webhook(2, search_id="s1"))
        store.create_webhook(make_webhook(3, search_id="s2"))
        store.delete_search("s1", at(50))
        assert [webhook.id for webhook in store.list_webhooks()] == ["w1", "w3"]
        lease = leased(store)
        store.record_delivery(lease, make_delivery(), make_cursor("s1", sequence=1))
        store.move_webhook_cursor(lease, make_cursor("s1", sequence=1))
        assert store.get_webhook("w1").num_delivered == 1
        ended(store, "s1", 60)
        assert store.webhook_cursors("w1") == [make_cursor("s1")], "another search with its id begins anew"

    def test_a_search_is_watched_after_it_was_cancelled_unseen(self, store: Store) -> None:
        store.create_webhook(make_webhook())
        store.create_search("s1", "search", CONFIG, at(5))
        store.request_state("s1", SearchState.CANCELLED, "", at(6))
        assert store.webhook_cursors("w1") == [make_cursor()]
