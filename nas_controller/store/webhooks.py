"""What the database promises about webhooks: a part of `store.base`, whose rules for methods hold here too.

Who sends takes a lease on a webhook first, so that of several processes one does. What it writes then raises
`LeaseLostError` where a newer lease was taken, or the webhook is gone; nothing was written.
"""

from abc import ABC, abstractmethod
from datetime import datetime

from nas_controller.webhooks.records import Delivery, Webhook, WebhookCursor, WebhookLease

MAX_WEBHOOKS = 100


class WebhookStore(ABC):
    """Webhooks, and how far each has been told of each search."""

    @abstractmethod
    def create_webhook(self, webhook: Webhook) -> Webhook:
        """The webhook, kept; it is told of what happens from now on: in each search that there is, its cursor stands at
        the last entry. The same webhook again changes nothing. `NotFoundError` where it is of a search that is not
        there, `ConflictError` where another one has its id, or there are `MAX_WEBHOOKS`."""

    @abstractmethod
    def get_webhook(self, webhook_id: str) -> Webhook:
        """The webhook, or `NotFoundError`."""

    @abstractmethod
    def list_webhooks(self) -> list[Webhook]:
        """All of them, the oldest first."""

    @abstractmethod
    def delete_webhook(self, webhook_id: str) -> None:
        """Nothing is left of it; of one that is not there, nothing is left to do."""

    @abstractmethod
    def ask_webhook_test(self, webhook_id: str, at: datetime) -> Webhook:
        """The webhook, to which a test is to be sent; one that waits for it already stays as it is. `NotFoundError`, or
        `ConflictError` where it is disabled."""

    # What who sends reads and writes

    @abstractmethod
    def claim_webhook(self, webhook_id: str, owner: str, at: datetime, seconds: float) -> WebhookLease | None:
        """A lease on a webhook that nobody holds (no lease, expired at `at`, or the same owner's); else None, and where
        it is disabled or gone. The token is larger than every earlier one."""

    @abstractmethod
    def webhook_cursors(self, webhook_id: str) -> list[WebhookCursor]:
        """Its cursors in all searches that it is told of whose ledger has more entries, by search id; without closed
        ones. In a search that is newer than the webhook the first one stands at the beginning."""

    @abstractmethod
    def record_delivery(self, lease: WebhookLease, delivery: Delivery, cursor: WebhookCursor | None) -> None:
        """Keeps the delivery as the last one and the cursor as it is now, in one transaction. With a cursor, what was
        DELIVERED or GIVEN_UP is counted; without one it was the test, which is no longer asked for. GONE disables the
        webhook. A cursor of a search that was deleted meanwhile is left out."""

    @abstractmethod
    def move_webhook_cursor(self, lease: WebhookLease, cursor: WebhookCursor) -> None:
        """Keeps the cursor as it is now: there was nothing to send up to there. Of a search that was deleted meanwhile
        nothing is kept."""
