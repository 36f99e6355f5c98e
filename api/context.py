"""What every route works with; made once by `create_app`, read from the application."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.templating import Jinja2Templates

from api.access import Access
from api.auth import Auth, Grant
from api.insights import Insights
from api.limits import RateLimit
from api.metrics import ApiMetrics
from api.readiness import Readiness
from api.settings import ApiSettings
from nas_controller.artifacts.base import ArtifactStore
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store

CheckSearch = Callable[[SearchConfig], None]
"""Checks what only the composition root can: data set, budget. Raises `ValueError`, with a `place` if it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """The API's collaborators."""

    store: Store
    artifacts: ArtifactStore
    settings: ApiSettings
    auth: Auth
    access: Access
    failures: RateLimit
    metrics: ApiMetrics
    readiness: Readiness
    check_search: CheckSearch
    clock: Callable[[], datetime]
    insights: Insights
    templates: Jinja2Templates


def context_of(request: Request) -> ApiContext:
    """The context of the application that got this request."""
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(context_of)]


def grant_of(request: Request) -> Grant:
    """What who sent this request may do; of routes that are not open, on which nobody was asked."""
    grant: Grant = request.state.grant
    return grant


Granted = Annotated[Grant, Depends(grant_of)]
