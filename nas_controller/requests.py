"""What users ask of a search that has begun: another name, other limits, and trials of their own."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from nas_controller.records import Search, TrialKey
from search_space.decisions import Genotype

MAX_OPEN_REQUESTS = 1000
"""Of one search."""
PAUSED_BY_USER = "paused by the user"
"""The reason of a search that somebody paused; one that fails too often pauses itself, with another."""


class SearchOrder(StrEnum):
    """How lists of searches are ordered; equal names by id."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEdit:
    """What is to be changed in a search; None: it stays.

    Args:
        limits: all of them, as `SearchConfig` fills them in.
    """

    name: str | None = None
    notes: str | None = None
    limits: Mapping[str, Any] | None = None
    archived: bool | None = None

    def changes(self, search: Search) -> dict[str, Any]:
        """What is other than it is, by name: the payload of `search.edited`."""
        now = {
            "name": search.name,
            "notes": search.notes,
            "limits": search.config.get("limits"),
            "archived": search.archived_at is not None,
        }
        wanted = {name: getattr(self, name) for name in now}
        return {name: value for name, value in wanted.items() if value is not None and value != now[name]}


def edit_tag(search: Search) -> str:
    """16 hexadecimal digits, equal while name, notes and limits are: whoever edits says which ones were seen."""
    seen = json.dumps([search.name, search.notes, search.config.get("limits")], sort_keys=True)
    return hashlib.sha256(seen.encode()).hexdigest()[:16]


class RequestVerb(StrEnum):
    """What a user wants. STOP: a trial is to end with what it measured last; PROMOTE: it is to be trained in full; the
    others: one more trial."""

    ENQUEUE = "enqueue"
    RETRY = "retry"
    WARM_START = "warm_start"
    STOP = "stop"
    PROMOTE = "promote"


ARMS: Mapping[RequestVerb, str] = {
    RequestVerb.ENQUEUE: "enqueued",
    RequestVerb.RETRY: "retry",
    RequestVerb.WARM_START: "warm_start",
}
"""The arm of the trial that a request becomes."""


class RequestState(StrEnum):
    """What became of it. DONE: it is a trial, the trial to be stopped has ended, or the full trainings are queued;
    CANCELLED: the search ended."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDraft:
    """One request, as it is made.

    Args:
        source: the trial to be stopped, promoted or tried again, or whose architecture is wanted; None where that is
            the user's.
        spec: the architecture spec document; None for STOP and PROMOTE.
        genotype: empty for these two, and for an architecture that is not in the space.
        parents, edits: trials of the search that the architecture was made from, and how, for people.
        name: of the reference, where it is one.
        num_steps: of each full training; None for `setup.FULL_FACTOR` times the proxy's.
        num_seeds: how many full trainings, each with a seed of its own.
    """

    verb: RequestVerb
    source: TrialKey | None = None
    spec: Mapping[str, Any] | None = None
    genotype: Genotype = ()
    parents: tuple[int, ...] = ()
    edits: tuple[str, ...] = ()
    name: str = ""
    num_steps: int | None = None
    num_seeds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """One request to a search.

    Args:
        number: 1, 2, 3, ... within the search.
        trial_number: the trial that it became.
        reason: why it was refused.
    """

    search_id: str
    number: int
    draft: RequestDraft
    state: RequestState
    created_at: datetime
    closed_at: datetime | None = None
    trial_number: int | None = None
    reason: str = ""
