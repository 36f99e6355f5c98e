"""A search's ledger as server-sent events.

The event id is the ledger's sequence number, so a client that reconnects with `Last-Event-ID` misses nothing
and sees nothing twice. The stream ends when the search is final and all of its events were sent, and when whoever reads
it is let in no more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from api import schemas
from api.settings import ApiSettings
from api.views import event
from nas_controller.store.base import Store

RETRY_MILLISECONDS = 2000
_PAGE = 500


def read_page(store: Store, search_id: str, after: int, limit: int = _PAGE) -> schemas.EventPage:
    """The events after a sequence number; `is_final` where the search is final and these are the last.

    The state is read first: of a final search only its name, notes and place in lists change, so nothing of its course
    can be missed in between.
    """
    search = store.get_search(search_id)
    entries = store.read_ledger(search_id, after=after, limit=limit)
    last = entries[-1].sequence if entries else after
    is_final = search.state.is_final and last >= search.last_sequence
    return schemas.EventPage(events=[event(entry) for entry in entries], is_final=is_final)


async def stream(
    store: Store, search_id: str, after: int, settings: ApiSettings, is_let_in: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """The events after a sequence number as they happen, with a comment whenever nothing did for long."""
    loop = asyncio.get_running_loop()
    spoke_at = loop.time()
    yield format_sse_event(comment="stream of " + search_id, retry=RETRY_MILLISECONDS)
    while await run_in_threadpool(is_let_in):
        page = await run_in_threadpool(read_page, store, search_id, after)
        for item in page.events:
            yield _encode(item)
            after = item.sequence
            spoke_at = loop.time()
        if page.is_final:
            return
        if loop.time() - spoke_at >= settings.heartbeat_seconds:
            yield format_sse_event(comment="still here")
            spoke_at = loop.time()
        if not page.events:
            await asyncio.sleep(settings.event_poll_seconds)


def _encode(item: schemas.Event) -> bytes:
    return format_sse_event(data_str=item.model_dump_json(), event=item.kind.value, id=str(item.sequence))
