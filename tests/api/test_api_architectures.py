import random
from dataclasses import replace

import httpx
import pytest

from nas_controller.records import TrialState
from nas_controller.store.base import Store
from search_space.reference import reference
from search_space.spaces import SPINENET_49
from tests.api.searches import START, SearchWriter, network_cost, random_genotype, write_small_search

SEARCH = "/v1/searches/blood-cells-000001"


def compared(client: httpx.Client, number: int, other: str) -> dict[str, object]:
    answer = client.get(f"{SEARCH}/trials/{number}/comparison", params={"with": other})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_parts_of_a_network_add_up_to_what_it_costs(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    table = client.get(f"{SEARCH}/trials/6/cost").json()
    counted = network_cost(reference("spinenet-49"))
    assert (table["image_size"], table["width_scale"]) == (640, 1.0)
    assert table["total"]["backbone_multiply_adds"] == counted.backbone_multiply_adds
    for head, total in (
        (False, (counted.backbone_parameters, counted.backbone_multiply_adds)),
        (True, (counted.detector_parameters, counted.detector_multiply_adds)),
    ):
        parts = [part for part in table["parts"] if head or part["kind"] != "head"]
        assert (sum(p["parameters"] for p in parts), sum(p["multiply_adds"] for p in parts)) == total
    assert [part["name"] for part in table["parts"]][:2] == ["stem", "block 0"]


def test_decisions_are_told_by_what_was_taken_of_how_many(client: httpx.Client, store: Store) -> None:
    writer = SearchWriter(store, "blood-cells-000001")
    writer.run()
    genotype = random_genotype(random.Random(5))
    log_probs = tuple(-0.01 * place for place in range(len(genotype)))
    writer.add(SPINENET_49.decode(genotype), genotype=genotype, log_probs=log_probs)
    found = client.get(f"{SEARCH}/trials/1/decisions").json()["decisions"]
    points = [point for place in range(len(genotype)) if (point := SPINENET_49.options(genotype[:place]))]
    assert [decision["block"] for decision in found] == [point.subject for point in points]
    assert [decision["num_options"] for decision in found] == list(SPINENET_49.option_counts)
    expected = [point.options[taken].label for point, taken in zip(points, genotype, strict=True)]
    assert [decision["label"] for decision in found] == expected
    assert [decision["log_prob"] for decision in found] == list(log_probs)


def test_what_a_mutation_took_was_drawn_with_no_probability(client: httpx.Client, store: Store) -> None:
    """Its decisions have log-probability 0 in the ledger, and none is 'certain' for that."""
    writer = SearchWriter(store, "blood-cells-000001")
    writer.run()
    genotype = random_genotype(random.Random(5))
    writer.add(SPINENET_49.decode(genotype), arm="evolution", genotype=genotype, log_probs=(0.0,) * len(genotype))
    found = client.get(f"{SEARCH}/trials/1/decisions").json()["decisions"]
    assert len(found) == len(genotype)
    assert {decision["log_prob"] for decision in found} == {None}


def test_a_reference_was_not_decided(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    assert client.get(f"{SEARCH}/trials/6/decisions").json() == {"decisions": []}


def test_an_architecture_does_not_differ_from_itself(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    found = compared(client, 6, "spinenet-49")
    assert found["before"] == found["after"]
    for name in ("edits", "blocks", "moved", "removed_connections", "added_connections"):
        assert found[name] == []


def test_one_parent_changed_is_one_connection_less_and_one_more(client: httpx.Client, store: Store) -> None:
    writer = write_small_search(store)
    whole = reference("spinenet-49")
    last = whole.blocks[-1]  # block 16, an output, reads 12 and 14
    changed = whole.with_blocks([*whole.all_blocks[:-1], replace(last, parents=(10, 14))])
    number = writer.add(changed)
    found = compared(client, number, "6")
    assert found["removed_connections"] == [[12, 16]]
    assert found["added_connections"] == [[10, 16]]
    assert found["edits"] == ["block 16 reads 10 instead of 12"]
    assert found["before"]["name"] == "spinenet-49"  # type: ignore[index]
    assert found["after"]["cost"]["backbone_parameters"] == network_cost(changed).backbone_parameters  # type: ignore[index]


def test_a_reference_comes_with_what_the_search_measured_of_it(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    found = compared(client, 4, "spinenet-49")
    assert found["before"]["trial"] == 6  # type: ignore[index]
    # Means 0.25 and 0.23 over three seeds each, as `test_api_comparison` derives the interval.
    assert found["val_difference"]["value"] == pytest.approx(0.02)  # type: ignore[index]
    assert found["val_difference"]["is_significant"] is False  # type: ignore[index]
    without = compared(client, 4, "r0-sp53")
    assert (without["before"]["trial"], without["val_difference"]) == (None, None)  # type: ignore[index]


def test_a_trial_of_another_search_says_whose_it_is(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    write_small_search(store, "other-000002")
    found = compared(client, 4, "other-000002/1")
    assert found["before"]["name"] == "trial 1 of other-000002"  # type: ignore[index]
    assert found["before"]["state"] == TrialState.COMPLETED  # type: ignore[index]


def test_the_difference_is_drawn(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    answer = client.get(f"{SEARCH}/trials/4/comparison/drawing", params={"with": "1"})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "trial 4 against trial 1" in answer.text


@pytest.mark.parametrize(("other", "status"), [("no-such-net", 404), ("99", 404), ("nobody-1/2", 404), ("../x", 422)])
def test_what_is_not_there_is_not_compared(client: httpx.Client, store: Store, other: str, status: int) -> None:
    write_small_search(store)
    for path in ("comparison", "comparison/drawing"):
        assert client.get(f"{SEARCH}/trials/4/{path}", params={"with": other}).status_code == status


def test_courses_hold_the_rises_in_the_order_in_which_trials_ended(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    other = SearchWriter(store, "other-000002", start=START)
    other.run()
    specs = [SPINENET_49.decode(random_genotype(random.Random(seed))) for seed in range(3)]
    first, second, third = (other.add(spec) for spec in specs)  # at 10, 15 and 20 s; each start and end 5 s more
    other.complete(second, 0.2)  # ends at 30 s
    other.complete(first, 0.3)  # at 40 s
    other.complete(third, 0.25)  # at 50 s, no rise
    courses = client.get("/v1/searches:courses?search=other-000002&search=blood-cells-000001").json()["courses"]
    assert [course["search"] for course in courses] == ["other-000002", "blood-cells-000001"]
    # The search started at 5 s.
    assert courses[0]["steps"] == [
        {"trained": 1, "seconds": 25.0, "reward": 0.2, "trial": 2},
        {"trained": 2, "seconds": 35.0, "reward": 0.3, "trial": 1},
    ]
    assert (courses[0]["trained"], courses[0]["seconds"]) == (3, 45.0)
    # Trial 3 failed, which counts as trained; the infeasible trial 2 does not.
    assert [(step["trained"], step["reward"]) for step in courses[1]["steps"]] == [(1, 0.21), (3, 0.25)]
    assert client.get("/v1/searches:courses?search=nobody").status_code == 404


def test_the_schema_names_what_may_be_chosen(client: httpx.Client) -> None:
    schema = client.get("/v1/schema/search").json()
    assert "spinenet-49" in schema["properties"]["space"]["enum"]
    assert "cpu-small" in schema["properties"]["proxy"]["properties"]["preset"]["enum"]
    assert "r0-sp53" in schema["$defs"]["Budget"]["properties"]["relative_to"]["anyOf"][0]["enum"]
