"""What the database promises about access tokens: a part of `store.base`, whose rules for methods hold here too."""

from abc import ABC, abstractmethod
from datetime import date, datetime

from nas_controller.access_tokens import AccessToken


class TokenStore(ABC):
    """Tokens are never deleted: a revoked one says who had access, and until when."""

    @abstractmethod
    def create_token(self, token: AccessToken) -> AccessToken:
        """The token, kept. `ConflictError` where another one has its id or its secret."""

    @abstractmethod
    def get_token(self, token_id: str) -> AccessToken:
        """The token, or `NotFoundError`."""

    @abstractmethod
    def find_token(self, secret_sha256: str) -> AccessToken | None:
        """The token with this secret, also where it has expired or was revoked; None where there is none."""

    @abstractmethod
    def list_tokens(self, limit: int, before: str | None = None) -> list[AccessToken]:
        """At most `limit` tokens, newest first; those that follow on token `before` only (`NotFoundError` where there
        is none)."""

    @abstractmethod
    def revoke_token(self, token_id: str, at: datetime) -> AccessToken:
        """The token, which opens nothing any more; one that was revoked before stays as it is. Or `NotFoundError`."""

    @abstractmethod
    def record_token_use(self, token_id: str, on: date) -> None:
        """The token was used on that day; nothing is written where a use on that day or a later one is known, or where
        there is no such token."""
