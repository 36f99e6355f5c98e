"""A search in a folder, and the process that works on it: the real loop, SQLite, files, and simulated workers.

Whoever kills the process starts another one on the same folder.
"""

import json
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any

import torch._refs  # noqa: F401 - takes a second at the first use of meta tensors: loaded once, not in each process

from nas_controller.algorithms.base import SearchAlgorithm
from nas_controller.algorithms.table import configured_algorithm
from nas_controller.artifacts.base import ArtifactStore
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.base import Dispatcher
from nas_controller.dispatch.simulated import EPOCH, SimulatedDispatcher, VirtualClock
from nas_controller.early_stopping.table import make_rule
from nas_controller.records import Failure, FailureReason, SearchLease
from nas_controller.running_search import Clock, RunningSearch
from nas_controller.search_config import SearchConfig
from nas_controller.search_loop import LEASE_SECONDS, run_search
from nas_controller.setup import SearchSetup, measurement_key
from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from search_space.spaces import find_space
from search_space.spec import ArchitectureSpec
from tests.chaos.points import Points, watched
from tests.conformance.store_cases import make_latency
from tests.fresh_processes import FRESH
from tests.nas_controller.test_search_loop import NOWHERE, closed_form_ap
from tests.nas_controller.test_search_loop_progress import trained
from trainer.latency_task import Latency, LatencyRequest
from trainer.session import TrainingSession
from trainer.task import DataSource, Evaluation, EvaluationRequest, Split

SEARCH = "s1"
SAME_OWNER = "controller"
ACKNOWLEDGED, RESUMES, REACHED = "acknowledged.txt", "resumes.txt", "reached.json"
WATCHED: Mapping[str, Any] = {
    "early_stopping": {"rule": "median", "at": [0.25, 0.5], "min_trials": 3},
    "attempts": {"checkpoint_seconds": 1},
}
"""Of a search whose trainings are measured on the way, kept in checkpoints, and ended early."""
TIMED: Mapping[str, Any] = {
    **WATCHED,
    "latency": {"rounds": 6},
    "reward": {"targets": [{"cost": "latency_ms", "target": 20}]},
}
"""Of one whose networks are timed before that."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A search, as any process that works on it is told.

    Args:
        keeps_results: whether workers leave results and checkpoints in the folder.
        diverging: share of architectures that fail.
        flaky: share of attempts whose worker is lost, another one at each time.
    """

    folder: Path
    trials: int = 12
    workers: int = 3
    algorithm: str = "reinforce"
    keeps_results: bool = True
    diverging: float = 0.0
    flaky: float = 0.0
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Of its database."""
        return f"sqlite:///{self.folder / 'searches.sqlite'}"

    def config(self) -> SearchConfig:
        """What the user asked for."""
        document = {
            "space": "r0-sp53",
            "data": "generated",
            "budget": {"relative_to": "r0-sp53", "tolerance": 0.2},
            "algorithm": {"name": self.algorithm, "seed": 3},
            "proxy": {"preset": "paper"},
            "limits": {"trials": self.trials, "failures": 1.0},
            "workers": [{"count": self.workers}],
            "reevaluate": {"top": 2, "seeds": 2},
            **self.document,
        }
        return SearchConfig.from_document(SearchConfig.from_document(document).to_document())

    def new_algorithm(self) -> SearchAlgorithm:
        """One that was told nothing."""
        return configured_algorithm(self.config(), find_space(self.config().space))

    def fails(self, request: EvaluationRequest) -> bool:
        """Whether its training diverges; on val nothing does."""
        return request.split is Split.REWARD and closed_form_ap(request) < self.diverging

    def evaluate(self, request: EvaluationRequest, session: TrainingSession) -> Evaluation | Failure:
        """What a worker gives."""
        if SystemRandom().random() < self.flaky:
            return Failure(reason=FailureReason.WORKER_LOST, message="the worker was lost")
        if self.fails(request):
            return Failure(reason=FailureReason.DIVERGED, message="loss is not a number at step 3")
        return trained(request, session)

    def measure(self, request: LatencyRequest) -> tuple[float, Latency | Failure]:
        """How long a worker takes to time a network, and what it gives."""
        if SystemRandom().random() < self.flaky:
            return 1.5, Failure(reason=FailureReason.WORKER_LOST, message="the worker was lost")
        return 1.5, closed_form_latency(request.spec)

    def create(self) -> None:
        """The folder and the search in it."""
        self.folder.mkdir(parents=True)
        store = open_store(self.url)
        store.create_search(SEARCH, "chaos", self.config().to_document(), EPOCH)
        store.close()


def closed_form_latency(spec: ArchitectureSpec) -> Latency:
    """One that depends on the architecture."""
    return make_latency(10.0 + len(spec.renamed("").to_json()) % 33)


def seconds_until_end(clock: VirtualClock, request: EvaluationRequest) -> float:
    """A trial ends at a time of its own, whenever it was started: so an order of results can be kept over restarts."""
    if request.split is Split.VAL:
        return 2.0
    number = int(request.spec.name.rpartition("-")[2])
    return max(4.0 * number + 0.7 * (number * number % 23) - clock.seconds, 0.001 * number)


def work(scenario: Scenario, owner: str, deadly: str, nth: int, sent: signal.Signals, began: float) -> None:
    """The body of a process: claims the search, where it has not ended, and runs it to its end, unless it is killed.

    Args:
        deadly, nth, sent: where it kills itself (`points.Points`).
        began: `time.monotonic` when it was started.
    """
    points = Points(deadly, nth, sent)
    points.watch_process()
    with points.calling("store.open"):
        opened = open_store(scenario.url)
    notes = Notes(scenario.folder, began)
    store = watched(opened, Store, "store", points, notes.returned)  # type: ignore[type-abstract]
    clock = VirtualClock(_last_seconds(opened))
    if not opened.get_search(SEARCH).state.is_final:
        seconds = partial(seconds_until_end, clock)
        workers = SimulatedDispatcher(scenario.workers, seconds, scenario.evaluate, clock, measure=scenario.measure)
        lease = _claim(store, owner, clock)
        for _state in run_search(put_together(scenario, store, lease, workers, clock.now, points)):
            pass
    opened.close()
    (scenario.folder / REACHED).write_text(json.dumps(points.reached))


def _last_seconds(store: Store) -> float:
    """When the newest entry was written: the time goes on there."""
    last = store.get_search(SEARCH).last_sequence
    return (store.read_ledger(SEARCH, last - 1)[0].at - EPOCH).total_seconds()


def _claim(store: Store, owner: str, clock: VirtualClock) -> SearchLease:
    """As soon as the lease of another owner is over."""
    while (lease := store.claim_search(SEARCH, owner, clock.now(), LEASE_SECONDS)) is None:
        clock.advance_to(clock.seconds + 1)
    return lease


def put_together(
    scenario: Scenario, store: Store, lease: SearchLease, workers: Dispatcher, now: Clock, points: Points
) -> RunningSearch:
    """The parts, each of them watched."""
    config, folder = scenario.config(), scenario.folder / "artifacts"
    files: ArtifactStore = DirectoryArtifactStore(folder)
    return RunningSearch(
        setup=SearchSetup(
            search_id=SEARCH,
            config=config,
            space=find_space(config.space),
            budget=config.flops_budget(),
            target=config.target_network(),
            task=config.task(),
            data=DataSource(train=NOWHERE, val=NOWHERE),
            num_classes=3,
            measurement_key=measurement_key(config, "hash of the data"),
            artifact_dir=folder if scenario.keeps_results else None,
        ),
        store=store,
        algorithm=watched(scenario.new_algorithm(), SearchAlgorithm, "algorithm", points),  # type: ignore[type-abstract]
        stopping_rule=make_rule(config.early_stopping),
        dispatcher=watched(workers, Dispatcher, "dispatcher", points),  # type: ignore[type-abstract]
        artifacts=watched(files, ArtifactStore, "artifacts", points),  # type: ignore[type-abstract]
        lease=lease,
        now=now,
    )


class Notes:
    """Files in the folder that outlive the process: results whose commit has returned, and how long it took to start.

    Args:
        began: when the process was started.
    """

    def __init__(self, folder: Path, began: float) -> None:
        self._began = began
        self._acknowledged = (folder / ACKNOWLEDGED).open("a", buffering=1)
        self._resumes = (folder / RESUMES).open("a", buffering=1)
        self._has_begun = False

    def close(self) -> None:
        """Lets go of the files."""
        self._acknowledged.close()
        self._resumes.close()

    def returned(self, call: str, arguments: tuple[Any, ...]) -> None:
        """A call of the store has returned."""
        if call == "complete_attempt":
            _lease, job_id, _number, document, *_rest = arguments
            self._acknowledged.write(f"{job_id} {document['average_precision']!r}\n")
        if call == "complete_latency":
            _lease, job_id, _number, latency, _at = arguments
            self._acknowledged.write(f"{job_id} {latency.median_ms!r}\n")
        if call == "start_attempt" and not self._has_begun:
            self._has_begun = True
            self._resumes.write(f"{time.monotonic() - self._began}\n")


def run(scenario: Scenario, owner: str = SAME_OWNER, deadly: str = "", nth: int = 1) -> int:
    """Lets a process work until it ends; its exit code."""
    process = start(scenario, owner, deadly, nth)
    process.join()
    code: int = process.exitcode
    return code


def start(
    scenario: Scenario,
    owner: str = SAME_OWNER,
    deadly: str = "",
    nth: int = 1,
    sent: signal.Signals = signal.SIGKILL,
) -> Any:
    """A process that works on the search."""
    process = FRESH.Process(target=work, args=(scenario, owner, deadly, nth, sent, time.monotonic()))
    process.start()
    return process
