"""Whether the service is there, and whether it can work."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api import schemas
from api.context import Context
from api.errors import MEDIA_TYPE, problem_docs, problem_of
from api.readiness import NEEDED, CheckStatus

router = APIRouter(tags=["service"])


@router.get("/healthz", operation_id="getHealth", summary="Whether the process answers; needs no token")
def get_health() -> schemas.Health:
    """Touches nothing else."""
    return schemas.Health(status="ok")


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Whether the process can do its work now; needs no token, and says why not only to those who have one",
    response_model=schemas.Readiness,
    responses=problem_docs(401, 503),
)
async def get_readiness(request: Request, context: Context) -> JSONResponse:
    """Ready: the database answers, has the schema of this release, and takes a small write. A controller that is not
    alive is reported, and is no reason not to be ready: searches wait for it. Answers within two seconds.
    """
    checks = await context.readiness.checks()
    may_know = "authorization" in request.headers  # the gate has refused who sent a wrong token
    said = [schemas.Check(name=c.name, status=c.status, detail=c.detail) for c in checks] if may_know else []
    failed = [check for check in checks if check.name in NEEDED and check.status is not CheckStatus.OK]
    if not failed:
        return JSONResponse(schemas.Readiness(status="ready", checks=said).model_dump())
    detail = f"{failed[0].name}: {failed[0].detail}" if may_know else "the service cannot work now"
    problem = problem_of(503, "store.unavailable", detail).model_dump()
    return JSONResponse({**problem, "checks": [check.model_dump() for check in said]}, 503, media_type=MEDIA_TYPE)
