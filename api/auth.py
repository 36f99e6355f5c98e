"""Who may ask: a bearer token for programs, a signed session cookie for browsers.

A browser signs in with a one-time link, `/login?code=...`. Code and session are both
`expiry.nonce.signature`: the signature is an HMAC over purpose, expiry, nonce and the token's hash, so any
process with the same settings can issue a link (the supervisor prints one), and changing the token ends all
sessions. A code works once: its nonce is remembered until it expires. That memory is the process's own; after
a restart an unexpired link would work once more, which its short life bounds.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from api.settings import ApiSettings, hash_token

SESSION_COOKIE = "spinesearch_session"
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class Auth:
    """Checks tokens and sessions; issues and redeems sign-in codes. Safe for threads."""

    def __init__(self, settings: ApiSettings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def is_token(self, token: str) -> bool:
        """Whether this is the access token; takes the same time for every wrong one."""
        return hmac.compare_digest(hash_token(token), self._settings.token_sha256)

    def issue_login_code(self) -> str:
        """A fresh code for `/login?code=`, good once, for `login_seconds`."""
        return self._signed("login", self._settings.login_seconds)

    def redeem_login_code(self, code: str) -> str | None:
        """The value of a new session cookie, or None for a code that is wrong, expired or used."""
        if not self._is_valid("login", code):
            return None
        expiry, nonce, _ = code.split(".")
        now = self._clock().timestamp()
        with self._lock:
            self._used = {used: until for used, until in self._used.items() if until > now}
            if nonce in self._used:
                return None
            self._used[nonce] = float(expiry)
        return self._signed("session", self._settings.session_seconds)

    def is_session(self, cookie: str) -> bool:
        """Whether this is a session cookie that has not expired."""
        return self._is_valid("session", cookie)

    def _signed(self, purpose: str, seconds: float) -> str:
        expiry = str(int(self._clock().timestamp() + seconds))
        nonce = secrets.token_hex(16)
        return f"{expiry}.{nonce}.{self._signature(purpose, expiry, nonce)}"

    def _is_valid(self, purpose: str, value: str) -> bool:
        parts = value.split(".")
        if len(parts) != 3 or not value.isascii():
            return False
        expiry, nonce, signature = parts
        if not hmac.compare_digest(signature, self._signature(purpose, expiry, nonce)):
            return False
        return int(expiry) > self._clock().timestamp()

    def _signature(self, purpose: str, expiry: str, nonce: str) -> str:
        message = f"{purpose}.{expiry}.{nonce}.{self._settings.token_sha256}"
        return hmac.new(self._settings.session_secret.encode(), message.encode(), hashlib.sha256).hexdigest()
