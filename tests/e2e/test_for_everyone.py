"""Every page in both themes and at the width of a phone: contrast, names of what can be used, and the keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from nas_controller.store.base import Store
from tests.api.searches import write_small_search
from tests.e2e.conftest import signed_in

SEARCH = "/searches/blood-cells-000001"
PAGES = {
    "/": "#searches svg",
    "/?state=failed": "#none",
    SEARCH: "#best-found tr",
    f"{SEARCH}/trials/4": "#blocks table",
    f"{SEARCH}/trials/3": "#jobs table",
    f"{SEARCH}/trials/4?with=spinenet-49": ".edits",
    "/searches/new": "#estimate dl",
    "/compare?searches=blood-cells-000001": "#chart .scatterlayer",
}
# WCAG 2.2, success criterion 1.4.3: 4.5 to 1, or 3 to 1 for large text (24 px, or 18.66 px in bold). Text in
# drawings has tests of its own (`tests/search_space`); charts stand on the page's ground.
LOW_CONTRAST = """
() => {
  const channels = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = (top, below) => top.slice(0, 3).map((value, i) => value * top[3] + below[i] * (1 - top[3]));
  const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const groundOf = (node) => {
    const layers = [];
    for (let each = node; each; each = each.parentElement) {
      layers.unshift(channels(getComputedStyle(each).backgroundColor));
    }
    return layers.reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const opacityOf = (node) => {
    let opacity = 1;
    for (let each = node; each; each = each.parentElement) opacity *= Number(getComputedStyle(each).opacity);
    return opacity;
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const texts = [...node.childNodes].filter((child) => child.nodeType === 3);
    const text = texts.map((child) => child.data.trim()).join("");
    const isDrawn = node.closest("svg") && !node.closest(".line-chart") && !node.closest(".main-svg");
    if (text === "" || isDrawn || node.disabled || !node.checkVisibility() || node.closest(".unseen")) continue;
    const style = getComputedStyle(node);
    const ground = groundOf(node);
    const ink = channels(node.closest("svg") ? style.fill : style.color);
    ink[3] *= opacityOf(node);
    const [high, low] = [luminance(over(ink, ground)), luminance(ground)].sort((one, other) => other - one);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return found;
}
"""
NAMELESS = """
() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0'], svg[role=img]")]
  .filter((node) => node.checkVisibility())
  .filter((node) => {
    const label = node.labels && [...node.labels].map((each) => each.textContent).join("");
    return !(node.getAttribute("aria-label") || label || node.textContent.trim());
  })
  .map((node) => node.outerHTML.slice(0, 120))
"""
UNREACHABLE = """
() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  .filter((node) => node.checkVisibility() && node.tabIndex < 0)
  .map((node) => node.outerHTML.slice(0, 120))
"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, browser: Browser, url: str, complaints: list[str]) -> Iterator[Page]:
    with signed_in(browser, url, complaints, color_scheme=request.param) as page:
        yield page


@pytest.fixture
def phone(browser: Browser, url: str, complaints: list[str]) -> Iterator[Page]:
    with signed_in(browser, url, complaints, viewport={"width": 390, "height": 844}) as page:
        yield page


def test_text_stands_out_and_everything_has_a_name(themed: Page, url: str, store: Store, complaints: list[str]) -> None:
    write_small_search(store)
    for path, sign in PAGES.items():
        themed.goto(url + path)
        expect(themed.locator(sign).first).to_be_visible()
        for script in (LOW_CONTRAST, NAMELESS, UNREACHABLE):
            assert themed.evaluate(script) == [], path
    assert complaints == []


def test_the_contrast_test_can_fail(page: Page, url: str, store: Store) -> None:
    page.goto(url)
    expect(page.locator("#empty")).to_be_visible()
    # #999 on white has 2.85 to 1.
    page.evaluate("() => { document.querySelector('#empty h2').style.color = '#999'; }")
    assert page.evaluate(LOW_CONTRAST) == ["No search yet: 2.85"]


def test_no_page_is_wider_than_a_phone(phone: Page, url: str, store: Store, complaints: list[str]) -> None:
    write_small_search(store)
    for path, sign in PAGES.items():
        phone.goto(url + path)
        expect(phone.locator(sign).first).to_be_visible()
        assert phone.evaluate(OVERFLOW) == 0, path
    assert complaints == []


def test_a_search_is_started_with_the_keyboard_alone(page: Page, store: Store, complaints: list[str]) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="New search")).to_be_focused()
    page.keyboard.press("Enter")
    trials = page.get_by_label("trials", exact=True)
    trials.press("ControlOrMeta+a")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("try-it")
    assert [search.config["limits"]["trials"] for search in store.list_searches(5)] == [7]
    assert complaints == []
