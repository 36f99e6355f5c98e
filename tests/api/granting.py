"""Tokens in a store, and what is sent with them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from api.auth import SESSION_COOKIE, Auth, Grant
from api.settings import hash_token
from nas_controller.access_tokens import AccessToken, Scope
from nas_controller.store.base import Store
from tests.api.serving import make_settings

DAY = timedelta(days=1)


def secret_of(number: int) -> str:
    """A secret of the form that ours have; each number has its own."""
    return f"spinesearch_{number:064x}"


def token_id_of(number: int) -> str:
    """The id of the token with that secret."""
    return f"{number:012x}"


def add_token(store: Store, number: int, scope: Scope, **changes: Any) -> dict[str, str]:
    """Keeps a token that was made an hour ago and is good for a day; the headers of who has it."""
    now = datetime.now(UTC)
    token = AccessToken(
        id=token_id_of(number),
        name=f"token {number}",
        secret_sha256=hash_token(secret_of(number)),
        scope=scope,
        created_at=now - timedelta(hours=1),
        expires_at=now + DAY,
    )
    store.create_token(replace(token, **changes))
    return bearer(number)


def bearer(number: int) -> dict[str, str]:
    """What a program sends."""
    return {"Authorization": f"Bearer {secret_of(number)}"}


def session(scope: Scope = Scope.ADMIN, token_id: str = "", age: timedelta = timedelta()) -> dict[str, str]:
    """The cookie that a browser sends after a link that was made by a token, or on the machine, so long ago."""
    auth = Auth(make_settings(), lambda: datetime.now(UTC) - age)
    cookie = auth.redeem_login_code(auth.issue_login_code(Grant(scope=scope, token_id=token_id)))
    return {"Cookie": f"{SESSION_COOKIE}={cookie}"}
