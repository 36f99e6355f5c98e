"""ONNX over REST: what is not there is made by a controller, and whoever asks waits for one and the same operation."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.operations.records import MAX_OPEN_OPERATIONS, OnnxExport, OperationLease, OperationResult
from nas_controller.store.base import Store
from search_space.reference import REFERENCES
from spinesearch.client import Client, OperationError
from tests.api.searches import START, write_small_search
from tests.api.serving import BEARER, TOKEN, make_settings, serve
from tests.conformance.store_operation_suite import make_work

SEARCH = "blood-cells-000001"
TRIAL = f"/v1/searches/{SEARCH}/trials/6/export"  # SpineNet-49
REFERENCE = "/v1/references/spinenet-49/export"
ONNX = {"format": "onnx"}
CONTENT = b"an ONNX file"


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifactStore:
    return DirectoryArtifactStore(tmp_path)


@pytest.fixture
def client(store: Store, artifacts: DirectoryArtifactStore, clock: Clock) -> Iterator[httpx.Client]:
    write_small_search(store)
    app = create_app(store, artifacts, make_settings(), clock=clock)
    with serve(app) as url, httpx.Client(base_url=url, headers=BEARER) as client:
        yield client


def begun(store: Store, at: datetime = START) -> OperationLease:
    """What a controller does first."""
    lease = store.claim_operation("daemon", at, 60)
    assert lease is not None
    return lease


def made(store: Store, artifacts: DirectoryArtifactStore, lease: OperationLease) -> str:
    """What a controller does then; the key of the file."""
    result = OperationResult(key=artifacts.put(CONTENT), num_bytes=len(CONTENT))
    store.finish_operation(lease, result, START + timedelta(seconds=9))
    return result.key


def test_a_file_is_made_when_it_is_asked_for_and_then_it_is_there(
    client: httpx.Client, store: Store, artifacts: DirectoryArtifactStore
) -> None:
    answer = client.get(TRIAL, params=ONNX)
    operation = answer.json()
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "2")
    assert answer.headers["location"] == f"/v1/operations/{operation['id']}"
    created_at = START.isoformat().replace("+00:00", "Z")
    assert operation == {
        "id": operation["id"],
        "kind": "export.onnx",
        "state": "pending",
        "created_at": created_at,
        "finished_at": None,
        "problem": None,
        "result": None,
    }
    lease = begun(store)
    assert client.get(answer.headers["location"]).json() == {**operation, "state": "running"}
    assert client.get(f"{answer.headers['location']}/result").status_code == 404
    key = made(store, artifacts, lease)
    done = client.get(answer.headers["location"]).json()
    assert done["state"] == "succeeded"
    href = f"{answer.headers['location']}/result"
    assert done["result"] == {"href": href, "num_bytes": len(CONTENT), "sha256": key}
    for path, name in ((TRIAL, "spinenet-49.onnx"), (REFERENCE, "spinenet-49.onnx"), (href, f"{done['id'][:8]}.onnx")):
        file = client.get(path, params=ONNX)
        assert (file.status_code, file.content) == (200, CONTENT)
        assert file.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert file.headers["content-length"] == str(len(CONTENT))


def test_whoever_asks_however_often_it_is_one_operation(client: httpx.Client, store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        paths = [TRIAL, REFERENCE] * 4
        answers = list(threads.map(lambda path: client.get(path, params=ONNX), paths))
    assert {answer.status_code for answer in answers} == {202}
    (operation_id,) = {answer.json()["id"] for answer in answers}
    assert begun(store).operation_id == operation_id
    assert store.claim_operation("daemon", START + timedelta(seconds=1), 60) is None
    entry = REFERENCES["spinenet-49"]
    work = store.get_operation(operation_id).work
    assert OnnxExport.from_document(work.document) == OnnxExport.of(entry.spec, entry.target)
    assert client.get(f"/v1/searches/{SEARCH}/trials/1/export", params=ONNX).json()["id"] != operation_id


def test_one_that_failed_says_why_and_may_be_asked_for_again_after_a_minute(
    client: httpx.Client, store: Store, clock: Clock
) -> None:
    path = client.get(TRIAL, params=ONNX).headers["location"]
    store.finish_operation(begun(store), "ONNX needs the extra: pip install 'spinesearch[onnx]'", START)
    failed = client.get(path).json()
    assert (failed["state"], failed["problem"]) == ("failed", "ONNX needs the extra: pip install 'spinesearch[onnx]'")
    clock.at += timedelta(seconds=59)
    assert client.get(TRIAL, params=ONNX).json() == failed
    with Client(str(client.base_url), TOKEN) as ours, pytest.raises(OperationError, match="needs the extra"):
        ours.export(SEARCH, 6, "onnx")
    clock.at += timedelta(seconds=1)
    again = client.get(TRIAL, params=ONNX)
    assert (again.status_code, again.json()["state"], again.json()["problem"]) == (202, "pending", None)
    assert again.headers["location"] == path


def test_a_file_that_is_gone_is_made_again(
    client: httpx.Client, store: Store, artifacts: DirectoryArtifactStore
) -> None:
    path = client.get(TRIAL, params=ONNX).headers["location"]
    artifacts.delete(made(store, artifacts, begun(store)))
    gone = client.get(f"{path}/result")
    assert (gone.status_code, gone.json()["code"]) == (410, "artifact.deleted")
    again = client.get(TRIAL, params=ONNX)
    assert (again.status_code, again.json()["state"]) == (202, "pending")


def test_too_many_at_once_are_refused_in_a_sentence(client: httpx.Client, store: Store) -> None:
    for number in range(MAX_OPEN_OPERATIONS):
        store.ask_operation(make_work(number), START)
    refused = client.get(TRIAL, params=ONNX)
    assert (refused.status_code, refused.json()["code"]) == (429, "operations.too_many")
    assert refused.json()["detail"] == "20 operations are open, and there may be 20: ask again when one has ended"
    assert refused.headers["retry-after"] == "30"


def test_the_client_waits_for_the_file(client: httpx.Client, store: Store, artifacts: DirectoryArtifactStore) -> None:
    with Client(str(client.base_url), TOKEN) as ours, ThreadPoolExecutor(1) as threads:
        with pytest.raises(TimeoutError, match="is pending after 0 s"):
            ours.export_reference("spinenet-49", "onnx", timeout_seconds=0)
        lease = begun(store)
        waiting = threads.submit(ours.export, SEARCH, 6, "onnx")
        made(store, artifacts, lease)
        assert waiting.result(timeout=60) == ours.export_reference("spinenet-49", "onnx") == CONTENT
        assert ours.get_operation(lease.operation_id)["state"] == "succeeded"


@pytest.mark.parametrize(("operation_id", "status"), [("0" * 32, 404), ("none", 422)])
def test_an_operation_that_is_not_there(client: httpx.Client, operation_id: str, status: int) -> None:
    for path in (f"/v1/operations/{operation_id}", f"/v1/operations/{operation_id}/result"):
        assert client.get(path).status_code == status
        assert httpx.get(f"{client.base_url}{path}").status_code == 401
