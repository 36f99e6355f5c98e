import re

import httpx
import pytest

from nas_controller.access_tokens import Scope
from nas_controller.records import SearchState
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from tests.api.granting import session
from tests.api.searches import write_small_search

IMPORT = re.compile(r'^(?:import|export) .*from "\./(\w+\.js)";$', re.MULTILINE)
SEARCH = "/searches/blood-cells-000001"


def test_a_page_names_every_module_that_it_will_import(client: httpx.Client, store: Store) -> None:
    writer = write_small_search(store)
    page = client.get(f"/searches/{writer.search_id}").text
    named = re.findall(r'<link rel="modulepreload" href="/static/(\w+\.js)">', page)
    assert len(named) == len(set(named))
    imported = {name for module in named for name in IMPORT.findall(client.get(f"/static/{module}").text)}
    assert set(named) == imported | {"search_page.js"}


@pytest.mark.parametrize(
    ("path", "offer", "reason"),
    [
        ("/", ">New search<", "cannot start one"),
        ("/searches/new", '<button id="start" class="strong">', "cannot start a search"),
        (SEARCH, 'id="verbs"', "cannot pause, stop or cancel"),
        (f"{SEARCH}/trials/4", 'id="verbs"', "cannot stop, retry or promote"),
    ],
)
def test_who_may_only_read_is_offered_no_changes_and_told_why(
    client: httpx.Client, store: Store, path: str, offer: str, reason: str
) -> None:
    write_small_search(store)
    del client.headers["Authorization"]
    pages = {scope: client.get(path, headers=session(scope)).text for scope in Scope}
    told = {scope: (offer in page, reason in page, ">read only<" in page) for scope, page in pages.items()}
    may_write = (True, False, False)
    assert told == {Scope.READ: (False, True, True), Scope.WRITE: may_write, Scope.ADMIN: may_write}


def test_nothing_is_said_to_be_forbidden_of_a_search_that_is_over(client: httpx.Client, store: MemoryStore) -> None:
    write_small_search(store).finish(SearchState.SUCCEEDED, "")
    del client.headers["Authorization"]
    for path in (SEARCH, f"{SEARCH}/trials/4"):
        assert "may only read" not in client.get(path, headers=session(Scope.READ)).text
