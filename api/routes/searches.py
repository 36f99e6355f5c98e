"""Start, list, show and steer searches."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Response

from api import schemas, views
from api.context import ApiContext, Context
from api.errors import FieldError, ProblemError, problem_docs
from api.merging import cloned_document, merge_patch
from api.routes.parameters import PageSize, SearchId
from api.steering_schemas import Archived, SearchPatch
from nas_controller.records import Search, SearchState, search_id_of
from nas_controller.requests import PAUSED_BY_USER, SearchEdit, SearchOrder, edit_tag
from nas_controller.search_config import SearchConfig, SearchConfigError
from nas_controller.store.base import NotFoundError, StaleError

router = APIRouter(prefix="/v1", tags=["searches"], responses=problem_docs(400, 401, 403, 408, 413, 422))

_EXAMPLES = {
    "smallest": {"summary": "Generated data, every default", "value": {"space": "spinenet-49", "data": "generated"}},
    "own data": {
        "summary": "Own data in COCO format",
        "value": {
            "name": "blood-cells",
            "space": "spinenet-49",
            "budget": {"relative_to": "spinenet-49", "tolerance": 0.05},
            "algorithm": {"name": "mixed", "seed": 7},
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
_ETAG = {
    "ETag": {"description": "of name, notes and limits: what `If-Match` of an edit wants", "schema": {"type": "string"}}
}
_CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": schemas.SearchDetail, "description": "the search that this Idempotency-Key made before"},
    201: {"headers": _LOCATION, "description": "created; a controller will claim it"},
    **problem_docs(409),
}
_MERGE_PATCH = "application/merge-patch+json"
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="the same key and body give the same search; the same key and another body 409",
    ),
]


@router.post(
    "/searches",
    operation_id="createSearch",
    summary="Start a search",
    status_code=201,
    responses=_CREATED,
)
def create_search(
    config: Annotated[SearchConfig, Body(openapi_examples=_EXAMPLES)],
    response: Response,
    context: Context,
    idempotency_key: IdempotencyKey = None,
) -> schemas.SearchDetail:
    """Checks the document, the data set and the budget; then the search is pending until a controller claims it."""
    return _create(config, response, context, idempotency_key)


def _create(
    config: SearchConfig, response: Response, context: ApiContext, key: str | None, cloned_from: str | None = None
) -> schemas.SearchDetail:
    _check(config, context)
    new_id = search_id_of(config.name, secrets.token_hex(3))
    now = context.clock()
    search = context.store.create_search(new_id, config.name, config.to_document(), now, key, cloned_from)
    response.status_code = 201 if search.id == new_id else 200
    response.headers["Location"] = f"/v1/searches/{search.id}"
    return _detail(search, response, context)


def _detail(search: Search, response: Response, context: ApiContext) -> schemas.SearchDetail:
    response.headers["ETag"] = f'"{edit_tag(search)}"'
    return views.search_detail(context.store, search, context.clock())


def _check(config: SearchConfig, context: ApiContext) -> None:
    try:
        _check_warm_start(config, context)
        context.check_search(config)
    except ValueError as error:
        raise _refused(error, "search.refused") from error


def _check_warm_start(config: SearchConfig, context: ApiContext) -> None:
    """The searches that it starts from must be there."""
    for search_id in () if config.warm_start is None else config.warm_start.searches:
        try:
            context.store.get_search(search_id)
        except NotFoundError as error:
            raise SearchConfigError("warm_start.searches", str(error)) from error


def _refused(error: ValueError, code: str) -> ProblemError:
    place = getattr(error, "place", "")
    message = str(error).removeprefix(f"{place}: ")
    return ProblemError(422, code, str(error), [FieldError(place=place, message=message)])


@router.get("/searches", operation_id="listSearches", summary="List searches, newest first")
def list_searches(
    context: Context,
    page_size: PageSize = 20,
    page_token: Annotated[str | None, Query(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] = None,
    state: Annotated[tuple[SearchState, ...], Query(description="only searches in these states")] = (),
    archived: Annotated[Archived, Query(description="whether to list what was archived")] = "no",
    name: Annotated[str, Query(max_length=64, description="somewhere in the name, whatever its case")] = "",
    order_by: SearchOrder = SearchOrder.NEWEST,
) -> schemas.SearchPage:
    """One page of searches with their counts and their best trial. Each page wants the same filters and order."""
    wanted = None if archived == "all" else archived == "yes"
    try:
        searches = context.store.list_searches(
            page_size + 1, page_token, state, name=name, archived=wanted, order=order_by
        )
    except NotFoundError as error:
        raise ProblemError(400, "page_token.unknown", "page_token: not one that this service gave") from error
    now = context.clock()
    return schemas.SearchPage(
        searches=[views.search_summary(context.store, search, now) for search in searches[:page_size]],
        next_page_token=searches[page_size - 1].id if len(searches) > page_size else None,
    )


@router.get(
    "/searches/{search_id}",
    operation_id="getSearch",
    summary="Show a search",
    responses={200: {"headers": _ETAG}, **problem_docs(404)},
)
def get_search(search_id: SearchId, response: Response, context: Context) -> schemas.SearchDetail:
    """The search with its document, its counts, its progress and its best trial."""
    return _detail(context.store.get_search(search_id), response, context)


@router.patch(
    "/searches/{search_id}",
    operation_id="editSearch",
    summary="Change name, notes and limits",
    responses={200: {"headers": _ETAG}, **problem_docs(404, 409, 412, 428)},
)
def edit_search(
    search_id: SearchId,
    patch: Annotated[SearchPatch, Body(media_type=_MERGE_PATCH)],
    response: Response,
    context: Context,
    if_match: Annotated[str | None, Header(max_length=1000, description="the `ETag` that was read, or `*`")] = None,
) -> schemas.SearchDetail:
    """A running search has the new limits in its next turn; where it has used more than they allow, it finishes what
    runs and succeeds with that reason. A final search has a name and notes only."""
    search = context.store.get_search(search_id)
    if if_match is None:
        raise ProblemError(428, "if_match.required", "send If-Match with the ETag of the search that you read")
    tag = edit_tag(search)
    if if_match.strip() != "*" and f'"{tag}"' not in [each.strip() for each in if_match.split(",")]:
        raise ProblemError(412, "if_match.stale", "the search was edited since you read it")
    try:
        edited = context.store.edit_search(search_id, _edit(search, patch), context.clock(), tag)
    except StaleError as error:
        raise ProblemError(412, "if_match.stale", str(error)) from error
    return _detail(edited, response, context)


def _edit(search: Search, patch: SearchPatch) -> SearchEdit:
    """What is to be changed; limits are checked with the rest of the document."""
    given = patch.model_fields_set
    limits = None
    if "limits" in given:
        merged = {} if patch.limits is None else merge_patch(search.config["limits"], patch.limits)
        try:
            config = SearchConfig.from_document({**search.config, "limits": merged})
        except SearchConfigError as error:
            raise _refused(error, "request.invalid") from error
        limits = config.limits.model_dump(mode="json")
    return SearchEdit(
        name=patch.name if "name" in given else None,
        notes=(patch.notes or "") if "notes" in given else None,
        limits=limits,
    )


@router.post(
    "/searches/{search_id}:clone",
    operation_id="cloneSearch",
    summary="Start a search like this one",
    status_code=201,
    responses={**_CREATED, **problem_docs(404)},
)
def clone_search(
    search_id: SearchId,
    response: Response,
    context: Context,
    patch: Annotated[dict[str, Any] | None, Body(media_type=_MERGE_PATCH)] = None,
    idempotency_key: IdempotencyKey = None,
) -> schemas.SearchDetail:
    """The search's document, with a JSON merge patch, is checked and started like a new one; its seed is the same
    unless the patch has another."""
    source = context.store.get_search(search_id)
    try:
        config = SearchConfig.from_document(cloned_document(source.config, patch or {}))
    except SearchConfigError as error:
        raise _refused(error, "request.invalid") from error
    return _create(config, response, context, idempotency_key, source.id)


@router.delete(
    "/searches/{search_id}",
    operation_id="deleteSearch",
    summary="Delete a search",
    status_code=204,
    responses=problem_docs(404, 409),
)
def delete_search(search_id: SearchId, context: Context) -> None:
    """Everything that is known of a final search is gone; files that no other search has follow within two hours."""
    context.store.get_search(search_id)
    context.store.delete_search(search_id, context.clock())


@router.post(
    "/searches/{search_id}:archive",
    operation_id="archiveSearch",
    summary="Leave out of lists",
    responses=problem_docs(404, 409),
)
def archive_search(search_id: SearchId, context: Context) -> schemas.SearchDetail:
    """Lists have a search that has ended only where they ask for archived ones."""
    return _archive(context, search_id, archived=True)


@router.post(
    "/searches/{search_id}:unarchive",
    operation_id="unarchiveSearch",
    summary="Take back into lists",
    responses=problem_docs(404),
)
def unarchive_search(search_id: SearchId, context: Context) -> schemas.SearchDetail:
    """The search is listed again."""
    return _archive(context, search_id, archived=False)


def _archive(context: ApiContext, search_id: str, *, archived: bool) -> schemas.SearchDetail:
    now = context.clock()
    search = context.store.edit_search(search_id, SearchEdit(archived=archived), now)
    return views.search_detail(context.store, search, now)


def _request(context: ApiContext, search_id: str, state: SearchState, reason: str) -> schemas.SearchDetail:
    now = context.clock()
    search: Search = context.store.request_state(search_id, state, reason, now)
    return views.search_detail(context.store, search, now)


_VERB_RESPONSES: dict[int | str, dict[str, Any]] = problem_docs(404, 409)


@router.post("/searches/{search_id}:pause", operation_id="pauseSearch", summary="Pause", responses=_VERB_RESPONSES)
def pause_search(search_id: SearchId, context: Context) -> schemas.SearchDetail:
    """Trials that run are finished; nothing new is started until the search is resumed."""
    return _request(context, search_id, SearchState.PAUSED, PAUSED_BY_USER)


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
