"""The row in which the insight into a search is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptInsight:
    """What a search's ledger said up to an entry, as a document (`insight.Insight`).

    Args:
        sequence: of that entry.
    """

    search_id: str
    sequence: int
    document: Mapping[str, Any]
    written_at: datetime
