import re

import httpx

from nas_controller.store.base import Store
from tests.api.searches import write_small_search

IMPORT = re.compile(r'^(?:import|export) .*from "\./(\w+\.js)";$', re.MULTILINE)


def test_a_page_names_every_module_that_it_will_import(client: httpx.Client, store: Store) -> None:
    writer = write_small_search(store)
    page = client.get(f"/searches/{writer.search_id}").text
    named = re.findall(r'<link rel="modulepreload" href="/static/(\w+\.js)">', page)
    assert len(named) == len(set(named))
    imported = {name for module in named for name in IMPORT.findall(client.get(f"/static/{module}").text)}
    assert set(named) == imported | {"search_page.js"}
