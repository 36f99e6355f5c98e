"""The work on a trial's architecture."""

from fastapi import APIRouter

from api import schemas, views
from api.context import Context
from api.errors import problem_docs
from api.routes.parameters import SearchId, TrialNumber

router = APIRouter(prefix="/v1/searches/{search_id}", tags=["trials"], responses=problem_docs(401, 404, 422))


@router.get("/trials/{number}/jobs", operation_id="listJobs", summary="The work on a trial")
def list_jobs(search_id: SearchId, number: TrialNumber, context: Context) -> schemas.TrialJobs:
    """Jobs with their attempts, evaluations and failures, without the trial's architecture: small enough to be asked
    for again and again while it is trained. What workers print is at `logs`."""
    return views.trial_jobs(context.store, context.store.get_trial(search_id, number))
