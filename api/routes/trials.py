"""Trials of a search: all of them, one, the best, and their course."""

from typing import Annotated

from fastapi import APIRouter, Query

from api import schemas, views
from api.context import Context
from api.errors import problem_docs
from api.history import MAX_POINTS
from api.routes.parameters import PageSize, SearchId, TrialNumber
from nas_controller.records import TrialState

router = APIRouter(prefix="/v1/searches/{search_id}", tags=["trials"], responses=problem_docs(400, 401, 404, 422))


@router.get("/trials", operation_id="listTrials", summary="List trials by number")
def list_trials(
    search_id: SearchId,
    context: Context,
    page_size: PageSize = 100,
    page_token: Annotated[int, Query(ge=0, le=2**31 - 1, description="`next_page_token` of the page before")] = 0,
    state: Annotated[tuple[TrialState, ...], Query(description="only trials in these states")] = (),
) -> schemas.TrialPage:
    """One page of trials, references included."""
    context.store.get_search(search_id)
    trials = context.store.list_trials(search_id, page_size + 1, after=page_token, states=state)
    return schemas.TrialPage(
        trials=[views.trial_summary(trial) for trial in trials[:page_size]],
        next_page_token=str(trials[page_size - 1].number) if len(trials) > page_size else None,
    )


@router.get("/trials:best", operation_id="listBestTrials", summary="The best architectures, and the references")
def best_trials(
    search_id: SearchId, context: Context, limit: Annotated[int, Query(ge=1, le=500)] = 10
) -> schemas.BestTrials:
    """Completed trials by reward, one for each fingerprint; each compared on val with the best reference."""
    context.store.get_search(search_id)
    return views.best_trials(context.store, search_id, limit)


@router.get("/trials/{number}", operation_id="getTrial", summary="Show a trial")
def get_trial(search_id: SearchId, number: TrialNumber, context: Context) -> schemas.TrialDetail:
    """The trial with its spec, decisions, costs, jobs and evaluations."""
    return views.trial_detail(context.store, context.store.get_trial(search_id, number))


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
    """State, reward, best so far and smoothed mean of every trial; a long search is reduced, extremes kept."""
    search = context.store.get_search(search_id)
    started_at = search.started_at or search.created_at
    return schemas.History.model_validate(context.histories.points(search_id, started_at, max_points))
