"""Access tokens in a SQL database."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, insert, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from nas_controller.access_tokens import AccessToken, Scope
from nas_controller.store import access_rules, rules
from nas_controller.store.base import ConflictError, NotFoundError
from nas_controller.store.tables import token as tokens
from nas_controller.store.tokens import TokenStore


class SqlTokens(TokenStore):
    """A part of `SqlStore`, whose engines it shares."""

    _reader: Engine
    _writer: Engine

    def create_token(self, token: AccessToken) -> AccessToken:
        token = access_rules.checked_token(token)
        try:
            with self._writer.begin() as connection:
                connection.execute(insert(tokens).values(**asdict(token) | {"scope": token.scope.value}))
        except IntegrityError:
            if self.find_token(token.secret_sha256) != token:
                raise ConflictError(f"token {token.id} exists") from None
        return token

    def get_token(self, token_id: str) -> AccessToken:
        with self._reader.begin() as connection:
            row = connection.execute(select(tokens).where(tokens.c.id == token_id)).mappings().one_or_none()
        if row is None:
            raise NotFoundError(f"no token {token_id}")
        return _token_of(row)

    def find_token(self, secret_sha256: str) -> AccessToken | None:
        statement = select(tokens).where(tokens.c.secret_sha256 == secret_sha256)
        with self._reader.begin() as connection:
            row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else _token_of(row)

    def list_tokens(self, limit: int, before: str | None = None) -> list[AccessToken]:
        newest_first = (tokens.c.created_at.desc(), tokens.c.id.desc())
        statement = select(tokens).order_by(*newest_first).limit(limit)
        if before is not None:
            last = self.get_token(before)
            statement = statement.where(tuple_(tokens.c.created_at, tokens.c.id) < tuple_(last.created_at, last.id))
        with self._reader.begin() as connection:
            return [_token_of(row) for row in connection.execute(statement).mappings()]

    def revoke_token(self, token_id: str, at: datetime) -> AccessToken:
        is_good = (tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
        with self._writer.begin() as connection:
            connection.execute(update(tokens).where(*is_good).values(revoked_at=rules.in_utc(at)))
        return self.get_token(token_id)

    def record_token_use(self, token_id: str, on: date) -> None:
        is_news = or_(tokens.c.last_used_on.is_(None), tokens.c.last_used_on < on)
        with self._writer.begin() as connection:
            connection.execute(update(tokens).where(tokens.c.id == token_id, is_news).values(last_used_on=on))


def _token_of(row: Mapping[Any, Any]) -> AccessToken:
    values = {name: row[name] for name in AccessToken.__dataclass_fields__}
    return AccessToken(**{**values, "scope": Scope(row["scope"])})
