"""A search whose trials are asked and told, and never trained."""

from dataclasses import dataclass, field

from nas_controller.algorithms.base import SearchAlgorithm
from nas_controller.algorithms.table import configured_algorithm
from nas_controller.artifacts.base import ArtifactStore
from nas_controller.records import SearchLease, SearchState
from nas_controller.replay import Replay
from nas_controller.search_config import SearchConfig
from nas_controller.snapshots import Snapshots
from nas_controller.store.base import Store
from search_space.spaces import find_space
from tests.conformance.store_cases import DAY, START, at, evaluation, make_draft

SEARCH = "s1"


def new_algorithm(config: SearchConfig) -> SearchAlgorithm:
    """The one that a document names; it was told nothing."""
    return configured_algorithm(config, find_space(config.space))


@dataclass
class Asking:
    """One claim of a new search: `ask` and `tell` commit what a controller would, one second for each entry."""

    store: Store
    artifacts: ArtifactStore | None
    config: SearchConfig
    lease: SearchLease = field(init=False)
    seconds: float = 1.0

    def __post_init__(self) -> None:
        self.store.create_search(SEARCH, "asking", self.config.to_document(), START)
        self.claim()

    def claim(self) -> None:
        """A new controller, which knows nothing yet."""
        lease = self.store.claim_search(SEARCH, "controller", at(self.seconds), DAY)
        assert lease is not None
        self.lease = lease
        self.replay = Replay(self.store, SEARCH, new_algorithm(self.config))
        self.snapshots = Snapshots(self.replay, self.config, self.artifacts)
        self.store.set_search_state(lease, SearchState.RUNNING, "", at(self.later()))

    def later(self) -> float:
        """One second later."""
        self.seconds += 1
        return self.seconds

    def ask(self, number: int) -> None:
        """Commits the trial that the algorithm proposes now."""
        self.replay.follow()
        proposal = self.replay.algorithm.ask(number)
        draft = make_draft(number, arm=proposal.arm, genotype=proposal.genotype, log_probs=proposal.log_probs)
        self.store.add_trial(self.lease, draft, number, at(self.later()))
        (job,) = self.store.list_jobs(SEARCH, number)
        self.store.start_attempt(self.lease, job.id, "worker-1", at(self.later()))

    def tell(self, number: int) -> None:
        """Commits a reward that depends on the number; the algorithm hears of it at the next ask."""
        (job,) = self.store.list_jobs(SEARCH, number)
        value = number % 7 / 10
        self.store.complete_attempt(self.lease, job.id, 1, evaluation(value), value, at(self.later()))

    def take_snapshot(self) -> None:
        """Of what was committed so far."""
        self.snapshots.take(self.lease, at(self.later()))

    def go_on(self, first: int, last: int) -> None:
        """Asks for trials of these numbers; each is told after the two asked after it."""
        for number in range(first, last + 1):
            self.ask(number)
            if number > 2:
                self.tell(number - 2)
