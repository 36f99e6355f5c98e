"""A controller's state as a fold over the ledger of asks and tells."""

from dataclasses import dataclass, field
from datetime import datetime

from nas_controller.algorithms.base import SearchAlgorithm, ToldTrial
from nas_controller.records import EntryKind, LedgerEntry, SearchState, TrialState
from nas_controller.store.base import Store

_REWARDED = (TrialState.COMPLETED, TrialState.STOPPED_EARLY)


@dataclass
class Replay:
    """What a ledger says so far.

    Args:
        algorithm: told every trial that the ledger says was told, in the order of commit.
        num_trials: trials created.
        running_seconds: how long controllers worked on the search; pauses and crashes do not count.
        counted_until: the entry up to which time is counted; None while no controller runs the search.
        created: trials that were asked and not told yet.
    """

    algorithm: SearchAlgorithm
    num_trials: int = 0
    running_seconds: float = 0.0
    counted_until: datetime | None = None
    created: dict[int, LedgerEntry] = field(default_factory=dict)

    def add(self, entry: LedgerEntry) -> None:
        """Takes in the next entry."""
        self._count_time(entry)
        if entry.kind is EntryKind.TRIAL_CREATED:
            self.num_trials += 1
            self.created[_number(entry)] = entry
        elif entry.kind is EntryKind.TRIAL_FINISHED and entry.payload["consumed"]:
            self.algorithm.tell(_told(self.created.pop(_number(entry)), entry))

    def _count_time(self, entry: LedgerEntry) -> None:
        """A controller says RUNNING when it claims the search: what lies between a crash and that is not counted."""
        starts = entry.kind is EntryKind.SEARCH_STATE and entry.payload["state"] == SearchState.RUNNING
        ends = entry.kind is EntryKind.SEARCH_STATE and not starts
        if self.counted_until is not None and not starts:
            self.running_seconds += (entry.at - self.counted_until).total_seconds()
        if starts or self.counted_until is not None:
            self.counted_until = None if ends else entry.at


def _number(entry: LedgerEntry) -> int:
    assert entry.trial_number is not None
    return entry.trial_number


def _told(created: LedgerEntry, finished: LedgerEntry) -> ToldTrial:
    state = TrialState(finished.payload["state"])
    return ToldTrial(
        number=_number(created),
        genotype=tuple(created.payload["genotype"]),
        log_probs=tuple(created.payload["log_probs"]),
        state=state,
        reward=finished.payload["reward"] if state in _REWARDED else None,
    )


def replay(store: Store, search_id: str, algorithm: SearchAlgorithm) -> Replay:
    """Folds the whole ledger of a search into a fresh algorithm."""
    replayed = Replay(algorithm)
    after = 0
    while page := store.read_ledger(search_id, after):
        for entry in page:
            replayed.add(entry)
        after = page[-1].sequence
    return replayed
