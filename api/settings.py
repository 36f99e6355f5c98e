"""What the API is told when it starts: who may ask, from where, and how much at once."""

import hashlib
import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nas_controller.webhooks.hosts import NO_HOSTS, WebhookHosts

SHORTEST_SECRET = 32


def hash_token(token: str) -> str:
    """The sha256 of an access token, hex: the only form in which a token is kept.

    >>> hash_token("abc")[:16]
    'ba7816bf8f01cfea'
    """
    return hashlib.sha256(token.encode()).hexdigest()


def read_or_create_secret(path: Path) -> str:
    """The secret in a file that only its owner can read; made, 256 random bits in hex, where there is none.

    Raises:
        ValueError: what is in the file is no secret: with an empty token everybody would be let in.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Written aside and linked: another process finds the whole secret or none.
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, path)
    secret = path.read_bytes().decode("ascii", errors="replace").strip()
    if not (secret.isascii() and len(secret) >= SHORTEST_SECRET):
        raise ValueError(f"{path}: damaged; when it is deleted, another one is made")
    return secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Settings of one API process.

    Args:
        token_sha256: `hash_token` of the service's own access token, with all rights; those that are made with it are
            in the store.
        session_secret: key that signs sign-in links and browser sessions. Every process that serves the same
            users, or prints links for them, has the same one.
        allowed_hosts: names in a request's Host header that are answered, without port.
        max_body_bytes: a longer request body is refused with 413.
        max_body_values: so is one with more values than that, counted by its commas: each wrong one costs a message.
        body_seconds: a request body that takes longer to arrive is refused with 408.
        writes_per_minute: requests that change something, of each token, session or, without them, address.
        failures_per_minute: wrong tokens and sign-in codes of each address that are answered with 401; then 429.
            A right token always passes: it cannot be guessed, and nobody can lock out its owner.
        secure_cookie: whether the session cookie is sent over HTTPS only; set it behind TLS.
        login_seconds: life of a sign-in link.
        session_seconds: life of a browser session.
        event_poll_seconds: how often an event stream looks for new ledger entries.
        heartbeat_seconds: longest silence of an event stream.
        webhook_hosts: where messages may be sent; the controller, which sends them, must be told the same.
    """

    token_sha256: str
    session_secret: str
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    max_body_bytes: int = 1_000_000
    max_body_values: int = 5_000
    body_seconds: float = 20.0
    writes_per_minute: int = 60
    failures_per_minute: int = 10
    secure_cookie: bool = False
    login_seconds: float = 600.0
    session_seconds: float = 7 * 24 * 3600.0
    event_poll_seconds: float = 0.5
    heartbeat_seconds: float = 15.0
    webhook_hosts: WebhookHosts = NO_HOSTS

    def __post_init__(self) -> None:
        if len(self.token_sha256) != 64:
            raise ValueError("token_sha256: must be the 64 hex digits of a sha256")
        if len(self.session_secret) < SHORTEST_SECRET:
            raise ValueError(f"session_secret: must have at least {SHORTEST_SECRET} characters")
        if min(self.writes_per_minute, self.failures_per_minute) < 1:
            raise ValueError("writes_per_minute, failures_per_minute: must be at least 1")
