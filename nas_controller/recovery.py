"""What is left of attempts whose controller or worker was lost: taken over, used late, or queued again."""

import logging
from datetime import datetime, timedelta

from nas_controller.attempt_logs import sweep_output, take_rest
from nas_controller.attempts import complete, forget_checkpoint, queue
from nas_controller.dispatch.base import AttemptKey
from nas_controller.dispatch.results import ResultSpool
from nas_controller.latencies import comparable
from nas_controller.log_ids import attempt_ids
from nas_controller.records import Job, JobState, Trial
from nas_controller.running_search import RunningSearch
from nas_controller.store.base import NotFoundError, Store

LATE_RESULT_SECONDS = 10.0
FORGOTTEN_RESULT_SECONDS = 3600.0

_log = logging.getLogger(__name__)


def take_over(search: RunningSearch) -> None:
    """Goes on with what an earlier controller of the search left: attempts that still run on workers which can be
    reached, and those whose result was kept, are as if they had been started here; the others are queued again."""
    _forget_unknown_results(search)
    jobs = search.store.list_jobs(search.search_id, open_only=True)
    left = {AttemptKey(job.id, job.num_attempts): job for job in jobs if job.state is JobState.RUNNING}
    adopted = search.dispatcher.adopt(list(left))
    for key, job in left.items():
        kept = None if key in adopted or search.results is None else search.results.find(key)
        if key in adopted or kept is not None:
            search.running[key] = job
            found = "it still runs" if kept is None else "its result was kept"
            _log.info("attempt %d of another controller: %s", key.number, found, extra=attempt_ids(job, key.number))
        if kept is not None:
            search.returned.append(kept)
        elif key not in adopted:
            take_rest(search, key)
    keep = [key.job_id for key in search.running]
    for job in search.store.requeue_lost_attempts(search.lease, search.now(), keep):
        _log.warning("attempt lost with its controller: queued again", extra=attempt_ids(job, job.num_attempts))
    for job in search.store.list_jobs(search.search_id, open_only=True):
        if job.state is JobState.QUEUED:
            queue(search, job)
    if search.results is not None:
        sweep_results(search.store, search.results, search.now())
    if search.setup.artifact_dir is not None:
        sweep_output(search.store, search.setup.artifact_dir, search.now())


def _forget_unknown_results(search: RunningSearch) -> None:
    """Removes what is kept of attempts that the store does not know: it was set back to an earlier state, where the
    same job may get another architecture."""
    if search.results is None:
        return
    for key in search.results.list(search.search_id):
        if _job_of(search.store, key) is None:
            _log.warning("result of attempt %d of job %s: the store knows no such attempt", key.number, key.job_id)
            search.results.forget(key)


def _job_of(store: Store, key: AttemptKey) -> Job | None:
    """The attempt's job; None where the store knows no such attempt."""
    try:
        job = store.get_job(key.job_id)
    except NotFoundError:
        return None
    return job if key.number <= job.num_attempts else None


def take_late_results(search: RunningSearch) -> list[Trial]:
    """Looks now and then for results of attempts that were given up: the first one of a job is used, the others are
    refused. The sampled trials that ended so."""
    now, looked_at = search.now(), search.looked_for_results_at
    if search.results is None or (looked_at is not None and (now - looked_at).total_seconds() < LATE_RESULT_SECONDS):
        return []
    search.looked_for_results_at = now
    late = [key for key in search.results.list(search.search_id) if key not in search.running]
    trials = [_take_late_result(search, search.results, key) for key in late]
    return [trial for trial in trials if trial is not None]


def _take_late_result(search: RunningSearch, results: ResultSpool, key: AttemptKey) -> Trial | None:
    kept = results.find(key)
    if kept is None:
        return None
    outcome = comparable(search, kept.outcome)
    job = _job_of(search.store, key)
    if job is None:
        _log.warning("late result of attempt %d of job %s: refused, it is unknown", key.number, key.job_id)
        results.forget(key)
        return None
    is_open, trial = not job.state.is_final, None
    if is_open and outcome.failure is None:
        trial = complete(search, job, outcome)
    state = search.store.get_job(job.id).state
    if is_open and state is JobState.COMPLETED:
        _log.info("late result of attempt %d: used, it is the first", key.number, extra=attempt_ids(job, key.number))
        _end_job(search, job)
    else:
        what = "result" if outcome.failure is None else "failure"
        words = "late %s of attempt %d: refused, the job is %s"
        _log.info(words, what, key.number, state, extra=attempt_ids(job, key.number))
    results.forget(key)
    return trial


def _end_job(search: RunningSearch, job: Job) -> None:
    """Nothing more is wanted of the job: it is not queued any more, and what runs is ended."""
    search.queued = [other for other in search.queued if other.id != job.id]
    for key in search.running:
        if key.job_id == job.id:
            search.dispatcher.cancel(key)
    forget_checkpoint(search, job.id)


def forget_results(search: RunningSearch) -> None:
    """Removes what is kept of a search that has ended."""
    if search.results is not None:
        for key in search.results.list(search.search_id):
            search.results.forget(key)


def sweep_results(store: Store, results: ResultSpool, now: datetime) -> None:
    """Removes what is kept for an hour of jobs that are final or unknown: of searches that ended before it came. The
    folder must be of this store alone."""
    for key in results.list(put_before=now - timedelta(seconds=FORGOTTEN_RESULT_SECONDS)):
        job = _job_of(store, key)
        is_wanted = job is not None and not job.state.is_final
        if not is_wanted:
            results.forget(key)
