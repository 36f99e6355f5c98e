"""Access tokens in this process' memory."""

import threading
from dataclasses import replace
from datetime import date, datetime

from nas_controller.access_tokens import AccessToken
from nas_controller.store import access_rules, rules
from nas_controller.store.base import ConflictError, NotFoundError
from nas_controller.store.tokens import TokenStore


class MemoryTokens(TokenStore):
    """A part of `MemoryStore`, whose lock it shares."""

    _lock: threading.RLock
    _tokens: dict[str, AccessToken]

    def create_token(self, token: AccessToken) -> AccessToken:
        token = access_rules.checked_token(token)
        with self._lock:
            same = [each for each in self._tokens.values() if token.id == each.id]
            same += [each for each in self._tokens.values() if token.secret_sha256 == each.secret_sha256]
            if not same:
                self._tokens[token.id] = token
            elif same != [token, token]:
                raise ConflictError(f"token {token.id} exists")
            return token

    def get_token(self, token_id: str) -> AccessToken:
        with self._lock:
            if token_id not in self._tokens:
                raise NotFoundError(f"no token {token_id}")
            return self._tokens[token_id]

    def find_token(self, secret_sha256: str) -> AccessToken | None:
        with self._lock:
            return next((each for each in self._tokens.values() if each.secret_sha256 == secret_sha256), None)

    def list_tokens(self, limit: int, before: str | None = None) -> list[AccessToken]:
        with self._lock:
            tokens = sorted(self._tokens.values(), key=lambda token: (token.created_at, token.id), reverse=True)
            first = 0 if before is None else tokens.index(self.get_token(before)) + 1
            return tokens[first : first + limit]

    def revoke_token(self, token_id: str, at: datetime) -> AccessToken:
        at = rules.in_utc(at)
        with self._lock:
            token = self.get_token(token_id)
            if token.revoked_at is None:
                token = self._tokens[token_id] = replace(token, revoked_at=at)
            return token

    def record_token_use(self, token_id: str, on: date) -> None:
        with self._lock:
            token = self._tokens.get(token_id)
            if token is not None and (token.last_used_on is None or token.last_used_on < on):
                self._tokens[token_id] = replace(token, last_used_on=on)
