import statistics
from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import httpx
import pytest

from api import planning
from api.app import create_app
from nas_controller.records import Failure, FailureReason
from nas_controller.search_config import SearchConfig, SearchConfigError
from nas_controller.store.base import Store
from search_space.budget import feasible_share
from search_space.reference import reference
from search_space.spaces import SPACES, SPINENET_49
from tests.api.searches import DOCUMENT, SearchWriter, evaluation
from tests.api.serving import BEARER, make_settings, serve
from tests.api.test_api_errors import assert_problem

SMALLEST = {"space": "spinenet-49", "data": "generated"}
VALIDATE, ESTIMATE = "/v1/searches:validate", "/v1/searches:estimate"


def test_a_right_document_comes_back_with_its_defaults_and_makes_no_search(client: httpx.Client, store: Store) -> None:
    answer = client.post(VALIDATE, json=SMALLEST)
    assert answer.status_code == 200
    expected = SearchConfig.from_document(SMALLEST).to_document()
    assert answer.json() == {"valid": True, "errors": [], "config": expected}
    assert store.list_searches(10) == []


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"space": "none", "data": "generated"},
        {**SMALLEST, "limits": {"trials": 0, "hours": -1}, "limit": {}},
        {**SMALLEST, "data": {"root": "/x"}},
        {**SMALLEST, "proxy": {"preset": "none"}},
        {**SMALLEST, "body": {"body": 1}},
        {**SMALLEST, "early_stopping": {"rule": "median", "at": [0.5, 0.25]}},
        {**SMALLEST, **{f"key{number}": 0 for number in range(100)}},
    ],
)
def test_a_wrong_document_has_the_errors_that_creating_it_has(
    client: httpx.Client, document: dict[str, object]
) -> None:
    created = client.post("/v1/searches", json=document)
    assert created.status_code == 422
    answer = client.post(VALIDATE, json=document)
    assert answer.status_code == 200
    assert answer.json() == {"valid": False, "errors": created.json()["errors"], "config": None}
    assert answer.json()["errors"]


def test_what_only_the_composition_root_can_check_is_an_error_too(store: Store) -> None:
    def check(config: SearchConfig) -> None:
        raise SearchConfigError("data.root", "/x: not below the folders for data")

    app = create_app(store, None, make_settings(), check_search=check)  # type: ignore[arg-type]
    with serve(app) as url:
        answer = httpx.post(url + VALIDATE, json=SMALLEST, headers=BEARER)
    assert answer.status_code == 200
    assert answer.json()["errors"] == [{"place": "data.root", "message": "/x: not below the folders for data"}]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b"null", b"\xff\xfe"])
@pytest.mark.parametrize("path", [VALIDATE, ESTIMATE])
def test_what_is_no_json_object_is_refused(client: httpx.Client, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, 422, "request.invalid")


@pytest.mark.parametrize("path", ["/v1/searches", VALIDATE, ESTIMATE])
def test_a_key_that_is_no_unicode_is_refused(client: httpx.Client, path: str) -> None:
    body = b'{"space": "spinenet-49", "data": "generated", "proxy": {"\\ud800": 1}}'
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, 422, "request.invalid")


def test_a_path_that_no_answer_can_have_is_refused(store: Store) -> None:
    def check(config: SearchConfig) -> None:
        assert config.data != "generated"
        raise SearchConfigError("data.root", f"{config.data.root}: not below the folders for data")

    split = b'{"images": "a", "annotations": "b"}'
    body = b'{"space": "r0-sp53", "data": {"root": "/\\ud800", "train": %s, "val": %s}}' % (split, split)
    app = create_app(store, None, make_settings(), check_search=check)  # type: ignore[arg-type]
    headers = {**BEARER, "Content-Type": "application/json"}
    with serve(app) as url:
        answers = [httpx.post(url + path, content=body, headers=headers) for path in (VALIDATE, "/v1/searches")]
    assert [answer.status_code for answer in answers] == [200, 422]
    assert {answer.json()["errors"][0]["message"] for answer in answers} == {"/\\ud800: not below the folders for data"}


def test_an_estimate_says_what_the_space_offers(
    client: httpx.Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "MAX_SECONDS", 60.0)  # enough on a busy machine, too
    answer = client.post(ESTIMATE, json=SMALLEST)
    assert answer.status_code == 200
    found = answer.json()
    size = SPINENET_49.size()
    assert found["space"] == {"formula": float(size.formula), "architectures": float(size.architectures)}
    config = SearchConfig.from_document(SMALLEST)
    budget = config.flops_budget()
    share = feasible_share(SPINENET_49, budget, config.target_network(), draws=300, seed=0)
    assert found["inside_budget"] == {
        "value": share.share,
        "low": share.interval[0],
        "high": share.interval[1],
        "draws": 300,
    }
    inside = found["target_cost"]["backbone_multiply_adds"]
    assert budget.contains(inside["smallest"])
    assert budget.contains(inside["largest"])
    assert inside["smallest"] < inside["mean"] < inside["largest"]
    assert found["target_cost"]["detector_parameters"]["mean"] > found["target_cost"]["backbone_parameters"]["mean"]
    assert found["proxy_cost"]["backbone_multiply_adds"]["largest"] < inside["smallest"] / 100
    assert store.list_searches(10) == []


def test_without_a_history_there_is_no_time_and_it_says_why(client: httpx.Client, store: Store) -> None:
    SearchWriter(store, "other", {**DOCUMENT, "proxy": {"preset": "cpu-small", "steps": 17}}).run()
    found = client.post(ESTIMATE, json=SMALLEST).json()
    assert (found["history"], found["hours"], found["worker_hours"], found["cost"]) == (None, None, None, None)
    assert found["no_history"] == planning.NO_HISTORY
    # 100 trials; the best 3 and 2 references, three times each; two workers.
    assert (found["trainings"], found["concurrent"]) == (100 + (3 + 2) * 3, 2)
    assert found["timings"] == 0


def test_each_network_is_timed_once_where_a_search_asks_for_latencies(client: httpx.Client) -> None:
    document = {**SMALLEST, "latency": {}, "limits": {"trials": 30}}
    assert client.post(ESTIMATE, json=document).json()["timings"] == 30


def test_a_front_is_planned_for_at_each_of_its_targets(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """In `joint`, where widths are settled, all random architectures are inside: a third of them at each target."""
    monkeypatch.setattr(planning, "MAX_SECONDS", 60.0)
    monkeypatch.setattr(planning, "MAX_DRAWS", 6)
    front = {"low": "15G", "high": "60G", "points": 3}
    found = client.post(ESTIMATE, json={"space": "joint", "data": "generated", "front": front}).json()
    assert (found["inside_budget"]["value"], found["inside_budget"]["draws"]) == (1.0, 6)
    inside = found["target_cost"]["backbone_multiply_adds"]
    assert inside["smallest"] == pytest.approx(15e9, rel=0.01)
    assert inside["mean"] == pytest.approx(35e9, rel=0.01)
    assert inside["largest"] == pytest.approx(60e9, rel=0.01)
    # 100 trials; the best 3 under each target and 2 references, three times each.
    assert found["trainings"] == 100 + (3 * 3 + 2) * 3


def train(writer: SearchWriter, seconds: float) -> int:
    """A trial that is trained for so long, in one attempt."""
    number = writer.add(reference("spinenet-49"))
    job_id = writer.start(number)
    ended_at = writer.now + timedelta(seconds=seconds)
    writer.store.complete_attempt(writer.lease, job_id, 1, evaluation(0.2), 0.2, ended_at)
    return number


@pytest.fixture
def history(store: Store) -> SearchWriter:
    """Trainings of 19, 20 and 21 seconds; beside them what says nothing about how long one takes."""
    writer = SearchWriter(store, "blood-cells-000001")
    writer.run()
    numbers = [train(writer, seconds) for seconds in (19, 20, 21)]
    writer.fail(writer.add(reference("spinenet-49")), "loss is not a number")
    writer.reuse(store.get_trial(writer.search_id, numbers[0]))
    retried = writer.start(writer.add(reference("spinenet-49")))
    lost = Failure(reason=FailureReason.WORKER_LOST, message="gone")
    store.fail_attempt(writer.lease, retried, 1, lost, True, writer.tick() + timedelta(hours=9))
    store.start_attempt(writer.lease, retried, "worker-1", writer.tick())
    store.complete_attempt(writer.lease, retried, 2, evaluation(0.2), 0.2, writer.tick())
    for other in ({"proxy": {"preset": "cpu-small", "steps": 17}}, {"workers": [{"count": 2, "cpus": 2}]}):
        unlike = SearchWriter(store, f"unlike-{next(iter(other))}", {**DOCUMENT, **other})
        unlike.run()
        train(unlike, 500)
    return writer


def test_a_history_gives_hours_and_cost_with_intervals(client: httpx.Client, history: SearchWriter) -> None:
    document = {
        **DOCUMENT,
        "space": "r0-sp53",  # another space, trained alike
        "limits": {"trials": 6},
        "reevaluate": {"top": 2, "seeds": 3, "references": ["spinenet-49"]},
        "price": {"cpu_hour": 0.5, "gpu_hour": 7, "currency": "USD"},
    }
    found = client.post(ESTIMATE, json=document).json()
    assert found["history"] == {"count": 3, "searches": [history.search_id], "seconds": 20.0, "deviation": 1.0}
    assert found["no_history"] == ""
    assert found["trainings"] == 6 + (2 + 1) * 3
    # The sum of 15 more after 3: t(2) = 4.303; s = 1; 15 + 15² / 3 = 90.
    half = 4.303 * 90**0.5
    for name, factor in (("worker_hours", 1.0), ("hours", 1 / 2), ("cost", 0.5)):
        assert found[name] == {
            "value": pytest.approx(15 * 20 / 3600 * factor),
            "low": pytest.approx((15 * 20 - half) / 3600 * factor),
            "high": pytest.approx((15 * 20 + half) / 3600 * factor),
        }
    assert found["currency"] == "USD"


def test_one_training_gives_a_time_without_an_interval(client: httpx.Client, store: Store) -> None:
    writer = SearchWriter(store, "once")
    writer.run()
    train(writer, 30)
    found = client.post(ESTIMATE, json={**DOCUMENT, "limits": {"trials": 1}, "reevaluate": {"top": 0}}).json()
    assert found["hours"] == {"value": pytest.approx(30 / 3600), "low": None, "high": None}
    assert (found["trainings"], found["concurrent"], found["cost"], found["currency"]) == (1, 1, None, None)


def test_limits_and_pools_decide_how_many_train_at_once() -> None:
    def concurrent(**more: object) -> int:
        config = SearchConfig.from_document({**SMALLEST, **more})
        return planning.num_concurrent(config, planning.num_trainings(config))

    pools = [{"count": 3, "cpus": 1}, {"count": 2, "cpus": 4, "gpus": 1}]
    assert concurrent(workers=pools) == 5
    assert concurrent(workers=pools, limits={"concurrent_trials": 4}) == 4


def test_an_hour_of_mixed_workers_costs_their_mean() -> None:
    pools = [{"count": 3, "cpus": 1}, {"count": 1, "cpus": 4, "gpus": 0.5}]
    price = {"cpu_hour": 0.1, "gpu_hour": 2}
    config = SearchConfig.from_document({**SMALLEST, "workers": pools, "price": price})
    assert planning.price_of_worker_hour(config) == pytest.approx(statistics.fmean([0.1, 0.1, 0.1, 0.4 + 1.0]))


def test_a_space_that_is_slow_to_draw_ends_by_the_clock() -> None:
    ticks: Iterator[int] = count()
    config = SearchConfig.from_document({"space": "joint", "data": "generated"})
    drawn = planning.draw(config, lambda: next(ticks) * 0.25)
    # Drawing may last 1.5 s from 0 s on: it is looked at the clock after each draw, at 0.25, 0.5, ... 1.25 s, then 1.5.
    assert drawn.count == 6


@pytest.mark.parametrize("name", sorted(SPACES))
def test_every_space_has_an_estimate(client: httpx.Client, name: str) -> None:
    found = client.post(ESTIMATE, json={"space": name, "data": "generated"})
    assert found.status_code == 200
    assert found.json()["target_cost"] is not None
