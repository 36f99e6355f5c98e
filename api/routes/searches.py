"""Start, list, show and steer searches."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Response

from api import schemas, views
from api.context import ApiContext, Context
from api.errors import FieldError, ProblemError, problem_docs
from api.routes.parameters import PageSize, SearchId
from nas_controller.records import Search, SearchState, search_id_of
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import NotFoundError

router = APIRouter(prefix="/v1", tags=["searches"], responses=problem_docs(400, 401, 403, 408, 413, 422))

_EXAMPLES = {
    "smallest": {"summary": "Generated data, every default", "value": {"space": "spinenet-49", "data": "generated"}},
    "own data": {
        "summary": "Own data in COCO format",
        "value": {
            "name": "blood-cells",
            "space": "spinenet-49",
            "budget": {"relative_to": "spinenet-49", "tolerance": 0.05},
            "algorithm": {"name": "reinforce", "seed": 7},
            "data": {
                "root": "/data/bccd",
                "train": {"images": "train", "annotations": "annotations/instances_train.json"},
                "val": {"images": "val", "annotations": "annotations/instances_val.json"},
            },
            "limits": {"trials": 200, "hours": 2},
        },
    },
}
_LOCATION = {"Location": {"description": "path of the search", "schema": {"type": "string"}}}


@router.post(
    "/searches",
    operation_id="createSearch",
    summary="Start a search",
    status_code=201,
    responses={
        200: {"model": schemas.SearchDetail, "description": "the search that this Idempotency-Key made before"},
        201: {"headers": _LOCATION, "description": "created; a controller will claim it"},
        **problem_docs(409),
    },
)
def create_search(
    config: Annotated[SearchConfig, Body(openapi_examples=_EXAMPLES)],
    response: Response,
    context: Context,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=128,
            pattern=r"^[\x21-\x7e]+$",
            description="the same key and body give the same search; the same key and another body 409",
        ),
    ] = None,
) -> schemas.SearchDetail:
    """Checks the document, the data set and the budget; then the search is pending until a controller claims it."""
    _check(config, context)
    new_id = search_id_of(config.name, secrets.token_hex(3))
    now = context.clock()
    search = context.store.create_search(new_id, config.name, config.to_document(), now, idempotency_key)
    response.status_code = 201 if search.id == new_id else 200
    response.headers["Location"] = f"/v1/searches/{search.id}"
    return views.search_detail(context.store, search, now)


def _check(config: SearchConfig, context: ApiContext) -> None:
    try:
        context.check_search(config)
    except ValueError as error:
        place = getattr(error, "place", "")
        message = str(error).removeprefix(f"{place}: ")
        raise ProblemError(422, "search.refused", str(error), [FieldError(place=place, message=message)]) from error


@router.get("/searches", operation_id="listSearches", summary="List searches, newest first")
def list_searches(
    context: Context,
    page_size: PageSize = 20,
    page_token: Annotated[str | None, Query(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] = None,
) -> schemas.SearchPage:
    """One page of searches with their counts and their best trial."""
    try:
        searches = context.store.list_searches(page_size + 1, before=page_token)
    except NotFoundError as error:
        raise ProblemError(400, "page_token.unknown", "page_token: not one that this service gave") from error
    now = context.clock()
    return schemas.SearchPage(
        searches=[views.search_summary(context.store, search, now) for search in searches[:page_size]],
        next_page_token=searches[page_size - 1].id if len(searches) > page_size else None,
    )


@router.get("/searches/{search_id}", operation_id="getSearch", summary="Show a search", responses=problem_docs(404))
def get_search(search_id: SearchId, context: Context) -> schemas.SearchDetail:
    """The search with its document, its counts, its progress and its best trial."""
    return views.search_detail(context.store, context.store.get_search(search_id), context.clock())


def _request(context: ApiContext, search_id: str, state: SearchState, reason: str) -> schemas.SearchDetail:
    now = context.clock()
    search: Search = context.store.request_state(search_id, state, reason, now)
    return views.search_detail(context.store, search, now)


_VERB_RESPONSES: dict[int | str, dict[str, Any]] = problem_docs(404, 409)


@router.post("/searches/{search_id}:pause", operation_id="pauseSearch", summary="Pause", responses=_VERB_RESPONSES)
def pause_search(search_id: SearchId, context: Context) -> schemas.SearchDetail:
    """Trials that run are finished; nothing new is started until the search is resumed."""
    return _request(context, search_id, SearchState.PAUSED, "paused by the user")


@router.post("/searches/{search_id}:resume", operation_id="resumeSearch", summary="Resume", responses=_VERB_RESPONSES)
def resume_search(search_id: SearchId, context: Context) -> schemas.SearchDetail:
    """A paused search is pending again; a controller claims it and goes on where it was."""
    return _request(context, search_id, SearchState.PENDING, "resumed by the user")


@router.post("/searches/{search_id}:stop", operation_id="stopSearch", summary="Stop", responses=_VERB_RESPONSES)
def stop_search(search_id: SearchId, context: Context) -> schemas.SearchDetail:
    """Trials that run are finished, the best are measured on val, and the search succeeds with what there is."""
    return _request(context, search_id, SearchState.STOPPING, "stopped by the user")


@router.post("/searches/{search_id}:cancel", operation_id="cancelSearch", summary="Cancel", responses=_VERB_RESPONSES)
def cancel_search(search_id: SearchId, context: Context) -> schemas.SearchDetail:
    """Everything that runs is thrown away; the search is final at once. What was finished stays."""
    return _request(context, search_id, SearchState.CANCELLED, "cancelled by the user")
