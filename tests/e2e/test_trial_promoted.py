"""A trial is promoted from its page, and what its full training gave is shown there, in a real browser."""

from playwright.sync_api import Page, expect

from nas_controller.records import Artifact, JobKind, TrialKey
from nas_controller.requests import RequestState, RequestVerb
from nas_controller.store.base import Store
from tests.api.searches import SearchWriter, evaluation, write_small_search
from tests.e2e.test_trial_page import open_trial


def take(writer: SearchWriter) -> str:
    """What a controller does first with the request; the id of the job."""
    (request,) = writer.store.list_requests(writer.search_id)
    job = writer.store.add_job(writer.lease, 4, JobKind.FULL_TRAIN, 77, writer.tick())
    writer.store.answer_request(writer.lease, request.number, RequestState.DONE, "", writer.tick())
    return job.id


def finish(writer: SearchWriter, job_id: str) -> None:
    """What follows when a worker has trained it."""
    for name in ("full_train-4d/backbone.safetensors", "full_train-4d/picture-1.webp"):
        artifact = Artifact(
            key=name.encode().hex().ljust(64, "0")[:64],
            search_id=writer.search_id,
            trial_number=4,
            name=name,
            media_type="application/octet-stream",
            num_bytes=2_000_000,
            created_at=writer.tick(),
        )
        writer.store.add_artifact(artifact)
    writer.store.complete_attempt(writer.lease, job_id, 1, evaluation(0.5), None, writer.tick())


def test_a_trial_is_promoted_and_its_full_training_is_shown_apart(
    page: Page, url: str, store: Store, complaints: list[str]
) -> None:
    writer = write_small_search(store)
    open_trial(page, url, writer, 4)
    page.get_by_role("button", name="Train it in full").click()
    expect(page.locator("#asked")).to_have_text("Asked; a controller takes it in its next free slot.")
    (request,) = store.list_requests(writer.search_id)
    assert (request.draft.verb, request.draft.source) == (
        RequestVerb.PROMOTE,
        TrialKey(search_id=writer.search_id, number=4),
    )
    job_id = take(writer)
    expect(page.locator("#asked")).to_have_text("Its full training is queued.")
    row = page.locator("#jobs tbody tr").filter(has_text="full training")
    expect(row).to_contain_text("queued")
    store.start_attempt(writer.lease, job_id, "worker-2", writer.tick())
    expect(row).to_contain_text("running")  # the page looks by itself
    finish(writer, job_id)
    expect(row).to_contain_text("0.500")
    expect(page.locator("#precision th").last).not_to_be_empty()
    head = page.locator("#precision table").first.locator("th")
    expect(head).to_have_text(["Metric", "reward split", "val, mean of 3 seeds", "val, full training"])
    expect(page.locator("#precision tbody tr").first).to_contain_text("0.500")
    expect(page.locator("#figures")).to_contain_text("0.250 ± 0.006 (n = 3)")
    expect(page.locator("#curves")).to_contain_text("Full training, loss: from")
    files = page.locator("#jobs .exports")
    expect(files).to_contain_text("full_train-4d/backbone.safetensors")
    expect(files).not_to_contain_text("picture-1")
    source = files.get_by_role("link", name="PyTorch file of the size that was trained")
    answer = page.request.get(url + str(source.get_attribute("href")))
    assert "160 x 160 pixels, width scale 0.25" in answer.text()
    assert complaints == []
