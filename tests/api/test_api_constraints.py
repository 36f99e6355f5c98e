"""The best by what is wanted, under limits on what they cost."""

import httpx
import pytest

from api.constraints import limits_of
from api.errors import ProblemError
from api.pareto_schemas import CostKind
from nas_controller.records import NetworkCost
from nas_controller.store.base import Store
from search_space.reference import reference
from spinesearch.client import Client
from tests.api.searches import SearchWriter
from tests.api.serving import TOKEN

BEST = "/v1/searches/s1/trials:best"
MULTIPLY_ADDS, PARAMETERS = CostKind.MULTIPLY_ADDS, CostKind.PARAMETERS


@pytest.fixture(autouse=True)
def writer(store: Store) -> SearchWriter:
    """Trial 1 is the best and the dearest; 2 is better on val than 1; 3 was not measured there. 4 is a reference."""
    writer = SearchWriter(store, "s1")
    writer.run()
    spec = reference("spinenet-49")
    for number, (multiply_adds, parameters) in enumerate([(30, 9), (20, 8), (10, 7)], start=1):
        cost = NetworkCost(
            backbone_multiply_adds=multiply_adds * 10**9,
            backbone_parameters=parameters * 10**6,
            detector_multiply_adds=1,
            detector_parameters=1,
        )
        writer.complete(writer.add(spec, target_cost=cost, fingerprint=f"f{number}"), 0.5 / number)
    writer.add(spec, arm="reference", name="spinenet-49")
    for number, precision in ((1, 0.25), (2, 0.375), (4, 0.5)):
        writer.reevaluate(number, [precision])
    return writer


def numbers(client: httpx.Client, **query: object) -> list[int]:
    answer = client.get(BEST, params=query)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    assert [trial["number"] for trial in answer.json()["references"]] == [4]
    return [trial["number"] for trial in answer.json()["trials"]]


def test_the_best_are_those_of_the_objective(client: httpx.Client) -> None:
    assert numbers(client) == numbers(client, objective="reward") == numbers(client, objective="average_precision")
    assert (numbers(client), numbers(client, objective="val_average_precision")) == ([1, 2, 3], [2, 1])
    assert numbers(client, objective="val_average_precision", limit=1) == [2]


def test_the_best_keep_to_all_limits(client: httpx.Client) -> None:
    assert numbers(client, constraint="multiply_adds<=20G") == [2, 3]
    assert numbers(client, constraint=["multiply_adds<=20e9", "parameters<=7.5M"]) == [3]
    assert numbers(client, constraint="multiply_adds<=20G", objective="val_average_precision") == [2]
    assert numbers(client, constraint="parameters<=1", limit=500) == []


def test_the_client_asks_the_same(client: httpx.Client) -> None:
    with Client(str(client.base_url), TOKEN) as ours:
        best = ours.best_trials("s1", 1, "val_average_precision", ["multiply_adds<=20G", "parameters<=8M"])
        assert [trial["number"] for trial in best["trials"]] == [2]
        assert [trial["number"] for trial in ours.best_trials("s1")["trials"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("constraints", "limits"),
    [
        ([], {}),
        (["multiply_adds<=2e9"], {MULTIPLY_ADDS: 2 * 10**9}),
        ([" parameters <= 26.9 M "], {PARAMETERS: 26_900_000}),
        (["multiply_adds<=3", "multiply_adds<=2.9", "multiply_adds<=4"], {MULTIPLY_ADDS: 2}),
        (["multiply_adds<=1e999", "parameters<=0"], {MULTIPLY_ADDS: 10**18, PARAMETERS: 0}),
    ],
)
def test_the_lowest_limit_of_each_kind_holds(constraints: list[str], limits: dict[CostKind, int]) -> None:
    assert limits_of(constraints) == limits


@pytest.mark.parametrize(
    "constraint",
    ["", "multiply_adds", "multiply_adds<2", "multiply_adds>=2", "latency<=5", "parameters<=-1", "parameters<=nan"],
)
def test_another_form_is_refused_with_those_there_are(constraint: str) -> None:
    with pytest.raises(ProblemError) as caught:
        limits_of(["parameters<=1", constraint])
    (error,) = caught.value.errors
    assert (caught.value.status, caught.value.code, error.place) == (422, "request.invalid", "query.constraint.1")
    assert error.message.startswith(f"{constraint!r}: must be multiply_adds<=NUMBER or parameters<=NUMBER; ")


def test_what_cannot_be_asked_is_said_by_place(client: httpx.Client) -> None:
    for query, place in (({"objective": "latency"}, "query.objective"), ({"constraint": "x"}, "query.constraint.0")):
        answer = client.get(BEST, params=query)
        assert (answer.status_code, answer.json()["errors"][0]["place"]) == (422, place)
    assert (
        "'reward', 'average_precision' or 'val_average_precision'" in client.get(f"{BEST}?objective=x").json()["detail"]
    )
    assert client.get(BEST, params={"constraint": ["parameters<=1"] * 21}).status_code == 422
