"""Whole searches through the real processes: supervisor, API, controller, Ray workers, SQLite."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from spinesearch.client import FINAL_STATES, ApiError, Client
from tests.integration.service import descendants, kill, kill_everything, running_service, wait_until

SEARCH: dict[str, Any] = {
    "name": "integration",
    "space": "r0-sp53",
    "data": "generated",
    "budget": {"relative_to": "r0-sp53", "tolerance": 0.15},
    "proxy": {"preset": "paper"},
    "limits": {"trials": 12},
    "workers": [{"count": 2, "cpus": 1}],
    "reevaluate": {"top": 2, "seeds": 2},
    "evaluator": "tests.integration.evaluators:closed_form",
}
TINY_TRAINING = {
    "image_size": 64,
    "width_scale": 0.125,
    "endpoint_channels": 8,
    "head_channels": 8,
    "head_convs": 0,
    "steps": 2,
    "batch_size": 2,
    "learning_rate": 0.001,
    "max_eval_images": 4,
}


def wait_for_end(client: Client, search_id: str, seconds: float = 120) -> dict[str, Any]:
    wait_until(lambda: client.get_search(search_id)["state"] in FINAL_STATES, seconds)
    return client.get_search(search_id)


def test_a_search_over_rest_trains_on_ray_and_exports_code_that_runs(client: Client, tmp_path: Path) -> None:
    document = {
        **SEARCH,
        "proxy": TINY_TRAINING,
        "limits": {"trials": 2},
        "reevaluate": {"top": 1, "seeds": 2, "references": ["spinenet-49"]},
        "evaluator": "spinesearch.detection",
    }
    search = client.create_search(document, idempotency_key="once")
    assert client.create_search(document, idempotency_key="once")["id"] == search["id"]
    finished = wait_for_end(client, search["id"], 240)
    assert (finished["state"], finished["counts"]["completed"]) == ("succeeded", 2)
    best = client.best_trials(search["id"])
    assert [trial["val_count"] for trial in (best["trials"][0], best["references"][0])] == [2, 2]
    number = best["trials"][0]["number"]
    evaluation = client.get_trial(search["id"], number)["jobs"][0]["evaluation"]
    assert evaluation["average_precision"] == best["trials"][0]["reward"]
    exported = tmp_path / "best.py"
    exported.write_text(client.export(search["id"], number, "pytorch"))
    spec = json.loads(client.export(search["id"], number, "spec"))
    assert spec["blocks"] == client.get_trial(search["id"], number)["spec"]["blocks"]
    assert client.export(search["id"], number, "svg").startswith("<svg")
    subprocess.run([sys.executable, str(exported), "--image-size", "64"], check=True, capture_output=True)


def test_events_tell_everything_once_and_end_with_the_search(client: Client) -> None:
    search_id = client.create_search(SEARCH)["id"]
    streamed = list(client.events(search_id))
    assert [event.sequence for event in streamed] == list(range(1, len(streamed) + 1))
    assert streamed[-1].content["state"] == "succeeded"
    assert streamed == client.read_events(search_id)
    told = [event for event in streamed if event.kind == "trial.finished" and event.content["consumed"]]
    trained = [event for event in told if event.content["state"] == "completed"]
    assert len(trained) == 12


def test_a_service_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    document = {**SEARCH, "limits": {"trials": 20}}
    with running_service(tmp_path / "home") as (process, client):
        search_id = client.create_search(document)["id"]
        wait_until(lambda: client.get_search(search_id)["counts"]["completed"] >= 5, 120)
        kill_everything(process)
    with running_service(tmp_path / "home") as (_, client):
        before = client.get_search(search_id)["counts"]["completed"]
        assert before >= 5
        assert wait_for_end(client, search_id)["counts"]["completed"] == 20
        numbers = [trial["number"] for trial in client.list_trials(search_id)]
        assert numbers == list(range(1, len(numbers) + 1))
        events = client.read_events(search_id)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        told = [event.trial_number for event in events if event.kind == "trial.finished"]
        assert len(told) == len(set(told))


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["internal search", "RayWorker", "internal api", "internal controller"])
def test_one_process_that_is_killed_comes_back_by_itself(tmp_path: Path, victim: str) -> None:
    with running_service(tmp_path / "home") as (process, client):
        search_id = client.create_search(SEARCH)["id"]
        wait_until(lambda: client.get_search(search_id)["counts"]["completed"] >= 3, 120)
        found = [child for child in descendants(process.pid) if is_called(child, victim)]
        killed = [kill(child) for child in found]
        assert any(killed)
        wait_until(lambda: client.get_search(search_id)["state"] in FINAL_STATES, 120)
        assert client.get_search(search_id)["counts"]["completed"] == 12


def is_called(process: psutil.Process, name: str) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return line.startswith("ray::") if name == "RayWorker" else name in line


def test_pause_stop_and_cancel_over_rest(client: Client) -> None:
    search_id = client.create_search({**SEARCH, "limits": {"trials": 1000}})["id"]
    wait_until(lambda: client.get_search(search_id)["counts"]["completed"] >= 2, 120)
    client.pause(search_id)
    wait_until(lambda: client.get_search(search_id)["counts"]["running"] == 0, 60)
    paused = client.get_search(search_id)
    assert paused["state"] == "paused"
    client.resume(search_id)
    wait_until(lambda: client.get_search(search_id)["counts"]["completed"] > paused["counts"]["completed"], 120)
    client.stop(search_id)
    stopped = wait_for_end(client, search_id)
    assert (stopped["state"], stopped["reason"]) == ("succeeded", "stopped by the user")
    with pytest.raises(ApiError, match="succeeded"):
        client.cancel(search_id)


def coco_data(root: str) -> dict[str, Any]:
    train, val = ({"images": "i", "annotations": file} for file in ("a.json", "b.json"))
    return {"root": root, "train": train, "val": val}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "spinenet-50"}, "spinenet-50"),
        ({"budget": {"multiply_adds": "1M"}}, "random architectures are inside; they cost"),
        ({"evaluator": "tests.integration.evaluators:missing"}, "has no missing"),
        ({"evaluator": "os:system"}, "evaluator: 'os:system': not allowed over REST"),
        ({"data": coco_data("nowhere")}, "nowhere/i: no such folder"),
        ({"data": coco_data("/etc")}, "data.root: /etc: not below the folders for data"),
    ],
)
def test_a_search_that_could_only_fail_is_refused_and_nothing_is_written(
    client: Client, change: dict[str, Any], message: str
) -> None:
    before = [search["id"] for search in client.list_searches()]
    with pytest.raises(ApiError, match=message) as caught:
        client.create_search({**SEARCH, **change})
    assert caught.value.status == 422
    assert [search["id"] for search in client.list_searches()] == before
