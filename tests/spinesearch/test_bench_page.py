"""`bench page`: what its table says, and what it says where there is no browser."""

import io
import json
import subprocess
import sys

import pytest
from rich.console import Console

from spinesearch.bench.page import PagesReport, PageTimes, print_pages, run_pages

SEARCH = PageTimes(page="search", first=(1900.0, 2000.0, 9000.0), again=(700.0, 800.0, 900.0))


def printed(*pages: PageTimes) -> str:
    text = io.StringIO()
    print_pages(PagesReport(num_trials=10_000, browser="Chromium 1", pages=pages), Console(file=text, width=120))
    return text.getvalue()


def test_the_table_has_medians_and_names_what_misses_the_target() -> None:
    text = printed(SEARCH)
    (row,) = [line for line in text.splitlines() if "search " in line and "2,000" in line and "9,000" in line]
    assert row.replace("\N{BOX DRAWINGS LIGHT VERTICAL}", "").split() == ["search", "2,000", "9,000", "800", "900"]
    assert "target: a first visit of at most 2,000 ms: reached by every page" in text
    slow = PageTimes(page="trial", first=(2000.1,), again=(1.0,))
    assert "missed by trial" in printed(SEARCH, slow)


def test_without_a_browser_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="no `chromium` on the PATH"):
        run_pages(quick=True)


@pytest.mark.slow
def test_every_page_says_when_it_can_be_used() -> None:
    # A process of its own, as another test of this one may have a browser.
    command = [sys.executable, "-m", "spinesearch", "bench", "page", "--quick", "--trials", "250", "--json"]
    report = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert report["num_trials"] == 250
    assert [page["page"] for page in report["pages"]] == ["list of searches", "search", "trial"]
    assert all(page["first"][0] > 0 and page["again"][0] > 0 for page in report["pages"])
