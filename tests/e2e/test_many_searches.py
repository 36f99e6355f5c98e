"""The list of searches and the page that compares them, in a real browser over a real server."""

from playwright.sync_api import Page, expect

from nas_controller.records import SearchState
from nas_controller.store.base import Store
from search_space.reference import reference
from tests.api.searches import DOCUMENT, SearchWriter, write_small_search

ROWS = "#searches tbody tr"


def write_three(store: Store) -> None:
    """One that runs, one that failed, one that waits."""
    write_small_search(store)
    write_small_search(store, "blood-cells-000002").finish(SearchState.FAILED, "the disk is full")
    SearchWriter(store, "waiting-000003", {**DOCUMENT, "name": "waiting", "limits": {"trials": 10}})


def test_a_line_shows_how_each_search_rose(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    write_three(store)
    page.goto(url)
    expect(page.locator(ROWS)).to_have_count(3)
    running = page.locator(ROWS).filter(has_text="blood-cells-000001")
    # Trials 1 (0.21), 3 (failed) and 4 (0.25) were trained.
    words = "Best reward from 0.210 to 0.250, reached after 3 of 3 trainings"
    expect(running.locator("svg")).to_have_attribute("aria-label", words)
    expect(running).to_contain_text("val 0.250 ± 0.006 (n = 3)")
    expect(page.locator(ROWS).filter(has_text="waiting-000003").locator("svg")).to_have_count(0)
    running.get_by_role("link", name="0.250").click()
    expect(page.locator("h1")).to_have_text("Trial 4")
    assert complaints == []


def test_states_are_filtered_by_the_address(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    write_three(store)
    page.goto(url)
    page.locator("#filters").get_by_role("link", name="failed").click()
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator(ROWS)).to_contain_text("blood-cells-000002")
    assert page.url == f"{url}/?state=failed"
    expect(page.locator('#filters [aria-current="page"]')).to_have_text("failed")
    page.goto(f"{url}/?state=paused")
    expect(page.locator("#none h2")).to_have_text("No search is paused now")
    page.get_by_role("link", name="All searches").click()
    expect(page.locator(ROWS)).to_have_count(3)
    assert complaints == []


def test_an_empty_list_leads_to_the_form(page: Page, complaints: list[str]) -> None:
    page.locator("#empty").get_by_role("link", name="Fill in a form").click()
    expect(page.locator("h1")).to_have_text("New search")
    expect(page.locator("#form")).to_be_visible()
    assert complaints == []


def test_what_is_checked_stays_checked_while_the_list_is_followed(page: Page, url: str, store: Store) -> None:
    writer = write_small_search(store)
    write_small_search(store, "blood-cells-000002")
    page.goto(url)
    box = page.locator(ROWS).filter(has_text="blood-cells-000001").get_by_role("checkbox")
    box.check()
    box.focus()
    job = store.list_jobs(writer.search_id, 5)[0]
    store.complete_attempt(writer.lease, job.id, 1, {"average_precision": 0.4}, 0.4, writer.tick())
    expect(page.locator(ROWS).filter(has_text="blood-cells-000001")).to_contain_text("0.400")
    expect(box).to_be_checked()
    expect(box).to_be_focused()


def test_searches_are_compared_on_one_chart(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    write_three(store)
    page.goto(url)
    for search_id in ("blood-cells-000001", "blood-cells-000002"):
        page.locator(ROWS).filter(has_text=search_id).get_by_role("checkbox").check()
    page.get_by_role("link", name="Compare these 2").click()
    expect(page.locator("#chart .scatterlayer .trace")).to_have_count(2)
    # Both have the same name, so they go by their ids.
    words = "Best reward so far: blood-cells-000001 0.250 after 3 trainings; blood-cells-000002 0.250 after 3 trainings"
    expect(page.locator("#chart")).to_have_attribute("aria-label", words)
    expect(page.locator("#documents")).to_have_text("Nothing but the name: chance alone tells them apart.")
    page.get_by_label("against hours").check()
    expect(page.locator("#chart .xtitle")).to_have_text("Hours since the start")
    assert page.url == f"{url}/compare?searches=blood-cells-000001,blood-cells-000002&x=hours"
    page.reload()
    expect(page.locator("#chart .xtitle")).to_have_text("Hours since the start")
    page.get_by_role("link", name="Leave out").first.click()
    expect(page.locator("#chart .scatterlayer .trace")).to_have_count(1)
    assert complaints == []


def test_cost_is_compared_where_it_is_known(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    write_small_search(store)
    priced = {**DOCUMENT, "price": {"cpu_hour": 36.0}}
    writer = SearchWriter(store, "priced-000002", priced)
    writer.run()
    for reward in (0.1, 0.2):
        writer.complete(writer.add(reference("spinenet-49")), reward)
    page.goto(f"{url}/compare?searches=blood-cells-000001,priced-000002&x=cost")
    expect(page.locator("#chart .scatterlayer .trace")).to_have_count(1)
    expect(page.locator("#no-price")).to_be_visible()
    # Two trainings of 5 s on one core at 0.01 EUR a second: each counts 0.05.
    expect(page.locator("#figures tbody tr").nth(1)).to_contain_text("0.10 EUR")
    expect(page.locator("#chart .xtitle")).to_have_text("Cost (EUR)")
    x = page.evaluate("() => document.getElementById('chart').data[0].x.map((value) => Number(value.toFixed(6)))")
    assert x == [0.05, 0.1, 0.1]
    assert complaints == []


def test_a_zoom_is_kept_in_the_address(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    write_three(store)
    page.goto(f"{url}/compare?searches=blood-cells-000001,waiting-000003")
    drag = page.locator("#chart .nsewdrag")
    place = drag.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + 100, place["y"] + 50)
    page.mouse.down()
    page.mouse.move(place["x"] + 300, place["y"] + 200, steps=4)
    page.mouse.up()
    page.wait_for_url("**zoom=**")
    zoom = page.url.partition("zoom=")[2]
    page.reload()
    expect(page.locator("#chart .nsewdrag")).to_be_visible()
    ranges = page.evaluate(
        "() => { const l = document.getElementById('chart').layout; return [...l.xaxis.range, ...l.yaxis.range]; }"
    )
    assert [float(end) for end in zoom.split(",")] == ranges
    expect(page.locator("#documents")).to_contain_text("limits.trials")
    assert complaints == []


def test_comparing_nothing_says_how(page: Page, url: str, complaints: list[str]) -> None:
    page.goto(f"{url}/compare")
    expect(page.locator("#empty")).to_contain_text("Check two or more searches")
    assert complaints == []
