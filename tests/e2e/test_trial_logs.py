"""What workers log, on the page of a trial, in a real browser over a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from api.app import create_app
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.store.base import Store
from tests.api.searches import SearchWriter, evaluation, write_small_search
from tests.api.serving import make_settings, serve
from tests.e2e.test_trial_page import open_trial

LOG = "Reward split, seed 5, attempt 1"


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifactStore:
    return DirectoryArtifactStore(tmp_path)


@pytest.fixture
def url(store: Store, artifacts: DirectoryArtifactStore) -> Iterator[str]:
    with serve(create_app(store, artifacts, make_settings())) as url:
        yield url


@pytest.fixture
def writer(store: Store, artifacts: DirectoryArtifactStore) -> SearchWriter:
    """Of a search whose trial 5 runs, and has said one line."""
    writer = write_small_search(store)
    writer.log(artifacts, 5, 0, "<b>first</b>\n")
    return writer


def test_a_log_is_shown_when_it_is_opened_and_followed(
    page: Page, url: str, writer: SearchWriter, artifacts: DirectoryArtifactStore, complaints: list[str]
) -> None:
    open_trial(page, url, writer, 5)
    summary = page.locator("#logs summary")
    expect(summary).to_have_text(f"{LOG}: 13B")
    expect(page.locator("#logs pre")).to_be_hidden()
    summary.click()
    expect(page.locator("#logs pre")).to_have_text("<b>first</b>\n")
    writer.log(artifacts, 5, 0, "<b>first</b>\n10 %\r20 %\n")
    expect(page.locator("#logs pre")).to_have_text("<b>first</b>\n10 %\n20 %\n")
    job = writer.store.list_jobs(writer.search_id, 5)[0]
    writer.store.complete_attempt(writer.lease, job.id, 1, evaluation(0.3), 0.3, writer.tick())
    expect(page.locator("#state")).to_have_text("completed")
    # What was opened stays open, and says it once.
    expect(page.locator("#logs pre")).to_have_text("<b>first</b>\n10 %\n20 %\n")
    expect(page.locator("#logs pre")).to_be_visible()
    assert complaints == []


def test_of_a_long_log_the_page_has_the_last_lines(
    page: Page, url: str, writer: SearchWriter, artifacts: DirectoryArtifactStore, complaints: list[str]
) -> None:
    lines = "".join(f"{number:08}\n" for number in range(5000))
    writer.log(artifacts, 5, 0, lines)
    open_trial(page, url, writer, 5)
    page.locator("#logs summary").click()
    expect(page.locator("#logs .hint")).to_have_text("The last 2000 lines. As text")
    shown = page.locator("#logs pre").evaluate("pre => pre.textContent")
    assert shown == lines[-2000 * 9 :]
    assert complaints == []
    page.get_by_role("link", name="As text").click()
    assert page.locator("pre").inner_text().startswith("00000000\n00000001\n")


def test_where_nothing_was_said_the_page_says_when_it_will_be(
    page: Page, url: str, writer: SearchWriter, complaints: list[str]
) -> None:
    open_trial(page, url, writer, 4)
    shown = page.locator("#logs").evaluate("element => getComputedStyle(element, '::before').content")
    assert shown == '"What workers log and print appears here while they train."'
    assert complaints == []
