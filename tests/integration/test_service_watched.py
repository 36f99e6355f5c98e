"""What a whole service says of itself while it works: its log, its metrics, its readiness."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from spinesearch.home import Home
from tests.integration.service import running_service, wait_until
from tests.integration.test_service_search import SEARCH, wait_for_end

NUM_TRIALS = 120
"""Enough that the search still runs after the second heartbeat, which comes after five seconds."""


def json_lines(log: Path) -> list[dict[str, Any]]:
    """The lines of the service's processes; what `up` itself says to its user is text."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def about(lines: list[dict[str, Any]], start: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["message"].startswith(start)]


def samples(text: str) -> dict[str, float]:
    """Values by name and labels, as they stand in the text."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {" ".join([s.name, *(f"{k}={v}" for k, v in sorted(s.labels.items()))]): s.value for s in found}


@pytest.mark.slow
def test_a_service_says_what_it_does(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output, running_service(tmp_path / "home", output=output) as (_, client):
        bearer = {"Authorization": f"Bearer {Home(tmp_path / 'home', '', None).token()}"}
        url = (tmp_path / "home" / "url").read_text(encoding="ascii")

        def metrics() -> dict[str, float]:
            return samples(httpx.get(f"{url}/metrics", headers=bearer).text)

        search_id = client.create_search({**SEARCH, "limits": {"trials": NUM_TRIALS}})["id"]
        step = f"nas_controller_seconds_count search={search_id} step="
        wait_until(lambda: metrics().get(step + "tell", 0) >= 2, 120)
        assert metrics()[step + "transaction"] > 0
        assert metrics()["nas_processes role=daemon"] == 1
        ready = httpx.get(f"{url}/readyz", headers=bearer)
        assert {check["status"] for check in ready.json()["checks"]} == {"ok"}
        wait_for_end(client, search_id)
        wait_until(lambda: metrics()["nas_searches state=succeeded"] == 1, 30)
        assert metrics()["nas_trials_total reason= state=completed"] == NUM_TRIALS
        counts = client.get_search(search_id)["counts"]
        assert metrics()["nas_trials_created_total"] == counts["total"]
        trained = next(t["number"] for t in client.list_trials(search_id) if t["state"] == "completed")
    lines = json_lines(log)
    assert {"api", "daemon", "search"} <= {line["role"] for line in lines}
    of_trial = [line for line in lines if line.get("trial") == trained]
    assert {line["search"] for line in of_trial} == {search_id}
    assert [line["message"] for line in about(of_trial, f"trial {trained} created")] == [
        f"trial {trained} created by random"
    ]
    (started,) = about(of_trial, "attempt 1 started")[:1]
    assert (started["attempt"], started["job"].startswith(f"{search_id}.{trained}.proxy.")) == (1, True)
    assert about(of_trial, f"trial {trained} completed, reward")
    assert [line["role"] for line in about(lines, "process") if line["message"].endswith("ends")].count("api") == 1
