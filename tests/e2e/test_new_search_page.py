"""The form that starts a search, in a real browser over a real server."""

import json
from typing import Any

import yaml
from playwright.sync_api import Page, expect

from nas_controller.records import SearchState
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from tests.api.searches import DOCUMENT, SearchWriter

VERDICT = "#verdict"
CAN_START = "This can be started."


def open_form(page: Page, url: str, query: str = "") -> None:
    page.goto(f"{url}/searches/new{query}")
    expect(page.locator(VERDICT)).to_have_text(CAN_START)


def document(page: Page) -> dict[str, Any]:
    """The document as the page shows it."""
    page.get_by_label("JSON").check()
    return dict(json.loads(page.locator("#document").inner_text()))


def test_the_document_is_written_as_the_form_is_filled_in(
    page: Page, url: str, store: Store, complaints: list[str]
) -> None:
    open_form(page, url)
    page.get_by_label("name", exact=True).fill("blood cells")
    page.get_by_label("trials", exact=True).fill("1.5k")
    page.get_by_label("hours", exact=True).fill("2")
    page.get_by_label("GPUs").fill("1")
    page.get_by_text("All settings").click()
    page.locator('[id="field-reevaluate.references"]').fill("spinenet-49, r0-sp53")
    page.get_by_label("settings", exact=True).fill("learning_rate: 0.001")
    expect(page.locator("#document")).to_contain_text('limits: {trials: "1.5k", hours: 2}')
    as_yaml = yaml.safe_load(page.locator("#document").inner_text())
    assert as_yaml == document(page)
    assert as_yaml == {
        "name": "blood cells",
        "space": "spinenet-49",
        "data": "generated",
        "proxy": {"preset": "cpu-tiny"},
        "limits": {"trials": "1.5k", "hours": 2},
        "workers": [{"gpus": 1}],
        "reevaluate": {"references": ["spinenet-49", "r0-sp53"]},
        "algorithm": {"settings": {"learning_rate": 0.001}},
    }
    page.get_by_label("hours", exact=True).fill("")
    assert document(page)["limits"] == {"trials": "1.5k"}
    assert complaints == []


def test_each_preset_is_a_search_and_can_be_linked_to(page: Page, url: str, complaints: list[str]) -> None:
    open_form(page, url)
    found = []
    for button in page.locator("#presets button").all():
        button.click()
        found.append(SearchConfig.from_document(document(page)).space)
    assert found == ["spinenet-49", "spinenet-49", "spinenet-49", "joint", "spinenet-49"]
    assert page.url.endswith("/searches/new?preset=paper")
    page.reload()
    expect(page.get_by_label("trials", exact=True)).to_have_value("14000")
    assert complaints == []


def test_what_is_wrong_is_said_at_its_field(page: Page, url: str, complaints: list[str]) -> None:
    open_form(page, url)
    page.get_by_label("trials", exact=True).fill("0")
    page.get_by_label("data", exact=True).select_option("own")
    page.get_by_label("folder").fill("/data/x")
    trials = page.get_by_label("trials", exact=True)
    expect(trials).to_have_attribute("aria-invalid", "true")
    expect(page.locator('[id="field-limits.trials-error"]')).to_have_text("Input should be greater than or equal to 1")
    expect(page.locator('[id="field-data.train.images-error"]')).to_have_text("data.train: Field required")
    expect(page.locator(VERDICT)).to_have_text("This cannot be started yet.")
    page.locator("#problems").get_by_role("button", name="limits.trials").press("Enter")
    expect(trials).to_be_focused()
    trials.fill("5")
    page.get_by_label("data", exact=True).select_option("generated")
    expect(page.locator(VERDICT)).to_have_text(CAN_START)
    expect(page.locator("#problems-section")).to_be_hidden()
    expect(trials).to_have_attribute("aria-invalid", "false")
    assert complaints == []


def test_an_error_of_a_setting_that_is_not_shown_opens_it(page: Page, url: str, complaints: list[str]) -> None:
    open_form(page, url)
    page.get_by_text("All settings").click()
    batch_size = page.locator('[id="field-proxy.batch_size"]')
    batch_size.fill("1")
    expect(page.locator('[id="field-proxy.batch_size-error"]')).to_have_text("1: must be at least 2 (batch norm)")
    page.get_by_text("All settings").click()
    expect(batch_size).to_be_hidden()
    page.locator("#problems").get_by_role("button", name="proxy.batch_size").click()
    expect(batch_size).to_be_focused()
    assert complaints == []


def test_the_estimate_stands_before_the_button(page: Page, url: str, complaints: list[str]) -> None:
    open_form(page, url)
    estimate = page.locator("#estimate")
    # 20 trials; the best three and two references, three seeds each.
    expect(estimate).to_contain_text("Trainings35")
    expect(estimate).to_contain_text("Inside the budget")
    above = estimate.bounding_box()
    button = page.locator("#start").bounding_box()
    assert above is not None
    assert button is not None
    assert above["y"] + above["height"] <= button["y"]
    page.get_by_label("trials", exact=True).fill("100")
    expect(estimate).to_contain_text("Trainings115")
    assert complaints == []


def test_two_clicks_make_one_search(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    open_form(page, url)
    page.locator("#start").dblclick()
    expect(page.locator("h1")).to_have_text("try-it")
    searches = store.list_searches(10)
    assert [(search.name, search.state) for search in searches] == [("try-it", SearchState.PENDING)]
    assert page.url == f"{url}/searches/{searches[0].id}"
    assert complaints == []


def test_the_same_document_is_sent_with_the_same_key(page: Page, url: str, store: Store) -> None:
    """The first answer is lost: the second try finds the search that was made."""
    open_form(page, url)
    lost = []

    def lose(route: Any) -> None:
        lost.append(route.request.headers["idempotency-key"])
        if len(lost) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/searches", lose)
    page.locator("#start").click()
    expect(page.locator(VERDICT)).to_contain_text("It was not started: The service does not answer.")
    page.locator("#start").click()
    expect(page.locator("h1")).to_have_text("try-it")
    assert len(set(lost)) == 1
    assert len(store.list_searches(10)) == 1


def test_a_form_can_begin_with_another_search(page: Page, url: str, store: Store, complaints: list[str]) -> None:
    writer = SearchWriter(store, "blood-cells-000001", {**DOCUMENT, "proxy": {"preset": "cpu-tiny", "steps": 200}})
    open_form(page, url, f"?from={writer.search_id}")
    expect(page.locator("#origin")).to_contain_text("As in blood cells")
    assert document(page) == {
        "name": "blood cells 2",
        "space": "spinenet-49",
        "data": "generated",
        "limits": {"trials": 40},
        "algorithm": {"seed": 7},
        "proxy": {"preset": "cpu-tiny", "steps": 200},
    }
    page.get_by_label("trials", exact=True).fill("12")
    page.locator("#start").click()
    expect(page.locator("h1")).to_have_text("blood cells 2")
    clone = store.list_searches(1)[0]
    assert clone.cloned_from == writer.search_id
    # Nothing but what was written: the horizon of REINFORCE follows the limit again.
    source = store.get_search(writer.search_id).config
    wanted = {**source, "name": "blood cells 2", "limits": {**source["limits"], "trials": 12}}
    wanted["algorithm"] = {**source["algorithm"], "settings": {"horizon": 12.0}}
    assert clone.config == wanted
    assert complaints == []


def test_pools_of_workers_come_and_go(page: Page, url: str, complaints: list[str]) -> None:
    open_form(page, url)
    page.get_by_label("count", exact=True).fill("4")
    page.get_by_role("button", name="Add a pool").click()
    second = page.get_by_role("group", name="Pool 2")
    second.get_by_label("GPUs").fill("1")
    assert document(page)["workers"] == [{"count": 4}, {"gpus": 1}]
    page.get_by_role("button", name="Remove pool 1").click()
    assert document(page)["workers"] == [{"gpus": 1}]
    expect(page.get_by_label("GPUs")).to_have_value("1")
    assert complaints == []
