"""One id for each request: in its answer, in its problem, in the log."""

import re
import secrets
from contextvars import ContextVar

HEADER = "X-Request-ID"
_ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,64}")

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")
"""Of the request that this thread or task works on; "" outside of one."""


def request_id_of(sent: str) -> str:
    """The id that a client or a proxy sent where it is a plain word, else a new one.

    >>> request_id_of("7f3a-1")
    '7f3a-1'
    """
    return sent if _ALLOWED.fullmatch(sent) else secrets.token_hex(8)
