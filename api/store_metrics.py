"""What all searches did, and which processes live, as metrics read from the store when somebody asks.

API and controllers meet only in the store, so this is where their metrics meet too: every API process gives the same.
They are read once every few seconds at most, however many ask.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from api import metric_names as names
from nas_controller.records import AttemptState, FailureReason, JobKind, SearchState, TrialState
from nas_controller.store.base import Store
from nas_controller.tallies import CRASHES, Group, Heartbeat, ProcessRole, Tallies

KEPT_SECONDS = 5.0
WAIT_SECONDS = 2.0
STEPS = ("turn", "ask", "draft", "tell", "wait", "snapshot", "transaction")
TRAINED = (TrialState.COMPLETED, TrialState.STOPPED_EARLY, TrialState.FAILED)
BOUNDS = (*names.TRIAL_DURATION.buckets, math.inf)
CURRENT = (TrialState.QUEUED, TrialState.RUNNING)

_log = logging.getLogger(__name__)
State = TypeVar("State", bound=str)
Groups = Mapping[tuple[State, FailureReason | None], Group]
Values = dict[tuple[str, ...], float]


class StoreCollector(Collector):
    """Reads the store for a registry.

    Args:
        now: UTC, as leases and heartbeats have it.
        clock: seconds, from wherever they count.
    """

    def __init__(self, store: Store, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._now = now
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._families: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        """The families as they were a few seconds ago at most; only `nas_store_up` where the store does not answer."""
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            yield _gauge(names.STORE_UP, {(): 0.0})  # somebody else has waited for the store for long
            return
        try:
            if self._read_at is None or self._clock() - self._read_at >= KEPT_SECONDS:
                self._families = self._read()
                self._read_at = self._clock()
            yield from self._families
        finally:
            self._lock.release()

    def describe(self) -> list[Metric]:
        """Nothing: a registry would else read the store to know what there is."""
        return []

    def _read(self) -> list[Metric]:
        now = self._now()
        try:
            tallies = self._store.tallies(now, BOUNDS)
            living = [heartbeat for heartbeat in self._store.list_heartbeats() if heartbeat.is_alive(now)]
        except Exception:
            _log.exception("the metrics of the store cannot be read")
            return [_gauge(names.STORE_UP, {(): 0.0})]
        up = _gauge(names.STORE_UP, {(): 1.0})
        return [up, *_of_trials(tallies), *_of_work(tallies, now), *_of_searches(tallies), *_of_processes(living)]


def _of_trials(tallies: Tallies) -> list[Metric]:
    trials = tallies.trials
    ended = [state for state in TrialState if state.is_final]
    current: Values = {(state.value,): _of_state(trials, state) for state in CURRENT}
    created = sum(group.count for group in trials.values())
    return [
        _counter(names.TRIALS_CREATED, {(): created}),
        _counter(names.TRIALS, _by_reason(trials, ended, TrialState.FAILED)),
        _gauge(names.TRIALS_CURRENT, current),
        _durations([group for (state, _), group in trials.items() if state in TRAINED]),
    ]


def _durations(groups: Sequence[Group]) -> Metric:
    """Of trials that took time: one that took over a reward has no place here."""
    metric = names.TRIAL_DURATION
    within = [float(sum(group.num_within[index] for group in groups)) for index in range(len(BOUNDS))]
    bounds = [*map(str, metric.buckets), "+Inf"]
    seconds = sum(group.seconds for group in groups)
    return HistogramMetricFamily(
        metric.name, metric.text, buckets=list(zip(bounds, within, strict=True)), sum_value=seconds
    )


def _of_work(tallies: Tallies, now: datetime) -> list[Metric]:
    attempts = tallies.attempts
    ended = [state for state in AttemptState if state is not AttemptState.RUNNING]
    seconds: Values = {(s.value,): sum(g.seconds for (state, _), g in attempts.items() if state is s) for s in ended}
    oldest = tallies.oldest_queued_at
    age = 0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0)
    return [
        _counter(names.ATTEMPTS, _by_reason(attempts, ended, AttemptState.FAILED)),
        _counter(names.WORKER_SECONDS, seconds),
        _gauge(names.ATTEMPTS_CURRENT, {(): _of_state(attempts, AttemptState.RUNNING)}),
        _gauge(names.QUEUE_DEPTH, {(kind.value,): tallies.queued.get(kind, 0) for kind in JobKind}),
        _gauge(names.QUEUE_OLDEST, {(): age}),
    ]


def _of_searches(tallies: Tallies) -> list[Metric]:
    return [
        _gauge(names.SEARCHES, {(state.value,): tallies.searches.get(state, 0) for state in SearchState}),
        _gauge(names.LEASES, {("held",): tallies.num_leased, ("missing",): tallies.num_unleased}),
        _counter(names.LEDGER_ENTRIES, {(): tallies.ledger_entries}),
        _gauge(names.REWARD_BEST, {(search,): reward for search, reward in tallies.best_rewards.items()}),
    ]


def _of_processes(living: Sequence[Heartbeat]) -> list[Metric]:
    counts: Values = {(role.value,): sum(heartbeat.role is role for heartbeat in living) for role in ProcessRole}
    searches = [heartbeat for heartbeat in living if heartbeat.role is ProcessRole.SEARCH]
    entropies: Values = {(h.search_id or "",): h.numbers["entropy"] for h in searches if "entropy" in h.numbers}
    return [
        _gauge(names.PROCESSES, counts),
        _counter(names.SEARCH_CRASHES, {(): sum(heartbeat.numbers.get(CRASHES, 0) for heartbeat in living)}),
        _steps(searches),
        _gauge(names.CONTROLLER_ENTROPY, entropies),
    ]


def _steps(searches: Sequence[Heartbeat]) -> Metric:
    metric = names.CONTROLLER_SECONDS
    family = SummaryMetricFamily(metric.name, metric.text, labels=metric.labels)
    for heartbeat in searches:
        for step in STEPS:
            count, seconds = (heartbeat.numbers.get(f"{step}.{part}", 0.0) for part in ("count", "seconds"))
            family.add_metric([heartbeat.search_id or "", step], count_value=int(count), sum_value=seconds)
    return family


def _of_state(groups: Groups[State], state: State) -> int:
    return sum(group.count for (other, _), group in groups.items() if other == state)


def _by_reason(groups: Groups[State], states: Sequence[State], failed: State) -> Values:
    """Counts by (state, reason), those that are 0 included, so that a first failure is seen as a rise."""
    keys = [(state, reason) for state in states for reason in (FailureReason if state == failed else [None])]
    counts = {key: groups[key].count if key in groups else 0 for key in keys}
    return {(str(state), str(reason or "")): count for (state, reason), count in counts.items()}


def _gauge(metric: names.Metric, values: Values) -> Metric:
    family = GaugeMetricFamily(metric.name, metric.text, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _counter(metric: names.Metric, values: Values) -> Metric:
    family = CounterMetricFamily(metric.name, metric.text, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
