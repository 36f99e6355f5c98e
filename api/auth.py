"""What lets somebody in: a bearer token for programs, a signed session cookie for browsers.

A browser signs in with a one-time link, `/login?code=...`. Code and session are both
`expiry.nonce.scope.token.signature`: they let in with the scope of who made the link, while that token is good (its id
is empty where the link was made on the machine). The signature is an HMAC over purpose, parts and the hash of the
service's own token, so any process with the same settings can issue a link (the supervisor prints one), and changing
that token ends all sessions. A code works once: its nonce is remembered until it expires. That memory is the process's
own; after a restart an unexpired link would work once more, which its short life bounds.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from api.settings import ApiSettings, hash_token
from nas_controller.access_tokens import Scope

SESSION_COOKIE = "spinesearch_session"
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What somebody may do.

    Args:
        token_id: the token by which they may, while it is good; "": the service's own, or the machine.
        expires_at: of the session; None for who sent a token.
    """

    scope: Scope
    token_id: str = ""
    expires_at: datetime | None = None


MACHINE = Grant(scope=Scope.ADMIN)
"""Of who can read the service's secrets."""


class Auth:
    """Checks the service's own token and sessions; issues and redeems sign-in codes. Safe for threads."""

    def __init__(self, settings: ApiSettings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def is_token(self, token: str) -> bool:
        """Whether this is the service's own token; takes the same time for every wrong one."""
        return hmac.compare_digest(hash_token(token), self._settings.token_sha256)

    def issue_login_code(self, grant: Grant = MACHINE) -> str:
        """A fresh code for `/login?code=`, good once, for `login_seconds`."""
        return self._signed("login", grant, self._settings.login_seconds)

    def redeem_login_code(self, code: str) -> str | None:
        """The value of a new session cookie, or None for a code that is wrong, expired or used."""
        grant = self._grant_in("login", code)
        if grant is None:
            return None
        expiry, nonce, *_ = code.split(".")
        now = self._clock().timestamp()
        with self._lock:
            self._used = {used: until for used, until in self._used.items() if until > now}
            if nonce in self._used:
                return None
            self._used[nonce] = float(expiry)
        return self._signed("session", grant, self._settings.session_seconds)

    def session_grant(self, cookie: str) -> Grant | None:
        """What who has this session cookie may do, as far as its token is good; None where it is none, or expired."""
        return self._grant_in("session", cookie)

    def _signed(self, purpose: str, grant: Grant, seconds: float) -> str:
        expiry = str(int(self._clock().timestamp() + seconds))
        signed = f"{expiry}.{secrets.token_hex(16)}.{grant.scope}.{grant.token_id}"
        return f"{signed}.{self._signature(purpose, signed)}"

    def _grant_in(self, purpose: str, value: str) -> Grant | None:
        signed, _, signature = value.rpartition(".")
        if not value.isascii() or not hmac.compare_digest(signature, self._signature(purpose, signed)):
            return None
        expiry, _nonce, scope, token_id = signed.split(".")
        expires_at = datetime.fromtimestamp(int(expiry), UTC)
        if expires_at <= self._clock():
            return None
        return Grant(scope=Scope(scope), token_id=token_id, expires_at=expires_at)

    def _signature(self, purpose: str, signed: str) -> str:
        message = f"{purpose}.{signed}.{self._settings.token_sha256}"
        return hmac.new(self._settings.session_secret.encode(), message.encode(), hashlib.sha256).hexdigest()
