"""The panels of a search's page, in a real browser over a real server."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from api.app import create_app
from nas_controller.records import SearchState
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from search_space.reference import reference
from tests.api.searches import DOCUMENT, SearchWriter
from tests.api.serving import make_settings, serve
from tests.e2e.conftest import signed_in
from tests.e2e.insight_search import SEARCH_ID, write_full_search, write_large_search
from tests.e2e.test_for_everyone import LOW_CONTRAST, NAMELESS, OVERFLOW, UNREACHABLE

PATH = f"/searches/{SEARCH_ID}"
SPEC = reference("spinenet-49")
ROWS = "#all-trials tbody tr"
# What is there once a panel has what it shows, in the order of the page.
FILLED = {
    "#rewards": "#chart .scatterlayer",
    "#costs": "#cost-chart .scatterlayer",
    "#best-section": "#best-found tr",
    "#trial-section": "#trial .drawing svg",
    "#failures-section": "#failures tbody tr",
    "#hypervolume": "#hypervolume svg",
    "#controller-section": "#controller svg",
    "#choice-map": "#choice-map svg rect",
    "#choices-section": "#choices .choice-lines path",
    "#parallel-section": "#parallel path",
    "#workers-section": "#workers svg .span",
    "#trials": ROWS,
}


def see_all(page: Page) -> None:
    """Every panel comes into view, in turn."""
    for section, sign in FILLED.items():
        page.locator(section).scroll_into_view_if_needed()
        expect(page.locator(sign).first).to_be_visible()


@pytest.fixture(scope="module")
def full() -> Iterator[tuple[str, SearchWriter]]:
    """The address of a service with a search that has something for every panel; tests only read it."""
    store = MemoryStore()
    writer = write_full_search(store)
    with serve(create_app(store, None, make_settings())) as url:  # type: ignore[arg-type]
        yield url, writer


@pytest.fixture
def inside(browser: Browser, full: tuple[str, SearchWriter], complaints: list[str]) -> Iterator[Page]:
    with signed_in(browser, full[0], complaints) as page:
        page.goto(full[0] + PATH)
        yield page


def test_every_panel_is_filled_without_a_complaint(inside: Page, complaints: list[str]) -> None:
    see_all(inside)
    # Of the places 0 to 39, 4, 14, ... are infeasible, 6, 16, ... failed, 8, 18, ... were stopped, and 39 runs.
    figures = inside.locator("#figures")
    expect(figures).to_contain_text("35 / 60")
    expect(figures).to_contain_text("4 diverged")
    expect(figures).to_contain_text("1 busy, 1 idle")
    expect(figures).to_contain_text("of 9.00 at most")
    keys = inside.locator("#workers .keys > span")
    expect(keys).to_have_text(["training for the reward", "training measured on val", "failed or lost"])
    for reason in ("diverged", "step 150", "budget"):
        expect(inside.locator("#failures tbody tr").filter(has_text=reason).first).to_be_visible()
    # Random are the places 3, 13, 23 and 33; of the 23 others that were trained 20, 14, 8 and 2 are later, so better.
    beats = "A searched trial is better than a random one with a probability of 48 %"  # 44 of 92 pairs
    expect(inside.locator("#controller")).to_contain_text(beats)
    expect(inside.locator("#noise-words")).to_contain_text("The band is ± 0.010")  # of three architectures, each ± 0.01
    expect(inside.locator("#noise-words")).to_contain_text("3 architectures trained 9 times in all")
    assert complaints == []


def test_what_is_picked_out_in_one_chart_is_so_everywhere(inside: Page, full: tuple[str, SearchWriter]) -> None:
    inside.goto(f"{full[0]}{PATH}?brush=number=11..20#trials")
    # Numbers 11 to 20 are ten trials.
    expect(inside.locator("#brushed")).to_contain_text("10 picked out by trial 11 to 20")
    expect(inside.locator(ROWS)).to_have_count(10)
    expect(inside.locator(ROWS).first).to_contain_text("11")
    inside.get_by_label("State", exact=True).scroll_into_view_if_needed()
    inside.get_by_label("State", exact=True).select_option("infeasible")
    expect(inside.locator(ROWS)).to_have_count(1)
    inside.get_by_role("button", name="Show all again").click()
    inside.locator("#trials").scroll_into_view_if_needed()
    expect(inside.locator(ROWS)).to_have_count(4)
    assert "brush" not in inside.url
    inside.reload()
    expect(inside.locator(ROWS)).to_have_count(4)


def drag(page: Page, place: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """The mouse is dragged over an element, from and to these shares of its width and height."""
    node = page.locator(place).first
    node.scroll_into_view_if_needed()
    box = node.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0] * box["width"], box["y"] + end[1] * box["height"], steps=4)
    page.mouse.up()


def test_a_drag_in_a_chart_picks_out(inside: Page, complaints: list[str]) -> None:
    expect(inside.locator("#cost-chart .scatterlayer").first).to_be_visible()
    inside.get_by_label("picks trials out").check()
    drag(inside, "#cost-chart .nsewdrag", (0.01, 0.01), (0.9, 0.99))
    inside.wait_for_url("**brush=multiply_adds=**reward=**")
    drag(inside, "#chart .nsewdrag", (0.01, 0.01), (0.5, 0.99))
    inside.wait_for_url("**brush=number=**reward=**")
    expect(inside.locator("#brushed")).to_contain_text("picked out by trial")
    drag(inside, "#parallel .handle", (0.5, 0.1), (0.5, 0.9))
    expect(inside.locator("#parallel .faint")).to_have_count(1)
    inside.get_by_role("button", name="Show all again").click()
    expect(inside.locator("#brushed")).to_be_hidden()
    assert complaints == []


def test_trials_are_picked_out_without_a_drag(inside: Page) -> None:
    inside.get_by_text("Pick out by numbers").click()
    inside.get_by_label("reward from").fill("0.2")
    inside.get_by_label("reward from").press("Enter")
    expect(inside.locator("#brushed")).to_contain_text("by reward from 0.200.")
    # 0.1 + 0.003 place is at least 0.2 from place 34 on: 35 and 37; 34 is infeasible, 36 failed, 38 stopped, 39 runs.
    expect(inside.locator(ROWS)).to_have_count(2)


def test_the_best_are_those_by_what_is_asked_for(inside: Page, full: tuple[str, SearchWriter]) -> None:
    found = inside.locator("#best-found tr")
    inside.locator("#objective").select_option("val_average_precision")
    # The one that was measured there: place 37, number 40 after the two references.
    expect(found).to_have_count(1)
    expect(found).to_contain_text("trial 40")
    costs = full[1].store.get_trial(SEARCH_ID, 40).draft.target_cost.backbone_multiply_adds
    most = inside.get_by_label("multiply-adds at most")
    most.fill(str(costs - 1))
    most.press("Enter")
    expect(inside.locator("#best-empty")).to_have_text("No trial is like that.")
    inside.reload()
    expect(inside.locator("#best-references tr")).to_have_count(2)
    expect(found).to_have_count(0)
    most.fill("little")
    most.press("Enter")
    expect(inside.locator("#best-problem")).to_contain_text("'multiply_adds<=little': must be")
    expect(found).to_have_count(10)


def test_the_table_is_walked_with_the_keyboard(inside: Page) -> None:
    inside.locator("#trials").scroll_into_view_if_needed()
    expect(inside.locator(ROWS)).to_have_count(25)
    inside.locator(ROWS).first.focus()
    inside.keyboard.press("ArrowDown")
    inside.keyboard.press("ArrowDown")
    expect(inside.locator(ROWS).nth(2)).to_be_focused()
    inside.keyboard.press("Enter")
    expect(inside.locator("#trial-title")).to_have_text("Trial 3")
    expect(inside.locator(ROWS).nth(2)).to_have_attribute("aria-selected", "true")
    inside.get_by_role("button", name="Next").click()
    expect(inside.locator("#page-words")).to_have_text("trials 26 to 42")
    inside.get_by_label("Order", exact=True).select_option("best reward first")
    # The best is place 37, number 40 after the two references.
    expect(inside.locator(ROWS).first).to_contain_text("40")
    expect(inside.locator("#page-words")).to_contain_text("one for each network")


def test_a_decision_and_a_cost_are_kept_in_the_address(inside: Page) -> None:
    inside.locator("#choice-map").scroll_into_view_if_needed()
    choice = inside.locator("#decision option").nth(3)
    label = choice.inner_text()
    inside.get_by_label("Decision", exact=True).select_option(label)
    expect(inside.locator("#choice-map svg")).to_have_attribute(
        "aria-label", f"How often options of {label} were taken, over 5 runs of trials"
    )
    inside.locator("#cost").scroll_into_view_if_needed()
    inside.locator("#cost").select_option("parameters")
    expect(inside.locator("#cost-chart .xtitle")).to_contain_text("Parameters")
    inside.reload()
    expect(inside.locator("#cost-chart .xtitle")).to_contain_text("Parameters")
    inside.locator("#choices-section").scroll_into_view_if_needed()
    expect(inside.locator("#choices h3").filter(has_text="Options of")).to_have_text(f"Options of {label}")


def test_a_zoom_outlives_what_happens(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_full_search(store, num_trials=8)
    page.goto(f"{url}{PATH}?chart-zoom=2,8,0.05,0.2")
    expect(page.locator("#connection")).to_have_text("live")
    ranges = "() => { const l = document.getElementById('chart').layout; return [...l.xaxis.range, ...l.yaxis.range]; }"
    assert page.evaluate(ranges) == [2, 8, 0.05, 0.2]
    job = store.list_jobs(SEARCH_ID, 10, open_only=True)[0]
    store.complete_attempt(writer.lease, job.id, 1, {"average_precision": 0.4}, 0.4, writer.tick())
    expect(page.locator("#best-found tr").first).to_contain_text("0.400")
    assert page.evaluate(ranges) == [2, 8, 0.05, 0.2]
    assert complaints == []


def test_a_burst_of_events_is_no_burst_of_requests(page: Page, url: str, store: Store) -> None:
    writer = write_full_search(store, num_trials=8)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2].partition("?")[0]))
    page.goto(url + PATH)
    expect(page.locator("#connection")).to_have_text("live")
    for _ in range(30):
        writer.add(SPEC, infeasible="off budget")
    expect(page.locator("#figures")).to_contain_text("31")  # one was there before
    assert asked.count("pareto") <= 2
    assert asked.count("workers") <= 2
    assert asked.count("choices") == 0  # nobody has scrolled there


def test_a_search_that_waits_says_what_will_appear(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    SearchWriter(store, SEARCH_ID, DOCUMENT)
    page.goto(url + PATH)
    for section, text in {
        "#costs": "The front appears",
        "#failures-section": "Every trial so far gave a reward.",
        "#controller-section": "once it has proposed something",
        "#choices-section": "once some were trained",
        "#parallel-section": "once trials have a reward",
        "#workers-section": "once the first attempt was started",
        "#trials": "Trials appear here",
    }.items():
        page.locator(section).scroll_into_view_if_needed()
        expect(page.locator(section)).to_contain_text(text)
    assert complaints == []


def test_a_failed_search_keeps_what_it_found(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    write_full_search(store).finish(SearchState.FAILED, "too many trials failed")
    page.goto(url + PATH)
    expect(page.locator("#state")).to_have_text("failed")
    expect(page.locator("#reason")).to_have_text("too many trials failed")
    see_all(page)
    expect(page.locator("#figures")).not_to_contain_text("when done")
    assert complaints == []


def test_ten_thousand_trials_are_reduced_and_paged(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    write_large_search(store)
    page.goto(url + PATH)
    expect(page.locator("#chart .scatterlayer").first).to_be_visible()
    assert page.locator("#chart path.point").count() <= 5000
    page.goto(f"{url}{PATH}?after=9990#trials")
    expect(page.locator(ROWS)).to_have_count(10)
    expect(page.locator("#page-words")).to_have_text("trials 9\u202f991 to 10\u202f000")
    page.get_by_role("button", name="First", exact=True).click()
    expect(page.locator("#page-words")).to_have_text("trials 1 to 25")
    page.get_by_label("State", exact=True).select_option("completed")
    expect(page.locator("#page-words")).to_have_text("trials 2 to 50")
    page.get_by_label("Order", exact=True).select_option("reward")
    expect(page.locator("#page-words")).to_contain_text("the best 500, one for each network; further ones")
    assert complaints == []


def test_panels_catch_up_after_a_lost_connection(browser: Browser, store: Store) -> None:
    writer = write_full_search(store, num_trials=8)
    app = create_app(store, None, make_settings())  # type: ignore[arg-type]
    with serve(app) as url:
        context = signed_in(browser, url, [])
        page = context.__enter__()
        page.goto(f"{url}{PATH}#trials")
        expect(page.locator(ROWS)).to_have_count(10)
    expect(page.locator("#banner")).to_contain_text("The connection is lost")
    expect(page.locator(ROWS)).to_have_count(10)
    expect(page.locator("#workers .span").first).to_be_visible()
    writer.add(SPEC, infeasible="off budget")
    with serve(app, port=int(url.rpartition(":")[2])):
        expect(page.locator(ROWS)).to_have_count(11)
        expect(page.locator("#banner")).to_be_hidden()
        context.__exit__(None, None, None)


@pytest.mark.parametrize(
    "look",
    [
        pytest.param({"color_scheme": "light"}, id="light"),
        pytest.param({"color_scheme": "dark"}, id="dark"),
        pytest.param({"viewport": {"width": 390, "height": 844}}, id="phone"),
    ],
)
def test_every_panel_is_for_everyone(
    look: dict[str, Any], browser: Browser, full: tuple[str, SearchWriter], complaints: list[str]
) -> None:
    with signed_in(browser, full[0], complaints, **look) as page:
        page.goto(full[0] + PATH)
        see_all(page)
        for script in (LOW_CONTRAST, NAMELESS, UNREACHABLE):
            assert page.evaluate(script) == []
        assert page.evaluate(OVERFLOW) == 0
    assert complaints == []
