"""What a line of the log is about: the `extra` of `logging` calls, with the same names everywhere."""

from nas_controller.records import Job


def log_ids(search_id: str, trial: int | None = None) -> dict[str, object]:
    """Of a search, or of one trial in it."""
    return {"search": search_id} if trial is None else {"search": search_id, "trial": trial}


def attempt_ids(job: Job, attempt: int) -> dict[str, object]:
    """Of one attempt of a job."""
    return {**log_ids(job.search_id, job.trial_number), "job": job.id, "attempt": attempt}
