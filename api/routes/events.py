"""What happens in a search, as a stream or page by page."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api import schemas
from api.context import Context, Granted
from api.errors import problem_docs
from api.events import read_page, stream
from api.routes.parameters import SearchId

router = APIRouter(prefix="/v1/searches/{search_id}", tags=["events"])

_STREAM_HEADERS = {"X-Accel-Buffering": "no"}
_EVENT = {
    "type": "object",
    "description": "`id` is the sequence number, `event` the kind, `data` an Event as JSON",
    "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": {"type": "string"}},
}
Sequence = Annotated[int, Query(ge=0, le=2**53, description="only events after this sequence number")]


@router.get(
    "/events",
    operation_id="streamEvents",
    summary="Events of a search",
    response_model=schemas.EventPage,
    responses={
        200: {
            "description": "an unending stream of server-sent events, or one page as JSON",
            "content": {"text/event-stream": {"schema": _EVENT}},
        },
        204: {"description": "the search is final and has no event after that; an EventSource stops asking"},
        **problem_docs(401, 404, 422),
    },
)
async def stream_events(
    search_id: SearchId,
    context: Context,
    grant: Granted,
    after: Sequence = 0,
    poll: Annotated[bool, Query(description="answer with what there is, as JSON, instead of a stream")] = False,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last_event_id: Annotated[str, Header(description="sent by a browser that reconnects; wins over `after`")] = "",
) -> Response:
    """Every change in the order it was committed. The event's id is its sequence number, its name the kind."""
    if last_event_id.isdecimal() and len(last_event_id) <= 15:
        after = int(last_event_id)
    page = await run_in_threadpool(read_page, context.store, search_id, after)
    if poll or accept.startswith("application/json"):
        return Response(page.model_dump_json(), media_type="application/json")
    if page.is_final and not page.events:
        return Response(status_code=204)
    body = stream(context.store, search_id, after, context.settings, lambda: context.access.holds(grant))
    return StreamingResponse(body, media_type="text/event-stream", headers=_STREAM_HEADERS)
