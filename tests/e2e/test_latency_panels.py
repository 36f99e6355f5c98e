"""What the page of a search shows of latencies, in a real browser over a real server."""

from playwright.sync_api import Browser, Page, expect

from nas_controller.records import JobKind
from nas_controller.store.base import Store
from search_space.reference import reference
from tests.api.searches import DOCUMENT, SearchWriter
from tests.conformance.store_cases import evaluation, make_draft, make_latency
from tests.e2e.conftest import signed_in
from tests.e2e.test_for_everyone import OVERFLOW

SEARCH_ID = "timed-000001"
PATH = f"/searches/{SEARCH_ID}"
SPEC = reference("spinenet-49").to_document()


def write_timed(store: Store) -> None:
    """Trial 1 takes 41.5 ms and is trained, trial 2 is being timed."""
    writer = SearchWriter(store, SEARCH_ID, {**DOCUMENT, "latency": {"rounds": 6}})
    lease = writer.run()
    for number in (1, 2):
        draft = make_draft(number, spec=SPEC, genotype=(), log_probs=(), parents=(), fingerprint=f"{number:064x}")
        job = store.start_trial(lease, draft, number, "worker-1", writer.tick(), first=JobKind.LATENCY)
        if number == 1:
            store.complete_latency(lease, job.id, 1, make_latency(41.5), writer.tick())
            (training,) = store.list_jobs(SEARCH_ID, 1, open_only=True)
            store.start_attempt(lease, training.id, "worker-1", writer.tick())
            store.complete_attempt(lease, training.id, 1, evaluation(0.3), 0.3, writer.tick())


def test_latencies_have_a_column_and_an_axis(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    write_timed(store)
    page.goto(url + PATH)
    page.locator("#trials").scroll_into_view_if_needed()
    rows = page.locator("#all-trials tbody tr")
    expect(rows).to_have_count(2)
    expect(page.locator("#all-trials th.timed")).to_be_visible()
    expect(rows.first.locator("td.timed")).to_have_text("41.5 ms")
    expect(rows.last.locator("td.timed")).not_to_contain_text("ms")
    expect(page.locator("#best-found td.timed")).to_have_text("41.5 ms")
    jobs = page.locator("#trial").get_by_role("region", name="Trainings").locator("tbody tr")
    expect(jobs.locator("td:first-child")).to_have_text(["latency", "reward split"])
    expect(page.locator("#trial .facts")).to_contain_text("Latency41.5 ms")
    expect(page.locator("#cost-shade")).to_have_text("The shaded band is the budget.")
    page.locator("#workers-section").scroll_into_view_if_needed()
    expect(page.locator("#workers .keys > span")).to_have_text(["timing the network", "training for the reward"])
    page.locator("#costs").scroll_into_view_if_needed()
    page.locator("#cost").select_option("latency")
    expect(page.locator("#cost-chart")).to_have_attribute(
        "aria-label", "Average precision against latency: 1 on the Pareto front, from 0.300 at 41.5 ms"
    )
    expect(page.locator("#cost-shade")).to_have_text("")
    assert complaints == []


def test_on_a_phone_the_tables_scroll_and_not_the_page(
    browser: Browser, url: str, store: Store, complaints: list[str]
) -> None:
    write_timed(store)
    with signed_in(browser, url, complaints, viewport={"width": 390, "height": 844}) as page:
        page.goto(url + PATH + "?cost=latency_ms")
        page.locator("#trials").scroll_into_view_if_needed()
        expect(page.locator("#all-trials tbody tr")).to_have_count(2)
        assert page.evaluate(OVERFLOW) == 0
    assert complaints == []


def test_a_search_that_times_nothing_has_neither(page: Page, url: str, store: Store) -> None:
    writer = SearchWriter(store, SEARCH_ID)
    writer.run()
    writer.complete(writer.add(reference("spinenet-49")), 0.2)
    page.goto(url + PATH)
    page.locator("#trials").scroll_into_view_if_needed()
    expect(page.locator("#all-trials tbody tr")).to_have_count(1)
    for table in ("#all-trials", "#best"):
        expect(page.locator(f"{table} th.timed")).to_be_hidden()
    expect(page.locator("#cost").get_by_role("option")).to_have_text(["multiply-adds", "parameters"])
