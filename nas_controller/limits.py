"""How far a search has come to its limits, from what is stored: whoever looks, and whenever, finds the same."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from nas_controller.records import EntryKind, Search, TrialState
from nas_controller.search_config import SMOOTHED_OVER, Limits, SearchConfig
from nas_controller.store.base import Store
from nas_controller.usage import HOUR_SECONDS, Usage, usage

_PAGE = 1000
_TRAINED = (TrialState.COMPLETED, TrialState.STOPPED_EARLY, TrialState.FAILED)


@dataclass
class Plateau:
    """How many trials were trained since the smoothed reward was best.

    Smoothed is the mean of the last `SMOOTHED_OVER` rewards of trials that were trained to their end, in the order in
    which they ended; there is none before there are so many. The best so far would not do: one lucky seed sets it, and
    the algorithm that gets better all the time seems to stand still.

    Args:
        best: the highest mean; None while there is none.
        num_since: trials trained after the one that made it best, failed and stopped ones too; 0 before.
        sequence: of the last ledger entry that was taken in.
    """

    best: float | None = None
    num_since: int = 0
    sequence: int = 0
    rewards: deque[float] = field(default_factory=lambda: deque(maxlen=SMOOTHED_OVER))

    def follow(self, store: Store, search_id: str) -> None:
        """Takes in the trials that ended since."""
        is_whole = False
        while not is_whole:
            page = store.read_ledger(search_id, self.sequence, _PAGE, (EntryKind.TRIAL_FINISHED,))
            for entry in page:
                self.sequence = entry.sequence
                self._take(TrialState(entry.payload["state"]), entry.payload["reward"])
            is_whole = len(page) < _PAGE

    def _take(self, state: TrialState, reward: float | None) -> None:
        if state not in _TRAINED:
            return
        self.num_since += self.best is not None
        if state is not TrialState.COMPLETED or reward is None:
            return
        self.rewards.append(reward)
        mean = sum(self.rewards) / len(self.rewards)
        if len(self.rewards) == SMOOTHED_OVER and (self.best is None or mean > self.best):
            self.best, self.num_since = mean, 0


@dataclass
class LimitWatch:
    """The limits of a search that a controller holds.

    Args:
        limits: those that hold: they may be edited while the search runs.
        used: of the workers' time, when it was looked at last; nothing where no limit asks for it.
    """

    store: Store
    search_id: str
    config: SearchConfig
    limits: Limits = field(init=False)
    used: Usage = field(default_factory=Usage)
    plateau: Plateau = field(default_factory=Plateau)

    def __post_init__(self) -> None:
        self.limits = self.config.limits

    def take(self, search: Search) -> None:
        """From now on those that the search has as it is stored."""
        if search.config["limits"] != self.limits.model_dump(mode="json"):
            self.limits = Limits.model_validate(search.config["limits"])

    def look(self, now: datetime) -> None:
        """Reads what was used up to now, as far as there is a limit on it; once a turn is enough."""
        if self.limits.gpu_hours is not None or self.limits.cost is not None:
            self.used = usage(self.config.workers, self.store.worker_seconds(self.search_id, now))
        if self.limits.plateau is not None:
            self.plateau.follow(self.store, self.search_id)

    def reached(self, num_trials: int, running_seconds: float) -> str:
        """The limit that lets no more trials be started, in words; "" while there is none.

        Args:
            num_trials: that `limits.trials` counts, those that run or wait included.
            running_seconds: that `limits.hours` counts.
        """
        if num_trials >= self.limits.trials:
            return f"limit reached: {self.limits.trials} trials"
        if spent := self.spent(running_seconds):
            return spent
        if self.limits.plateau is not None and self.plateau.num_since >= self.limits.plateau:
            return f"limit reached: a plateau of {self.limits.plateau} trials"
        return ""

    def spent(self, running_seconds: float) -> str:
        """The limit on time or money that lets nothing more be begun, in words; "" while there is none."""
        limits, price = self.limits, self.config.price
        if limits.hours is not None and running_seconds >= limits.hours * HOUR_SECONDS:
            return f"limit reached: {limits.hours:g} hours"
        if limits.gpu_hours is not None and self.used.gpu_hours >= limits.gpu_hours:
            return f"limit reached: {limits.gpu_hours:g} GPU hours"
        if limits.cost is not None and price is not None and self.used.cost(price) >= limits.cost:
            return f"limit reached: a cost of {limits.cost:g} {price.currency}"
        return ""
