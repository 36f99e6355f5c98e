"""The log of an attempt: as text, and as server-sent events whose ids are offsets.

An offset counts the bytes of the whole log, so a client that reconnects with `Last-Event-ID` misses nothing and sees
nothing twice. The stream ends when the attempt has, and all of its log was sent.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from api.context import ApiContext
from api.errors import ProblemError
from api.events import RETRY_MILLISECONDS
from api.schemas import LogText
from nas_controller.artifacts.base import ArtifactMissingError
from nas_controller.artifacts.log_parts import HEAD_BYTES, PART_BYTES, TAIL_BYTES, read_log
from nas_controller.records import AttemptState, Job
from nas_controller.store.base import NotFoundError

WHOLE_BYTES = HEAD_BYTES + TAIL_BYTES + 2 * PART_BYTES
"""More than is kept of a log."""
_READS = 3
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Which log: of an attempt of a job."""

    job_id: str
    attempt_number: int


def find_log(context: ApiContext, search_id: str, number: int, job_id: str, attempt: int | None) -> LogPlace:
    """The log of an attempt, by default of the newest one.

    Raises:
        NotFoundError: the trial has no such job, or that has no such attempt.
    """
    context.store.get_trial(search_id, number)
    job = context.store.get_job(job_id)
    if (job.search_id, job.trial_number) != (search_id, number):
        raise NotFoundError(f"trial {number} of search {search_id} has no job {job_id}")
    wanted = attempt or job.num_attempts
    if not 1 <= wanted <= job.num_attempts:
        raise NotFoundError(f"job {job_id} has no attempt {wanted}")
    return LogPlace(job_id, wanted)


def read_text(context: ApiContext, place: LogPlace, after: int, limit: int = WHOLE_BYTES) -> LogText:
    """What the log has from an offset on.

    The attempt's state is read first: all that it said was recorded before it ended.

    Raises:
        ProblemError: 410, the log was deleted.
    """
    attempts = context.store.list_attempts(place.job_id)
    is_over = attempts[place.attempt_number - 1].state is not AttemptState.RUNNING
    content, end, is_whole = _read(context, place, after, limit)
    num_lines_bytes = content.rfind(b"\n") + 1
    if not is_whole and num_lines_bytes:  # the last line goes on
        end -= len(content) - num_lines_bytes
        content = content[:num_lines_bytes]
    return LogText(text=content.decode(errors="replace"), next=end, is_final=is_over and is_whole)


def _read(context: ApiContext, place: LogPlace, after: int, limit: int) -> tuple[bytes, int, bool]:
    """The text, the offset behind it, and whether that is the end. Tried again where a part was just replaced by a
    longer one."""
    for turn in range(_READS):
        parts = context.store.list_log_parts(place.job_id, place.attempt_number)
        try:
            text, end = read_log(parts, context.artifacts, after, limit)
            return text, end, not parts or end >= parts[-1].end
        except ArtifactMissingError:
            time.sleep(turn * _PAUSE_SECONDS)
    raise ProblemError(410, "artifact.deleted", f"the log of attempt {place.attempt_number} was deleted")


async def stream_log(context: ApiContext, place: LogPlace, after: int) -> AsyncIterator[bytes]:
    """What the log has from an offset on, as it comes, with a comment whenever nothing did for long."""
    loop, settings = asyncio.get_running_loop(), context.settings
    spoke_at = loop.time()
    yield format_sse_event(comment=f"log of {place.job_id}", retry=RETRY_MILLISECONDS)
    while True:
        found = await run_in_threadpool(read_text, context, place, after, PART_BYTES)
        if found.text:
            after, spoke_at = found.next, loop.time()
            yield format_sse_event(data_str=found.model_dump_json(), event="log", id=str(after))
        if found.is_final:
            return
        if loop.time() - spoke_at >= settings.heartbeat_seconds:
            yield format_sse_event(comment="still here")
            spoke_at = loop.time()
        if not found.text:
            await asyncio.sleep(settings.event_poll_seconds)


def whole_log(context: ApiContext, jobs: list[Job]) -> Iterator[bytes]:
    """The logs of all attempts of the jobs that have one, each under a line that says whose it is."""
    for job in jobs:
        for attempt in context.store.list_attempts(job.id):
            if attempt.log_bytes == 0:
                continue
            yield f"== {job.kind}, seed {job.seed}, attempt {attempt.number} on {attempt.worker} ==\n".encode()
            try:
                text = read_text(context, LogPlace(job.id, attempt.number), 0).text
            except ProblemError as error:
                text = f"[{error}]"
            yield (text if text.endswith("\n") else f"{text}\n").encode()
