"""Which messages the ledger of a search makes: a fold over its entries, the same whenever and wherever it is done."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from nas_controller.records import EntryKind, LedgerEntry, SearchState, TrialState
from nas_controller.requests import PAUSED_BY_USER
from nas_controller.store.base import Store
from nas_controller.webhooks.records import Course, Message, MessageType, Webhook, WebhookCursor

KINDS = (EntryKind.SEARCH_STATE, EntryKind.TRIAL_FINISHED)
"""All others make no message."""
PAGE = 500
_TRAINED = (TrialState.COMPLETED, TrialState.STOPPED_EARLY, TrialState.FAILED)


def next_message(store: Store, webhook: Webhook, cursor: WebhookCursor) -> tuple[Message | None, WebhookCursor]:
    """The message that follows on a cursor, or None, and the cursor as far as nothing was to be told.

    `NotFoundError` where the search was deleted.
    """
    search = store.get_search(cursor.search_id)  # before the ledger: of a final search there is nothing to come
    if cursor.course is None:
        cursor = replace(cursor, course=_course_at(store, cursor))
    while cursor.sequence < search.last_sequence:
        page = store.read_ledger(search.id, cursor.sequence, PAGE, KINDS)
        for entry in page:
            assert cursor.course is not None
            wanted = [each for each in message_types(cursor.course, entry) if each in webhook.types]
            if wanted[cursor.num_done :]:
                return _message(wanted, entry, cursor, search.name), cursor
            cursor = replace(cursor, sequence=entry.sequence, course=course_after(cursor.course, entry))
        if len(page) < PAGE:
            cursor = replace(cursor, sequence=max(cursor.sequence, search.last_sequence))
    return None, replace(cursor, is_closed=search.state.is_final)


def course_after(course: Course, entry: LedgerEntry) -> Course:
    """What a search had come to after one more entry."""
    said = entry.payload
    if entry.kind is EntryKind.SEARCH_STATE:
        return replace(course, state=said["state"], reason=said["reason"])
    if entry.kind is not EntryKind.TRIAL_FINISHED:
        return course
    state = TrialState(said["state"])
    return replace(
        course,
        best_reward=said["reward"] if _is_best(course, entry) else course.best_reward,
        num_trained=course.num_trained + (state in _TRAINED),
        num_failed=course.num_failed + (state is TrialState.FAILED),
    )


def message_types(course: Course, entry: LedgerEntry) -> list[MessageType]:
    """What an entry tells that was not so before: a controller that claims a search says again that it runs."""
    if entry.kind is EntryKind.TRIAL_FINISHED:
        return [MessageType.SEARCH_BEST] if _is_best(course, entry) else []
    said = entry.payload
    if entry.kind is not EntryKind.SEARCH_STATE or (said["state"], said["reason"]) == (course.state, course.reason):
        return []
    # Nobody but the user and the watch over failures pauses a search.
    is_failing = said["state"] == SearchState.PAUSED and said["reason"] != PAUSED_BY_USER
    return [MessageType.SEARCH_STATE, MessageType.SEARCH_FAILING] if is_failing else [MessageType.SEARCH_STATE]


def message_of_test(webhook: Webhook, asked_at: datetime) -> Message:
    """What is sent when somebody asks for it."""
    message_id = f"{webhook.id}_test_{int(asked_at.timestamp())}"
    return Message(id=message_id, type=MessageType.TEST, at=asked_at, data={"webhook": webhook.id}, done=None)


def body_of(message: Message) -> bytes:
    """The message as it is sent, and signed."""
    at = message.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    document = {"type": message.type.value, "timestamp": at, "data": dict(message.data)}
    return json.dumps(document, separators=(",", ":")).encode()


def _is_best(course: Course, entry: LedgerEntry) -> bool:
    """Whether a trial was trained to its end and got more than all before it."""
    reward = entry.payload["reward"]
    if entry.payload["state"] != TrialState.COMPLETED or reward is None:
        return False
    return course.best_reward is None or reward > course.best_reward


def _course_at(store: Store, cursor: WebhookCursor) -> Course:
    course, after = Course(), 0
    while True:
        page = store.read_ledger(cursor.search_id, after, PAGE, KINDS)
        for entry in page:
            if entry.sequence > cursor.sequence:
                return course
            course, after = course_after(course, entry), entry.sequence
        if len(page) < PAGE:
            return course


def _message(wanted: list[MessageType], entry: LedgerEntry, cursor: WebhookCursor, name: str) -> Message:
    """The first message of an entry that is not done with."""
    course, message_type = cursor.course, wanted[cursor.num_done]
    assert course is not None
    first = replace(cursor, num_attempts=0, next_attempt_at=None)
    if cursor.num_done + 1 < len(wanted):
        done = replace(first, sequence=entry.sequence - 1, num_done=cursor.num_done + 1)
    else:
        done = replace(first, sequence=entry.sequence, num_done=0, course=course_after(course, entry))
    return Message(
        id=f"{cursor.webhook_id}_{entry.search_id}_{entry.sequence}_{message_type.value.partition('.')[2]}",
        type=message_type,
        at=entry.at,
        data={"search": entry.search_id, "name": name, **_data(message_type, entry, course)},
        done=done,
    )


def _data(message_type: MessageType, entry: LedgerEntry, before: Course) -> dict[str, Any]:
    if message_type is MessageType.SEARCH_BEST:
        reward = entry.payload["reward"]
        return {"trial": entry.trial_number, "reward": reward, "best_before": before.best_reward}
    said = {"state": entry.payload["state"], "reason": entry.payload["reason"]}
    if message_type is MessageType.SEARCH_STATE:
        return said
    share = before.num_failed / before.num_trained if before.num_trained else 0.0
    return {**said, "trained": before.num_trained, "failed": before.num_failed, "failure_share": share}
