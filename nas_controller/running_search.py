"""What the parts of the search loop share: one claim of a search by one controller."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from nas_controller.algorithms.base import SearchAlgorithm
from nas_controller.artifacts.base import ArtifactStore
from nas_controller.dispatch.base import AttemptKey, Dispatcher
from nas_controller.dispatch.results import KeptResult, ResultSpool
from nas_controller.early_stopping.base import StoppingRule
from nas_controller.failures import FailureWatch
from nas_controller.insight.keeping import InsightKeeping
from nas_controller.limits import LimitWatch
from nas_controller.pulse import Pulse, Stopwatch
from nas_controller.records import Job, Search, SearchLease, TrialKey
from nas_controller.replay import Replay
from nas_controller.requests import TrialRequest
from nas_controller.setup import SearchSetup
from nas_controller.snapshots import Snapshots
from nas_controller.store.base import Store
from nas_controller.tallies import ProcessRole

Clock = Callable[[], datetime]


class SearchFailedError(Exception):
    """The search cannot go on; the message is its reason."""


@dataclass
class RunningSearch:
    """One claim of a search by one controller: the parts, and what is only known while it runs.

    Args:
        stopping_rule: None where every training goes to its end.
        artifacts: where workers put checkpoints, and the controller snapshots; None where they do not.
        lease: taken by the caller; renewed here.
        now: UTC; with a simulated dispatcher its virtual clock.
        returned: of running attempts, results that were found when the search was claimed; recorded in the next turn.
        results: where workers keep outcomes; None where they do not.
        has_ended: whether nothing of it is to run any more: it is final or paused, not only left by this controller.
        requests: for trials, that are open and were read in this turn.
        promotions: requests for full trainings, likewise.
        earlier: the trials of earlier searches that the algorithm was told, by the number that it knows them by.
        num_started: trials that `limits.trials` counts, those that run or wait included.
        retry_at: when a queued job may be tried again, by its id; of the others, at once.
    """

    setup: SearchSetup
    store: Store
    algorithm: SearchAlgorithm
    stopping_rule: StoppingRule | None
    dispatcher: Dispatcher
    artifacts: ArtifactStore | None
    lease: SearchLease
    now: Clock
    running: dict[AttemptKey, Job] = field(default_factory=dict)
    returned: list[KeptResult] = field(default_factory=list)
    queued: list[Job] = field(default_factory=list)
    retry_at: dict[str, datetime] = field(default_factory=dict)
    requests: list[TrialRequest] = field(default_factory=list)
    promotions: list[TrialRequest] = field(default_factory=list)
    earlier: dict[int, TrialKey] = field(default_factory=dict)
    next_number: int = 1
    num_started: int = 0
    infeasible_in_a_row: int = 0
    placement: str = ""
    seconds_before_claim: float = 0.0
    claimed_at: datetime | None = None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    looked_for_results_at: datetime | None = None
    has_ended: bool = False
    results: ResultSpool | None = field(init=False)
    pulse: Pulse = field(init=False)
    failures: FailureWatch = field(init=False)
    limits: LimitWatch = field(init=False)
    replay: Replay = field(init=False)
    snapshots: Snapshots = field(init=False)
    insight: InsightKeeping = field(init=False)

    def __post_init__(self) -> None:
        config, artifact_dir = self.setup.config, self.setup.artifact_dir
        self.results = None if artifact_dir is None else ResultSpool(artifact_dir)
        self.pulse = Pulse(self.store, f"search:{self.search_id}", ProcessRole.SEARCH, self.search_id)
        self.failures = FailureWatch(config.limits, num_workers=sum(pool.count for pool in config.workers))
        self.limits = LimitWatch(self.store, self.search_id, config)
        self.replay = Replay(self.store, self.search_id, self.algorithm)
        self.snapshots = Snapshots(self.replay, config, self.artifacts)
        self.insight = InsightKeeping(self.store, self.search_id, config, self.algorithm.diagnostics)

    @property
    def search_id(self) -> str:
        """The search that runs."""
        return self.setup.search_id

    def take_limits(self, stored: Search) -> None:
        """From now on the limits that the search has as it is stored."""
        self.limits.take(stored)
        self.failures.limits = self.limits.limits

    def free_workers(self) -> list[str]:
        """Workers that may get an attempt now: those that are free, as far as `limits.concurrent_trials` allows."""
        free, most = self.dispatcher.free_workers(), self.limits.limits.concurrent_trials
        return free if most is None else free[: max(0, most - len(self.running))]

    def running_seconds(self) -> float:
        """How long controllers have worked on the search, pauses and crashes left out."""
        since = self.claimed_at or self.now()
        return self.seconds_before_claim + (self.now() - since).total_seconds()
