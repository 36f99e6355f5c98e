"""Tells webhooks what happened: at least once, in its order within a search, however often a process is killed.

A message is sent, then the cursor moves in the transaction that records the delivery. Who is killed in between sends
it again, with the same id. A message that fails is tried again, and what follows it in its search waits; other searches
and other webhooks do not: each webhook gets one message a turn.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError

from nas_controller.store.base import LeaseLostError, NotFoundError, Store
from nas_controller.webhooks.courier import Answer
from nas_controller.webhooks.messages import body_of, message_of_test, next_message
from nas_controller.webhooks.records import (
    Delivery,
    Message,
    Outcome,
    Webhook,
    WebhookCursor,
    WebhookLease,
)
from nas_controller.webhooks.signing import key_sha256, signed_headers, signing_key

POLL_SECONDS = 1.0
LEASE_SECONDS = 60.0
LEAST_LEASE_SECONDS = 30.0
"""So much is left of a lease when something is sent: more than resolving and sending take."""
MAX_ATTEMPTS = 8
FIRST_DELAY_SECONDS = 5.0
DELAY_FACTOR = 5.0
"""5 s, 25 s, 2 min, 10 min, 52 min, 4 h, 22 h: eight attempts in little more than a day."""
JITTER = 0.2
END_SECONDS = 15.0

Post = Callable[[str, Mapping[str, str], bytes], Answer]
_log = logging.getLogger(__name__)


@dataclass
class Deliverer:
    """Sends what is due.

    Args:
        post: sends a body with headers to a URL.
        session_secret: from which the keys of webhooks are derived.
        jitter: a random number in [0, 1) whenever it is called.
        owner: of leases; unlike that of any other process that ever works on the store.
        ahead: cursors that stand further on than those that are stored, for in between nothing is to be told.
    """

    store: Store
    post: Post
    session_secret: str
    now: Callable[[], datetime]
    jitter: Callable[[], float]
    owner: str
    ahead: dict[tuple[str, str], WebhookCursor] = field(default_factory=dict)
    leases: dict[str, WebhookLease] = field(default_factory=dict)
    served: dict[str, str] = field(default_factory=dict)

    def step(self) -> bool:
        """Sends each webhook at most one message; whether anything was sent or written."""
        webhooks = [webhook for webhook in self.store.list_webhooks() if webhook.disabled_at is None]
        turns = [self._turn(webhook.id) for webhook in webhooks]
        return any(turns)

    def close(self) -> None:
        """Gives the leases back, so that the next process need not wait for their end."""
        for webhook_id in self.leases:
            self.store.claim_webhook(webhook_id, self.owner, self.now(), 0.0)
        self.leases = {}

    def _turn(self, webhook_id: str) -> bool:
        try:
            webhook = self.store.get_webhook(webhook_id)
            if self._work(webhook) is None:
                return False
            lease = self._lease(webhook_id)
            if lease is None:
                return False
            # Again, as it is now that nobody else sends: who had the lease may have gone on meanwhile.
            webhook = self.store.get_webhook(webhook_id)
            work = self._work(webhook)
            if isinstance(work, Message):
                self._deliver(webhook, lease, work)
            elif work is not None:
                self.store.move_webhook_cursor(lease, work)
            return work is not None
        except (LeaseLostError, NotFoundError) as error:
            self.leases.pop(webhook_id, None)
            _log.info("webhook %s: %s", webhook_id, error)
            return False

    def _work(self, webhook: Webhook) -> Message | WebhookCursor | None:
        """What is to be sent now; or a cursor that is to be closed; None where there is nothing to do."""
        if webhook.test_asked_at is not None:
            return message_of_test(webhook, webhook.test_asked_at)
        served, closed = self.served.get(webhook.id, ""), None
        cursors = self.store.webhook_cursors(webhook.id)
        there = {(webhook.id, cursor.search_id) for cursor in cursors}
        self.ahead = {key: each for key, each in self.ahead.items() if key in there or key[0] != webhook.id}
        for stored in sorted(cursors, key=lambda cursor: (cursor.search_id <= served, cursor.search_id)):
            if stored.next_attempt_at is not None and stored.next_attempt_at > self.now():
                continue
            key = (webhook.id, stored.search_id)
            message, self.ahead[key] = next_message(self.store, webhook, _further(stored, self.ahead.get(key)))
            if message is not None:
                return message
            closed = closed or (self.ahead[key] if self.ahead[key].is_closed else None)
        return closed

    def _lease(self, webhook_id: str) -> WebhookLease | None:
        now, lease = self.now(), self.leases.get(webhook_id)
        if lease is None or (lease.expires_at - now).total_seconds() < LEAST_LEASE_SECONDS:
            lease = self.store.claim_webhook(webhook_id, self.owner, now, LEASE_SECONDS)
        if lease is not None:
            self.leases[webhook_id] = lease
        return lease

    def _deliver(self, webhook: Webhook, lease: WebhookLease, message: Message) -> None:
        answer = self._send(webhook, message)
        at = self.now()
        cursor = None
        if message.done is not None:
            cursor = self.ahead[webhook.id, message.done.search_id]
            self.served[webhook.id] = cursor.search_id
        attempt = 1 if cursor is None else cursor.num_attempts + 1
        outcome = _outcome(answer, attempt, is_test=cursor is None)
        if cursor is not None and outcome in (Outcome.DELIVERED, Outcome.GIVEN_UP):
            cursor = message.done
        elif cursor is not None:
            cursor = replace(cursor, num_attempts=attempt, next_attempt_at=at + self._delay(attempt))
        delivery = Delivery(
            message_id=message.id,
            type=message.type,
            at=at,
            attempt=attempt,
            outcome=outcome,
            status=answer.status,
            error=_error(answer, outcome),
        )
        self.store.record_delivery(lease, delivery, cursor)
        level = logging.INFO if outcome is Outcome.DELIVERED else logging.WARNING
        reason = delivery.error or "accepted"
        _log.log(level, "message %s, attempt %d: %s (%s)", message.id, attempt, outcome, reason)

    def _send(self, webhook: Webhook, message: Message) -> Answer:
        key = signing_key(self.session_secret, webhook.id)
        if key_sha256(key) != webhook.secret_sha256:
            return Answer(
                None, "made under another session secret than the controller has: its receiver knows another key"
            )
        body = body_of(message)
        return self.post(webhook.url, signed_headers(key, message.id, int(self.now().timestamp()), body), body)

    def _delay(self, attempt: int) -> timedelta:
        """How long after a failed attempt the next one follows; up to a fifth more or less."""
        seconds = FIRST_DELAY_SECONDS * DELAY_FACTOR ** (attempt - 1)
        return timedelta(seconds=seconds * (1 + JITTER * (2 * self.jitter() - 1)))


def _further(stored: WebhookCursor, ahead: WebhookCursor | None) -> WebhookCursor:
    """The stored cursor, moved over entries of which it is known that they tell nothing."""
    if ahead is None or ahead.sequence <= stored.sequence:
        return stored
    return replace(stored, sequence=ahead.sequence, course=ahead.course)


def _outcome(answer: Answer, attempt: int, *, is_test: bool) -> Outcome:
    if answer.status is not None and 200 <= answer.status < 300:
        return Outcome.DELIVERED
    if answer.status == 410:
        return Outcome.GONE
    return Outcome.GIVEN_UP if is_test or attempt >= MAX_ATTEMPTS else Outcome.FAILED


def _error(answer: Answer, outcome: Outcome) -> str:
    if answer.status is None or outcome is Outcome.DELIVERED:
        return answer.error
    if 300 <= answer.status < 400:
        return f"answered with {answer.status}: redirects are not followed"
    return f"answered with {answer.status}"


@contextmanager
def delivering(deliverer: Deliverer, is_over: threading.Event) -> Iterator[None]:
    """Sends on a thread of its own until the end of the block; what is on its way then is waited for.

    Args:
        is_over: is set at the end; whatever waits for something on that thread had better wait for this too.
    """

    def deliver() -> None:
        while not is_over.is_set():
            try:
                was_busy = deliverer.step()
            except Exception:  # the database is away, or a defect of ours: nothing is lost, it is tried again
                _log.exception("webhooks were not told")
                was_busy = False
            if not was_busy:
                is_over.wait(POLL_SECONDS)
        with suppress(DBAPIError):
            deliverer.close()

    thread = threading.Thread(target=deliver, name="webhooks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(END_SECONDS)
