"""Tokens that an admin makes for others: what each may do, and until when."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Scope(StrEnum):
    """What somebody may do; each scope may do what those before it may.

    >>> Scope.WRITE.covers(Scope.READ), Scope.WRITE.covers(Scope.ADMIN)
    (True, False)
    """

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: "Scope") -> bool:
        """Whether who has this scope may do what needs that one."""
        order = list(Scope)
        return order.index(self) >= order.index(needed)


class TokenState(StrEnum):
    """Whether a token opens anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token without its secret, which only its holder has.

    Args:
        name: for people; several tokens may have the same.
        secret_sha256: hexadecimal. The secret has 256 random bits: nobody can try them all, so that a plain hash keeps
            it as well as a slow one with a salt would.
        expires_at: None: it does not expire.
        last_used_on: the day, UTC, on which it was used last; None where it never was.
    """

    id: str
    name: str
    secret_sha256: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_on: date | None = None

    def state(self, now: datetime) -> TokenState:
        """What it is at this time."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        is_over = self.expires_at is not None and self.expires_at <= now
        return TokenState.EXPIRED if is_over else TokenState.ACTIVE
