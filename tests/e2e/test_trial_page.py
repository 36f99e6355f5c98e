"""The page of one trial, in a real browser over a real server."""

import random

from playwright.sync_api import Page, expect

from nas_controller.records import Failure, FailureReason, SearchState, TrialKey
from nas_controller.requests import RequestState, RequestVerb
from nas_controller.store.base import Store
from search_space.spaces import SPINENET_49
from tests.api.searches import SearchWriter, evaluation, random_genotype, write_small_search


def open_trial(page: Page, url: str, writer: SearchWriter, number: int, query: str = "") -> None:
    page.goto(f"{url}/searches/{writer.search_id}/trials/{number}{query}")
    expect(page.locator("#drawing svg").first).to_be_visible()
    expect(page.locator("#blocks table")).to_be_visible()


def test_one_page_tells_all_about_a_trial(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_small_search(store)
    open_trial(page, url, writer, 4)
    expect(page.locator("h1")).to_have_text("Trial 4")
    expect(page.locator("#state")).to_have_text("completed")
    expect(page.locator("#figures")).to_contain_text("0.250 ± 0.006 (n = 3)")  # 0.01 / sqrt(3)
    precision = page.locator("#precision tbody tr")
    expect(precision.filter(has_text="AP50")).to_contain_text("0.450")  # 1.8 times the AP of each evaluation
    expect(page.locator("#curves figcaption")).to_contain_text("Training loss: from 2.59 to 0.23 in 300 steps.")
    # One attempt on the reward split, three on val.
    expect(page.locator("#jobs tbody tr")).to_have_count(4)
    expect(page.locator("#jobs tbody tr").first).to_contain_text("worker-1")
    # 17 blocks, the stem's convolution, five endpoints and two subnets of the head.
    expect(page.locator("#blocks tbody tr")).to_have_count(25)
    expect(page.locator("#lineage")).to_have_text("Sampled by policy, from no other trial.")
    page.get_by_role("link", name="trial 3").click()
    expect(page.locator("#reason")).to_have_text("loss is not a number at step 17")
    page.locator("#jobs summary").click()
    expect(page.locator("#jobs pre")).to_have_text("Traceback: loss is not a number at step 17")
    assert complaints == []


def test_decisions_and_lineage_are_told_in_words(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = SearchWriter(store, "blood-cells-000001")
    writer.run()
    genotype = random_genotype(random.Random(5))
    spec = SPINENET_49.decode(genotype)
    writer.complete(writer.add(spec), 0.2)
    log_probs = (-0.5,) * len(genotype)
    edits = ("block 7: level 4 -> 5",)
    made = writer.add(spec, arm="evolution", genotype=genotype, log_probs=log_probs, parents=(1,), edits=edits)
    writer.complete(made, 0.25)
    open_trial(page, url, writer, 2)
    first_point = SPINENET_49.options(())
    assert first_point is not None
    pick = first_point.options[genotype[0]].label
    first = page.locator("#decisions tbody tr").first
    expect(first).to_contain_text(f"takes the {pick} block of the pool (1 of ")
    expect(first).to_contain_text("probability 0.61")  # exp(-0.5)
    expect(page.locator("#lineage")).to_contain_text("trial 1 (policy, reward 0.200, so +0.050 here)")
    expect(page.locator("#lineage ol")).to_have_text("block 7: level 4 -> 5")
    page.locator("#lineage").get_by_role("link", name="trial 1", exact=True).click()
    expect(page.locator("#children p")).to_have_text("One trial was made from it:")
    expect(page.locator("#children li")).to_contain_text("trial 2 (evolution, reward 0.250, so +0.050 there)")
    page.locator("#children").get_by_role("link", name="trial 2", exact=True).click()
    page.get_by_role("link", name="Compare with trial 1", exact=True).click()
    expect(page.locator("#drawing")).to_contain_text("trial 2 and trial 1 are the same network.")
    assert complaints == []


def test_a_comparison_marks_what_only_one_side_has(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_small_search(store)
    whole = store.get_trial(writer.search_id, 6)
    assert whole.draft.name == "spinenet-49"
    open_trial(page, url, writer, 4, "?with=spinenet-49")
    expect(page.locator("#drawing .compared svg")).to_have_count(2)
    found = page.request.get(f"{url}/v1/searches/{writer.search_id}/trials/4/comparison?with=spinenet-49").json()
    for side, connections in (("was", found["removed_connections"]), ("is", found["added_connections"])):
        lines = page.locator(f".compared .{side} [data-source].differs")
        marked = lines.evaluate_all("lines => lines.map((line) => `${line.dataset.source} ${line.dataset.target}`)")
        assert sorted(marked) == sorted(f"{source} {target}" for source, target in connections)
    expect(page.locator(".edits li")).to_have_count(len(found["edits"]))
    expect(page.locator("#drawing")).to_contain_text("+0.020 ± 0.023")
    expect(page.locator("#drawing")).to_contain_text("no significant difference")
    page.get_by_text("Both in one picture").click()
    expect(page.locator("#drawing details svg")).to_be_visible()
    page.get_by_label("Compare with").fill("1")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#drawing .was figcaption")).to_have_text("trial 1")
    assert page.url.endswith("/trials/4?with=1")
    assert complaints == []


def test_what_cannot_be_compared_with_is_said(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    open_trial(page, url, write_small_search(store), 4, "?with=no-such-net")
    expect(page.locator("#drawing .reason")).to_contain_text("There is nothing called “no-such-net” to compare with")
    expect(page.locator("#drawing svg")).to_have_count(1)
    assert len(complaints) == 1  # the browser's own line about the 404
    assert "404" in complaints[0]


def test_a_trial_that_runs_is_followed(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_small_search(store)
    open_trial(page, url, writer, 5)
    expect(page.locator("#connection")).to_have_text("live")
    writer.measure(5, 75, 0.05)
    expect(page.locator("#curves figcaption")).to_have_text("AP on the reward split: 0.050 at step 75.")
    job = store.list_jobs(writer.search_id, 5)[0]
    store.complete_attempt(writer.lease, job.id, 1, evaluation(0.3), 0.3, writer.tick())
    expect(page.locator("#state")).to_have_text("completed")
    expect(page.locator("#curves figcaption").first).to_contain_text("0.300 at step 300")
    assert complaints == []


def test_what_a_worker_says_is_shown_as_text(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_small_search(store)
    message = "<img src=x onerror=alert(1)>"
    job = store.list_jobs(writer.search_id, 5)[0]
    failure = Failure(reason=FailureReason.OUT_OF_MEMORY, message=message, traceback=message)
    store.fail_attempt(writer.lease, job.id, 1, failure, False, writer.tick())
    open_trial(page, url, writer, 5)
    expect(page.locator("#jobs summary")).to_have_text(f"Attempt 1, out of memory: {message}")
    expect(page.locator("#reason")).to_have_text(message)
    assert complaints == []


def test_a_trial_that_is_not_there_is_said_to_be(page: Page, url: str, store: Store) -> None:
    writer = write_small_search(store)
    answer = page.goto(f"{url}/searches/{writer.search_id}/trials/99")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("h1")).to_have_text("No such trial")


def test_a_failed_trial_is_tried_again(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_small_search(store)
    open_trial(page, url, writer, 3)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#asked")).to_have_text("Asked; a controller takes it in its next free slot.")
    (request,) = store.list_requests(writer.search_id)
    assert (request.draft.verb, request.draft.source) == (
        RequestVerb.RETRY,
        TrialKey(search_id=writer.search_id, number=3),
    )
    store.answer_request(writer.lease, request.number, RequestState.REFUSED, "it is off budget", writer.tick())
    expect(page.locator("#asked")).to_have_text("It was refused: it is off budget")
    assert complaints == []


def test_only_what_can_be_asked_is_offered(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_small_search(store)
    buttons = page.locator("#verbs button")
    open_trial(page, url, writer, 4)
    expect(buttons).to_have_text(["Train it in full", "Train it again"])
    open_trial(page, url, writer, 5)  # runs, and is measured at its end only
    expect(page.locator("#state")).to_have_text("running")
    expect(buttons).to_have_count(0)
    writer.finish(SearchState.SUCCEEDED, "")
    open_trial(page, url, writer, 4)
    expect(page.locator("#state")).to_have_text("completed")
    expect(buttons).to_have_count(0)
    assert complaints == []
