"""The nouns of webhooks: what is told to whom, how far, and what became of the last message.

A webhook gets *messages*, each made from one entry of a search's ledger. A cursor says how far that has come in one
search; it moves when a message was delivered or given up, so that none is lost and each comes in its order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class MessageType(StrEnum):
    """What a message is about; TEST is sent when somebody asks for it."""

    SEARCH_STATE = "search.state"
    SEARCH_BEST = "search.best"
    SEARCH_FAILING = "search.failing"
    TEST = "webhook.test"


class Outcome(StrEnum):
    """How an attempt to deliver a message ended. FAILED is tried again; GONE: the receiver wants no more (410)."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GIVEN_UP = "given_up"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt.

    Args:
        message_id: as in the header `webhook-id`.
        attempt: 1, 2, ... of this message.
        status: of the receiver's answer; None where none came.
        error: why it is not DELIVERED, for people.
    """

    message_id: str
    type: MessageType
    at: datetime
    attempt: int
    outcome: Outcome
    status: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a search had come to at an entry of its ledger, as far as messages tell of it.

    Args:
        state: and its reason: the last that was said; "" before the first.
        best_reward: of all trials that were trained to their end; None while there is none.
        num_trained: completed, stopped early or failed.
    """

    state: str = ""
    reason: str = ""
    best_reward: float | None = None
    num_trained: int = 0
    num_failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Who is told what.

    Args:
        types: the messages that are wanted.
        search_id: the only search that is told of; None for all.
        secret_sha256: of the key that signs: it tells whoever derives the key whether it is the one that was shown.
        test_asked_at: when a test was asked for that was not sent yet; None where there is none.
        disabled_at: when the receiver said that it wants no more; None while it is told.
        num_delivered, num_given_up: messages.
    """

    id: str
    url: str
    types: tuple[MessageType, ...]
    search_id: str | None
    secret_sha256: str
    created_at: datetime
    test_asked_at: datetime | None = None
    disabled_at: datetime | None = None
    num_delivered: int = 0
    num_given_up: int = 0
    last_delivery: Delivery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCursor:
    """How far a webhook has been told of a search.

    Args:
        sequence: of the last ledger entry that is done with.
        num_done: messages of the entry after it that are done with: one entry may make two.
        course: at `sequence`; None where it was not derived yet.
        num_attempts: of the next message, all of which failed.
        next_attempt_at: it is not tried before; None: at once.
        is_closed: the search is final, and all of it is done with.
    """

    webhook_id: str
    search_id: str
    sequence: int = 0
    num_done: int = 0
    course: Course | None = None
    num_attempts: int = 0
    next_attempt_at: datetime | None = None
    is_closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookLease:
    """The right of one process to send to a webhook until it expires; `token` grows with each claim."""

    webhook_id: str
    owner: str
    token: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent.

    Args:
        id: the same whenever it is sent: receivers know by it what they have had.
        at: when it happened.
        done: the cursor once it is delivered or given up; None for a test.
    """

    id: str
    type: MessageType
    at: datetime
    data: Mapping[str, Any]
    done: WebhookCursor | None
