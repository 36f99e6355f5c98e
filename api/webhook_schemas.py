"""Who is told what: the public shape of webhooks."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nas_controller.search_config import SearchKey
from nas_controller.webhooks.hosts import LONGEST_URL
from nas_controller.webhooks.records import MessageType, Outcome

EventName = Literal["search.state", "search.best", "search.failing"]
_EXAMPLE: dict[str, Any] = {"url": "https://hooks.example.com/searches", "events": ["search.state", "search.best"]}


class WebhookRequest(BaseModel):
    """A webhook that is to be made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    url: str = Field(max_length=LONGEST_URL, description="https, to a host that the operator allowed")
    events: list[EventName] = Field(min_length=1, max_length=3, description="what is told")
    search: SearchKey | None = Field(None, description="the only search that is told of; null: all, later ones too")

    @field_validator("events")
    @classmethod
    def _each_once(cls, events: list[EventName]) -> list[EventName]:
        return list(dict.fromkeys(events))


class Delivery(BaseModel):
    """One attempt to deliver a message."""

    message_id: str = Field(description="the header `webhook-id`")
    type: MessageType
    at: datetime
    attempt: int
    outcome: Outcome = Field(description="failed: it is tried again; gone: the receiver answered 410 and gets no more")
    status: int | None = Field(description="of the receiver's answer; null where none came")
    error: str


class Webhook(BaseModel):
    """A webhook, without its key."""

    id: str
    url: str
    events: list[MessageType]
    search: str | None
    state: Literal["active", "disabled"] = Field(description="disabled: its receiver answered 410")
    created_at: datetime
    disabled_at: datetime | None
    test_asked_at: datetime | None = Field(description="of a test that was not sent yet")
    num_delivered: int
    num_given_up: int
    last_delivery: Delivery | None


class Retry(BaseModel):
    """A search whose next message has failed so far."""

    search: str
    attempts: int
    next_attempt_at: datetime | None


class WebhookDetail(Webhook):
    """A webhook, with what it waits for."""

    retries: list[Retry]


class NewWebhook(Webhook):
    """A webhook that was just made."""

    secret: str = Field(description="the key of its signatures, `whsec_...`; nobody can show it again")


class WebhookList(BaseModel):
    """All webhooks, the oldest first."""

    webhooks: list[Webhook]
