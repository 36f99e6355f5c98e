"""A real browser on a real server, for every test of the dashboard."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from api.app import create_app
from api.auth import MACHINE, Auth, Grant
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from tests.api.serving import make_settings, serve

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
MILLISECONDS = 15_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    expect.set_options(timeout=MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def store() -> Store:
    return MemoryStore()


@pytest.fixture
def url(store: Store) -> Iterator[str]:
    with serve(create_app(store, None, make_settings())) as url:  # type: ignore[arg-type]
        yield url


@pytest.fixture
def complaints() -> list[str]:
    return []


@contextmanager
def signed_in(browser: Browser, url: str, complaints: list[str], grant: Grant = MACHINE, **look: Any) -> Iterator[Page]:
    """A signed-in page on the list of searches; what its console complains of is added to `complaints`."""
    context = browser.new_context(**look)
    page = context.new_page()
    page.set_default_timeout(MILLISECONDS)
    page.add_init_script(REPORT_VIOLATIONS)
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{url}/login?code={Auth(make_settings()).issue_login_code(grant)}")
    yield page
    context.close()


@pytest.fixture
def page(browser: Browser, url: str, complaints: list[str]) -> Iterator[Page]:
    """A signed-in page on the list of searches; what its console complains of is in `complaints`."""
    with signed_in(browser, url, complaints) as page:
        yield page
