"""When the best reward of a search rose, in the order in which its trials ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nas_controller.records import EntryKind, LedgerEntry, TrialState

MAX_RISES = 1000
"""More rises than that, and every second one is forgotten, but for the last."""
TRAINED = (TrialState.COMPLETED, TrialState.STOPPED_EARLY, TrialState.FAILED)


@dataclass(frozen=True, slots=True)
class Rise:
    """A trial that was better than all before.

    Args:
        trained: trials that were trained by then, this one included.
        seconds: since the first entry of the ledger.
    """

    trained: int
    seconds: float
    reward: float
    trial: int


@dataclass(slots=True)
class Rises:
    """The rises of one search so far.

    Args:
        began_at: time of the first entry of the ledger.
        trained: trials that were trained.
        seconds: from the first entry to the end of the last of them.
    """

    began_at: datetime | None = None
    trained: int = 0
    seconds: float = 0.0
    rises: list[Rise] = field(default_factory=list)

    def apply(self, entry: LedgerEntry) -> None:
        """Takes in the next entry of the ledger."""
        if self.began_at is None:
            self.began_at = entry.at
        if entry.kind is not EntryKind.TRIAL_FINISHED or entry.payload["state"] not in TRAINED:
            return
        self.trained += 1
        self.seconds = max(self.seconds, round((entry.at - self.began_at).total_seconds(), 3))
        reward = entry.payload["reward"]
        is_whole = entry.payload["state"] == TrialState.COMPLETED and reward is not None
        if is_whole and (not self.rises or reward > self.rises[-1].reward):
            self.rises.append(Rise(self.trained, self.seconds, reward, entry.trial_number or 0))
        if len(self.rises) > MAX_RISES:
            self.rises = [*self.rises[:-1:2], self.rises[-1]]

    def to_document(self) -> dict[str, Any]:
        """The rises as JSON."""
        return {
            "began_at": self.began_at and self.began_at.isoformat(),
            "trained": self.trained,
            "seconds": self.seconds,
            "rises": [[rise.trained, rise.seconds, rise.reward, rise.trial] for rise in self.rises],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Rises":
        """The rises as they were when they were written."""
        return cls(
            began_at=document["began_at"] and datetime.fromisoformat(document["began_at"]),
            trained=document["trained"],
            seconds=document["seconds"],
            rises=[Rise(*rise) for rise in document["rises"]],
        )
