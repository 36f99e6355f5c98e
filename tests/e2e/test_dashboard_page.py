"""The dashboard in a real browser, over a real server."""

from playwright.sync_api import Browser, Page, expect

from api.app import create_app
from api.auth import Auth
from nas_controller.records import Failure, FailureReason, SearchState
from nas_controller.store.base import Store
from search_space.export.formats import FORMATS, ONNX
from tests.api.searches import SearchWriter, evaluation, write_small_search
from tests.api.serving import make_settings, serve

LIST_ROWS = "#searches tbody tr"


def test_an_empty_list_says_how_to_start(page: Page, url: str, complaints: list[str]) -> None:
    expect(page.locator("#empty")).to_contain_text(f"curl {url}/v1/searches")
    expect(page.locator("#empty")).to_contain_text("spinesearch search start")
    assert complaints == []


def test_a_search_appears_in_the_list_by_itself(page: Page, store: Store, complaints: list[str]) -> None:
    expect(page.locator("#empty")).to_be_visible()
    write_small_search(store)
    row = page.locator(LIST_ROWS)
    expect(row).to_have_count(1)
    expect(row).to_contain_text("running")
    expect(row).to_contain_text("3 / 40")
    expect(row).to_contain_text("0.250")
    row.get_by_role("link", name="blood cells", exact=True).click()
    expect(page.locator("h1")).to_have_text("blood cells")
    assert complaints == []


def open_search(page: Page, url: str, writer: SearchWriter, fragment: str = "") -> None:
    page.goto(f"{url}/searches/{writer.search_id}{fragment}")
    expect(page.locator("#connection")).to_have_text("live")


def figures(page: Page) -> str:
    return page.locator("#figures").inner_text()


def test_one_search_shows_its_figures_chart_and_best(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    open_search(page, url, write_small_search(store))
    assert "3 / 40" in figures(page)
    assert "0.250 ± 0.006 (n = 3)" in figures(page)  # 0.01 / sqrt(3)
    expect(page.locator("#best-found tr")).to_have_count(2)
    best = page.locator("#best-found tr").first
    expect(best).to_contain_text("trial 4")
    expect(best).to_contain_text("+0.020 ± 0.023 no significant difference")
    picture = best.locator("img")
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") > 0
    expect(page.locator("#best-references tr")).to_contain_text("0.230 ± 0.006 (n = 3)")
    # Two rewards, then one mark each for failed, infeasible and running; the reference is not in the chart.
    expect(page.locator("#chart .points path.point")).to_have_count(5)
    expect(page.locator("#chart")).to_have_attribute(
        "aria-label", "Reward of each trial: 6 trials, the best reward 0.250 at trial 4"
    )
    assert complaints == []


def test_a_trial_has_an_address_a_drawing_and_its_trainings(
    page: Page, url: str, store: Store, complaints: list[str]
) -> None:
    writer = write_small_search(store)
    open_search(page, url, writer)
    page.get_by_role("link", name="trial 4", exact=True).first.click()
    expect(page.locator("#trial-title")).to_have_text("Trial 4")
    expect(page.locator("#trial .drawing svg")).to_be_visible()
    expect(page.locator("#trial tbody tr").filter(has_text="val")).to_have_count(3)
    assert page.url.endswith("#trial=4")
    page.reload()
    expect(page.locator("#trial-title")).to_have_text("Trial 4")
    page.get_by_label("Trial", exact=True).fill("3")
    page.keyboard.press("Enter")
    expect(page.locator("#trial .reason")).to_have_text("loss is not a number at step 17")
    assert page.url.endswith("#trial=3")
    assert complaints == []


def test_a_trial_has_a_link_for_every_format(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_small_search(store)
    open_search(page, url, writer, "#trial=6")
    links = page.locator("#trial .exports a")
    expect(links).to_have_count(len(FORMATS) + 1)
    addresses = [str(links.nth(k).get_attribute("href")) for k in range(len(FORMATS) + 1)]
    assert [address.partition("?format=")[2] for address in addresses] == [*FORMATS, ONNX]
    with page.expect_download() as download:
        page.locator("#trial .exports").get_by_role("link", name="model card").click()
    assert download.value.suggested_filename == "spinenet-49.md"
    assert complaints == []


def test_a_reused_reward_leads_to_the_trial_that_was_trained(
    page: Page, url: str, store: Store, complaints: list[str]
) -> None:
    writer = write_small_search(store)
    writer.reuse(store.get_trial(writer.search_id, 4))
    open_search(page, url, writer, "#trial=7")
    expect(page.locator("#trial .facts")).to_contain_text("0.250 reused from trial 4")
    page.locator("#trial .facts").get_by_role("link", name="trial 4").click()
    expect(page.locator("#trial-title")).to_have_text("Trial 4")
    other = SearchWriter(store, "blood-cells-000002")
    other.run()
    other.reuse(store.get_trial(writer.search_id, 4))
    open_search(page, url, other)
    expect(page.locator("#best-found tr")).to_contain_text(f"reused from trial 4 of {writer.search_id}")
    page.locator("#best-found").get_by_role("link", name="trial 4").click()
    expect(page.locator("#trial-title")).to_have_text("Trial 4")
    assert page.url.endswith(f"/searches/{writer.search_id}#trial=4")
    assert complaints == []


def test_a_curve_grows_and_who_was_stopped_is_said_to_be(
    page: Page, url: str, store: Store, complaints: list[str]
) -> None:
    writer = write_small_search(store)
    open_search(page, url, writer, "#trial=5")
    writer.measure(5, 75, 0.05)
    caption = page.locator("#trial figcaption").filter(has_text="AP on the reward split while training")
    expect(caption).to_have_text("AP on the reward split while training: 0.050 at 25 %")
    writer.stop(5, 150, 0.9)
    expect(caption).to_have_text("AP on the reward split while training: 0.050 at 25 %, 0.900 at 50 %")
    expect(page.locator("#trial .curve circle")).to_have_count(2)
    expect(page.locator("#trial .facts")).to_contain_text("stopped early")
    expect(page.locator("#trial .facts")).to_contain_text("after step 150")
    expect(page.locator("#figures")).to_contain_text("stopped early")
    # Two rewards above; below the axis one mark each for failed, infeasible and stopped early.
    expect(page.locator("#chart .points path.point")).to_have_count(5)
    expect(page.locator("#chart")).to_have_attribute(
        "aria-label", "Reward of each trial: 6 trials, the best reward 0.250 at trial 4"
    )
    expect(page.locator("#best-found tr").first).to_contain_text("trial 4")
    assert complaints == []


def test_what_happens_is_seen_without_reloading(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_small_search(store)
    open_search(page, url, writer)
    job = store.list_jobs(writer.search_id, 5)[0]
    finish_trial_5(store, writer, job.id)
    expect(page.locator("#best-found tr").first).to_contain_text("trial 5")
    expect(page.locator("#figures")).to_contain_text("4 / 40")
    writer.finish(SearchState.SUCCEEDED, "the limit of trials is reached")
    expect(page.locator("#state")).to_have_text("succeeded")
    expect(page.locator("#reason")).to_have_text("the limit of trials is reached")
    expect(page.locator("#verbs button")).to_have_count(0)
    assert complaints == []


def finish_trial_5(store: Store, writer: SearchWriter, job_id: str) -> None:
    store.complete_attempt(writer.lease, job_id, 1, evaluation(0.3), 0.3, writer.tick())


def test_stopping_asks_first_and_pausing_does_not(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_small_search(store)
    open_search(page, url, writer)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#state")).to_contain_text("paused")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Go back").click()
    expect(page.locator("#confirm")).to_be_hidden()
    assert store.get_search(writer.search_id).state is SearchState.PAUSED
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Stop the search").click()
    expect(page.locator("#state")).to_contain_text("stopping")
    assert store.get_search(writer.search_id).state is SearchState.STOPPING
    assert complaints == []


def test_a_lost_connection_is_said_and_made_good(browser: Browser, store: Store) -> None:
    writer = write_small_search(store)
    job = store.list_jobs(writer.search_id, 5)[0]
    context = browser.new_context()
    page = context.new_page()
    with serve(create_app(store, None, make_settings())) as url:  # type: ignore[arg-type]
        page.goto(f"{url}/login?code={Auth(make_settings()).issue_login_code()}")
        open_search(page, url, writer)
    expect(page.locator("#banner")).to_contain_text("The connection is lost")
    expect(page.locator("#figures")).to_contain_text("3 / 40")
    finish_trial_5(store, writer, job.id)
    with serve(create_app(store, None, make_settings()), port=int(url.rpartition(":")[2])):  # type: ignore[arg-type]
        expect(page.locator("#connection")).to_have_text("live")
        expect(page.locator("#figures")).to_contain_text("4 / 40")
        expect(page.locator("#banner")).to_be_hidden()
        context.close()


def test_names_are_shown_as_text(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = write_small_search(store)
    message = "<img src=x onerror=alert(1)>"
    job = store.list_jobs(writer.search_id, 5)[0]
    failure = Failure(reason=FailureReason.OUT_OF_MEMORY, message=message)
    store.fail_attempt(writer.lease, job.id, 1, failure, False, writer.tick())
    open_search(page, url, writer, "#trial=5")
    expect(page.locator("#trial .failure summary")).to_have_text(f"Attempt 1, out of memory: {message}")
    expect(page.locator("#trial .reason")).to_have_text(message)
    assert complaints == []
