"""The HTTP application: `create_app` puts its parts together and does nothing else."""

import gc
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from api.access import Access
from api.auth import Auth, utc_now
from api.context import ApiContext, CheckSearch
from api.errors import add_error_handlers
from api.gate import Gate
from api.insights import Insights
from api.limits import RateLimit
from api.metrics import ApiMetrics
from api.observation import Observation
from api.openapi import set_openapi
from api.readiness import Readiness
from api.routes import (
    architectures,
    courses,
    events,
    export,
    health,
    inside,
    insight,
    jobs,
    logs,
    metrics,
    operations,
    pages,
    planning,
    searches,
    spaces,
    tables,
    thumbnails,
    tokens,
    trials,
    webhooks,
)
from api.routes import artifacts as artifact_routes
from api.settings import ApiSettings
from api.store_metrics import StoreCollector
from nas_controller.artifacts.base import ArtifactStore
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store

_DASHBOARD = Path(__file__).parent / "dashboard"


def accept_every_search(config: SearchConfig) -> None:
    """The check of an API that knows no data set: the document itself was checked already."""


def create_app(
    store: Store,
    artifacts: ArtifactStore,
    settings: ApiSettings,
    *,
    check_search: CheckSearch = accept_every_search,
    clock: Callable[[], datetime] = utc_now,
    auth: Auth | None = None,
    api_metrics: ApiMetrics | None = None,
    process_name: str = "api",
) -> FastAPI:
    """The service over `store`. It loads neither torch nor ray, and never computes a search.

    Args:
        check_search: called in a thread before a search is stored; raises `ValueError`, with a `place`.
        auth: to share with the process's own sign-in links; made from `settings` where left out.
        api_metrics: of this process, to share with who opened the store; what the store has is added.
        process_name: of this process among all that work on one database.
    """
    auth = auth or Auth(settings, clock)
    access = Access(auth, store, clock)
    api_metrics = api_metrics or ApiMetrics()
    api_metrics.registry.register(StoreCollector(store, clock))
    failures = RateLimit(settings.failures_per_minute, clock)
    writes = RateLimit(settings.writes_per_minute, clock)
    app = FastAPI(title="spinesearch", version=version("spinesearch"), docs_url=None, redoc_url=None)
    app.state.context = ApiContext(
        store=store,
        artifacts=artifacts,
        settings=settings,
        auth=auth,
        access=access,
        failures=failures,
        metrics=api_metrics,
        readiness=Readiness(store, process_name, clock),
        check_search=check_search,
        clock=clock,
        insights=Insights(store),
        templates=Jinja2Templates(_DASHBOARD / "templates"),
    )
    app.add_middleware(Gate, settings=settings, access=access, failures=failures, writes=writes)
    app.add_middleware(Observation, metrics=api_metrics)
    add_error_handlers(app)
    token = Depends(HTTPBearer(auto_error=False, description="an access token; `/healthz` and `/readyz` need none"))
    for routes in (
        searches,
        planning,
        courses,
        trials,
        thumbnails,
        insight,
        inside,
        jobs,
        logs,
        tables,
        architectures,
        events,
        export,
        operations,
        artifact_routes,
        spaces,
        tokens,
        webhooks,
        metrics,
    ):
        app.include_router(routes.router, dependencies=[token])
    app.include_router(health.router)
    app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=_DASHBOARD / "static"))
    set_openapi(app)
    return app


def keep_for_good() -> None:
    """What the process holds by now, the application above all, is left out of garbage collection from now on: looking
    through it takes 90 ms, in the middle of some request."""
    gc.collect()
    gc.freeze()
