"""From the store's records to the API's answers."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from api import latency_schemas, schemas, steering_schemas
from api.comparison import best_reference, compare
from nas_controller.records import (
    Artifact,
    Attempt,
    Failure,
    Job,
    LedgerEntry,
    NetworkCost,
    Search,
    SearchState,
    Trial,
    TrialCounts,
    TrialKey,
    TrialState,
)
from nas_controller.requests import TrialRequest
from nas_controller.search_config import Price, Workers
from nas_controller.store.base import Store
from nas_controller.trial_summaries import Objective, TrialSummary
from nas_controller.usage import usage
from trainer.latency_task import Latency
from trainer.session import Measurement

MIN_TRIALS_FOR_ESTIMATE = 3


def search_summary(store: Store, search: Search, now: datetime) -> schemas.SearchSummary:
    """The search with its counts and its best trial."""
    counts = store.count_trials(search.id)
    best = store.best_summaries(search.id, limit=1)
    return schemas.SearchSummary(
        id=search.id,
        name=search.name,
        state=search.state,
        reason=search.reason,
        space=search.config["space"],
        algorithm=search.config["algorithm"]["name"],
        created_at=search.created_at,
        started_at=search.started_at,
        finished_at=search.finished_at,
        archived_at=search.archived_at,
        counts=_counts(counts),
        progress=_progress(search, counts, now),
        best=_best(best[0]) if best else None,
    )


def search_detail(store: Store, search: Search, now: datetime) -> schemas.SearchDetail:
    """The search, whole."""
    open_jobs = store.count_open_jobs(search.id)
    return schemas.SearchDetail(
        **dict(search_summary(store, search, now)),
        notes=search.notes,
        cloned_from=search.cloned_from,
        usage=_usage(search, store.worker_seconds(search.id, now)),
        config=search.config,
        last_sequence=search.last_sequence,
        open_jobs=schemas.OpenJobs(**{kind.value: count for kind, count in open_jobs.items()}),
    )


def _usage(search: Search, worker_seconds: Mapping[str, float]) -> schemas.Usage:
    pools = [Workers.model_validate(pool) for pool in search.config["workers"]]
    used = usage(pools, worker_seconds)
    price = None if search.config["price"] is None else Price.model_validate(search.config["price"])
    return schemas.Usage(
        **asdict(used),
        cost=None if price is None else used.cost(price),
        currency=None if price is None else price.currency,
    )


def _counts(counts: TrialCounts) -> schemas.Counts:
    by_state = {state.value: counts[state] for state in TrialState}
    return schemas.Counts(**by_state, total=counts.total, trained=counts.trained)


def _progress(search: Search, counts: TrialCounts, now: datetime) -> schemas.Progress:
    limits = search.config["limits"]
    elapsed, left = None, None
    if search.started_at is not None:
        elapsed = max(0.0, ((search.finished_at or now) - search.started_at).total_seconds())
        is_searching = search.state is SearchState.RUNNING and counts.trained < limits["trials"]
        if is_searching and counts.trained >= MIN_TRIALS_FOR_ESTIMATE:
            left = (limits["trials"] - counts.trained) * elapsed / counts.trained
            if limits["hours"] is not None:
                left = min(left, max(0.0, limits["hours"] * 3600 - elapsed))
    return schemas.Progress(trained=counts.trained, trials=limits["trials"], elapsed_seconds=elapsed, seconds_left=left)


def _best(trial: TrialSummary) -> schemas.Best | None:
    if trial.reward is None:
        return None
    return schemas.Best(
        number=trial.number,
        reward=trial.reward,
        average_precision=trial.average_precision,
        val_average_precision=trial.val_average_precision,
        val_standard_error=trial.val_standard_error,
        val_count=trial.val_count,
    )


def trial_summary(trial: TrialSummary) -> schemas.TrialSummary:
    """The trial without its spec and its jobs."""
    return schemas.TrialSummary(
        number=trial.number,
        arm=trial.arm,
        name=trial.name,
        state=trial.state,
        reward=trial.reward,
        average_precision=trial.average_precision,
        val_average_precision=trial.val_average_precision,
        val_standard_error=trial.val_standard_error,
        val_count=trial.val_count,
        failure=trial.failure,
        latency=None if trial.latency is None else _latency(trial.latency),
        reused_from=_source(trial.reused_from),
        source=_source(trial.source),
        fingerprint=trial.fingerprint,
        num_dead_blocks=trial.num_dead_blocks,
        target_cost=_cost(trial.target_cost),
        proxy_cost=_cost(trial.proxy_cost),
        created_at=trial.created_at,
        started_at=trial.started_at,
        finished_at=trial.finished_at,
    )


def _latency(measured: Latency) -> latency_schemas.Latency:
    device = latency_schemas.Device(digest=measured.device.digest, **asdict(measured.device))
    return latency_schemas.Latency(
        median_ms=measured.median_ms,
        interval_ms=measured.interval_ms,
        rounds=measured.rounds,
        discarded=measured.discarded,
        device=device,
    )


def _cost(counted: NetworkCost) -> schemas.Cost:
    return schemas.Cost(
        backbone_parameters=counted.backbone_parameters,
        backbone_multiply_adds=counted.backbone_multiply_adds,
        detector_parameters=counted.detector_parameters,
        detector_multiply_adds=counted.detector_multiply_adds,
    )


def _source(key: TrialKey | None) -> schemas.TrialSource | None:
    return None if key is None else schemas.TrialSource(search=key.search_id, trial=key.number)


def best_trials(
    store: Store,
    search_id: str,
    limit: int,
    objective: Objective = Objective.REWARD,
    *,
    max_multiply_adds: int | None = None,
    max_parameters: int | None = None,
) -> schemas.BestTrials:
    """The best trials, each against the best reference, and the references."""
    references = store.reference_trials(search_id)
    reference = best_reference(references)
    best = store.best_summaries(
        search_id, limit, objective, max_multiply_adds=max_multiply_adds, max_parameters=max_parameters
    )
    return schemas.BestTrials(
        trials=[
            schemas.BestTrial(**dict(trial_summary(trial)), difference=compare(trial, reference)) for trial in best
        ],
        references=[trial_summary(TrialSummary.of(trial)) for trial in references],
    )


def trial_children(store: Store, search_id: str, number: int, limit: int, after: int) -> schemas.TrialChildren:
    """One page of the trials that were made from this one."""
    children = store.list_children(search_id, number, limit + 1, after)
    return schemas.TrialChildren(
        trials=[trial_summary(child) for child in children[:limit]],
        total=store.count_children(search_id, number),
        next_page_token=str(children[limit - 1].number) if len(children) > limit else None,
    )


def trial_detail(store: Store, trial: Trial) -> schemas.TrialDetail:
    """The trial, whole."""
    artifacts = store.list_artifacts(trial.search_id, trial.number)
    return schemas.TrialDetail(
        **dict(trial_summary(TrialSummary.of(trial))),
        spec=trial.draft.spec,
        genotype=list(trial.draft.genotype),
        log_probs=list(trial.draft.log_probs),
        parents=list(trial.draft.parents),
        edits=list(trial.draft.edits),
        jobs=trial_jobs(store, trial).jobs,
        artifacts=[_artifact(artifact) for artifact in artifacts],
    )


def trial_jobs(store: Store, trial: Trial) -> schemas.TrialJobs:
    """All work on the trial."""
    jobs = store.list_jobs(trial.search_id, trial.number)
    return schemas.TrialJobs(jobs=[_job(job, store.list_attempts(job.id)) for job in jobs])


def curve(measurements: list[Measurement]) -> schemas.Curve:
    """The measurements of a trial."""
    return schemas.Curve(measurements=[schemas.Measurement(**asdict(point)) for point in measurements])


def _job(job: Job, attempts: list[Attempt]) -> schemas.JobDetail:
    return schemas.JobDetail(
        id=job.id,
        kind=job.kind,
        seed=job.seed,
        num_steps=job.num_steps,
        state=job.state,
        created_at=job.created_at,
        finished_at=job.finished_at,
        evaluation=job.evaluation,
        failure=_failure(job.failure),
        attempts=[
            schemas.AttemptDetail(
                number=attempt.number,
                state=attempt.state,
                worker=attempt.worker,
                started_at=attempt.started_at,
                finished_at=attempt.finished_at,
                failure=_failure(attempt.failure),
                log_bytes=attempt.log_bytes,
            )
            for attempt in attempts
        ],
    )


def _failure(failure: Failure | None) -> schemas.FailureDetail | None:
    if failure is None:
        return None
    return schemas.FailureDetail(
        reason=failure.reason, kind=failure.kind, message=failure.message, traceback=failure.traceback
    )


def _artifact(artifact: Artifact) -> schemas.ArtifactDetail:
    return schemas.ArtifactDetail(
        key=artifact.key, name=artifact.name, media_type=artifact.media_type, num_bytes=artifact.num_bytes
    )


def request(asked: TrialRequest) -> steering_schemas.Request:
    """What was asked, and what became of it."""
    return steering_schemas.Request(
        number=asked.number,
        verb=asked.draft.verb,
        state=asked.state,
        reason=asked.reason,
        name=asked.draft.name,
        source=_source(asked.draft.source),
        parents=list(asked.draft.parents),
        edits=list(asked.draft.edits),
        trial=asked.trial_number,
        created_at=asked.created_at,
        closed_at=asked.closed_at,
    )


def event(entry: LedgerEntry) -> schemas.Event:
    """The ledger entry as clients see it."""
    return schemas.Event(
        sequence=entry.sequence,
        kind=entry.kind,
        trial_number=entry.trial_number,
        at=entry.at,
        payload=entry.payload,
    )
