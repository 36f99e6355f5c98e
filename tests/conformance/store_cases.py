"""What the store's tests are made of: times, drafts, evaluations, and a search that a controller runs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nas_controller.artifacts.log_parts import PART_BYTES
from nas_controller.insight.kept import KeptInsight
from nas_controller.records import (
    Artifact,
    Failure,
    FailureReason,
    Job,
    JobKind,
    NetworkCost,
    SearchLease,
    SearchState,
    Snapshot,
    Trial,
    TrialDraft,
)
from nas_controller.requests import RequestDraft, RequestVerb
from nas_controller.store.base import Store
from nas_controller.trial_summaries import Objective
from trainer.latency_task import DeviceFingerprint, Latency
from trainer.session import Checkpoint, LogPart, Measurement

START = datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=UTC)
CONFIG = {"space": "spinenet-49", "limits": {"trials": 20}, "tolerance": 0.05, "budget": None}
MODEL_FAILURE = Failure(reason=FailureReason.DIVERGED, message="loss is nan at step 3", traceback="Traceback: ...")
LOST_WORKER = Failure(reason=FailureReason.WORKER_LOST, message="worker died")
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


def make_measurement(step: int, average_precision: float) -> Measurement:
    """One of a training of 100 steps, which take half a second each."""
    return Measurement(step=step, num_steps=100, loss=1.5, average_precision=average_precision, seconds=step / 2)


def make_checkpoint(step: int) -> Checkpoint:
    """Each step has its own key."""
    return Checkpoint(step=step, key=f"{step:064x}", num_bytes=2**33 + step)


def make_log_part(start: int, num_bytes: int = PART_BYTES) -> LogPart:
    """Each place and length has its own key."""
    return LogPart(start=start, num_bytes=num_bytes, key=f"{start:032x}{num_bytes:032x}")


def make_device(processor: str = "Example 9000") -> DeviceFingerprint:
    """A core of a processor; each name is another device."""
    return DeviceFingerprint(device="cpu (fp32)", processor=processor, threads=1, precision="fp32", torch="2.14")


def make_latency(median_ms: float, **changes: Any) -> Latency:
    """Of 6 rounds that all counted; the interval is a quarter of the median on both sides."""
    latency = Latency(
        median_ms=median_ms,
        interval_ms=(0.75 * median_ms, 1.25 * median_ms),
        rounds=6,
        discarded=0,
        device=make_device(),
    )
    return replace(latency, **changes)


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


def make_snapshot(sequence: int, **changes: Any) -> Snapshot:
    """Of search s1; each sequence has its own state and file."""
    snapshot = Snapshot(
        search_id="s1",
        sequence=sequence,
        state_sha256=f"{sequence:064x}",
        versions={"spinesearch": "0.1.0", "cpu": "Example 9000 @ 2.5 GHz"},
        artifact_key=f"{sequence + 4096:064x}",
        created_at=at(sequence),
    )
    return replace(snapshot, **changes)


def make_insight(sequence: int, **changes: Any) -> KeptInsight:
    """Of search s1; what a store keeps is any document."""
    insight = KeptInsight(
        search_id="s1",
        sequence=sequence,
        document={"format": 1, "sequence": sequence, "course": {"best": 0.25, "last": [0.125, 0.25]}},
        written_at=at(sequence),
    )
    return replace(insight, **changes)


def make_request(**changes: Any) -> RequestDraft:
    """For one more trial, of an architecture of the user's own."""
    draft = RequestDraft(
        verb=RequestVerb.ENQUEUE, spec={"name": "mine", "blocks": [{"level": 4, "parents": [0, 1]}]}, genotype=(4, 0, 2)
    )
    return replace(draft, **changes)


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


def stopped(store: Store, lease: SearchLease, number: int, reward: float, **changes: Any) -> Trial:
    """A new trial that was stopped at step 50; its AP there is its reward."""
    job = started(store, lease, number, **changes)
    document = {**evaluation(reward), "stopped_at_step": 50}
    return store.complete_attempt(lease, job.id, 1, document, reward, at(12))


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
    trials = store.list_trials(search_id, 10_000)
    curves = [store.list_measurements(search_id, trial.number) for trial in trials]
    steps = sorted({measurement.step for curve in curves for measurement in curve})
    return {
        "search": store.get_search(search_id),
        "trials": trials,
        "curves": curves,
        "measured": {step: store.measured_at(search_id, step) for step in steps},
        "summaries": store.list_summaries(search_id, 10_000),
        "children": {trial.number: store.list_children(search_id, trial.number, 10_000) for trial in trials},
        "best": store.best_trials(search_id, 10_000),
        "best in": {objective: store.best_summaries(search_id, 10_000, objective) for objective in Objective},
        "references": store.reference_trials(search_id),
        "counts": dict(store.count_trials(search_id).by_state),
        "jobs": jobs,
        "open": store.list_jobs(search_id, open_only=True),
        "attempts": [store.list_attempts(job.id) for job in jobs],
        "logs": [store.list_log_parts(job.id, n) for job in jobs for n in range(1, job.num_attempts + 1)],
        "ledger": store.read_ledger(search_id, limit=10_000),
        "snapshots": store.list_snapshots(search_id),
        "insight": store.read_insight(search_id),
        "failed attempts": dict(store.count_failed_attempts(search_id)),
        "artifacts": store.list_artifacts(search_id),
        "requests": store.list_requests(search_id),
    }
