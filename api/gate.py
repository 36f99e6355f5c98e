"""What every request passes before a route sees it: host, token, origin, scope, rate, body; headers on each answer.

It stands before routing, so a route that forgets about access cannot exist.
"""

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Access, DeniedError
from api.auth import SESSION_COOKIE, Grant
from api.bodies import read_body, refused_body, replay
from api.errors import problem_response
from api.limits import RateLimit, peer_of, too_many
from api.scopes import SAFE_METHODS, needed_scope
from api.settings import ApiSettings

READINESS = "/readyz"
"""Open, for a probe has no token; but it says more to who has one, so one that is sent must be right."""
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_open(path: str) -> bool:
    """Whether a path is answered without a token: health, sign-in and the dashboard's static files."""
    return path in ("/healthz", READINESS, "/login") or path.startswith("/static/")


class Gate:
    """ASGI middleware; the only one."""

    def __init__(
        self, app: ASGIApp, settings: ApiSettings, access: Access, failures: RateLimit, writes: RateLimit
    ) -> None:
        self._app = app
        self._settings = settings
        self._access = access
        self._failures = failures
        self._writes = writes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"the API speaks HTTP only, not {scope['type']}")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        refusal = (
            self._refused_host(headers)
            or await self._refused_access(scope, headers)
            or self._refused_rate(scope, headers)
        )
        body = await read_body(headers, receive, self._settings, is_wanted=refusal is None)
        refusal = refusal or refused_body(body, self._settings)
        if refusal is None:
            await self._app(scope, replay(body, receive), send_with_headers)
            return
        if not body.is_whole:
            refusal.headers["Connection"] = "close"
        await refusal(scope, receive, send_with_headers)

    def _refused_host(self, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name.lower() in self._settings.allowed_hosts:
            return None
        return problem_response(400, "host.not_allowed", "this service does not answer to that host name")

    async def _refused_access(self, scope: Scope, headers: Headers) -> Response | None:
        if is_open(scope["path"]) and not (scope["path"] == READINESS and "authorization" in headers):
            return None
        try:
            grant = await self._access.grant(headers)
        except DeniedError as error:
            return self._denied(scope, headers, error)
        except SQLAlchemyError:
            return problem_response(503, "store.unavailable", "the database does not answer: try again")
        is_change = scope["method"] not in SAFE_METHODS
        if is_change and "authorization" not in headers and not _is_same_origin(scope, headers):
            return problem_response(403, "auth.cross_origin", "a browser may change things from our own pages only")
        needed = needed_scope(scope["method"], scope["path"])
        if not grant.scope.covers(needed):
            detail = f"this wants a token with the scope {needed}, yours has {grant.scope}"
            return problem_response(403, f"auth.needs_{needed}", detail)
        scope.setdefault("state", {})["grant"] = grant
        return None

    def _denied(self, scope: Scope, headers: Headers, error: DeniedError) -> Response:
        if "authorization" in headers:
            seconds = self._failures.take(peer_of(scope))
            if seconds:
                return too_many(seconds)
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse("/login", 303)
        return problem_response(401, error.code, str(error), headers={"WWW-Authenticate": 'Bearer realm="spinesearch"'})

    def _refused_rate(self, scope: Scope, headers: Headers) -> Response | None:
        """Who has passed with a token, or a session made by it, is known by it; who has another session, by that. On
        open paths nobody can spend what is another's."""
        if scope["method"] in SAFE_METHODS:
            return None
        grant: Grant | None = scope.get("state", {}).get("grant")
        if grant is None:
            key = peer_of(scope)
        elif grant.token_id or "authorization" in headers:
            key = f"token {grant.token_id}"
        else:
            key = cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE, "")
        seconds = self._writes.take(key)
        return too_many(seconds) if seconds else None


def _is_same_origin(scope: Scope, headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return headers.get("origin") == f"{scope['scheme']}://{headers.get('host', '')}"
