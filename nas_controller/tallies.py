"""What is counted over all searches of a store, and what its processes say of themselves; for whoever watches both."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from nas_controller.records import AttemptState, FailureReason, JobKind, SearchState, TrialState

HEARTBEAT_SECONDS = 5.0
ALIVE_SECONDS = 20.0
"""A process that has said nothing for so long is taken for dead."""
FORGOTTEN_SECONDS = 3600.0
"""An older heartbeat is deleted with the next one of whatever process."""


CRASHES = "crashes"
"""Of a daemon's numbers: how many processes of its searches have died."""


class ProcessRole(StrEnum):
    """What a process does: DAEMON starts a SEARCH process for each search that should run."""

    API = "api"
    DAEMON = "daemon"
    SEARCH = "search"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A process lived at `at`.

    Args:
        name: of the process, unlike any other that lives; a process that takes another's place may take its name.
        search_id: the search that a SEARCH process runs.
        numbers: what it counted since it started, and what holds now.
    """

    name: str
    role: ProcessRole
    at: datetime
    search_id: str | None = None
    numbers: Mapping[str, float]

    def is_alive(self, now: datetime) -> bool:
        """Whether the process is taken to live at this time; clocks of machines agree to a few seconds."""
        return now - self.at < timedelta(seconds=ALIVE_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How many things of one kind there are.

    Args:
        seconds: what they took together.
        num_within: how many of them took at most so long, for each bound that was asked for.
    """

    count: int
    seconds: float = 0.0
    num_within: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """Counts over all searches, at one moment. References are no trials here.

    Args:
        trials: by state and, where they failed, by reason; seconds from the first start to the end.
        attempts: by state and, where they failed, by reason; seconds from start to end.
        queued: QUEUED jobs of searches that are PENDING or RUNNING.
        oldest_queued_at: when the oldest of these was made; None where there is none.
        num_leased, num_unleased: searches that are RUNNING or STOPPING, with and without a lease that holds.
        ledger_entries: of all searches.
        best_rewards: of each search that is RUNNING or STOPPING and has a COMPLETED trial.
    """

    searches: Mapping[SearchState, int]
    trials: Mapping[tuple[TrialState, FailureReason | None], Group]
    attempts: Mapping[tuple[AttemptState, FailureReason | None], Group]
    queued: Mapping[JobKind, int]
    oldest_queued_at: datetime | None
    num_leased: int
    num_unleased: int
    ledger_entries: int
    best_rewards: Mapping[str, float]
