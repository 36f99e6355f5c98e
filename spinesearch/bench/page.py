"""How soon a page of the dashboard can be used when its search is long, in headless Chromium.

The API is a process of its own over the search of `bench api`. A page says by a mark that it can be used: state,
figures and first tables are there, and it listens; charts of plotly.js may come later. Each round opens each page in a
browser that holds nothing yet, of an application that holds nothing either; then once more.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import httpx
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from spinesearch.bench.api import LongSearch, served
from spinesearch.bench.api_served import FORGET
from spinesearch.bench.api_trials import SEARCH_ID

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NUM_TRIALS, QUICK_TRIALS = 10_000, 500
NUM_ROUNDS, QUICK_ROUNDS = 7, 1
TARGET_MILLISECONDS = 2000.0
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
UNTIL_READY = """async () => {
  while (performance.getEntriesByName("ready").length === 0) await new Promise((done) => setTimeout(done, 5));
  return performance.getEntriesByName("ready")[0].startTime;
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTimes:
    """Milliseconds from the navigation until one page could be used, in each round.

    Args:
        first: in a browser that held nothing.
        again: in one that had opened it before.
    """

    page: str
    first: Sequence[float]
    again: Sequence[float]

    @property
    def is_slow(self) -> bool:
        """Whether a first visit usually misses the target."""
        return median(self.first) > TARGET_MILLISECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesReport:
    """What was measured, and by which browser."""

    num_trials: int
    browser: str
    pages: tuple[PageTimes, ...]


def run_pages(*, num_trials: int | None = None, quick: bool = False, console: Console | None = None) -> PagesReport:
    """Writes the search, and opens the pages.

    Args:
        console: where progress is shown; None for nowhere.

    Raises:
        FileNotFoundError: no Chromium, or no Playwright to drive it.
    """
    num_trials = num_trials or (QUICK_TRIALS if quick else NUM_TRIALS)
    num_rounds = QUICK_ROUNDS if quick else NUM_ROUNDS
    with (
        _chromium() as browser,
        tempfile.TemporaryDirectory() as made,
        Progress(console=console or Console(quiet=True)) as progress,
    ):
        bar = progress.add_task(f"writing {num_trials:,} trials", total=None)
        long = LongSearch.written(Path(made), num_trials)
        paths = {
            "list of searches": "/",
            "search": f"/searches/{SEARCH_ID}",
            "trial": f"/searches/{SEARCH_ID}/trials/{long.number}",
        }
        progress.update(bar, description="opening pages", total=num_rounds * len(paths))
        with served(long) as client:
            pages = []
            for name, path in paths.items():
                times = [_visits(browser, client, path, lambda: progress.advance(bar)) for _ in range(num_rounds)]
                first, again = zip(*times, strict=True)
                pages.append(PageTimes(page=name, first=first, again=again))
        return PagesReport(num_trials=num_trials, browser=f"Chromium {browser.version}", pages=tuple(pages))


@contextmanager
def _chromium() -> Iterator["Browser"]:
    """A browser that the system has."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise FileNotFoundError("Playwright is missing, which drives the browser: pip install playwright") from error
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("no `chromium` on the PATH (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def _visits(browser: "Browser", client: httpx.Client, path: str, done: Callable[[], None]) -> tuple[float, float]:
    """Milliseconds of a first visit of a page, and of one more."""
    link = client.post("/v1/sign-in-links").raise_for_status().json()["path"]
    client.get(FORGET)
    with browser.new_context(base_url=str(client.base_url)) as context:
        context.request.get(link, max_redirects=0)  # signs in; the list, to which it leads, is not opened
        page = context.new_page()
        times = []
        for _ in range(2):
            page.goto(path, wait_until="commit")
            times.append(float(page.evaluate(UNTIL_READY)))
        done()
        return times[0], times[1]


def print_pages(report: PagesReport, console: Console) -> None:
    """Prints every page, and names those that miss the target."""
    table = Table("page", title=f"until a page can be used, search of {report.num_trials:,} trials: milliseconds")
    for heading in ("first visit", "worst", "again", "worst"):
        table.add_column(heading, justify="right")
    for page in report.pages:
        numbers = (median(page.first), max(page.first), median(page.again), max(page.again))
        table.add_row(page.page, *(f"{number:,.0f}" for number in numbers), style="red" if page.is_slow else "")
    console.print(table)
    console.print(f"{report.browser}; medians and the worst of {len(report.pages[0].first)} visits.")
    slow = [page.page for page in report.pages if page.is_slow]
    target = f"target: a first visit of at most {TARGET_MILLISECONDS:,.0f} ms"
    console.print(f"{target}: missed by {', '.join(slow)}" if slow else f"{target}: reached by every page")
