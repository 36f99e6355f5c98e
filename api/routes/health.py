"""Whether the service is there."""

from fastapi import APIRouter

from api import schemas
from api.context import Context
from api.errors import ProblemError, problem_docs

router = APIRouter(tags=["service"])


@router.get("/healthz", operation_id="getHealth", summary="Whether the process answers; needs no token")
def get_health() -> schemas.Health:
    """Touches nothing else."""
    return schemas.Health(status="ok")


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Whether the database answers",
    responses=problem_docs(401, 503),
)
def get_readiness(context: Context) -> schemas.Health:
    """Reads one row."""
    try:
        context.store.list_searches(limit=1)
    except Exception as error:
        raise ProblemError(503, "store.unavailable", f"the database does not answer: {error}") from error
    return schemas.Health(status="ready")
