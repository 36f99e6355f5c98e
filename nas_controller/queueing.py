"""Which searches of a queue start now, and why the others wait. It only computes.

First come, first served. While the first that has no room waits for it, smaller ones start past it, but not for ever:
then it would never have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nas_controller.resources import Resources

BACKFILL_SECONDS = 600.0
"""How long others may start past a search that has waited longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A search that has no process.

    Args:
        since: when it was first found without room.
    """

    search_id: str
    needs: Resources
    since: datetime


def reasons_to_wait(queue: Sequence[Waiting], capacity: Resources, taken: Resources, now: datetime) -> dict[str, str]:
    """Why each search of the queue does not start now, as a sentence; "" for those that do, which fit side by side.

    Args:
        queue: the first one first.
        taken: by searches that run, of `capacity`.
    """
    reasons = {}
    first: Waiting | None = None
    for waiting in queue:
        reason = _too_much(waiting.needs, capacity)
        if not reason and first is not None and now - first.since >= timedelta(seconds=BACKFILL_SECONDS):
            reason = f"waiting behind search {first.search_id}, which has waited for its room longest"
        elif not reason and (reason := _no_room(waiting.needs, capacity, taken)):
            first = first or waiting
        elif not reason:
            taken += waiting.needs
        reasons[waiting.search_id] = reason
    return reasons


def _too_much(needs: Resources, capacity: Resources) -> str:
    missing = [f"{needs.said(name)}, there {_is_or_are(capacity, name)}" for name in needs.beyond(capacity)]
    return f"cannot start here: it asks for {' and for '.join(missing)}" if missing else ""


def _is_or_are(capacity: Resources, name: str) -> str:
    amount: float = getattr(capacity, name)
    return f"is {amount:g}" if amount == 1 else f"are {amount:g}"


def _no_room(needs: Resources, capacity: Resources, taken: Resources) -> str:
    """Says nothing that changes with each search that starts or ends: every change is an entry of the ledger."""
    missing = [f"{needs.said(name)} of {getattr(capacity, name):g}" for name in needs.beyond(capacity - taken)]
    return f"waiting for {' and '.join(missing)}: searches that run leave fewer" if missing else ""
