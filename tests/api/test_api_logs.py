"""The logs of attempts as text and as server-sent events."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.log_parts import HEAD_BYTES, PART_BYTES
from nas_controller.records import Failure, FailureReason
from nas_controller.store.base import Store
from tests.api.searches import SearchWriter, evaluation, write_small_search
from tests.api.test_api_events import read

TRIAL = "/v1/searches/blood-cells-000001/trials/5"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifactStore:
    """The same that the service has."""
    return DirectoryArtifactStore(tmp_path)


@pytest.fixture
def writer(store: Store, artifacts: DirectoryArtifactStore) -> SearchWriter:
    """Of a search whose trial 5 runs, and has said two lines."""
    writer = write_small_search(store)
    writer.log(artifacts, 5, 0, "first\nsecond: ä\n")
    return writer


@pytest.fixture
def path(store: Store, writer: SearchWriter) -> str:
    return f"{TRIAL}/jobs/{store.list_jobs(writer.search_id, 5)[0].id}/logs"


def end(writer: SearchWriter) -> None:
    job = writer.store.list_jobs(writer.search_id, 5)[0]
    writer.store.complete_attempt(writer.lease, job.id, 1, evaluation(0.3), 0.3, writer.tick())


def said(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Offset and text of each event."""
    for event in read(lines):
        assert event["event"] == "log"
        yield int(event["id"]), json.loads(event["data"])["text"]


def test_a_log_is_read_as_text_from_an_offset_on(client: httpx.Client, path: str, writer: SearchWriter) -> None:
    answer = client.get(path)
    assert answer.text == "first\nsecond: ä\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (answer.headers["x-log-next"], answer.headers["x-log-is-final"]) == ("17", "false")
    assert client.get(path, params={"attempt": 1, "after": 6}).text == "second: ä\n"
    end(writer)
    rest = client.get(path, params={"after": 17})
    assert (rest.text, rest.headers["x-log-next"], rest.headers["x-log-is-final"]) == ("", "17", "true")


def test_what_is_left_out_of_a_long_log_is_said(
    client: httpx.Client, writer: SearchWriter, artifacts: DirectoryArtifactStore, path: str
) -> None:
    for start in range(0, HEAD_BYTES, PART_BYTES):
        writer.log(artifacts, 5, start, "x" * (PART_BYTES - 1) + "\n")
    writer.log(artifacts, 5, 10 * HEAD_BYTES, "the last line\n")
    text = client.get(path).text
    assert text[:HEAD_BYTES].endswith("x\n")
    assert text[HEAD_BYTES:] == f"[{9 * HEAD_BYTES:,} bytes were left out]\nthe last line\n"
    assert client.get(path).headers["x-log-next"] == str(10 * HEAD_BYTES + 14)
    # In a stream it comes in pieces that end with a line.
    end(writer)
    with client.stream("GET", path, headers=STREAM) as stream:
        pieces = list(said(stream.iter_lines()))
    assert "".join(piece for _, piece in pieces) == text
    assert all(piece.endswith("\n") for _, piece in pieces)
    assert len(pieces) > HEAD_BYTES // PART_BYTES


def test_a_stream_follows_an_attempt_to_its_end(
    client: httpx.Client, writer: SearchWriter, artifacts: DirectoryArtifactStore, path: str
) -> None:
    def go_on() -> None:
        time.sleep(0.2)
        writer.log(artifacts, 5, 0, "first\nsecond: ä\nthird\n")
        time.sleep(0.2)
        end(writer)

    thread = threading.Thread(target=go_on)
    thread.start()
    with client.stream("GET", path, headers=STREAM) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"
        events = list(said(stream.iter_lines()))
    thread.join()
    assert events == [(17, "first\nsecond: ä\n"), (23, "third\n")]


def test_a_reader_that_comes_back_sees_nothing_twice(client: httpx.Client, writer: SearchWriter, path: str) -> None:
    end(writer)
    with client.stream("GET", path, headers={**STREAM, "Last-Event-ID": "6"}) as stream:
        assert list(said(stream.iter_lines())) == [(17, "second: ä\n")]
    assert client.get(path, headers={**STREAM, "Last-Event-ID": "17"}).status_code == 204


def test_the_logs_of_a_trial_come_one_after_the_other(
    client: httpx.Client, store: Store, writer: SearchWriter, artifacts: DirectoryArtifactStore
) -> None:
    job = store.list_jobs(writer.search_id, 5)[0]
    lost = Failure(reason=FailureReason.WORKER_LOST, message="gone")
    store.fail_attempt(writer.lease, job.id, 1, lost, True, writer.tick())
    store.start_attempt(writer.lease, job.id, "worker-1", writer.tick())
    store.fail_attempt(writer.lease, job.id, 2, lost, True, writer.tick())
    store.start_attempt(writer.lease, job.id, "worker-1", writer.tick())
    writer.log(artifacts, 5, 0, "again")
    assert client.get(f"{TRIAL}/logs").text == (
        "== proxy, seed 5, attempt 1 on worker-2 ==\nfirst\nsecond: ä\n"
        "== proxy, seed 5, attempt 3 on worker-1 ==\nagain\n"
    )
    lengths = [attempt["log_bytes"] for attempt in client.get(f"{TRIAL}/jobs").json()["jobs"][0]["attempts"]]
    assert lengths == [17, 0, 5]
    assert client.get(f"{TRIAL[:-1]}1/logs").text == ""


def test_what_is_not_there_has_no_log(client: httpx.Client, store: Store, writer: SearchWriter, path: str) -> None:
    other = store.list_jobs(writer.search_id, 4)[0].id
    missing = [f"{TRIAL}/jobs/none/logs", f"{TRIAL}/jobs/{other}/logs", f"{path}?attempt=2", f"{TRIAL[:-1]}99/logs"]
    assert [client.get(each).status_code for each in missing] == [404] * 4
    assert client.get(f"{path}?attempt=0").status_code == 422


def test_a_log_that_was_swept_is_gone(
    client: httpx.Client, store: Store, writer: SearchWriter, artifacts: DirectoryArtifactStore, path: str
) -> None:
    for part in store.list_log_parts(store.list_jobs(writer.search_id, 5)[0].id, 1):
        artifacts.delete(part.key)
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (410, "artifact.deleted")
    assert client.get(f"{TRIAL}/logs").text.endswith(" ==\n[the log of attempt 1 was deleted]\n")
