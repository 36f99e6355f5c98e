import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from api.app import create_app
from nas_controller.records import Failure, FailureReason, SearchState
from nas_controller.store.base import Store
from tests.api.searches import write_small_search
from tests.api.serving import BEARER, make_settings, serve

EVENTS = "/v1/searches/blood-cells-000001/events"


def read(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Events of a stream as a browser reads them."""
    event: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line == "":
            if "data" in event:
                yield event
            event = {}
        elif not line.startswith(":"):
            event[name] = value


def ledger(store: Store) -> list[tuple[int, str]]:
    return [(entry.sequence, entry.kind.value) for entry in store.read_ledger("blood-cells-000001")]


def test_a_stream_follows_to_the_end_and_ends_there(client: httpx.Client, store: Store) -> None:
    writer = write_small_search(store)

    def go_on() -> None:
        time.sleep(0.2)
        job = store.list_jobs(writer.search_id, 5)[0]
        failure = Failure(reason=FailureReason.OUT_OF_MEMORY, message="out of memory")
        store.fail_attempt(writer.lease, job.id, 1, failure, False, writer.tick())
        writer.finish(SearchState.SUCCEEDED, "the limit of trials is reached")

    thread = threading.Thread(target=go_on)
    thread.start()
    with client.stream("GET", EVENTS, headers={"Accept": "text/event-stream"}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"
        events = list(read(stream.iter_lines()))
    thread.join()
    assert [(int(event["id"]), event["event"]) for event in events] == ledger(store)
    last = json.loads(events[-1]["data"])
    assert last["payload"]["state"] == "succeeded"


@pytest.mark.parametrize("how", ["after", "header"])
def test_a_reader_that_comes_back_misses_nothing_and_sees_nothing_twice(
    client: httpx.Client, store: Store, how: str
) -> None:
    write_small_search(store).finish(SearchState.SUCCEEDED, "")
    seen: list[tuple[int, str]] = []
    expected = ledger(store)
    while len(seen) < len(expected):
        last = str(seen[-1][0]) if seen else "0"
        asked = {"params": {"after": last}} if how == "after" else {"headers": {"Last-Event-ID": last}}
        with client.stream("GET", EVENTS, **asked) as stream:  # type: ignore[arg-type]
            for event, _ in zip(read(stream.iter_lines()), range(3), strict=False):  # hangs up after three
                seen.append((int(event["id"]), event["event"]))
    assert seen == expected
    ended = client.get(EVENTS, headers={"Last-Event-ID": str(expected[-1][0])})
    assert ended.status_code == 204


def test_silence_is_broken_by_a_comment(store: Store) -> None:
    write_small_search(store)
    app = create_app(store, None, make_settings(heartbeat_seconds=0.05))  # type: ignore[arg-type]
    with serve(app) as url, httpx.stream("GET", url + EVENTS, headers=BEARER, timeout=5) as stream:
        for line in stream.iter_lines():
            if line == ": still here":
                break


def test_events_can_be_polled_as_json(client: httpx.Client, store: Store) -> None:
    writer = write_small_search(store)
    page = client.get(EVENTS, params={"poll": 1, "after": 2}).json()
    assert [event["sequence"] for event in page["events"]] == [sequence for sequence, _ in ledger(store)[2:]]
    assert page["is_final"] is False
    writer.finish(SearchState.FAILED, "too many failures")
    after = page["events"][-1]["sequence"]
    page = client.get(EVENTS, params={"after": after}, headers={"Accept": "application/json"}).json()
    assert page["events"][-1]["payload"] == {"state": "failed", "reason": "too many failures"}
    assert page["is_final"] is True
