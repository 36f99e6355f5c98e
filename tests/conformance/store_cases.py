"""What the store's tests are made of: times, drafts, evaluations, and a search that a controller runs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nas_controller.records import (
    Artifact,
    Failure,
    FailureKind,
    Job,
    JobKind,
    NetworkCost,
    SearchLease,
    SearchState,
    Trial,
    TrialDraft,
)
from nas_controller.store.base import Store

START = datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=UTC)
CONFIG = {"space": "spinenet-49", "limits": {"trials": 20}, "tolerance": 0.05, "budget": None}
MODEL_FAILURE = Failure(kind=FailureKind.MODEL, message="loss is nan at step 3", traceback="Traceback: ...")
LOST_WORKER = Failure(kind=FailureKind.INFRASTRUCTURE, message="worker died")
DAY = 86_400.0


def at(seconds: float) -> datetime:
    """The time so many seconds after the start."""
    return START + timedelta(seconds=seconds)


def make_draft(number: int, **changes: Any) -> TrialDraft:
    """A sampled candidate inside the budget; each number has its own fingerprint."""
    draft = TrialDraft(
        number=number,
        arm="policy",
        spec={"name": f"n{number}", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5},
        fingerprint=f"f{number}",
        target_cost=NetworkCost(
            backbone_parameters=11,
            backbone_multiply_adds=22,
            detector_parameters=33,
            detector_multiply_adds=85_281_555_200,
        ),
        proxy_cost=NetworkCost(
            backbone_parameters=1, backbone_multiply_adds=2, detector_parameters=3, detector_multiply_adds=4
        ),
        num_dead_blocks=number % 3,
        genotype=(number, 0, 2),
        log_probs=(-0.5, -1.25, 0.0),
        parents=(1, 2),
        edits=("swap 3 and 4",),
    )
    return replace(draft, **changes)


def make_reference(number: int, name: str = "spinenet-49") -> TrialDraft:
    """A published architecture."""
    return make_draft(number, arm="reference", name=name, genotype=(), log_probs=(), parents=(), edits=())


def evaluation(average_precision: float) -> dict[str, Any]:
    """A measured result; only its AP means something to a store."""
    return {"average_precision": average_precision, "losses": [[1, 2.5], [2, 1.5]], "device": "cpu"}


def make_artifact(search_id: str, **changes: Any) -> Artifact:
    """A log of trial 1."""
    artifact = Artifact(
        key="ab" * 32,
        search_id=search_id,
        trial_number=1,
        name="worker.log",
        media_type="text/plain",
        num_bytes=12,
        created_at=at(5),
    )
    return replace(artifact, **changes)


def claimed(store: Store, search_id: str = "s1", owner: str = "controller", seconds: float = DAY) -> SearchLease:
    """A new search that a controller claimed and runs."""
    store.create_search(search_id, "blood cells", CONFIG, START)
    lease = store.claim_search(search_id, owner, at(1), seconds)
    assert lease is not None
    store.set_search_state(lease, SearchState.RUNNING, "", at(1))
    return lease


def added(store: Store, lease: SearchLease, number: int, **changes: Any) -> Job:
    """The proxy job of a new trial."""
    store.add_trial(lease, make_draft(number, **changes), 1000 + number, at(10))
    return store.list_jobs(lease.search_id, number)[0]


def started(store: Store, lease: SearchLease, number: int, **changes: Any) -> Job:
    """The proxy job of a new trial, whose first attempt runs."""
    job = added(store, lease, number, **changes)
    store.start_attempt(lease, job.id, "worker-1", at(11))
    return store.get_job(job.id)


def finished(store: Store, lease: SearchLease, number: int, reward: float, **changes: Any) -> Trial:
    """A new trial that was trained; its AP is its reward."""
    job = started(store, lease, number, **changes)
    return store.complete_attempt(lease, job.id, 1, evaluation(reward), reward, at(12))


def reevaluated(store: Store, lease: SearchLease, number: int, seed: int, average_precision: float) -> Trial:
    """The trial after one more job on val."""
    job = store.add_job(lease, number, JobKind.REEVALUATE, seed, at(20))
    store.start_attempt(lease, job.id, "worker-1", at(21))
    return store.complete_attempt(lease, job.id, 1, evaluation(average_precision), None, at(22))


def readable(store: Store) -> dict[str, Any]:
    """Everything that a store gives to read."""
    return {search.id: readable_search(store, search.id) for search in store.list_searches(1000)}


def readable_search(store: Store, search_id: str) -> dict[str, Any]:
    """Everything that a store gives to read of one search."""
    jobs = store.list_jobs(search_id)
    return {
        "search": store.get_search(search_id),
        "trials": store.list_trials(search_id, 10_000),
        "best": store.best_trials(search_id, 10_000),
        "references": store.reference_trials(search_id),
        "counts": dict(store.count_trials(search_id).by_state),
        "jobs": jobs,
        "open": store.list_jobs(search_id, open_only=True),
        "attempts": [store.list_attempts(job.id) for job in jobs],
        "ledger": store.read_ledger(search_id, limit=10_000),
        "artifacts": store.list_artifacts(search_id),
    }
