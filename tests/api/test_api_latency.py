"""What REST says of latencies."""

import csv
import io
from datetime import timedelta

import httpx
import pytest

from nas_controller.records import JobKind
from nas_controller.store.base import Store
from search_space.reference import reference
from tests.api.searches import DOCUMENT, START, SearchWriter
from tests.conformance.store_cases import evaluation, make_draft, make_latency

SEARCH = "/v1/searches/s1"
LATENCY = make_latency(41.5, discarded=3)


def timed_search(store: Store) -> None:
    """Trial 1 was timed and waits for its training, 2 is being timed."""
    writer = SearchWriter(store, "s1", {**DOCUMENT, "latency": {"rounds": 6}}, START)
    lease = writer.run()
    spec = reference("spinenet-49").to_document()
    for number in (1, 2):
        draft = make_draft(number, spec=spec, genotype=(), log_probs=(), parents=())
        job = store.start_trial(lease, draft, number, "worker-1", writer.tick(), first=JobKind.LATENCY)
        if number == 1:
            store.complete_latency(lease, job.id, 1, LATENCY, writer.tick())


def test_a_trial_shows_its_latency_in_lists_and_alone(client: httpx.Client, store: Store) -> None:
    timed_search(store)
    first, second = client.get(f"{SEARCH}/trials").json()["trials"]
    assert (first["state"], second["latency"]) == ("queued", None)
    assert first["latency"] == {
        "median_ms": 41.5,
        "interval_ms": [31.125, 51.875],
        "rounds": 6,
        "discarded": 3,
        "device": {
            "digest": LATENCY.device.digest,
            "device": "cpu (fp32)",
            "processor": "Example 9000",
            "threads": 1,
            "precision": "fp32",
            "torch": "2.14",
        },
    }
    alone = client.get(f"{SEARCH}/trials/1").json()
    assert alone["latency"] == first["latency"]
    assert [(job["kind"], job["state"]) for job in alone["jobs"]] == [("latency", "completed"), ("proxy", "queued")]
    assert client.get(SEARCH).json()["open_jobs"] == {"latency": 1, "proxy": 1, "reevaluate": 0, "full_train": 0}


def test_the_table_has_latencies(client: httpx.Client, store: Store) -> None:
    timed_search(store)
    first, second = csv.DictReader(io.StringIO(client.get(f"{SEARCH}/table.csv").text))
    columns = {name: value for name, value in first.items() if name.startswith("latency_")}
    assert columns == {
        "latency_ms": "41.5",
        "latency_low_ms": "31.125",
        "latency_high_ms": "51.875",
        "latency_rounds": "6",
        "latency_discarded": "3",
        "latency_device": LATENCY.device.digest,
    }
    assert {second[name] for name in columns} == {""}


def test_precision_is_held_against_latency(client: httpx.Client, store: Store) -> None:
    timed_search(store)
    lease = store.claim_search("s1", "controller", START, 1e9)
    assert lease is not None
    proxy = store.list_jobs("s1", 1)[1]
    store.start_attempt(lease, proxy.id, "worker-1", START + timedelta(hours=1))
    store.complete_attempt(lease, proxy.id, 1, evaluation(0.25), 0.25, START + timedelta(hours=2))
    assert client.get(f"{SEARCH}/history").json()["latency_ms"] == [41.5, None]
    pareto = client.get(f"{SEARCH}/pareto", params={"cost": "latency_ms"}).json()
    (point,) = pareto["points"]
    assert (point["number"], point["cost"], point["average_precision"]) == (1, 41.5, 0.25)
    assert (pareto["budget"], pareto["references"]) == (None, [])
    assert pareto["reference_point"]["cost"] == pytest.approx(1.1 * 41.5)
    assert pareto["hypervolume"][-1]["value"] == pytest.approx(0.25 * (1 - 1 / 1.1))
    assert type(client.get(f"{SEARCH}/pareto").json()["points"][0]["cost"]) is int
    refused = client.get(f"{SEARCH}/trials:best", params={"constraint": "latency_ms<=50"})
    assert refused.status_code == 422


def test_the_latency_is_an_event(client: httpx.Client, store: Store) -> None:
    timed_search(store)
    events = client.get(f"{SEARCH}/events", headers={"Accept": "application/json"}).json()["events"]
    (timed,) = [event for event in events if event["kind"] == "trial.timed"]
    assert (timed["trial_number"], timed["payload"]["latency"]["median_ms"]) == (1, 41.5)
