import httpx
import pytest

from nas_controller.store.base import Store
from tests.api.searches import write_small_search

BASE = "/v1/searches/blood-cells-000001"


@pytest.mark.parametrize(("number", "kinds"), [(2, []), (3, ["proxy"]), (4, ["proxy"] + 3 * ["reevaluate"])])
def test_the_jobs_of_a_trial_are_those_of_its_page(
    client: httpx.Client, store: Store, number: int, kinds: list[str]
) -> None:
    write_small_search(store)
    jobs = client.get(f"{BASE}/trials/{number}/jobs").json()["jobs"]
    assert jobs == client.get(f"{BASE}/trials/{number}").json()["jobs"]
    assert [job["kind"] for job in jobs] == kinds
    assert all(len(job["attempts"]) == 1 for job in jobs)


def test_what_is_not_there_has_no_jobs(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    assert client.get(f"{BASE}/trials/99/jobs").status_code == 404
    assert client.get("/v1/searches/none/trials/1/jobs").status_code == 404
