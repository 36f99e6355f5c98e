"""What was found so far, over HTTP; how it is folded is tested with the parts of the insight."""

import httpx
import pytest

from nas_controller.records import Failure, FailureReason
from nas_controller.store.base import Store
from search_space.reference import reference
from spinesearch.client import Client
from tests.api.searches import DOCUMENT, SearchWriter, network_cost, write_small_search
from tests.api.serving import TOKEN

BASE = "/v1/searches/blood-cells-000001"
SPINENET_49 = network_cost(reference("spinenet-49"))


@pytest.fixture(autouse=True)
def writer(store: Store) -> SearchWriter:
    return write_small_search(store)


def test_the_front_is_of_trials_that_were_trained(client: httpx.Client, store: Store) -> None:
    """Trials 1 and 4 were, with 0.21 and 0.25: 4 is on the front, and 1 where it is the cheaper one."""
    first, fourth = (store.get_trial("blood-cells-000001", number).draft.target_cost for number in (1, 4))
    for kind in ("multiply_adds", "parameters"):
        costs = [getattr(cost, f"backbone_{kind}") for cost in (first, fourth)]
        expected = [(1, costs[0], 0.21)] if costs[0] < costs[1] else []
        answer = client.get(f"{BASE}/pareto", params={"cost": kind}).json()
        points = [(point["number"], point["cost"], point["average_precision"]) for point in answer["points"]]
        assert points == [*expected, (4, costs[1], 0.25)]
        # Measured on val at 0.24, 0.25 and 0.26: the deviation is 0.01.
        assert answer["points"][-1]["val_average_precision"] == pytest.approx(0.25)
        assert answer["points"][-1]["val_standard_error"] == pytest.approx(0.01 / 3**0.5)
        assert answer["cost"] == kind
        assert answer["sequence"] == store.get_search("blood-cells-000001").last_sequence


def test_the_front_of_multiply_adds_is_seen_beside_budget_and_references(client: httpx.Client) -> None:
    """The search is of the space spinenet-49 and names no budget: 5 % around SpineNet-49."""
    answer = client.get(f"{BASE}/pareto").json()
    centre = SPINENET_49.backbone_multiply_adds
    slack = centre * 5 // 100
    assert answer["budget"] == {"low": centre - slack, "high": centre + slack, "target": centre}
    assert answer["reference_point"] == {"cost": centre + slack, "average_precision": 0.0}
    assert answer["targets"] == []
    resnet, spinenet = answer["references"]
    assert (spinenet["name"], spinenet["cost"]) == ("spinenet-49", centre)
    assert spinenet["val_average_precision"] == pytest.approx(0.23)
    assert (resnet["name"], resnet["val_average_precision"]) == ("resnet-50-fpn", None)
    assert resnet["cost"] == network_cost(reference("resnet-50-fpn")).backbone_multiply_adds


def test_a_search_for_a_front_has_targets_in_place_of_a_budget(client: httpx.Client, store: Store) -> None:
    SearchWriter(store, "front-000001", {**DOCUMENT, "front": {"low": "20G", "high": "40G", "points": 3}})
    answer = client.get("/v1/searches/front-000001/pareto").json()
    assert answer["targets"] == [20_000_000_000, 28_284_271_247, 40_000_000_000]
    # 1 % beyond the ends: 19.8 to 40.4.
    assert (answer["budget"]["low"], answer["budget"]["high"]) == (19_800_000_000, 40_400_000_000)
    assert client.get("/v1/searches/front-000001/pareto", params={"cost": "parameters"}).json()["targets"] == []


def test_the_hypervolume_is_told_at_each_change(client: httpx.Client, store: Store) -> None:
    """Trial 1 is trained first, trial 3 fails, trial 4 is the third that was trained."""
    trials = [store.get_trial("blood-cells-000001", number).draft for number in (1, 4)]
    costs = [draft.target_cost.backbone_parameters for draft in trials]
    answer = client.get(f"{BASE}/pareto", params={"cost": "parameters"}).json()
    assert answer["budget"] is None
    corner = answer["reference_point"]["cost"]
    assert corner == pytest.approx(1.1 * max(costs), abs=1)
    first = (corner - costs[0]) * 0.21 / corner
    # The better one adds what is above the other, and all of its own where it is the cheaper one.
    both = first + (corner - costs[1]) * 0.04 / corner if costs[0] < costs[1] else (corner - costs[1]) * 0.25 / corner
    assert [step["trained"] for step in answer["hypervolume"]] == [1, 3]
    assert [step["value"] for step in answer["hypervolume"]] == pytest.approx([first, both])


def test_a_search_without_a_trial_has_an_empty_front(client: httpx.Client, store: Store) -> None:
    SearchWriter(store, "new-000001")
    for kind in ("multiply_adds", "parameters"):
        answer = client.get("/v1/searches/new-000001/pareto", params={"cost": kind}).json()
        assert (answer["points"], answer["hypervolume"]) == ([], [])
    assert client.get("/v1/searches/new-000001/failures").json() == {"sequence": 1, "reasons": [], "attempts": []}


def test_an_unknown_cost_or_search_is_a_problem(client: httpx.Client) -> None:
    assert client.get(f"{BASE}/pareto", params={"cost": "watts"}).status_code == 422
    assert client.get("/v1/searches/none/pareto").status_code == 404
    assert client.get("/v1/searches/none/failures").status_code == 404


def test_failures_are_counted_by_reason(client: httpx.Client, store: Store, writer: SearchWriter) -> None:
    """Trial 3 diverged, and trial 2 is off budget on one of its sides. Trial 5 loses its worker and is tried again."""
    (job,) = store.list_jobs(writer.search_id, 5)
    lost = Failure(reason=FailureReason.WORKER_LOST, message="the worker died")
    store.fail_attempt(writer.lease, job.id, 1, lost, True, writer.tick())
    writer.start(5)
    store.requeue_lost_attempts(writer.lease, writer.tick())
    answer = client.get(f"{BASE}/failures").json()
    cost = store.get_trial(writer.search_id, 2).draft.target_cost.backbone_multiply_adds
    side = "above_budget" if cost > SPINENET_49.backbone_multiply_adds else "below_budget"
    infeasible, diverged = answer["reasons"]
    assert (infeasible["state"], infeasible["reason"], infeasible["count"]) == ("infeasible", side, 1)
    assert (diverged["state"], diverged["reason"], diverged["last_trial"]) == ("failed", "diverged", 3)
    assert diverged["last_message"] == "loss is not a number at step 17"
    assert {(each["state"], each["reason"], each["count"]) for each in answer["attempts"]} == {
        ("failed", "diverged", 1),
        ("failed", "worker_lost", 1),
        ("lost", None, 1),
    }
    assert answer["sequence"] == store.get_search(writer.search_id).last_sequence


def test_the_client_reads_both(client: httpx.Client) -> None:
    with Client(str(client.base_url), TOKEN) as typed:
        assert typed.pareto("blood-cells-000001", "parameters")["cost"] == "parameters"
        assert typed.failures("blood-cells-000001")["reasons"][0]["count"] == 1
