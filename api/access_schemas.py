"""Who is let in: the public shape of tokens and sign-in links."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from nas_controller.access_tokens import Scope, TokenState
from nas_controller.section import Whole


class TokenRequest(BaseModel):
    """A token that is to be made."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "nightly reports", "scope": "read", "days": 30}]}
    )

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 @._-]*$", description="for people")
    scope: Scope = Field(description="read; write: start and steer searches too; admin: tokens and webhooks too")
    days: Annotated[Whole, Field(ge=1, le=3650)] | None = Field(
        None, description="it opens nothing after so many; null: for ever"
    )


class Token(BaseModel):
    """An access token, without its secret."""

    id: str
    name: str
    scope: Scope
    state: TokenState = Field(description="only an active one opens anything")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_on: date | None = Field(description="the last day of use, UTC")


class NewToken(Token):
    """A token that was just made."""

    secret: str = Field(description="what is sent as `Authorization: Bearer ...`; nobody can show it again")


class TokenPage(BaseModel):
    """One page of tokens, newest first."""

    tokens: list[Token]
    next_page_token: str | None


class SignInLink(BaseModel):
    """Signs one browser in, once."""

    path: str = Field(description="behind the address of the service, as the browser sees it")
    scope: Scope = Field(description="of the session: that of whoever asked for the link")
    expires_at: datetime
