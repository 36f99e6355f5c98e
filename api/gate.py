"""What every request passes before a route sees it: host, token, origin, rate, body; and headers on every answer.

It stands before routing, so a route that forgets about access cannot exist.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import SESSION_COOKIE, Auth
from api.bodies import read_body, refused_body, replay
from api.errors import problem_response
from api.limits import RateLimit, peer_of, too_many
from api.settings import ApiSettings

READINESS = "/readyz"
"""Open, for a probe has no token; but it says more to who has one, so one that is sent must be right."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
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

    def __init__(self, app: ASGIApp, settings: ApiSettings, auth: Auth, failures: RateLimit, writes: RateLimit) -> None:
        self._app = app
        self._settings = settings
        self._auth = auth
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
            self._refused_host(headers) or self._refused_access(scope, headers) or self._refused_rate(scope, headers)
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

    def _refused_access(self, scope: Scope, headers: Headers) -> Response | None:
        if is_open(scope["path"]) and not (scope["path"] == READINESS and "authorization" in headers):
            return None
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() == "bearer" and self._auth.is_token(token.strip()):
                return None
            seconds = self._failures.take(peer_of(scope))
            if seconds:
                return too_many(seconds)
        elif self._auth.is_session(cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE, "")):
            if scope["method"] in SAFE_METHODS or _is_same_origin(scope, headers):
                return None
            return problem_response(403, "auth.cross_origin", "a browser may change things from our own pages only")
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse("/login", 303)
        return problem_response(
            401,
            "auth.required",
            "send the access token as `Authorization: Bearer ...`, or open the link that `spinesearch up` prints",
            headers={"WWW-Authenticate": 'Bearer realm="spinesearch"'},
        )

    def _refused_rate(self, scope: Scope, headers: Headers) -> Response | None:
        """Who has passed with a credential is known by it; on open paths nobody can spend what is another's."""
        if scope["method"] in SAFE_METHODS:
            return None
        if is_open(scope["path"]):
            key = peer_of(scope)
        elif "authorization" in headers:
            key = "token"
        else:
            key = cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE, "")
        seconds = self._writes.take(key)
        return too_many(seconds) if seconds else None


def _is_same_origin(scope: Scope, headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return headers.get("origin") == f"{scope['scheme']}://{headers.get('host', '')}"
