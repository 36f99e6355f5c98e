"""The insight of a claimed search, written now and then: not once for each trial."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nas_controller.insight.following import follow, restored
from nas_controller.insight.insight import Insight
from nas_controller.insight.kept import KeptInsight
from nas_controller.records import SearchLease
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store

MAX_ENTRIES_BEHIND = 500
"""The row is at most about so many entries old: what each request reads after it."""
MAX_SECONDS_BEHIND = 10.0


@dataclass
class InsightKeeping:
    """Keeps the insight of one claim of a search.

    Between two rows nothing is read or folded: the entries since the last one are taken in when the next is written.

    Args:
        diagnostics: what the algorithm says of itself now; it is noted with each row.
        max_seconds_behind: how old the row may be while entries come in.
    """

    store: Store
    search_id: str
    config: SearchConfig
    diagnostics: Callable[[], Mapping[str, float]] = dict
    insight: Insight = field(init=False)
    written_at: datetime | None = None
    max_seconds_behind: float = MAX_SECONDS_BEHIND

    def __post_init__(self) -> None:
        self.insight = Insight(self.config)

    def restore(self) -> None:
        """Goes on with the row that is kept; else the ledger is folded from its beginning."""
        self.insight = restored(self.config, self.store.read_insight(self.search_id)) or Insight(self.config)

    def is_due(self, sequence: int, now: datetime) -> bool:
        """Whether to write a row, where the ledger has come to this entry."""
        behind = sequence - self.insight.sequence
        if behind <= 0 or self.written_at is None:
            return behind > 0
        return behind >= MAX_ENTRIES_BEHIND or (now - self.written_at).total_seconds() >= self.max_seconds_behind

    def write(self, lease: SearchLease, at: datetime) -> None:
        """Takes in all that was committed, and keeps it in place of the row before.

        Raises:
            LeaseLostError: another controller took over; nothing was written.
        """
        follow(self.store, self.search_id, self.insight)
        policy = self.insight.policy
        policy.diagnostics.note(policy.num_told, at, self.diagnostics())
        self.written_at = at
        document = self.insight.to_document()
        kept = KeptInsight(search_id=self.search_id, sequence=self.insight.sequence, document=document, written_at=at)
        self.store.write_insight(lease, kept)
