"""Our side of `bench dispatch`: the service's own loop, store and dispatchers, with evaluations that cost nothing."""

import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.base import AttemptKey, AttemptOutcome, AttemptRequest
from nas_controller.dispatch.simulated import SimulatedDispatcher, VirtualClock
from nas_controller.running_search import RunningSearch
from nas_controller.search_config import SearchConfig
from nas_controller.search_loop import run_search
from nas_controller.store.open import open_store
from spinesearch.bench.claimed_search import claimed_search
from spinesearch.bench.dispatch import NUM_WORKERS, Mark, marked_at
from spinesearch.bench.dispatch_work import no_op

STATM_RESIDENT, PAGE_BYTES = 1, 4096


def measure(num_trials: int) -> list[Mark]:
    """Runs so many no-op trials on two standing Ray workers and SQLite; marks at the start and after each tenth."""
    from nas_controller.dispatch.base import WorkerPool
    from nas_controller.dispatch.ray_cluster import RayDispatcher

    config = _config(num_trials, NUM_WORKERS)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'store.sqlite'}")
        dispatcher = RayDispatcher([WorkerPool(count=NUM_WORKERS)], "spinesearch.bench.dispatch_work:no_op")
        try:
            while len(dispatcher.free_workers()) < NUM_WORKERS:
                dispatcher.wait(0.1)
            search = claimed_search(store, config, dispatcher, lambda: datetime.now(UTC))
            return _marks(search, num_trials)
        finally:
            dispatcher.close()
            store.close()


def _marks(search: RunningSearch, num_trials: int) -> list[Mark]:
    marks = Marks(num_trials)
    for _state in run_search(search):
        marks.note(search.next_number - 1 - len(search.running))
    return marks.taken


class Marks:
    """Notes how far a contender is."""

    def __init__(self, num_trials: int) -> None:
        self._wanted = list(marked_at(num_trials))
        self._started = time.perf_counter()
        self.taken: list[Mark] = []

    def note(self, num_trials: int) -> None:
        """Takes a mark where one is due."""
        if self._wanted and num_trials >= self._wanted[0]:
            self.taken.append(Mark(num_trials, time.perf_counter() - self._started, resident_bytes()))
            self._wanted = [number for number in self._wanted if number > num_trials]


def measure_busy_share(num_workers: int, trial_seconds: float, trials_of_a_worker: int) -> float:
    """What share of the time simulated workers are busy, while the controller's own seconds pass on their clock too.

    Counted from the start of the first trial to that of the last: then there is always another one to run.
    """
    config = _config(num_workers * trials_of_a_worker, num_workers)
    clock = VirtualClock()
    dispatcher = ChargedDispatcher(num_workers, trial_seconds, clock)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'store.sqlite'}")
        try:
            for _state in run_search(claimed_search(store, config, dispatcher, clock.now)):
                pass
        finally:
            store.close()
    return busy_share(dispatcher.started, num_workers, trial_seconds)


def busy_share(started: Sequence[float], num_workers: int, trial_seconds: float) -> float:
    """Share of the workers' time, from the last first trial's start to the last trial's start, that trials took.

    Args:
        started: virtual seconds, rising; the first `num_workers` are first trials.

    >>> busy_share([0, 0, 11, 11, 22, 22], 2, 10.0)  # each waits one second after ten
    0.9090909090909091
    """
    first, last = started[num_workers - 1], started[-1]
    busy = sum(max(0.0, min(start + trial_seconds, last) - max(start, first)) for start in started)
    return busy / (num_workers * (last - first))


def measure_resume(num_trials: int) -> float:
    """Seconds until a search that was cut off after so many trials can ask for the next: what a controller that claims
    it reads, rebuilds and queues again, without the start of its workers."""
    config, clock = _config(num_trials + 1, NUM_WORKERS), VirtualClock()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'store.sqlite'}")
        artifacts = DirectoryArtifactStore(Path(folder) / "artifacts")

        def claimed() -> RunningSearch:
            dispatcher = SimulatedDispatcher(NUM_WORKERS, lambda _request: 1.0, no_op, clock)
            return claimed_search(store, config, dispatcher, clock.now, artifacts)

        try:
            search = claimed()
            for _state in run_search(search):
                if search.next_number > num_trials:
                    break
            followed = claimed()
            began = time.perf_counter()
            next(run_search(followed))
            return time.perf_counter() - began
        finally:
            store.close()


class ChargedDispatcher(SimulatedDispatcher):
    """Simulated workers whose clock also moves by the real seconds that its caller spends between two calls."""

    def __init__(self, count: int, trial_seconds: float, clock: VirtualClock) -> None:
        super().__init__(count, lambda _request: trial_seconds, no_op, clock)
        self._virtual = clock
        self._charged_until = time.perf_counter()
        self.started: list[float] = []

    def submit(self, worker: str, key: AttemptKey, request: AttemptRequest) -> None:
        self._charge()
        super().submit(worker, key, request)
        self.started.append(self._virtual.seconds)

    def wait(self, timeout_seconds: float) -> list[AttemptOutcome]:
        self._charge()
        outcomes = super().wait(timeout_seconds)
        self._charged_until = time.perf_counter()  # the simulation's own work is nobody's
        return outcomes

    def _charge(self) -> None:
        now = time.perf_counter()
        self._virtual.advance_to(self._virtual.seconds + now - self._charged_until)
        self._charged_until = now


def _config(num_trials: int, num_workers: int) -> SearchConfig:
    """A search of random architectures of which none is off budget."""
    document: dict[str, Any] = {
        "name": "dispatch",
        "space": "spinenet-49",
        "data": "generated",
        "budget": {"relative_to": "spinenet-49", "tolerance": 1.0},
        "algorithm": {"name": "random"},
        "limits": {"trials": num_trials},
        "workers": [{"count": num_workers}],
        "reevaluate": {"top": 0},
        "evaluator": "spinesearch.bench.dispatch_work:no_op",
    }
    return SearchConfig.from_document(document)


def resident_bytes() -> int:
    """What this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[STATM_RESIDENT]) * PAGE_BYTES
