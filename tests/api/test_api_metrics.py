"""What `/metrics` says, read by Prometheus' own parser, of a store whose rows are known."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import metric_names as names
from api.metrics import ApiMetrics
from api.store_metrics import KEPT_SECONDS, StoreCollector
from nas_controller.pulse import Pulse
from nas_controller.records import SearchState
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import open_store
from nas_controller.tallies import CRASHES, ProcessRole, Tallies
from search_space.spec import ArchitectureSpec
from tests.api.searches import START, SearchWriter, write_small_search
from tests.conformance.store_cases import CONFIG, LOST_WORKER, claimed, finished

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]


def parsed(text: str) -> Samples:
    """Every sample by name and sorted labels."""
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def text_of(store: Store, now: datetime) -> str:
    metrics = ApiMetrics()
    metrics.registry.register(StoreCollector(store, lambda: now))
    return metrics.text().decode()


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


@pytest.fixture(params=["memory", "sqlite"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = MemoryStore() if request.param == "memory" else open_store(f"sqlite:///{tmp_path / 'searches.sqlite'}")
    yield store
    store.close()


def test_the_numbers_are_those_of_the_store(any_store: Store) -> None:
    """`write_small_search`, whose clock moves 5 s with each thing: trials 1 and 4 completed, 2 infeasible, 3 failed,
    each trained in 5 s; 5 runs; two others are measured again three times."""
    writer = write_small_search(any_store)
    lost = writer.add(first_spec(any_store))
    job = writer.start(lost)
    any_store.fail_attempt(writer.lease, job, 1, LOST_WORKER, True, writer.tick())
    SearchWriter(any_store, "waits-000002")
    samples = parsed(text_of(any_store, writer.now + timedelta(seconds=100)))

    def number(metric: names.Metric, suffix: str = "", **labels: str) -> float:
        return value(samples, metric.name + suffix, **labels)

    assert number(names.STORE_UP) == 1
    assert [number(names.SEARCHES, state=state) for state in ("running", "pending", "failed")] == [1, 1, 0]
    assert number(names.TRIALS_CREATED) == 6  # the reference is none
    assert number(names.TRIALS, state="completed", reason="") == 2
    assert number(names.TRIALS, state="infeasible", reason="") == 1
    assert number(names.TRIALS, state="failed", reason="diverged") == 1
    assert number(names.TRIALS, state="failed", reason="out_of_memory") == 0
    assert number(names.TRIALS_CURRENT, state="running") == number(names.TRIALS_CURRENT, state="queued") == 1
    assert number(names.TRIAL_DURATION, "_bucket", le="1.0") == 0
    assert number(names.TRIAL_DURATION, "_bucket", le="5.0") == number(names.TRIAL_DURATION, "_count") == 3
    assert number(names.TRIAL_DURATION, "_sum") == 15
    assert number(names.ATTEMPTS, state="completed", reason="") == 2 + 6
    assert number(names.ATTEMPTS, state="failed", reason="worker_lost") == 1
    assert number(names.WORKER_SECONDS, state="completed") == 8 * 5
    assert number(names.WORKER_SECONDS, state="failed") == 2 * 5
    assert number(names.ATTEMPTS_CURRENT) == 1
    assert number(names.QUEUE_DEPTH, kind="proxy") == 1
    assert number(names.QUEUE_DEPTH, kind="reevaluate") == 0
    assert number(names.QUEUE_OLDEST) == 100 + 2 * 5  # made, started, failed; then 100 s
    assert (number(names.LEASES, state="held"), number(names.LEASES, state="missing")) == (1, 0)
    entries = sum(any_store.get_search(search).last_sequence for search in (writer.search_id, "waits-000002"))
    assert number(names.LEDGER_ENTRIES) == entries
    assert number(names.REWARD_BEST, search=writer.search_id) == 0.25


def first_spec(store: Store) -> ArchitectureSpec:
    """The architecture of trial 1, as another candidate."""
    return ArchitectureSpec.from_document(store.get_trial("blood-cells-000001", 1).draft.spec)


def test_a_trial_that_took_over_a_reward_has_no_duration(any_store: Store) -> None:
    writer = write_small_search(any_store)
    writer.reuse(any_store.get_trial(writer.search_id, 1))
    samples = parsed(text_of(any_store, writer.now))
    assert value(samples, names.TRIALS.name, state="completed", reason="") == 3
    assert value(samples, names.TRIAL_DURATION.name + "_count") == 3  # trials 1, 3 and 4


def test_processes_that_live_say_what_they_do() -> None:
    store = MemoryStore()
    Pulse(store, "search:s1", ProcessRole.SEARCH, "s1").beat(
        START, {"ask.count": 7.0, "ask.seconds": 1.5, "secret.count": 1.0, "secret.seconds": 1.0, "entropy": 0.75}
    )
    Pulse(store, "search:s2", ProcessRole.SEARCH, "s2").beat(START - timedelta(seconds=60), {"ask.count": 1.0})
    for name, crashes in (("daemon:a", 2), ("daemon:b", 3)):
        Pulse(store, name, ProcessRole.DAEMON).beat(START, {CRASHES: crashes})
    samples = parsed(text_of(store, START + timedelta(seconds=10)))
    assert value(samples, names.PROCESSES.name, role="daemon") == 2
    assert value(samples, names.PROCESSES.name, role="search") == 1  # that of s2 was heard 70 s ago
    assert value(samples, names.PROCESSES.name, role="api") == 0
    assert value(samples, names.SEARCH_CRASHES.name) == 5
    assert value(samples, names.CONTROLLER_SECONDS.name + "_count", search="s1", step="ask") == 7
    assert value(samples, names.CONTROLLER_SECONDS.name + "_sum", search="s1", step="ask") == 1.5
    assert value(samples, names.CONTROLLER_ENTROPY.name, search="s1") == 0.75
    assert {labels["step"] for labels in labels_of(samples, names.CONTROLLER_SECONDS.name)}.isdisjoint({"secret"})
    assert {labels["search"] for labels in labels_of(samples, names.CONTROLLER_SECONDS.name)} == {"s1"}


def labels_of(samples: Samples, prefix: str) -> list[dict[str, str]]:
    return [dict(labels) for name, labels in samples if name.startswith(prefix)]


def test_more_trials_make_no_more_series() -> None:
    """Nor do more searches, once they have ended."""
    store = MemoryStore()
    lease = claimed(store, "s1")
    finished(store, lease, 1, 0.5)
    few = set(parsed(text_of(store, START)))
    for number in range(2, 202):
        finished(store, lease, number, number / 1000)
    assert set(parsed(text_of(store, START))) == few
    for number in range(20):
        other = claimed(store, f"other-{number}")
        store.set_search_state(other, SearchState.SUCCEEDED, "", START)
    assert set(parsed(text_of(store, START))) == few


def test_no_label_names_a_trial_a_job_or_a_worker() -> None:
    store = MemoryStore()
    writer = write_small_search(store)
    Pulse(store, "search:x", ProcessRole.SEARCH, writer.search_id).beat(writer.now, {"ask.count": 1.0})
    labels = {pair for _, labels in parsed(text_of(store, writer.now)) for pair in labels}
    assert {name for name, _ in labels} == {"state", "reason", "kind", "role", "search", "step", "le"}
    for name, text in labels:
        assert name == "le" or text == writer.search_id or re.fullmatch("[a-z_]*", text), (name, text)


def test_every_metric_is_in_the_table_and_the_other_way_round() -> None:
    store = MemoryStore()
    writer = write_small_search(store)
    Pulse(store, "search:x", ProcessRole.SEARCH, writer.search_id).beat(writer.now, {"entropy": 1.0})
    families = {f.name: f for f in text_string_to_metric_families(text_of(store, writer.now)) if f.name[:4] == "nas_"}
    table = {metric.name.removesuffix("_total"): metric for metric in (*names.OF_THE_STORE, *names.OF_THIS_PROCESS)}
    assert set(families) == set(table)
    for name, metric in table.items():
        assert (families[name].type, families[name].documentation) == (metric.kind, metric.text)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        found = {label for sample in families[name].samples for label in sample.labels} - {"le"}
        assert found <= set(metric.labels)
        assert found == set(metric.labels) or metric in names.OF_THIS_PROCESS


class CountingStore(MemoryStore):
    """Counts how often it is asked; breaks on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.num_asked = 0
        self.is_away = False

    def tallies(self, at: datetime, bounds: Sequence[float] = ()) -> Tallies:
        self.num_asked += 1
        if self.is_away:
            raise OSError("connection refused")
        return super().tallies(at, bounds)


def collector_text(store: Store, clock: Callable[[], float]) -> Callable[[], Samples]:
    metrics = ApiMetrics()
    metrics.registry.register(StoreCollector(store, lambda: START, clock))
    return lambda: parsed(metrics.text().decode())


def test_the_store_is_asked_once_in_a_few_seconds() -> None:
    store, seconds = CountingStore(), [0.0]
    read = collector_text(store, lambda: seconds[0])
    assert store.num_asked == 0, "registering asks nothing"
    first = read()
    store.create_search("s1", "n", CONFIG, START)
    seconds[0] = KEPT_SECONDS - 0.1
    assert read()[names.SEARCHES.name, (("state", "pending"),)] == first[names.SEARCHES.name, (("state", "pending"),)]
    assert store.num_asked == 1
    seconds[0] = KEPT_SECONDS
    assert read()[names.SEARCHES.name, (("state", "pending"),)] == 1
    assert store.num_asked == 2


def test_a_store_that_is_away_takes_only_its_own_metrics_away(caplog: pytest.LogCaptureFixture) -> None:
    store, seconds = CountingStore(), [0.0]
    read = collector_text(store, lambda: seconds[0])
    store.is_away = True
    samples = read()
    assert samples[names.STORE_UP.name, ()] == 0
    assert samples[names.SSE_CLIENTS.name, ()] == 0
    assert not any(name.startswith(names.TRIALS.name) for name, _ in samples)
    assert "connection refused" in caplog.text
    store.is_away, seconds[0] = False, KEPT_SECONDS
    assert read()[names.STORE_UP.name, ()] == 1


def test_requests_are_counted_by_template_and_what_strangers_send_makes_no_series(
    client: httpx.Client, store: Store
) -> None:
    write_small_search(store)
    for number in (1, 2, 3):
        client.get(f"/v1/searches/blood-cells-000001/trials/{number}")
    client.get("/v1/searches/none")
    few = set(parsed(client.get("/metrics").text))
    for number in range(30):
        client.get(f"/nothing/{number}")
        client.request(f"VERB{number}", "/v1/searches")
        client.get(f"/v1/searches/none-{number}")
        client.get("/v1/searches", headers={"Authorization": f"Bearer {number}"})
    samples = parsed(client.get("/metrics").text)

    def count(route: str, status: str) -> float:
        return value(samples, names.HTTP_REQUESTS.name, method="GET", route=route, status=status)

    assert count("/v1/searches/{search_id}/trials/{number}", "200") == 3
    assert count("/v1/searches/{search_id}", "404") == 31
    assert (count("other", "404"), count("other", "401")) == (30, 30)
    assert value(samples, names.HTTP_SECONDS.name + "_count", method="GET", route="/v1/searches/{search_id}") == 31
    # `/metrics` itself; `other` with 401 and 404; a method that is none, refused: each a counter and a histogram.
    more = {labels for name, labels in set(samples) - few if name == names.HTTP_REQUESTS.name}
    assert len(more) <= 4


def test_open_streams_are_counted(client: httpx.Client, store: Store) -> None:
    write_small_search(store)

    def num_open() -> float:
        return parsed(client.get("/metrics").text)[names.SSE_CLIENTS.name, ()]

    with client.stream("GET", "/v1/searches/blood-cells-000001/events", headers={"Accept": "text/event-stream"}) as one:
        content = one.iter_bytes()  # kept: a stream that nobody reads any more is closed
        next(content)
        assert num_open() == 1
    deadline = time.monotonic() + 30
    while num_open() != 0:
        assert time.monotonic() < deadline, "the server does not see that the reader is gone"


def test_transactions_are_timed(tmp_path: Path) -> None:
    metrics = ApiMetrics()
    store = open_store(f"sqlite:///{tmp_path / 'searches.sqlite'}", metrics.observe_transaction)
    before = parsed(metrics.text().decode())
    store.create_search("s1", "n", CONFIG, START)
    for _ in range(3):
        store.get_search("s1")
    samples = parsed(metrics.text().decode())
    count = names.STORE_SECONDS.name + "_count"
    assert value(samples, count, access="write") - before.get((count, (("access", "write"),)), 0) == 1
    assert value(samples, count, access="read") - before.get((count, (("access", "read"),)), 0) == 3
    assert value(samples, names.STORE_SECONDS.name + "_sum", access="write") > 0
    store.close()


def test_metrics_are_for_those_with_the_token(client: httpx.Client, store: Store) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert value(parsed(answer.text), names.STORE_UP.name) == 1
    assert httpx.get(f"{client.base_url}/metrics").status_code == 401
