"""A click on ONNX waits for a controller, says so, and then downloads the file."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from api.app import create_app
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.operations.records import OperationLease, OperationResult
from nas_controller.store.base import Store
from tests.api.searches import write_small_search
from tests.api.serving import make_settings, serve

CONTENT = b"an ONNX file"


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifactStore:
    return DirectoryArtifactStore(tmp_path)


@pytest.fixture
def url(store: Store, artifacts: DirectoryArtifactStore) -> Iterator[str]:
    """Of a service that has artifacts."""
    with serve(create_app(store, artifacts, make_settings())) as url:
        yield url


def begun(store: Store) -> OperationLease:
    """What a controller does first."""
    lease = store.claim_operation("daemon", datetime.now(UTC), 60)
    assert lease is not None
    return lease


def test_the_page_of_a_search_waits_and_then_downloads(
    page: Page, url: str, store: Store, artifacts: DirectoryArtifactStore, complaints: list[str]
) -> None:
    writer = write_small_search(store)
    page.goto(f"{url}/searches/{writer.search_id}#trial=4")
    note = page.locator("#making")
    expect(page.locator("#trial svg").first).to_be_visible()
    expect(note).to_be_hidden()
    page.locator("#best").get_by_role("link", name="Export trial 4 as onnx").click()
    expect(note).to_have_text("ONNX of trial 4 waits for a controller that makes it …")
    lease = begun(store)
    expect(note).to_have_text("ONNX of trial 4 is being made …")
    with page.expect_download() as download:
        result = OperationResult(key=artifacts.put(CONTENT), num_bytes=len(CONTENT))
        store.finish_operation(lease, result, datetime.now(UTC))
    assert download.value.suggested_filename == "blood-cells-trial-4.onnx"
    assert download.value.path().read_bytes() == CONTENT
    expect(note).to_have_text("ONNX of trial 4 is made, and downloaded now.")
    with page.expect_download():  # now it is there
        page.locator("#trial .exports").get_by_role("link", name="ONNX file").click()
    assert complaints == []


def test_the_page_of_a_trial_says_why_there_is_none_and_may_ask_again(
    page: Page, url: str, store: Store, complaints: list[str]
) -> None:
    writer = write_small_search(store)
    page.goto(f"{url}/searches/{writer.search_id}/trials/4")
    expect(page.locator("#drawing svg").first).to_be_visible()
    link, note = page.locator(".exports").get_by_role("link", name="onnx"), page.locator("#making")
    link.click()
    expect(note).to_contain_text("waits for a controller")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    store.finish_operation(begun(store), "ONNX needs the extra: pip install 'spinesearch[onnx]'", long_ago)
    expect(note).to_have_text("ONNX of trial 4 is not made: ONNX needs the extra: pip install 'spinesearch[onnx]'")
    link.click()
    expect(note).to_contain_text("waits for a controller")
    assert complaints == []
