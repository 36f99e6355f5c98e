"""The pages for who may only read, in a real browser over a real server."""

from playwright.sync_api import Browser, expect

from api.auth import Grant
from nas_controller.access_tokens import Scope
from nas_controller.store.base import Store
from tests.api.searches import write_small_search
from tests.e2e.conftest import signed_in


def test_pages_work_without_what_would_be_refused(
    browser: Browser, url: str, store: Store, complaints: list[str]
) -> None:
    search = f"{url}/searches/{write_small_search(store).search_id}"
    with signed_in(browser, url, complaints, Grant(scope=Scope.READ)) as page:
        page.goto(search)
        expect(page.locator("#best-found tr")).to_have_count(2)
        expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        page.goto(f"{search}/trials/4")
        expect(page.locator("#blocks table")).to_be_visible()
        expect(page.get_by_role("button", name="Train it again")).to_have_count(0)
        page.goto(f"{url}/searches/new")
        expect(page.locator("#verdict")).to_have_text("This can be started.")
        expect(page.locator("#estimate dl")).to_be_visible()
        expect(page.get_by_role("button", name="Start the search")).to_be_disabled()
    assert complaints == []
