"""The insights into the searches asked for last, each as far as its ledger was read.

Asking reads what the controller kept since, and the entries after it: a few hundred at most. A search that no
controller has claimed since an older release is folded from its beginning, once.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nas_controller.insight.following import follow, restored
from nas_controller.insight.insight import Insight
from nas_controller.records import Search
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store

MAX_SEARCHES = 64


@dataclass
class _Held:
    """One search's insight.

    Args:
        kept_sequence: of the row that it went on from; -1 before the first.
    """

    insight: Insight | None = None
    kept_sequence: int = -1
    lock: threading.Lock = field(default_factory=threading.Lock)


class Insights:
    """Reads insights, and holds them until `MAX_SEARCHES` others were asked for. Safe for threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def of(self, search: Search) -> Iterator[Insight]:
        """The insight into the search as its ledger is now, for one thread at a time. `NotFoundError` where it is
        gone."""
        with self._lock:
            held = self._held.setdefault(search.id, _Held())
            self._held.move_to_end(search.id)
            if len(self._held) > MAX_SEARCHES:
                self._held.popitem(last=False)
        with held.lock:
            yield self._caught_up(search, held)

    def _caught_up(self, search: Search, held: _Held) -> Insight:
        # What a controller adds to the row is not in the ledger: a newer row takes the place of what was folded here.
        kept = self._store.read_insight(search.id, held.kept_sequence)
        if held.insight is None or kept is not None:
            config = SearchConfig.from_document(search.config)
            held.insight = restored(config, kept) or held.insight or Insight(config)
        if kept is not None:
            held.kept_sequence = kept.sequence
        follow(self._store, search.id, held.insight)
        return held.insight
