import httpx

from nas_controller.store.base import Store
from search_space.drawing.thumbnail import draw_thumbnail
from search_space.reference import reference
from tests.api.searches import write_small_search


def test_a_trials_architecture_comes_as_a_small_picture_that_may_be_kept(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    answer = client.get("/v1/searches/blood-cells-000001/trials/6/thumbnail")  # the reference
    assert answer.text == draw_thumbnail(reference("spinenet-49"))
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "private, max-age=86400"
    missing = client.get("/v1/searches/blood-cells-000001/trials/99/thumbnail")
    assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")
