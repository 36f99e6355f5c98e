"""What is known of every request from outside: its id, how long it took, how it ended. It stands before the gate."""

import logging
import time
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem_response
from api.gate import SECURITY_HEADERS
from api.metrics import OTHER, ApiMetrics
from api.request_ids import HEADER, current_request_id, request_id_of

_log = logging.getLogger(__name__)
LONGEST_SEARCH_ID = 64


@dataclass
class _Answer:
    """What was sent so far."""

    began: float = field(default_factory=time.perf_counter)
    status: int = 0
    is_stream: bool = False


class Observation:
    """ASGI middleware, the outermost. An error that no handler knew is answered here, as a problem with its id."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(Headers(scope=scope).get(HEADER, ""))
        answer = _Answer()

        async def send_observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                self._begin(scope, answer, message["status"], headers, request_id)
            await send(message)

        token = current_request_id.set(request_id)
        try:
            await self._app(scope, receive, send_observed)
        except Exception:
            _log.exception("a request raised", extra=_ids(scope, request_id))
            if answer.status:
                raise  # half of it is sent: the server cuts the connection
            detail = "an error in the service; its log has the details"
            await problem_response(500, "internal", detail, headers=SECURITY_HEADERS)(scope, receive, send_observed)
        finally:
            current_request_id.reset(token)
            if answer.is_stream:
                self._metrics.sse_clients.dec()

    def _begin(self, scope: Scope, answer: _Answer, status: int, headers: Headers, request_id: str) -> None:
        """Counts an answer when its first bytes are sent: a stream may last for hours."""
        seconds = time.perf_counter() - answer.began
        answer.status = status
        answer.is_stream = headers.get("content-type", "").startswith("text/event-stream")
        if answer.is_stream:
            self._metrics.sse_clients.inc()
        self._metrics.answered(scope["method"], _route(scope), status, seconds)
        if status >= 500:
            more = {"status": status, "seconds": round(seconds, 6)}
            _log.error("a request was answered with %d", status, extra={**_ids(scope, request_id), **more})


def _route(scope: Scope) -> str:
    """The template of the route that answered: the path itself has ids in it, and whatever somebody may send."""
    template = getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) else OTHER


def _ids(scope: Scope, request_id: str) -> dict[str, object]:
    """What a line of the log is about; never the query, which may hold a sign-in code."""
    ids: dict[str, object] = {"request_id": request_id, "method": scope["method"], "route": _route(scope)}
    search_id = scope.get("path_params", {}).get("search_id")
    return {**ids, "search": str(search_id)[:LONGEST_SEARCH_ID]} if search_id else ids
