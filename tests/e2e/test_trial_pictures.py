"""Pictures of what a network finds, on the page of a trial, in a real browser over a real server."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from api.app import create_app
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.session import WorkerSession
from nas_controller.records import Artifact
from nas_controller.store.base import Store
from tests.api.searches import SearchWriter, write_small_search
from tests.api.serving import make_settings, serve
from tests.conformance.dispatch_evaluators import make_request
from tests.e2e.test_trial_page import open_trial
from trainer.pictures import Picture, PictureBox, keep_pictures

CLASSES = ("cell", "<b>platelet</b>")


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifactStore:
    return DirectoryArtifactStore(tmp_path)


@pytest.fixture
def url(store: Store, artifacts: DirectoryArtifactStore) -> Iterator[str]:
    with serve(create_app(store, artifacts, make_settings())) as url:
        yield url


def a_picture(name: str, *scores: float) -> Picture:
    """A red image with a true box, and so many that were found."""
    content = io.BytesIO()
    Image.new("RGB", (160, 120), "red").save(content, "WEBP")
    box = PictureBox(x=10, y=20, width=60, height=40, label=1)
    found = tuple(replace(box, x=10.0 * number, score=score) for number, score in enumerate(scores))
    return Picture(
        name=name,
        content=content.getvalue(),
        media_type="image/webp",
        width=160,
        height=120,
        truth=(box,),
        found=found,
    )


def keep(writer: SearchWriter, folder: Path, job: str, *pictures: Picture) -> None:
    """What a worker and its controller do with the pictures of trial 4."""
    session = WorkerSession(replace(make_request("ok"), artifact_dir=folder), lambda event: None, lambda: False)
    keep_pictures(session, pictures, CLASSES, min_score=0.05)
    for file in session.files:
        writer.store.add_artifact(
            Artifact(
                key=file.key,
                search_id=writer.search_id,
                trial_number=4,
                name=f"{job}/{file.name}",
                media_type=file.media_type,
                num_bytes=file.num_bytes,
                created_at=writer.tick(),
            )
        )


def test_boxes_are_drawn_over_images_from_a_score_on(
    page: Page, url: str, store: Store, tmp_path: Path, complaints: list[str]
) -> None:
    writer = write_small_search(store)
    keep(writer, tmp_path, "reevaluate-3e8", a_picture("image 7", 0.9, 0.5, 0.2), a_picture("image 9"))
    open_trial(page, url, writer, 4)
    figures = page.locator("#pictures figure")
    expect(figures).to_have_count(2)
    figures.first.scroll_into_view_if_needed()
    expect(figures.first.locator("figcaption")).to_have_text("image 7: 1 true, 2 found")
    expect(figures.last.locator("figcaption")).to_have_text("image 9: 1 true, 0 found")
    expect(figures.first.locator(".found:visible")).to_have_count(2)
    expect(figures.first.locator(".found text").first).to_have_text("<b>platelet</b> 0.90")
    dashes = figures.first.locator("rect.true").evaluate("box => getComputedStyle(box).strokeDasharray")
    assert dashes.startswith("5px")
    image = figures.first.locator("img")
    expect(image).to_have_js_property("naturalWidth", 160)
    # The box is where it is said to be: at 10 of 160 pixels.
    frame, box = image.bounding_box(), figures.first.locator("rect.true").bounding_box()
    assert frame is not None
    assert box is not None
    assert abs(box["x"] - frame["x"] - frame["width"] * 10 / 160) < 3
    page.get_by_label("Score at least").fill("0.6")
    expect(figures.first.locator("figcaption")).to_have_text("image 7: 1 true, 1 found")
    page.get_by_label("Score at least").fill("0.05")
    expect(figures.first.locator(".found:visible")).to_have_count(3)
    assert complaints == []


def test_the_newest_training_is_shown_and_others_can_be_chosen(
    page: Page, url: str, store: Store, tmp_path: Path, complaints: list[str]
) -> None:
    writer = write_small_search(store)
    keep(writer, tmp_path, "reevaluate-3e8", a_picture("image 7", 0.9))
    keep(writer, tmp_path, "reevaluate-3e9", a_picture("image 7", 0.8, 0.7))
    open_trial(page, url, writer, 4)
    caption = page.locator("#pictures figcaption")
    expect(caption).to_have_text("image 7: 1 true, 2 found")
    page.get_by_label("Trained on").select_option("val, seed 1000")
    expect(caption).to_have_text("image 7: 1 true, 1 found")
    assert complaints == []


def test_where_there_are_none_the_page_says_when_there_will_be(
    page: Page, url: str, store: Store, complaints: list[str]
) -> None:
    open_trial(page, url, write_small_search(store), 4)
    expect(page.locator("#pictures")).to_contain_text("Pictures appear here when the trial is trained again")
    assert complaints == []


def test_pictures_that_were_deleted_are_said_to_be(
    page: Page, url: str, store: Store, tmp_path: Path, artifacts: DirectoryArtifactStore
) -> None:
    writer = write_small_search(store)
    keep(writer, tmp_path, "reevaluate-3e8", a_picture("image 7"))
    for artifact in store.list_artifacts(writer.search_id):
        artifacts.delete(artifact.key)
    open_trial(page, url, writer, 4)
    expect(page.locator("#pictures")).to_contain_text("The pictures cannot be shown: artifact")
