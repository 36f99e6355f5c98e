"""From the store to an insight that is up to date: the row that is kept, and the entries after it."""

import logging

from nas_controller.insight.insight import Insight, InsightFormatError
from nas_controller.insight.kept import KeptInsight
from nas_controller.log_ids import log_ids
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store

PAGE_ENTRIES = 1000

_log = logging.getLogger(__name__)


def restored(config: SearchConfig, kept: KeptInsight | None) -> Insight | None:
    """The insight as it is kept; None where it is not, or by another release."""
    if kept is None:
        return None
    try:
        return Insight.from_document(config, kept.document)
    except InsightFormatError as error:
        _log.info("what is kept is left out: %s", error, extra=log_ids(kept.search_id))
        return None


def follow(store: Store, search_id: str, insight: Insight) -> None:
    """Takes in all that was committed since. Raises `NotFoundError` for no such search."""
    is_whole = False
    while not is_whole:
        page = store.read_ledger(search_id, insight.sequence, PAGE_ENTRIES)
        for entry in page:
            insight.apply(entry)
        is_whole = len(page) < PAGE_ENTRIES
