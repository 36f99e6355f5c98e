"""How long trainings of this service took that were like those of a search to come."""

import statistics
from collections.abc import Mapping
from typing import Any

from api.planning_schemas import PastTrainings
from nas_controller.records import AttemptState, JobKind, TrialState
from nas_controller.store.base import Store
from nas_controller.trial_summaries import TrialSummary

MAX_SEARCHES = 200
MAX_LIKE_IT = 10
MAX_TRAININGS = 100
_SAME = ("data", "evaluator")
_WORKER = ("cpus", "gpus", "tpus")
Config = Mapping[str, Any]


def past_trainings(store: Store, config: Config) -> PastTrainings | None:
    """What the newest searches with the same measuring took for a training; None where there was none.

    Reads `MAX_SEARCHES` searches and `MAX_TRAININGS` trainings at most.

    Args:
        config: a search document with every default filled in.
    """
    wanted = _measuring(config)
    alike = [search for search in store.list_searches(MAX_SEARCHES) if _measuring(search.config) == wanted]
    seconds: list[float] = []
    searches: list[str] = []
    for search in alike[:MAX_LIKE_IT]:
        room = MAX_TRAININGS - len(seconds)
        trials = store.list_summaries(search.id, room, states=[TrialState.COMPLETED]) if room else []
        found = [took for trial in trials if (took := _seconds(store, trial)) is not None]
        searches += [search.id] if found else []
        seconds += found
    if not seconds:
        return None
    return PastTrainings(
        count=len(seconds),
        searches=searches,
        seconds=statistics.fmean(seconds),
        deviation=statistics.stdev(seconds) if len(seconds) > 1 else None,
    )


def _measuring(config: Config) -> object:
    """Equal where a training is the same work on the same kinds of workers; one measured on its way is no other."""
    proxy = {name: value for name, value in config["proxy"].items() if name != "measure_at"}
    workers = {tuple(pool.get(name, 0) for name in _WORKER) for pool in config["workers"]}
    return proxy, workers, [config.get(name) for name in _SAME]


def _seconds(store: Store, trial: TrialSummary) -> float | None:
    """Wall time of a trial's training on its worker; None where it took over a reward, or needed several attempts."""
    if trial.reused_from is not None:
        return None
    for job in store.list_jobs(trial.search_id, trial.number):
        if job.kind is JobKind.PROXY and job.num_attempts == 1:
            (attempt,) = store.list_attempts(job.id)
            if attempt.state is AttemptState.COMPLETED and attempt.finished_at is not None:
                return (attempt.finished_at - attempt.started_at).total_seconds()
    return None
