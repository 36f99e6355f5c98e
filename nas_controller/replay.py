"""A controller's state as a fold over the ledger of asks and tells.

The loop tells its algorithm nothing else: after each commit it follows the ledger. So what a running search knows is
what a replay of its ledger gives, and there is no second way to the same state.
"""

from dataclasses import dataclass, field
from datetime import datetime

from nas_controller.algorithms.base import SearchAlgorithm, ToldTrial
from nas_controller.earlier import ARM as EARLIER
from nas_controller.records import EntryKind, LedgerEntry, SearchState, TrialState
from nas_controller.store.base import Store
from search_space.decisions import Genotype

PAGE_ENTRIES = 1000
_WRITTEN_BY_OTHERS = (EntryKind.SEARCH_EDITED, EntryKind.REQUEST_CREATED)
"""They say nothing of a controller: it may have died long before."""
_REWARDED = (TrialState.COMPLETED, TrialState.STOPPED_EARLY)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a trial is told with besides its outcome."""

    genotype: Genotype
    log_probs: tuple[float, ...]
    arm: str
    multiply_adds: int


@dataclass
class Replay:
    """What a search's ledger says up to an entry.

    Args:
        algorithm: told every trial that the ledger says was told, in the order of commit.
        sequence: of the last entry that was taken in.
        num_trials: trials created.
        num_told: trials told, those of earlier searches left out.
        running_seconds: how long controllers worked on the search; pauses and crashes do not count.
        counted_until: the entry up to which time is counted; None while no controller runs the search.
        asked: trials that were asked and are not finished, as far as they were followed; after a snapshot the store
            has them.
    """

    store: Store
    search_id: str
    algorithm: SearchAlgorithm
    sequence: int = 0
    num_trials: int = 0
    num_told: int = 0
    running_seconds: float = 0.0
    counted_until: datetime | None = None
    asked: dict[int, Asked] = field(default_factory=dict)

    def follow(self) -> None:
        """Takes in all that was committed since."""
        is_whole = False
        while not is_whole:
            page = self.store.read_ledger(self.search_id, self.sequence, PAGE_ENTRIES)
            for entry in page:
                self.add(entry)
            is_whole = len(page) < PAGE_ENTRIES

    def add(self, entry: LedgerEntry) -> None:
        """Takes in the next entry.

        Raises:
            ValueError: the algorithm cannot learn from the trial that it says was told.
        """
        self._count_time(entry)
        if entry.kind is EntryKind.TRIAL_CREATED:
            self.num_trials += 1
            self.asked[_number(entry)] = _asked(entry)
        elif entry.kind is EntryKind.EARLIER_TOLD:
            for told in _earlier(entry):
                self.algorithm.tell(told)
        elif entry.kind is EntryKind.TRIAL_FINISHED:
            waiting = self.asked.pop(_number(entry), None)
            if entry.payload["consumed"]:
                self.algorithm.tell(_told(entry, waiting or self._stored(_number(entry))))
                self.num_told += 1
        self.sequence = entry.sequence

    def _count_time(self, entry: LedgerEntry) -> None:
        """A controller says RUNNING when it claims the search: what lies between a crash and that is not counted."""
        if entry.kind in _WRITTEN_BY_OTHERS:
            return
        starts = entry.kind is EntryKind.SEARCH_STATE and entry.payload["state"] == SearchState.RUNNING
        ends = entry.kind is EntryKind.SEARCH_STATE and not starts
        if self.counted_until is not None and not starts:
            self.running_seconds += (entry.at - self.counted_until).total_seconds()
        if starts or self.counted_until is not None:
            self.counted_until = None if ends else entry.at

    def _stored(self, number: int) -> Asked:
        draft = self.store.get_trial(self.search_id, number).draft
        return Asked(draft.genotype, draft.log_probs, draft.arm, draft.target_cost.backbone_multiply_adds)


def _number(entry: LedgerEntry) -> int:
    assert entry.trial_number is not None
    return entry.trial_number


def _asked(created: LedgerEntry) -> Asked:
    payload = created.payload
    return Asked(
        genotype=tuple(payload["genotype"]),
        log_probs=tuple(payload["log_probs"]),
        arm=payload["arm"],
        multiply_adds=payload["multiply_adds"],
    )


def _told(finished: LedgerEntry, asked: Asked) -> ToldTrial:
    state = TrialState(finished.payload["state"])
    return ToldTrial(
        number=_number(finished),
        genotype=asked.genotype,
        log_probs=asked.log_probs,
        arm=asked.arm,
        multiply_adds=asked.multiply_adds,
        state=state,
        reward=finished.payload["reward"] if state in _REWARDED else None,
    )


def _earlier(entry: LedgerEntry) -> list[ToldTrial]:
    """The trials of an earlier search, in the order in which they are told."""
    log_probs = tuple(entry.payload["log_probs"])
    return [
        ToldTrial(
            number=one["number"],
            genotype=tuple(one["genotype"]),
            log_probs=log_probs,
            arm=EARLIER,
            multiply_adds=one["multiply_adds"],
            state=TrialState.COMPLETED,
            reward=one["reward"],
        )
        for one in entry.payload["trials"]
    ]


def replay(store: Store, search_id: str, algorithm: SearchAlgorithm) -> Replay:
    """Folds the whole ledger of a search into a fresh algorithm."""
    replayed = Replay(store, search_id, algorithm)
    replayed.follow()
    return replayed
