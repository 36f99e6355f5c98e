"""Request bodies, read to their end before anything else happens, in bounded memory and time.

The server goes on reading what an application leaves unread, for ever if it must. So a body that is not wanted is
read and thrown away, and a connection whose body has no end in sight is closed with the answer.
"""

import asyncio
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive

from api.errors import problem_response
from api.settings import ApiSettings

THROWN_AWAY = 4
"""So many times the limit is read before a connection is closed: who sends a little too much can read why not."""


@dataclass(slots=True)
class Body:
    """What has arrived. `content` is empty where it is not wanted, or too long; `is_whole`: its end was seen."""

    content: bytearray = field(default_factory=bytearray)
    num_bytes: int = 0
    is_whole: bool = False


async def read_body(headers: Headers, receive: Receive, settings: ApiSettings, *, is_wanted: bool) -> Body:
    """Returns when the body has ended, is far too long, takes too long, or the client is gone."""
    body = Body()
    if "content-length" not in headers and "transfer-encoding" not in headers:
        body.is_whole = True
        return body
    most = THROWN_AWAY * settings.max_body_bytes
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > 15 or int(declared) > most:
        body.num_bytes = most + 1
        return body
    kept = settings.max_body_bytes if is_wanted else 0
    try:
        async with asyncio.timeout(settings.body_seconds):
            while not body.is_whole and body.num_bytes <= most:
                _take(body, await receive(), kept)
    except (TimeoutError, ConnectionError):
        pass
    return body


def _take(body: Body, message: Message, kept: int) -> None:
    if message["type"] == "http.disconnect":
        raise ConnectionError("the client is gone")
    chunk = message.get("body", b"")
    body.num_bytes += len(chunk)
    if body.num_bytes <= kept:
        body.content += chunk
    else:
        body.content.clear()
    body.is_whole = not message.get("more_body", False)


def refused_body(body: Body, settings: ApiSettings) -> Response | None:
    """The answer to a body that is too long, did not come, or has too many values; None for one that may pass."""
    if body.num_bytes > settings.max_body_bytes:
        return problem_response(413, "body.too_large", f"a request body has at most {settings.max_body_bytes} bytes")
    if not body.is_whole:
        return problem_response(408, "body.too_slow", "the request body did not arrive in time")
    if body.content.count(b",") >= settings.max_body_values:
        return problem_response(
            413, "body.too_many_values", f"a request body has at most {settings.max_body_values} values"
        )
    return None


def replay(body: Body, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, and afterwards what the server says."""
    pending = [bytes(body.content)]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed
