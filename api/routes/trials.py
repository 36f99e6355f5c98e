"""Trials of a search: all of them, one, the best, and their course."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import Field

from api import schemas, views
from api.constraints import limits_of
from api.context import ApiContext, Context
from api.enqueueing import request_draft
from api.errors import problem_docs
from api.history import history_fields
from api.pareto_schemas import CostKind
from api.routes.parameters import PageSize, SearchId, TrialNumber
from api.steering_schemas import Enqueue, Promotion, Request, RequestPage
from nas_controller.insight.course import MAX_POINTS
from nas_controller.records import SearchState, TrialKey, TrialState
from nas_controller.requests import RequestDraft, RequestVerb
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import ConflictError
from nas_controller.trial_summaries import Objective, TrialSummary

PageToken = Annotated[int, Query(ge=0, le=2**31 - 1, description="`next_page_token` of the page before")]
_CONSTRAINT = """`multiply_adds<=2G` or `parameters<=30M`: of the backbone at target size; several hold together.
Numbers as in 2000000000, 2e9, 2G or 350M"""
Numbered = Annotated[int, Field(ge=1, le=2**31 - 1)]
router = APIRouter(prefix="/v1/searches/{search_id}", tags=["trials"], responses=problem_docs(400, 401, 404, 422))


@router.get("/trials", operation_id="listTrials", summary="List trials by number")
def list_trials(
    search_id: SearchId,
    context: Context,
    page_size: PageSize = 100,
    page_token: PageToken = 0,
    state: Annotated[tuple[TrialState, ...], Query(description="only trials in these states")] = (),
    number: Annotated[tuple[Numbered, ...], Query(max_length=100, description="only these trials, on one page")] = (),
) -> schemas.TrialPage:
    """One page of trials, references included."""
    context.store.get_search(search_id)
    if number:
        asked = [context.store.get_trial(search_id, each) for each in sorted(set(number))]
        found = [views.trial_summary(TrialSummary.of(trial)) for trial in asked if not state or trial.state in state]
        return schemas.TrialPage(trials=found, next_page_token=None)
    trials = context.store.list_summaries(search_id, page_size + 1, after=page_token, states=state)
    return schemas.TrialPage(
        trials=[views.trial_summary(trial) for trial in trials[:page_size]],
        next_page_token=str(trials[page_size - 1].number) if len(trials) > page_size else None,
    )


@router.get("/trials:best", operation_id="listBestTrials", summary="The best architectures, and the references")
def best_trials(
    search_id: SearchId,
    context: Context,
    limit: Annotated[int, Query(ge=1, le=500)] = 10,
    objective: Annotated[Objective, Query(description="what they are the best in")] = Objective.REWARD,
    constraint: Annotated[tuple[str, ...], Query(max_length=20, description=_CONSTRAINT)] = (),
) -> schemas.BestTrials:
    """Completed trials by the objective, one for each fingerprint; each compared on val with the best reference. The
    references are named whatever they cost."""
    limits = limits_of(constraint)
    context.store.get_search(search_id)
    return views.best_trials(
        context.store,
        search_id,
        limit,
        objective,
        max_multiply_adds=limits.get(CostKind.MULTIPLY_ADDS),
        max_parameters=limits.get(CostKind.PARAMETERS),
    )


@router.get("/trials/{number}", operation_id="getTrial", summary="Show a trial")
def get_trial(search_id: SearchId, number: TrialNumber, context: Context) -> schemas.TrialDetail:
    """The trial with its spec, decisions, costs, jobs and evaluations."""
    return views.trial_detail(context.store, context.store.get_trial(search_id, number))


@router.get("/trials/{number}/children", operation_id="listChildren", summary="List what was made from a trial")
def list_children(
    search_id: SearchId, number: TrialNumber, context: Context, page_size: PageSize = 100, page_token: PageToken = 0
) -> schemas.TrialChildren:
    """Trials that have it among their `parents`: an algorithm mutated it, or somebody enqueued a variant of it."""
    context.store.get_trial(search_id, number)
    return views.trial_children(context.store, search_id, number, page_size, page_token)


@router.get("/trials/{number}/measurements", operation_id="listMeasurements", summary="The curve of a trial")
def list_measurements(search_id: SearchId, number: TrialNumber, context: Context) -> schemas.Curve:
    """AP and loss while the trial was trained; also of one that still runs, failed or was stopped."""
    context.store.get_trial(search_id, number)
    return views.curve(context.store.list_measurements(search_id, number))


@router.get("/history", operation_id="getHistory", summary="The course of the search as compact arrays")
def get_history(
    search_id: SearchId,
    context: Context,
    max_points: Annotated[int, Query(ge=100, le=MAX_POINTS, description="reduce to about so many trials")] = MAX_POINTS,
) -> schemas.History:
    """State, reward, cost, best so far and smoothed mean of every trial; a long search is reduced, extremes kept."""
    search = context.store.get_search(search_id)
    with context.insights.of(search) as insight:
        fields = history_fields(insight, search.started_at or search.created_at, max_points)
    return schemas.History.model_validate(fields)


_PROMOTED = (TrialState.COMPLETED, TrialState.STOPPED_EARLY)
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "headers": {"Location": {"description": "path of the request: look there", "schema": {"type": "string"}}},
        "description": "a controller will take it in its next free slot",
    },
    **problem_docs(403, 408, 409, 413),
}


@router.post(
    "/trials:enqueue",
    operation_id="enqueueTrial",
    summary="Have an architecture of your own trained",
    status_code=202,
    responses=_ACCEPTED,
)
def enqueue_trial(search_id: SearchId, wanted: Enqueue, response: Response, context: Context) -> Request:
    """It becomes a trial with arm `enqueued` before the algorithm is asked again, as long as no limit is reached; the
    algorithm learns from it. Widths are those that the space's own rule gives its decisions."""
    draft = request_draft(context.store, context.store.get_search(search_id), wanted)
    return _ask(context, search_id, draft, response)


def _ask(context: ApiContext, search_id: str, draft: RequestDraft, response: Response) -> Request:
    (asked,) = context.store.add_requests(search_id, [draft], context.clock())
    response.headers["Location"] = f"/v1/searches/{search_id}/requests/{asked.number}"
    return views.request(asked)


@router.post(
    "/trials/{number}:stop",
    operation_id="stopTrial",
    summary="End a trial with what it measured last",
    status_code=202,
    responses=_ACCEPTED,
)
def stop_trial(search_id: SearchId, number: TrialNumber, response: Response, context: Context) -> Request:
    """Its training ends at its next measurement at the latest, and the trial is `stopped_early`. A training that is
    measured at its end only (`proxy.measure_at`) cannot be stopped."""
    trial = context.store.get_trial(search_id, number)
    if trial.state.is_final:
        raise ConflictError(f"trial {number} is {trial.state}: it cannot be stopped")
    if not SearchConfig.from_document(context.store.get_search(search_id).config).task().measure_at:
        raise ConflictError("trials of this search are measured at their end only: proxy.measure_at is empty")
    draft = RequestDraft(verb=RequestVerb.STOP, source=TrialKey(search_id=search_id, number=number))
    return _ask(context, search_id, draft, response)


@router.post(
    "/trials/{number}:retry",
    operation_id="retryTrial",
    summary="Try a failed architecture again",
    status_code=202,
    responses=_ACCEPTED,
)
def retry_trial(search_id: SearchId, number: TrialNumber, response: Response, context: Context) -> Request:
    """A new trial of the same architecture, with another seed and arm `retry`; what failed stays as it is."""
    trial = context.store.get_trial(search_id, number)
    if trial.state is not TrialState.FAILED:
        raise ConflictError(f"trial {number} is {trial.state}: only a failed one is tried again")
    draft = RequestDraft(
        verb=RequestVerb.RETRY,
        source=TrialKey(search_id=search_id, number=number),
        spec=trial.draft.spec,
        genotype=trial.draft.genotype,
        name=trial.draft.name,
    )
    return _ask(context, search_id, draft, response)


@router.post(
    "/trials/{number}:promote",
    operation_id="promoteTrial",
    summary="Train a trial's architecture for longer",
    status_code=202,
    responses=_ACCEPTED,
)
def promote_trial(
    search_id: SearchId,
    number: TrialNumber,
    response: Response,
    context: Context,
    wanted: Annotated[Promotion, Body(default_factory=Promotion)],
) -> Request:
    """Jobs of kind `full_train`: the same network, trained on all of train, the reward split included, and measured on
    val; its weights are files of the trial. They are no trials: only limits on time and money count them, and no
    algorithm is told. The search must not have ended."""
    trial = context.store.get_trial(search_id, number)
    if trial.state not in _PROMOTED:
        raise ConflictError(f"trial {number} is {trial.state}: only a trained one is promoted")
    state = context.store.get_search(search_id).state
    if state.is_final or state is SearchState.STOPPING:
        raise ConflictError(
            f"search {search_id} is {state} and trains nothing more: clone it, have this trial trained there "
            f'(`trials:enqueue` with {{"trial": {number}, "search": "{search_id}"}}), and promote that one'
        )
    draft = RequestDraft(
        verb=RequestVerb.PROMOTE,
        source=TrialKey(search_id=search_id, number=number),
        num_steps=wanted.steps,
        num_seeds=wanted.seeds,
    )
    return _ask(context, search_id, draft, response)


@router.get("/requests", operation_id="listRequests", summary="List what was asked of a search")
def list_requests(
    search_id: SearchId,
    context: Context,
    page_size: PageSize = 100,
    page_token: PageToken = 0,
    open_only: Annotated[bool, Query(description="only what waits to be taken")] = False,
) -> RequestPage:
    """One page of requests by number, those of a warm start included."""
    found = context.store.list_requests(search_id, page_size + 1, page_token, open_only=open_only)
    return RequestPage(
        requests=[views.request(asked) for asked in found[:page_size]],
        next_page_token=str(found[page_size - 1].number) if len(found) > page_size else None,
    )


@router.get("/requests/{request_number}", operation_id="getRequest", summary="Show what was asked")
def get_request(
    search_id: SearchId,
    request_number: Annotated[int, Path(ge=1, le=2**31 - 1, description="number of the request in its search")],
    context: Context,
) -> Request:
    """The request, and the trial that it became."""
    return views.request(context.store.get_request(search_id, request_number))
