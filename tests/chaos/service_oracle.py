"""What must hold of a search that ran in the processes of a service, from its database, when it has ended."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from nas_controller.algorithms.versions import versions_here
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.results import ResultSpool
from nas_controller.records import (
    FAILURE_RULES,
    AttemptState,
    EntryKind,
    FailureReason,
    JobKind,
    JobState,
    LedgerEntry,
    TrialState,
)
from nas_controller.store.base import Store
from nas_controller.verification import verify
from search_space.spec import ArchitectureSpec
from tests.integration.evaluators import expected_average_precision
from trainer.task import Split

ALL = 10_000_000
ALONE_SECONDS = 6.0
"""A kill is looked at by itself where no other one comes so soon: some are noticed late."""
GOES_ON_SECONDS = 2.0
"""A search that had a result in so many seconds is going on."""


@dataclass(frozen=True)
class Kill:
    """Who was killed, and when, UTC."""

    victim: str
    at: datetime


def what_is_wrong(
    store: Store, search_id: str, artifact_dir: Path, may_fail: FailureReason = FailureReason.WORKER_LOST
) -> list[str]:
    """Sentences; [] where all is as it must be.

    Args:
        may_fail: the reason for which trials may have failed in the end.
    """
    holds = {
        "the search did not succeed": store.get_search(search_id).state == "succeeded",
        **_ledger_holds(store, search_id),
        **_work_holds(store, search_id),
        "a reward is not that of its architecture": _wrong_rewards(store, search_id) == [],
        "a trial failed that should not, or not yet": _failed_wrongly(store, search_id, may_fail) == [],
        "a result is kept that nobody waits for": ResultSpool(artifact_dir).list(search_id) == [],
        "a snapshot has no file": _are_there(store, search_id, artifact_dir),
        "its replay comes out otherwise": verify(
            store, search_id, versions_here(), lambda _sequence, _last: None
        ).difference
        is None,
    }
    return [sentence for sentence, is_right in holds.items() if not is_right]


def _ledger_holds(store: Store, search_id: str) -> dict[str, bool]:
    ledger, trials = store.read_ledger(search_id, limit=ALL), store.list_trials(search_id, ALL)
    told = Counter(entry.trial_number for entry in ledger if entry.kind is EntryKind.TRIAL_FINISHED)
    return {
        "the ledger has a gap": [entry.sequence for entry in ledger] == list(range(1, len(ledger) + 1)),
        "trial numbers have a gap": [trial.number for trial in trials] == list(range(1, len(trials) + 1)),
        "a trial was told twice": max(told.values()) == 1,
        "a trial was never finished": set(told) == {t.number for t in trials if t.draft.arm != "reference"},
    }


def _work_holds(store: Store, search_id: str) -> dict[str, bool]:
    jobs = store.list_jobs(search_id)
    proxy = Counter(job.trial_number for job in jobs if job.kind is JobKind.PROXY)
    attempts = {job.id: Counter(attempt.state for attempt in store.list_attempts(job.id)) for job in jobs}
    return {
        "work is open": all(job.state.is_final for job in jobs),
        "a trial has two proxy jobs": max(proxy.values()) == 1,
        "an attempt still runs": not any(states[AttemptState.RUNNING] for states in attempts.values()),
        "a job was completed twice": all(
            attempts[job.id][AttemptState.COMPLETED] == (job.state is JobState.COMPLETED) for job in jobs
        ),
    }


def _wrong_rewards(store: Store, search_id: str) -> list[int]:
    """Trials whose reward is not what the evaluator gives, or what the trial has that was measured in their place."""
    trials = store.list_trials(search_id, ALL, states=(TrialState.COMPLETED,))
    rewards = {trial.number: trial.reward for trial in trials}
    wrong = []
    for trial in trials:
        if trial.draft.arm == "reference":
            expected = None
        elif trial.reused_from is not None:
            expected = rewards[trial.reused_from.number]
        else:
            expected = expected_average_precision(ArchitectureSpec.from_document(trial.draft.spec), Split.REWARD)
        if trial.reward != expected:
            wrong.append(trial.number)
    return wrong


def _failed_wrongly(store: Store, search_id: str, may_fail: FailureReason) -> list[int]:
    """Trials that failed for another reason, or before they were tried as often as its rule says."""
    wrong = []
    for trial in store.list_trials(search_id, ALL, states=(TrialState.FAILED,)):
        (job,) = store.list_jobs(search_id, trial.number)
        failures = [attempt.failure for attempt in store.list_attempts(job.id) if attempt.failure is not None]
        of_kind = [failure for failure in failures if failure.kind is FAILURE_RULES[may_fail].kind]
        if trial.failure_reason is not may_fail or len(of_kind) != FAILURE_RULES[may_fail].max_attempts:
            wrong.append(trial.number)
    return wrong


def _are_there(store: Store, search_id: str, artifact_dir: Path) -> bool:
    artifacts = DirectoryArtifactStore(artifact_dir)
    keys = [snapshot.artifact_key for snapshot in store.list_snapshots(search_id) if snapshot.artifact_key is not None]
    return 0 < len(keys) <= 3 and all(artifacts.exists(key) for key in keys)


def lost_entries(store: Store, search_id: str, seen: Mapping[int, Mapping[str, Any]]) -> list[int]:
    """Entries that somebody was shown, and that are not in the ledger as they were."""
    now = {entry.sequence: entry.payload for entry in store.read_ledger(search_id, limit=ALL)}
    return [sequence for sequence, payload in seen.items() if now.get(sequence) != payload]


def longest_pauses(ledger: Sequence[LedgerEntry], kills: Sequence[Kill]) -> dict[str, list[float]]:
    """The longest time without a result after each kill, seconds, by victim; of those only after which the search was
    going on when the next one came.

    Args:
        kills: in the order of their time.
    """
    ends = [entry for entry in ledger if entry.kind is EntryKind.TRIAL_FINISHED]
    results = [entry.at for entry in ends if entry.payload["state"] == "completed"]
    pauses: dict[str, list[float]] = {}
    for kill, following in pairwise([*kills, Kill("", results[-1])]):
        since = [kill.at, *(at for at in results if kill.at < at <= following.at)]
        is_alone = (following.at - kill.at).total_seconds() > ALONE_SECONDS
        if is_alone and (following.at - since[-1]).total_seconds() < GOES_ON_SECONDS:
            longest = max(later - earlier for earlier, later in pairwise(since))
            pauses.setdefault(kill.victim, []).append(longest.total_seconds())
    return pauses
