"""The dashboard's pages, and signing in. A page is a frame: what it shows comes from the REST API."""

import re
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from api.auth import SESSION_COOKIE
from api.context import ApiContext, Context
from api.limits import peer_of, too_many
from api.routes.parameters import TrialNumber
from nas_controller.access_tokens import Scope
from nas_controller.records import SearchState, TrialState
from nas_controller.store.base import NotFoundError
from search_space.export.formats import FORMATS

router = APIRouter()

_STATIC = Path(__file__).parents[1] / "dashboard" / "static"
_A_YEAR = "public, max-age=31536000, immutable"


@cache
def plotly_version() -> str:
    """Version of the plotly wheel, which decides its plotly.js."""
    return version("plotly")


def _plotly_path() -> Path:
    return Path(str(files("plotly").joinpath("package_data", "plotly.min.js")))


@cache
def plotly_style_ids() -> tuple[str, ...]:
    """Ids of the style elements that plotly.js adds for its maps unless the page has them.

    Our page has empty ones, so that nothing is added and `style-src` needs no 'unsafe-inline'.
    """
    script = _plotly_path().read_text(encoding="utf-8")
    return tuple(sorted(set(re.findall(r'getElementById\("([0-9a-f]{64})"\)', script))))


@cache
def modules_of(page: str) -> tuple[str, ...]:
    """The ES modules that a page's own imports, those of its imports, and so on.

    A page that names them lets the browser fetch all at once, not one layer of imports after the other.
    """
    found: list[str] = []
    waiting = [page]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += re.findall(r'from "\./([a-z_]+\.js)";', (_STATIC / name).read_text(encoding="utf-8"))
    return tuple(found)


def _page(context: ApiContext, request: Request, name: str, status: int = 200, **values: object) -> HTMLResponse:
    found = {"is_read_only": _is_read_only(request), **values}
    return context.templates.TemplateResponse(request, name, found, status_code=status)


def _is_read_only(request: Request) -> bool:
    """Whether who asks may change nothing. Pages then offer nothing that the gate would refuse, and say why."""
    grant = getattr(request.state, "grant", None)  # none on the sign-in page, which is open
    return grant is not None and not grant.scope.covers(Scope.WRITE)


def _plotly() -> dict[str, Any]:
    return {"plotly_version": plotly_version(), "plotly_style_ids": plotly_style_ids()}


@router.get("/")
def searches_page(request: Request, context: Context) -> HTMLResponse:
    """All searches."""
    origin = str(request.base_url).rstrip("/")
    return _page(context, request, "searches.html", origin=origin, states=list(SearchState))


@router.get("/searches/new")
def new_page(request: Request, context: Context) -> HTMLResponse:
    """The form that starts a search. No search has this id: each ends in a random suffix."""
    return _page(context, request, "new.html")


@router.get("/compare")
def compare_page(request: Request, context: Context) -> HTMLResponse:
    """Several searches beside each other."""
    return _page(context, request, "compare.html", **_plotly())


@router.get("/searches/{search_id}/trials/{number}")
def trial_page(
    request: Request,
    search_id: str,
    number: TrialNumber,
    context: Context,
    other: Annotated[str, Query(alias="with")] = "",
) -> HTMLResponse:
    """One trial, whole, or beside another architecture."""
    try:
        search = context.store.get_search(search_id)
    except NotFoundError:
        return _page(context, request, "missing.html", 404, search_id=search_id)
    try:
        trial = context.store.get_trial(search_id, number)
    except NotFoundError:
        return _page(context, request, "missing.html", 404, search_id=search_id, number=number)
    return _page(
        context,
        request,
        "trial.html",
        search=search,
        number=number,
        title=trial.draft.name or f"Trial {number}",
        has_next=bool(context.store.list_trials(search_id, 1, after=number)),
        is_compared=bool(other),
        formats=list(FORMATS),
    )


@router.get("/searches/{search_id}")
def search_page(request: Request, search_id: str, context: Context) -> HTMLResponse:
    """One search, live."""
    try:
        search = context.store.get_search(search_id)
    except NotFoundError:
        return _page(context, request, "missing.html", 404, search_id=search_id)
    return _page(
        context,
        request,
        "search.html",
        search=search,
        trial_states=list(TrialState),
        modules=modules_of("search_page.js"),
        **_plotly(),
    )


@router.get("/login")
def login(request: Request, context: Context, code: Annotated[str, Query(max_length=200)] = "") -> Response:
    """A good code becomes a session cookie; anything else is told how to get one."""
    session = context.auth.redeem_login_code(code) if code else None
    if session is None:
        seconds = context.failures.take(peer_of(request.scope)) if code else 0
        if seconds:
            return too_many(seconds)
        return _page(context, request, "login.html", 401, was_refused=bool(code))
    response = RedirectResponse("/", 303)
    response.set_cookie(
        SESSION_COOKIE,
        session,
        max_age=int(context.settings.session_seconds),
        httponly=True,
        samesite="strict",
        secure=context.settings.secure_cookie,
    )
    return response


@router.post("/logout")
def logout() -> Response:
    """The browser forgets its session."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return response


@router.get("/static/plotly.min.js")
def plotly_script() -> FileResponse:
    """plotly.js out of the plotly wheel; pages ask for it with its version, so it may be kept."""
    return FileResponse(_plotly_path(), media_type="text/javascript", headers={"Cache-Control": _A_YEAR})
