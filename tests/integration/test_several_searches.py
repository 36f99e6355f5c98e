"""Several searches on one service share its machine; who has no room says why."""

from pathlib import Path

from spinesearch.client import FINAL_STATES
from tests.integration.service import running_service, wait_until
from tests.integration.test_service_search import SEARCH, wait_for_end

SHORT = {**SEARCH, "limits": {"trials": 4}, "reevaluate": {"top": 0}}


def test_two_searches_take_turns_on_two_cpus_and_a_third_has_no_gpu(tmp_path: Path) -> None:
    document = {**SHORT, "workers": [{"count": 2, "cpus": 1}]}
    with running_service(tmp_path / "home", SPINESEARCH_CPUS="2", CUDA_VISIBLE_DEVICES="") as (_, client):
        on_a_gpu = client.create_search({**SHORT, "workers": [{"count": 1, "gpus": 1}]})["id"]
        first, second = (client.create_search(document)["id"] for _ in range(2))
        wait_until(lambda: client.get_search(second)["reason"] != "", 60)
        waiting = client.get_search(second)
        assert waiting["state"] == "pending"
        assert waiting["reason"] == "waiting for 2 CPUs of 2: searches that run leave fewer"
        assert client.get_search(first)["state"] not in FINAL_STATES
        ends = [wait_for_end(client, search_id) for search_id in (first, second)]
        assert [(end["state"], end["counts"]["completed"]) for end in ends] == [("succeeded", 4)] * 2
        assert ends[1]["started_at"] >= ends[0]["finished_at"], "one after the other"
        never = client.get_search(on_a_gpu)
        assert (never["state"], never["reason"]) == ("pending", "cannot start here: it asks for 1 GPU, there are 0")
        client.stop(on_a_gpu)
        assert wait_for_end(client, on_a_gpu)["reason"] == "stopped by the user"
