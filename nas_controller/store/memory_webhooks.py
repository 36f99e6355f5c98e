"""Webhooks in this process' memory."""

import threading
from dataclasses import dataclass, field
from datetime import datetime

from nas_controller.store import access_rules, rules
from nas_controller.store.base import ConflictError, LeaseLostError, NotFoundError
from nas_controller.store.shelf import Shelf
from nas_controller.store.webhooks import MAX_WEBHOOKS, WebhookStore
from nas_controller.webhooks.records import Delivery, Webhook, WebhookCursor, WebhookLease


@dataclass
class KeptWebhook:
    """A webhook, its lease, and its cursors by search."""

    webhook: Webhook
    lease: WebhookLease | None = None
    cursors: dict[str, WebhookCursor] = field(default_factory=dict)


class MemoryWebhooks(WebhookStore):
    """A part of `MemoryStore`, whose lock and shelves it shares."""

    _lock: threading.RLock
    _shelves: dict[str, Shelf]
    _webhooks: dict[str, KeptWebhook]

    def create_webhook(self, webhook: Webhook) -> Webhook:
        webhook = access_rules.checked_webhook(webhook)
        with self._lock:
            if webhook.id in self._webhooks:
                return access_rules.same_webhook(self._webhooks[webhook.id].webhook, webhook)
            if len(self._webhooks) >= MAX_WEBHOOKS:
                raise ConflictError(f"there are {MAX_WEBHOOKS} webhooks")
            if webhook.search_id is not None and webhook.search_id not in self._shelves:
                raise NotFoundError(f"no search {webhook.search_id}")
            kept = self._webhooks[webhook.id] = KeptWebhook(webhook)
            for shelf in self._told_of(webhook):
                search = shelf.search
                kept.cursors[search.id] = WebhookCursor(
                    webhook_id=webhook.id,
                    search_id=search.id,
                    sequence=search.last_sequence,
                    is_closed=search.state.is_final,
                )
            return webhook

    def get_webhook(self, webhook_id: str) -> Webhook:
        with self._lock:
            if webhook_id not in self._webhooks:
                raise NotFoundError(f"no webhook {webhook_id}")
            return self._webhooks[webhook_id].webhook

    def list_webhooks(self) -> list[Webhook]:
        with self._lock:
            webhooks = [kept.webhook for kept in self._webhooks.values()]
        return sorted(webhooks, key=lambda webhook: (webhook.created_at, webhook.id))

    def delete_webhook(self, webhook_id: str) -> None:
        with self._lock:
            self._webhooks.pop(webhook_id, None)

    def ask_webhook_test(self, webhook_id: str, at: datetime) -> Webhook:
        at = rules.in_utc(at)
        with self._lock:
            asked = access_rules.asked_for_test(self.get_webhook(webhook_id), at)
            self._webhooks[webhook_id].webhook = asked
            return asked

    def claim_webhook(self, webhook_id: str, owner: str, at: datetime, seconds: float) -> WebhookLease | None:
        at = rules.in_utc(at)
        with self._lock:
            kept = self._webhooks.get(webhook_id)
            if kept is None:
                return None
            lease = access_rules.next_webhook_lease(kept.webhook, kept.lease, owner, at, seconds)
            kept.lease = lease or kept.lease
            return lease

    def webhook_cursors(self, webhook_id: str) -> list[WebhookCursor]:
        with self._lock:
            kept = self._webhooks.get(webhook_id)
            if kept is None:
                return []
            found = []
            for shelf in self._told_of(kept.webhook):
                search_id = shelf.search.id
                cursor = kept.cursors.get(search_id, WebhookCursor(webhook_id=webhook_id, search_id=search_id))
                if not cursor.is_closed and cursor.sequence < shelf.search.last_sequence:
                    found.append(cursor)
            return sorted(found, key=lambda cursor: cursor.search_id)

    def record_delivery(self, lease: WebhookLease, delivery: Delivery, cursor: WebhookCursor | None) -> None:
        with self._lock:
            kept = self._leased_webhook(lease)
            kept.webhook = access_rules.with_delivery(kept.webhook, delivery, is_test=cursor is None)
            if cursor is not None:
                self.move_webhook_cursor(lease, cursor)

    def move_webhook_cursor(self, lease: WebhookLease, cursor: WebhookCursor) -> None:
        with self._lock:
            kept = self._leased_webhook(lease)
            if cursor.search_id in self._shelves:
                kept.cursors[cursor.search_id] = access_rules.checked_cursor(cursor)

    def _forget_search(self, search_id: str) -> None:
        """The search is deleted: nobody is told of it any more."""
        self._webhooks = {i: kept for i, kept in self._webhooks.items() if kept.webhook.search_id != search_id}
        for kept in self._webhooks.values():
            kept.cursors.pop(search_id, None)

    def _told_of(self, webhook: Webhook) -> list[Shelf]:
        return [shelf for shelf in self._shelves.values() if webhook.search_id in (None, shelf.search.id)]

    def _leased_webhook(self, lease: WebhookLease) -> KeptWebhook:
        kept = self._webhooks.get(lease.webhook_id)
        if kept is None or kept.lease is None or kept.lease.token != lease.token:
            raise LeaseLostError(f"webhook {lease.webhook_id}: lease {lease.token} holds no more")
        return kept
