import random

import httpx
import pytest
from pydantic import BaseModel

from api.inside_schemas import ChoiceInsight, ControllerInsight, WorkerInsight
from nas_controller.insight.keeping import InsightKeeping
from nas_controller.records import SearchState
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from search_space.spaces import SPINENET_49
from spinesearch.client import Client
from tests.api.searches import DOCUMENT, SearchWriter, random_genotype, write_small_search
from tests.api.serving import TOKEN
from tests.conformance.store_earlier_suite import EARLIER

SEARCH_ID = "blood-cells-000001"
BASE = f"/v1/searches/{SEARCH_ID}"


def write_sampled_search(store: Store, number: int) -> SearchWriter:
    """A search whose trials have genotypes, drawn uniformly; a residual block 5 makes the reward 0.1 better."""
    writer, rng = SearchWriter(store, SEARCH_ID), random.Random(9)
    writer.run()
    for _ in range(number):
        genotype = random_genotype(rng)
        spec = SPINENET_49.decode(genotype)
        reward = 0.2 + 0.1 * (spec.all_blocks[5].block_type == "residual") + rng.uniform(0, 0.1)
        log_probs = (-0.5,) * len(genotype)
        writer.complete(writer.add(spec, genotype=genotype, log_probs=log_probs), reward)
    return writer


def test_the_controller_from_inside(store: Store, client: httpx.Client) -> None:
    writer = write_sampled_search(store, 7)
    writer.reuse(store.get_trial(writer.search_id, 3))
    answer = client.get(f"{BASE}/controller").json()
    assert answer["sequence"] == store.get_search(writer.search_id).last_sequence
    assert (answer["algorithm"], answer["diagnostics"], answer["warnings"]) == ("mixed", [], [])
    assert (answer["improvement"], answer["earlier"]) == (None, []), "nothing random to compare with, a cold start"
    first, second = answer["buckets"]
    assert [(b["first_trial"], b["last_trial"], b["asked"], b["told"]) for b in (first, second)] == [
        (1, 5, 5, 5),
        (6, 8, 3, 3),
    ]
    assert [(b["duplicates"], b["reused"], b["arms"]) for b in (first, second)] == [
        (0, 0, {"policy": 5}),
        (1, 1, {"policy": 3}),
    ]
    assert (first["staleness_mean"], first["staleness_max"]) == (0.0, 0)
    # Types have two options: half a nat is 0.72 of their entropy.
    assert first["entropy"]["block_type"] == pytest.approx(0.5 / 0.6931472)
    assert first["entropy_standard_error"]["block_type"] == pytest.approx(0.0, abs=1e-6)
    kinds = {"intermediate_level", "output_level", "level_adjustment", "block_type", "parent"}
    assert set(first["entropy"]) == kinds


def test_whether_it_beats_random_is_told(store: Store, client: httpx.Client) -> None:
    writer = write_sampled_search(store, 4)
    writer.complete(writer.add(SPINENET_49.decode(random_genotype(random.Random(1))), arm="control"), 0.1)
    answer = client.get(f"{BASE}/controller").json()["improvement"]
    assert (answer["against"], answer["searched"], answer["random"]) == ("control", 4, 1)
    assert (answer["all"]["probability"], answer["newest_half"]["probability"]) == (1.0, 1.0)
    (low, high), (low_of_two, high_of_two) = answer["all"]["interval"], answer["newest_half"]["interval"]
    assert 0 < low_of_two < low < 1, "two tell less than four"
    assert high == high_of_two == 1.0


def test_what_the_controller_kept_of_its_algorithm_is_told(store: Store, client: httpx.Client) -> None:
    writer = write_small_search(store)
    config = SearchConfig.from_document(store.get_search(writer.search_id).config)
    keeping = InsightKeeping(store, writer.search_id, config, lambda: {"baseline": 0.25})
    keeping.write(writer.lease, writer.now)
    told = client.get(f"{BASE}/controller").json()["diagnostics"]
    at = writer.now.isoformat().replace("+00:00", "Z")
    assert [(point["values"], point["at"]) for point in told] == [({"baseline": 0.25}, at)]


def test_what_it_was_told_of_earlier_searches(store: Store, client: httpx.Client) -> None:
    writer = SearchWriter(store, SEARCH_ID, DOCUMENT | {"warm_start": {"searches": ["s0"]}})
    store.tell_earlier(writer.run(), EARLIER, writer.tick())
    assert client.get(f"{BASE}/controller").json()["earlier"] == [
        {
            "search": "s0",
            "space": "r0-sp53",
            "looked_at": 2,
            "told": 1,
            "left_out": {"off budget": 1},
            "words": "1 of 2 trials of s0 (r0-sp53) are told; 1 off budget",
        }
    ]


def test_choices_and_what_came_of_them(store: Store, client: httpx.Client) -> None:
    writer = write_sampled_search(store, 60)
    answer = client.get(f"{BASE}/choices", params={"top": 10}).json()
    sequence = store.get_search(writer.search_id).last_sequence
    assert (answer["sequence"], answer["importances_as_of"]) == (sequence, sequence)
    assert (answer["top"], answer["trained"]) == (10, 60)
    buckets = [(bucket["first_trial"], bucket["last_trial"]) for bucket in answer["buckets"]]
    assert buckets == [(first, first + 9) for first in range(1, 60, 10)]
    assert [decision["position"] for decision in answer["decisions"]] == list(range(70))
    important = [decision for decision in answer["decisions"] if decision["importance"]]
    assert [(d["label"], d["kind"], d["subject"]) for d in important] == [("block 5: type", "block_type", 5)]
    bottleneck, residual = important[0]["options"]
    assert (bottleneck["label"], residual["label"]) == ("bottleneck", "residual")
    assert bottleneck["asked"] + residual["asked"] == 60
    for shares in zip(bottleneck["shares"], residual["shares"], strict=True):
        assert sum(shares) == pytest.approx(1.0, abs=1e-4)
    assert bottleneck["mean_reward"] + 0.05 < residual["mean_reward"]
    assert (bottleneck["top_count"], residual["top_count"]) == (0, 10)
    best = store.best_trials(writer.search_id, 10)
    assert [(each["number"], each["reward"]) for each in answer["best"]] == [(t.number, t.reward) for t in best]
    place = next(place for place, decision in enumerate(answer["decisions"]) if decision["label"] == "block 5: type")
    assert [each["options"][place] for each in answer["best"]] == [1] * 10  # all of them are residual
    assert len(answer["motifs"]) == 30
    for motif in answer["motifs"]:
        assert motif["interval"][0] <= motif["difference"] <= motif["interval"][1]
    assert client.get(f"{BASE}/choices").json()["top"] == 20


@pytest.mark.parametrize("top", [9, 51, "all"])
def test_so_many_are_not_compared(client: httpx.Client, top: object) -> None:
    answer = client.get(f"{BASE}/choices", params={"top": str(top)})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_workers_and_when_they_worked(store: Store, client: httpx.Client) -> None:
    write_small_search(store)  # trials of odd numbers on worker-2; those of even ones, and all on val, on worker-1
    answer = client.get(f"{BASE}/workers").json()
    one, two = answer["workers"]
    assert (one["name"], one["state"], one["trial"], one["kind"]) == ("worker-1", "idle", None, None)
    assert (two["name"], two["state"], two["trial"], two["kind"]) == ("worker-2", "busy", 5, "proxy")
    # Trial 4 and six trainings for val, each from one tick to the next, 5 s later.
    assert (one["attempts"], one["busy_seconds"], one["lost"]) == (7, 35.0, 0)
    spans = answer["spans"]
    assert [span["trial"] for span in spans] == [1, 3, 4, 5, 4, 4, 4, 6, 6, 6]
    assert [span["kind"] for span in spans] == ["proxy"] * 4 + ["reevaluate"] * 6
    assert [span["state"] for span in spans[:4]] == ["completed", "failed", "completed", "running"]
    assert [span["finished_at"] is None for span in spans[:4]] == [False, False, False, True]
    assert [span["started_at"] for span in spans] == sorted(span["started_at"] for span in spans)


def test_of_a_search_that_has_not_begun_little_is_said(store: Store, client: httpx.Client) -> None:
    SearchWriter(store, SEARCH_ID)
    assert client.get(f"{BASE}/controller").json()["buckets"] == []
    choices = client.get(f"{BASE}/choices").json()
    assert (choices["trained"], choices["motifs"], choices["buckets"]) == (0, [], [])
    assert {decision["importance"] for decision in choices["decisions"]} == {None}
    assert client.get(f"{BASE}/workers").json() == {"workers": [], "spans": []}


def test_a_search_that_ended_is_told_too(store: Store, client: httpx.Client) -> None:
    write_small_search(store).finish(SearchState.SUCCEEDED, "its limit was reached")
    for name in ("controller", "choices", "workers"):
        assert client.get(f"{BASE}/{name}").status_code == 200


def test_the_client_reads_them(store: Store, client: httpx.Client) -> None:
    write_small_search(store)
    with Client(str(client.base_url), TOKEN) as typed:
        assert typed.controller(SEARCH_ID) == client.get(f"{BASE}/controller").json()
        assert typed.choices(SEARCH_ID, top=10) == client.get(f"{BASE}/choices", params={"top": 10}).json()
        assert typed.workers(SEARCH_ID) == client.get(f"{BASE}/workers").json()


@pytest.mark.parametrize("name", ["controller", "choices", "workers"])
def test_there_is_no_such_search(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/v1/searches/nobody/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "resource.not_found")


@pytest.mark.parametrize("model", [ControllerInsight, ChoiceInsight, WorkerInsight])
def test_the_published_examples_are_answers(model: type[BaseModel]) -> None:
    for example in model.model_json_schema()["examples"]:
        assert set(model.model_validate(example).model_dump()) == set(example)
