"""Who asks, and what they may do: looked up in the store at every request.

Nothing is kept between requests: a token that is revoked, or expires, opens nothing from the next request on, in every
process of the service. The look-up is one row by an index. The service's own token is in the settings.
"""

import logging
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from api.auth import MACHINE, SESSION_COOKIE, Auth, Grant
from api.settings import hash_token
from nas_controller.access_tokens import AccessToken, TokenState
from nas_controller.store.base import NotFoundError
from nas_controller.store.tokens import TokenStore

_SECRET = re.compile(r"spinesearch_[0-9a-f]{64}")
"""What cannot be the secret of a token is not looked up."""
_HOW = "send an access token as `Authorization: Bearer ...`, or open the link that `spinesearch up` prints"

_log = logging.getLogger(__name__)


def new_secret() -> str:
    """A token's secret: 256 random bits behind a name by which one that lies about is recognised."""
    return f"spinesearch_{secrets.token_hex(32)}"


class DeniedError(Exception):
    """Nobody whom we know; `code` is that of the problem."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Access:
    """Tells what a request may do. Safe for threads."""

    def __init__(self, auth: Auth, tokens: TokenStore, clock: Callable[[], datetime]) -> None:
        self._auth = auth
        self._tokens = tokens
        self._clock = clock

    async def grant(self, headers: Headers) -> Grant:
        """What who sent these headers may do. A token that is sent counts, and a session beside it does not.

        Raises:
            DeniedError: no credential, or one that is wrong, expired or revoked.
            SQLAlchemyError: the database does not answer.
        """
        authorization = headers.get("authorization")
        if authorization is None:
            return await self._of_session(cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE, ""))
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return await self._of_secret(secret.strip())
        raise DeniedError("auth.required", _HOW)

    def holds(self, grant: Grant) -> bool:
        """Whether a grant of an earlier request still is one."""
        if grant.expires_at is not None and grant.expires_at <= self._clock():
            return False
        with suppress(NotFoundError):
            token = self._tokens.get_token(grant.token_id) if grant.token_id else None
            return token is None or token.state(self._clock()) is TokenState.ACTIVE
        return False

    async def _of_secret(self, secret: str) -> Grant:
        if self._auth.is_token(secret):
            return MACHINE
        token = None
        if _SECRET.fullmatch(secret):
            token = await run_in_threadpool(self._tokens.find_token, hash_token(secret))
        if token is None:
            raise DeniedError("auth.required", _HOW)
        await self._use(token)
        return Grant(scope=token.scope, token_id=token.id)

    async def _of_session(self, cookie: str) -> Grant:
        grant = self._auth.session_grant(cookie)
        if grant is None:
            raise DeniedError("auth.required", _HOW)
        if grant.token_id:
            try:
                token = await run_in_threadpool(self._tokens.get_token, grant.token_id)
            except NotFoundError:
                raise DeniedError("auth.required", _HOW) from None
            await self._use(token)
        return grant

    async def _use(self, token: AccessToken) -> None:
        """Refuses a token that is over; of one that is not, keeps the day: one write a day."""
        now = self._clock()
        state = token.state(now)
        if state is not TokenState.ACTIVE:
            raise DeniedError(f"auth.{state}", f"the token {token.id} ({token.name}) is {state}")
        if token.last_used_on is None or token.last_used_on < now.date():
            try:
                await run_in_threadpool(self._tokens.record_token_use, token.id, now.date())
            except SQLAlchemyError as error:  # whoever only reads is not held up by a database that takes no writes
                _log.warning("the use of token %s was not written: %s", token.id, str(error).splitlines()[0])
