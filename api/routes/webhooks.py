"""Webhooks: made and deleted here; the controller sends. No route asks a receiver anything."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Path

from api.context import Context
from api.errors import FieldError, ProblemError, problem_docs
from api.webhook_schemas import (
    Delivery,
    NewWebhook,
    Retry,
    Webhook,
    WebhookDetail,
    WebhookList,
    WebhookRequest,
)
from nas_controller.store.base import NotFoundError
from nas_controller.webhooks import records
from nas_controller.webhooks.hosts import WebhookUrlError
from nas_controller.webhooks.signing import key_sha256, shown, signing_key

router = APIRouter(prefix="/v1", tags=["webhooks"], responses=problem_docs(400, 401, 403, 413, 422))

WebhookId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", description="id of the webhook", examples=["5d2e4f60a1b3"])]


@router.post(
    "/webhooks",
    operation_id="createWebhook",
    summary="Tell somebody what happens",
    status_code=201,
    responses=problem_docs(409),
)
def create_webhook(wanted: WebhookRequest, context: Context) -> NewWebhook:
    """From now on messages about searches are sent to the URL, signed as Standard Webhooks says. The answer has the
    key. Wants the scope admin."""
    try:
        context.settings.webhook_hosts.target(wanted.url)
    except WebhookUrlError as error:
        raise _refused("url", str(error)) from error
    webhook_id = secrets.token_hex(6)
    key = signing_key(context.settings.session_secret, webhook_id)
    webhook = records.Webhook(
        id=webhook_id,
        url=wanted.url,
        types=tuple(records.MessageType(name) for name in wanted.events),
        search_id=wanted.search,
        secret_sha256=key_sha256(key),
        created_at=context.clock(),
    )
    try:
        made = context.store.create_webhook(webhook)
    except NotFoundError as error:
        raise _refused("search", str(error)) from error
    return NewWebhook(**_fields(made), secret=shown(key))


@router.get("/webhooks", operation_id="listWebhooks", summary="List webhooks")
def list_webhooks(context: Context) -> WebhookList:
    """All of them; there are at most a hundred. Wants the scope admin."""
    return WebhookList(webhooks=[Webhook(**_fields(webhook)) for webhook in context.store.list_webhooks()])


@router.get("/webhooks/{webhook_id}", operation_id="getWebhook", summary="Show a webhook", responses=problem_docs(404))
def get_webhook(webhook_id: WebhookId, context: Context) -> WebhookDetail:
    """With its last delivery, and the searches whose next message is to be tried again. Wants the scope admin."""
    webhook = context.store.get_webhook(webhook_id)
    retries = [
        Retry(search=cursor.search_id, attempts=cursor.num_attempts, next_attempt_at=cursor.next_attempt_at)
        for cursor in context.store.webhook_cursors(webhook_id)
        if cursor.num_attempts
    ]
    return WebhookDetail(**_fields(webhook), retries=retries)


@router.delete(
    "/webhooks/{webhook_id}",
    operation_id="deleteWebhook",
    summary="Tell somebody no more",
    status_code=204,
    responses=problem_docs(404),
)
def delete_webhook(webhook_id: WebhookId, context: Context) -> None:
    """What was not sent is not sent any more. Wants the scope admin."""
    context.store.get_webhook(webhook_id)
    context.store.delete_webhook(webhook_id)


@router.post(
    "/webhooks/{webhook_id}:test",
    operation_id="testWebhook",
    summary="Send a test",
    status_code=202,
    responses=problem_docs(404, 409),
)
def ask_webhook_test(webhook_id: WebhookId, context: Context) -> Webhook:
    """A controller sends one message of the type `webhook.test` soon; `last_delivery` says what became of it. It is not
    tried again. Wants the scope admin."""
    return Webhook(**_fields(context.store.ask_webhook_test(webhook_id, context.clock())))


def _refused(place: str, message: str) -> ProblemError:
    return ProblemError(422, "webhook.refused", f"{place}: {message}", [FieldError(place=place, message=message)])


def _fields(webhook: records.Webhook) -> dict[str, Any]:
    last = webhook.last_delivery
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.types),
        "search": webhook.search_id,
        "state": "active" if webhook.disabled_at is None else "disabled",
        "created_at": webhook.created_at,
        "disabled_at": webhook.disabled_at,
        "test_asked_at": webhook.test_asked_at,
        "num_delivered": webhook.num_delivered,
        "num_given_up": webhook.num_given_up,
        "last_delivery": None if last is None else _delivery(last),
    }


def _delivery(delivery: records.Delivery) -> Delivery:
    return Delivery(
        message_id=delivery.message_id,
        type=delivery.type,
        at=delivery.at,
        attempt=delivery.attempt,
        outcome=delivery.outcome,
        status=delivery.status,
        error=delivery.error,
    )
