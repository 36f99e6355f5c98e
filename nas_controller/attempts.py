"""Attempts in a running search: given to workers, watched, recorded, tried again."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from nas_controller.attempt_logs import keep_log_part, take_rest
from nas_controller.dispatch.base import AttemptKey, AttemptOutcome
from nas_controller.dispatch.results import KeptResult
from nas_controller.failures import is_tried_again, retry_at
from nas_controller.latencies import comparable, costs_of
from nas_controller.log_ids import attempt_ids
from nas_controller.records import (
    Artifact,
    Failure,
    FailureKind,
    FailureReason,
    Job,
    JobKind,
    JobState,
    Trial,
    TrialDraft,
    TrialState,
)
from nas_controller.reward import aimed, reward_of
from nas_controller.running_search import RunningSearch, SearchFailedError
from trainer.latency_task import Latency
from trainer.session import Checkpoint, LogPart
from trainer.task import Evaluation, KeptFile

_log = logging.getLogger(__name__)


def queue(search: RunningSearch, job: Job) -> None:
    """The job waits for a free worker, and after a failure of the infrastructure for its time."""
    search.queued.append(job)
    at = retry_at(search.store.list_attempts(job.id)) if job.num_attempts else None
    if at is not None:
        search.retry_at[job.id] = at


def submit_queued(search: RunningSearch) -> None:
    """Starts queued jobs on free workers: the attempt is committed before the worker gets it."""
    free, now = search.free_workers(), search.now()
    due = [job for job in search.queued if search.retry_at.get(job.id, now) <= now]
    for worker, job in zip(free, due, strict=False):
        trial = search.store.get_trial(search.search_id, job.trial_number)
        attempt = search.store.start_attempt(search.lease, job.id, worker, search.now())
        search.queued.remove(job)
        search.retry_at.pop(job.id, None)
        give(search, worker, replace(job, state=JobState.RUNNING, num_attempts=attempt.number), trial.draft)


def give(search: RunningSearch, worker: str, job: Job, draft: TrialDraft) -> None:
    """Gives a free worker the newest attempt of the job, which is committed."""
    key = AttemptKey(job.id, job.num_attempts)
    setup = search.setup
    request = setup.latency_request(draft) if job.kind is JobKind.LATENCY else setup.request(draft, job)
    search.dispatcher.submit(worker, key, request)
    search.running[key] = job
    _log.info("attempt %d started on %s", key.number, worker, extra=attempt_ids(job, key.number))
    if _was_given_up(search, job):
        search.dispatcher.stop(key)


def take_progress(search: RunningSearch) -> None:
    """Commits what running attempts reported, and asks those to end that the rule gives up. Said late or twice, it
    changes nothing."""
    for key, progress in search.dispatcher.progress():
        job = search.running.get(key)
        if job is None:
            continue
        if isinstance(progress, LogPart):
            keep_log_part(search, key, progress)
            continue
        replaced = search.store.get_job(job.id).checkpoint
        search.store.record_progress(search.lease, key.job_id, key.number, progress, search.now())
        if isinstance(progress, Checkpoint):
            _delete_checkpoints(search, search.store.get_job(job.id), [replaced, progress])
        elif _is_given_up(search, job, progress.step):
            search.dispatcher.stop(key)


def _is_given_up(search: RunningSearch, job: Job, step: int) -> bool:
    """What the rule says of a trial that was measured at a step, from what had been measured there before: whoever
    asks, and whenever, it is the same. In a search for a front, trials for one target are held against each other."""
    if search.stopping_rule is None or job.kind is not JobKind.PROXY:
        return False
    front, measured = search.setup.config.front, search.store.measured_at(search.search_id, step)
    if front is not None:
        measured = [each for each in measured if front.is_for_same_target(each[0], job.trial_number)]
    numbers = [number for number, _ in measured]
    if job.trial_number not in numbers:
        return False
    place = numbers.index(job.trial_number)
    return search.stopping_rule.decide([value for _, value in measured[:place]], measured[place][1])


def _was_given_up(search: RunningSearch, job: Job) -> bool:
    """Whether an earlier attempt was, at a step that one from the job's checkpoint does not come to again."""
    if job.checkpoint is None:
        return False
    curve = search.store.list_measurements(search.search_id, job.trial_number)
    return any(_is_given_up(search, job, point.step) for point in curve if point.step <= job.checkpoint.step)


def _delete_checkpoints(search: RunningSearch, job: Job, checkpoints: Sequence[Checkpoint | None]) -> None:
    """Deletes those that no attempt of the job, as it is stored, goes on from. What is needed was committed before: a
    crash leaves a file too many, never one too few."""
    needed = "" if job.state.is_final or job.checkpoint is None else job.checkpoint.key
    for checkpoint in checkpoints:
        if search.artifacts is not None and checkpoint is not None and checkpoint.key != needed:
            search.artifacts.delete(checkpoint.key)


def forget_checkpoint(search: RunningSearch, job_id: str) -> None:
    """Deletes the checkpoint of a job that is final; one that is queued again needs it."""
    job = search.store.get_job(job_id)
    _delete_checkpoints(search, job, [job.checkpoint])


def record(search: RunningSearch, outcome: AttemptOutcome) -> Trial | None:
    """Commits one outcome, after which the worker's copy of it is removed; the sampled trial, where it ended so.

    Raises:
        SearchFailedError: the data set is broken; that is committed, and no architecture is to blame.
    """
    job = search.running.pop(outcome.key)
    if outcome.failure is not None:
        take_rest(search, outcome.key)
    outcome = comparable(search, _as_kept(search, outcome))
    trial = _commit(search, job, outcome)
    if search.results is not None:
        search.results.forget(outcome.key)
    if outcome.failure is not None and outcome.failure.kind is FailureKind.DATA:
        raise SearchFailedError(outcome.failure.message)
    return trial


def _as_kept(search: RunningSearch, outcome: AttemptOutcome) -> AttemptOutcome:
    """What the worker kept, where only its answer was lost with it."""
    if search.results is None or outcome.failure is None or outcome.failure.reason is not FailureReason.WORKER_LOST:
        return outcome
    kept = search.results.find(outcome.key)
    return outcome if kept is None else take_kept(search, kept)


def take_kept(search: RunningSearch, kept: KeptResult) -> AttemptOutcome:
    """The outcome, after what was measured and logged on the way is committed."""
    key = kept.outcome.key
    for measurement in kept.measurements:
        search.store.record_progress(search.lease, key.job_id, key.number, measurement, search.now())
    for part in kept.log_parts:
        keep_log_part(search, key, part)
    return kept.outcome


def _commit(search: RunningSearch, job: Job, outcome: AttemptOutcome) -> Trial | None:
    stored = search.store.get_job(job.id)
    if stored.state.is_final:
        # The user cancelled the search, or a late result of another attempt was used.
        trial = None
    else:
        search.failures.take_attempt(outcome.failure)
        trial = _write(search, job, outcome)
    if stored.checkpoint is not None:
        forget_checkpoint(search, job.id)
    return trial


def _write(search: RunningSearch, job: Job, outcome: AttemptOutcome) -> Trial | None:
    if outcome.failure is not None:
        return _fail(search, job, outcome.key, outcome.failure)
    return complete(search, job, outcome)


def complete(search: RunningSearch, job: Job, outcome: AttemptOutcome) -> Trial | None:
    """Commits a result; the sampled trial, where it ended so."""
    if outcome.latency is not None:
        _complete_latency(search, job, outcome.key, outcome.latency)
        return None
    assert outcome.evaluation is not None
    return _complete_training(search, job, outcome.key, outcome.evaluation)


def _complete_latency(search: RunningSearch, job: Job, key: AttemptKey, latency: Latency) -> None:
    """Commits it together with the training that follows: whoever is killed after that finds that one queued."""
    search.store.complete_latency(search.lease, key.job_id, key.number, latency, search.now())
    _log.info("attempt %d completed", key.number, extra=attempt_ids(job, key.number))
    known = {other.id for other in search.queued}
    for each in search.store.list_jobs(search.search_id, job.trial_number, open_only=True):
        if each.state is JobState.QUEUED and each.id not in known:
            queue(search, each)


def _complete_training(search: RunningSearch, job: Job, key: AttemptKey, evaluation: Evaluation) -> Trial | None:
    is_proxy = job.kind is JobKind.PROXY
    reward = _reward(search, job, evaluation) if is_proxy else None
    document = evaluation.to_document()
    _record_files(search, job, evaluation.files)
    trial = search.store.complete_attempt(search.lease, key.job_id, key.number, document, reward, search.now())
    _log.info("attempt %d completed", key.number, extra=attempt_ids(job, key.number))
    return _counted(search, trial) if is_proxy else None


def _reward(search: RunningSearch, job: Job, evaluation: Evaluation) -> float:
    """What was measured, by what its network costs where the search has targets."""
    wanted = search.setup.config.reward
    metric = reward_of(evaluation, wanted.metric)
    if not wanted.targets:
        return metric
    trial = search.store.get_trial(search.search_id, job.trial_number)
    return aimed(metric, wanted.targets, costs_of(trial))


def _record_files(search: RunningSearch, job: Job, files: Sequence[KeptFile]) -> None:
    """What the attempt kept belongs to its trial, before its result does: so no result is without its files."""
    for file in files:
        artifact = Artifact(
            key=file.key,
            search_id=search.search_id,
            trial_number=job.trial_number,
            name=f"{job.kind}-{job.seed:x}/{file.name}",
            media_type=file.media_type,
            num_bytes=file.num_bytes,
            created_at=search.now(),
        )
        search.store.add_artifact(artifact)


def _fail(search: RunningSearch, job: Job, key: AttemptKey, failure: Failure) -> Trial | None:
    """`FAILURE_RULES` says what is tried again."""
    earlier = [attempt for attempt in search.store.list_attempts(job.id) if attempt.number != key.number]
    retry = is_tried_again(failure, earlier)
    ids = {**attempt_ids(job, key.number), "reason": failure.reason.value}
    after = "it is tried again" if retry else "it is not tried again"
    _log.warning("attempt %d failed (%s), %s: %s", key.number, failure.reason, after, failure.message, extra=ids)
    trial = search.store.fail_attempt(search.lease, key.job_id, key.number, failure, retry, search.now())
    if retry and trial.state is not TrialState.CANCELLED:
        queue(search, search.store.get_job(job.id))
    return _counted(search, trial) if job.kind.carries_trial and not retry else None


def _counted(search: RunningSearch, trial: Trial) -> Trial | None:
    """The trial, counted among those that ended; None where the user cancelled it in the meantime."""
    if trial.state is TrialState.CANCELLED:
        return None
    search.failures.take_trial(trial)
    return trial
