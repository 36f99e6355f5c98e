"""What workers logged and printed."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.attempt_logs import find_log, read_text, stream_log, whole_log
from api.context import Context
from api.errors import problem_docs
from api.routes.parameters import SearchId, TrialNumber

router = APIRouter(prefix="/v1/searches/{search_id}/trials/{number}", tags=["logs"])

_PLAIN = "text/plain; charset=utf-8"
_TEXT = {"schema": {"type": "string"}}
_EVENT = {
    "type": "object",
    "description": "`id` is the offset after it, `event` is log, `data` a LogText as JSON",
    "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": {"type": "string"}},
}
_ERRORS = problem_docs(401, 404, 410, 422)
_LOG: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "what there is; for who accepts text/event-stream, all that comes until the attempt ends",
        "headers": {
            "X-Log-Next": {"description": "`after` for what comes next", "schema": {"type": "integer"}},
            "X-Log-Is-Final": {"description": "whether nothing more comes", "schema": {"type": "boolean"}},
        },
        "content": {"text/plain": _TEXT, "text/event-stream": {"schema": _EVENT}},
    },
    204: {"description": "an EventSource asks again at the end of a log: it stops asking"},
    **_ERRORS,
}
JobId = Annotated[str, Path(max_length=160, description="id of a job of the trial")]
AttemptNumber = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="the newest one where it is left out")]
Offset = Annotated[int, Query(ge=0, le=2**53, description="only what comes after so many bytes of the log")]


@router.get(
    "/logs",
    operation_id="getTrialLogs",
    summary="All that was logged for a trial",
    response_class=StreamingResponse,
    responses={200: {"description": "the logs, one after the other", "content": {"text/plain": _TEXT}}, **_ERRORS},
)
def get_trial_logs(search_id: SearchId, number: TrialNumber, context: Context) -> StreamingResponse:
    """The logs of all attempts, those of the first job first, each under a line that says whose it is."""
    context.store.get_trial(search_id, number)
    return StreamingResponse(whole_log(context, context.store.list_jobs(search_id, number)), media_type=_PLAIN)


@router.get(
    "/jobs/{job_id}/logs",
    operation_id="getAttemptLog",
    summary="What an attempt logged and printed",
    response_class=Response,
    responses=_LOG,
)
async def get_attempt_log(
    search_id: SearchId,
    number: TrialNumber,
    job_id: JobId,
    context: Context,
    attempt: AttemptNumber = None,
    after: Offset = 0,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last_event_id: Annotated[str, Header(description="sent by a browser that reconnects; wins over `after`")] = "",
) -> Response:
    """Standard output, standard error and log records of the attempt, within seconds; of more than 1 MiB the beginning
    and the end, with a line that says how much was left out between them. Secrets are masked."""
    if last_event_id.isdecimal() and len(last_event_id) <= 15:
        after = int(last_event_id)
    place = await run_in_threadpool(find_log, context, search_id, number, job_id, attempt)
    found = await run_in_threadpool(read_text, context, place, after)
    if not accept.startswith("text/event-stream"):
        headers = {"X-Log-Next": str(found.next), "X-Log-Is-Final": str(found.is_final).lower()}
        return Response(found.text, media_type=_PLAIN, headers=headers)
    if found.is_final and not found.text:
        return Response(status_code=204)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(stream_log(context, place, after), media_type="text/event-stream", headers=headers)
