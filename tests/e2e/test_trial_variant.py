"""A variant of a trial, edited and asked for on its page, in a real browser over a real server."""

from playwright.sync_api import Browser, Page, expect

from api.auth import Grant
from nas_controller.access_tokens import Scope
from nas_controller.records import SearchState
from nas_controller.requests import RequestState
from nas_controller.store.base import Store
from search_space.reference import reference
from search_space.spaces import SPINENET_49
from tests.api.searches import SearchWriter
from tests.e2e.conftest import signed_in
from tests.e2e.test_for_everyone import OVERFLOW

SPINENET = reference("spinenet-49")
LEVELS = [2, 4, 3, 4, 6, 4, 5, 7, 5, 5]
"""Of its intermediate blocks, which are blocks 2 to 11."""


def write_trial(store: Store) -> SearchWriter:
    """Trial 1 is SpineNet-49, as if an algorithm had decided it."""
    assert [block.level for block in SPINENET.blocks[:10]] == LEVELS
    writer = SearchWriter(store, "blood-cells-000001")
    writer.run()
    writer.complete(writer.add(SPINENET, genotype=SPINENET_49.encode(SPINENET)), 0.2)
    return writer


def open_form(page: Page, url: str) -> None:
    page.goto(f"{url}/searches/blood-cells-000001/trials/1")
    summary = page.get_by_text("Edit the decisions of Trial 1")
    expect(summary).to_be_visible()
    summary.press("Enter")
    expect(page.locator("#variant-verdict")).to_contain_text(
        "Nothing is edited yet. Backbone: 28.3 G multiply-adds (+0.0 %)"
    )
    expect(page.get_by_role("button", name="Have it trained")).to_be_disabled()


def test_a_variant_is_made_with_the_keyboard_and_becomes_a_trial(
    page: Page, url: str, store: Store, complaints: list[str]
) -> None:
    writer = write_trial(store)
    open_form(page, url)
    block = page.get_by_role("group", name="Block 3", exact=True)
    # The block of the pool at level 3 that comes next is block 4's: the two change places.
    block.get_by_label("block of the pool").press("ArrowUp")
    expect(block.get_by_label("block of the pool")).to_have_value("L3")
    expect(block.get_by_label("block of the pool")).to_be_focused()
    expect(page.get_by_role("group", name="Block 4", exact=True).get_by_label("block of the pool")).to_have_value("L4")
    drawn = page.locator("#variant-drawing").get_by_role("region", name="Difference: variant against ")
    expect(drawn).to_contain_text("3 -> 4")
    # It reads 12 and 14 already: exchanged, they are the same two.
    page.get_by_role("group", name="Block 16").get_by_label("reads").select_option("14: L5 bottleneck")
    send = page.get_by_role("button", name="Have it trained")
    expect(send).to_be_enabled()
    send.press("Enter")
    expect(page.locator("#variant-note")).to_have_text("Asked; a controller takes it in its next free slot.")
    (request,) = store.list_requests(writer.search_id)
    assert request.draft.parents == (1,)
    made = SPINENET_49.decode(request.draft.genotype)
    assert [block.level for block in made.blocks[:10]] == [2, 3, 4, 4, 6, 4, 5, 7, 5, 5]
    assert [block.parents for block in made.blocks] == [block.parents for block in SPINENET.blocks]
    expect(page.locator("#variant-verdict li")).to_have_text(list(request.draft.edits))
    store.answer_request(writer.lease, request.number, RequestState.REFUSED, "the search ends", writer.tick())
    expect(page.locator("#variant-note")).to_have_text("It was refused: the search ends")
    assert complaints == []


def test_what_is_off_budget_says_so_and_needs_a_word(
    browser: Browser, url: str, store: Store, complaints: list[str]
) -> None:
    writer = write_trial(store)
    with signed_in(browser, url, complaints, viewport={"width": 390, "height": 844}) as page:
        open_form(page, url)
        page.get_by_role("group", name="Block 3", exact=True).get_by_label("block of the pool").select_option("L5")
        # 26,756,710,400 against 28,262,... of SpineNet-49, of which the budget is 5 %.
        expect(page.locator("#variant-verdict")).to_contain_text("The search would not train it: 26,756,710,400")
        send = page.get_by_role("button", name="Have it trained")
        expect(send).to_be_disabled()
        assert page.evaluate(OVERFLOW) == 0
        page.get_by_label("Train it all the same").check()
        send.click()
        expect(page.locator("#variant-note")).to_contain_text("Asked")
        page.get_by_role("button", name="Undo all edits").click()
        expect(page.locator("#variant-verdict")).to_contain_text("Nothing is edited yet")
    assert len(store.list_requests(writer.search_id)) == 1
    assert complaints == []


def test_who_may_only_read_sees_the_cost_and_why_nothing_is_sent(
    browser: Browser, url: str, store: Store, complaints: list[str]
) -> None:
    writer = write_trial(store)
    with signed_in(browser, url, complaints, Grant(scope=Scope.READ)) as page:
        open_form(page, url)
        page.get_by_role("group", name="Block 16").get_by_label("type").select_option("residual")
        expect(page.locator("#variant-verdict li")).to_have_count(1)
        expect(page.get_by_role("button", name="Have it trained")).to_be_disabled()
        expect(page.locator("#variant-refused")).to_contain_text("cannot have a variant trained")
        writer.finish(SearchState.SUCCEEDED, "")
        page.reload()
        expect(page.locator("#variant-section")).to_contain_text("This search takes no more trials")
    assert complaints == []
