"""What a store may write of tokens and webhooks, as pure functions over records; both stores obey them."""

from dataclasses import replace
from datetime import datetime, timedelta

from nas_controller.access_tokens import AccessToken
from nas_controller.store import rules
from nas_controller.store.base import ConflictError
from nas_controller.webhooks.records import Delivery, Outcome, Webhook, WebhookCursor, WebhookLease


def checked_token(token: AccessToken) -> AccessToken:
    """The token with its times in UTC."""
    expires_at = None if token.expires_at is None else rules.in_utc(token.expires_at)
    return replace(
        token, name=rules.storable(token.name), created_at=rules.in_utc(token.created_at), expires_at=expires_at
    )


def checked_webhook(webhook: Webhook) -> Webhook:
    """The webhook with its time in UTC."""
    return replace(webhook, created_at=rules.in_utc(webhook.created_at))


def same_webhook(webhook: Webhook, made: Webhook) -> Webhook:
    """The webhook that there is; ConflictError where another one is to be made under its id."""
    if (webhook.url, webhook.created_at, webhook.secret_sha256) != (made.url, made.created_at, made.secret_sha256):
        raise ConflictError(f"webhook {made.id} exists")
    return webhook


def asked_for_test(webhook: Webhook, at: datetime) -> Webhook:
    """The webhook, to which a test is to be sent."""
    if webhook.disabled_at is not None:
        raise ConflictError(f"webhook {webhook.id} is disabled: its receiver answered that it wants no more")
    return replace(webhook, test_asked_at=webhook.test_asked_at or at)


def next_webhook_lease(
    webhook: Webhook, held: WebhookLease | None, owner: str, at: datetime, seconds: float
) -> WebhookLease | None:
    """The lease that `owner` gets, or None while another holds it or nothing is sent any more."""
    is_held = held is not None and held.owner != owner and held.expires_at > at
    if is_held or webhook.disabled_at is not None:
        return None
    token = held.token + 1 if held is not None else 1
    return WebhookLease(webhook_id=webhook.id, owner=owner, token=token, expires_at=at + timedelta(seconds=seconds))


def with_delivery(webhook: Webhook, delivery: Delivery, *, is_test: bool) -> Webhook:
    """The webhook after an attempt; the same attempt again is not counted again."""
    delivery = replace(delivery, at=rules.in_utc(delivery.at), error=rules.storable(delivery.error))
    if webhook.last_delivery == delivery:
        return webhook
    counts = not is_test
    return replace(
        webhook,
        last_delivery=delivery,
        num_delivered=webhook.num_delivered + (counts and delivery.outcome is Outcome.DELIVERED),
        num_given_up=webhook.num_given_up + (counts and delivery.outcome is Outcome.GIVEN_UP),
        disabled_at=delivery.at if delivery.outcome is Outcome.GONE else webhook.disabled_at,
        test_asked_at=None if is_test else webhook.test_asked_at,
    )


def checked_cursor(cursor: WebhookCursor) -> WebhookCursor:
    """The cursor with its time in UTC."""
    return replace(cursor, next_attempt_at=cursor.next_attempt_at and rules.in_utc(cursor.next_attempt_at))
