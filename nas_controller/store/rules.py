"""What a store may write, as pure functions over records; both stores obey them."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nas_controller.earlier import EarlierTold
from nas_controller.insight.kept import KeptInsight
from nas_controller.records import (
    Attempt,
    AttemptState,
    EntryKind,
    Failure,
    FailureReason,
    Job,
    JobKind,
    JobState,
    LedgerEntry,
    Search,
    SearchLease,
    SearchState,
    Snapshot,
    Trial,
    TrialDraft,
    TrialKey,
    TrialState,
)
from nas_controller.requests import (
    MAX_OPEN_REQUESTS,
    RequestDraft,
    RequestState,
    SearchEdit,
    SearchOrder,
    TrialRequest,
    edit_tag,
)
from nas_controller.store.base import ConflictError, LeaseLostError, StaleError
from nas_controller.tallies import FORGOTTEN_SECONDS, Group, Heartbeat
from trainer.latency_task import Latency
from trainer.session import LogPart

REFERENCE_ARM = "reference"
CLAIMABLE = (SearchState.PENDING, SearchState.RUNNING, SearchState.STOPPING)
ACTIVE = (SearchState.RUNNING, SearchState.STOPPING)
"""A controller should be at work."""
KEPT_SNAPSHOTS = 3
"""So many have files: one may be damaged, and the one before it too."""
IN_VAIN = (AttemptState.FAILED, AttemptState.LOST)
"""An attempt gave nothing; its job may have had another one."""
QUEUEING = (SearchState.PENDING, SearchState.RUNNING)
"""Queued jobs are waited for."""

_REQUESTABLE: Mapping[SearchState, tuple[SearchState, ...]] = {
    SearchState.PAUSED: (SearchState.PENDING, SearchState.RUNNING),
    SearchState.PENDING: (SearchState.PAUSED,),
    SearchState.STOPPING: (SearchState.PENDING, SearchState.RUNNING, SearchState.PAUSED),
    SearchState.CANCELLED: tuple(state for state in SearchState if not state.is_final),
}
_SETTABLE: Mapping[SearchState, tuple[SearchState, ...]] = {
    SearchState.PENDING: (SearchState.PENDING, SearchState.RUNNING),
    SearchState.RUNNING: (SearchState.PENDING, SearchState.RUNNING),
    SearchState.PAUSED: (SearchState.PENDING, SearchState.RUNNING, SearchState.PAUSED),
    SearchState.SUCCEEDED: tuple(state for state in SearchState if not state.is_final),
    SearchState.FAILED: tuple(state for state in SearchState if not state.is_final),
}


def in_utc(at: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"time {at}: must have a time zone")
    return at.astimezone(UTC)


def require_request(now: SearchState, wanted: SearchState) -> None:
    """Raises ConflictError where a user may not ask for `wanted` now."""
    if now not in _REQUESTABLE.get(wanted, ()):
        raise ConflictError(f"the search is {now}: it cannot become {wanted}")


def require_setting(now: SearchState, wanted: SearchState) -> None:
    """Raises ConflictError where a controller may not write `wanted` now."""
    if now not in _SETTABLE.get(wanted, ()):
        raise ConflictError(f"the search is {now}: a controller cannot make it {wanted}")


def with_state(search: Search, state: SearchState, reason: str, at: datetime) -> Search:
    """The search in another state, with its times."""
    started_at = search.started_at or (at if state is SearchState.RUNNING else None)
    finished_at = at if state.is_final else None
    return replace(search, state=state, reason=storable(reason), started_at=started_at, finished_at=finished_at)


def holds(lease: SearchLease | None, at: datetime) -> bool:
    """Whether a controller has the right to write at this time."""
    return lease is not None and lease.owner != "" and lease.expires_at > at


def next_lease(
    search: Search, held: SearchLease | None, owner: str, at: datetime, seconds: float
) -> SearchLease | None:
    """The lease that `owner` gets, or None while another holds it or the search is not to be run."""
    if search.state not in CLAIMABLE:
        return None
    if held is not None and held.owner not in (owner, "") and held.expires_at > at:
        return None
    token = held.token + 1 if held is not None else 1
    return SearchLease(search_id=search.id, owner=owner, token=token, expires_at=at + timedelta(seconds=seconds))


def require_lease(held_token: int, lease: SearchLease) -> None:
    """Raises LeaseLostError where a newer lease was taken."""
    if held_token != lease.token:
        raise LeaseLostError(f"search {lease.search_id}: lease {lease.token} was followed by lease {held_token}")


def renewed(lease: SearchLease, at: datetime, seconds: float) -> SearchLease:
    """The same lease, expiring later."""
    return replace(lease, expires_at=at + timedelta(seconds=seconds))


def released(lease: SearchLease) -> SearchLease:
    """A lease that nobody holds; its token stays, so that the next one is larger."""
    return replace(lease, owner="")


def new_search(
    search_id: str, name: str, config: Mapping[str, Any], at: datetime, cloned_from: str | None = None
) -> Search:
    """A search as it begins."""
    return Search(
        id=search_id,
        name=name,
        config=config,
        state=SearchState.PENDING,
        reason="",
        created_at=at,
        started_at=None,
        finished_at=None,
        last_sequence=0,
        cloned_from=cloned_from,
    )


def same_config(search: Search, first_config: Mapping[str, Any] | None, config: Mapping[str, Any]) -> Search:
    """The search that was made with this idempotency key; ConflictError for another config than it was made with,
    which is `first_config` where it was edited."""
    if (first_config or search.config) != config:
        raise ConflictError(f"the idempotency key was used for search {search.id} with another document")
    return search


def require_editable(search: Search, edit: SearchEdit, tag: str | None) -> None:
    """Raises StaleError for another tag than the search has, ConflictError for what it does not allow now."""
    if tag is not None and tag != edit_tag(search):
        raise StaleError(f"search {search.id} was edited meanwhile: read it again")
    if edit.limits is not None and search.state.is_final:
        raise ConflictError(f"search {search.id} is {search.state}: its limits cannot be changed")
    if edit.archived and not search.state.is_final:
        raise ConflictError(f"search {search.id} is {search.state}: only what has ended is archived")


def checked_edit(edit: SearchEdit) -> SearchEdit:
    """The edit as plain data."""
    limits = None if edit.limits is None else plain(edit.limits)
    return replace(edit, notes=None if edit.notes is None else storable(edit.notes), limits=limits)


def edited(search: Search, edit: SearchEdit, at: datetime) -> Search:
    """The search with what is to be changed."""
    search = replace(search, name=search.name if edit.name is None else edit.name)
    search = replace(search, notes=search.notes if edit.notes is None else edit.notes)
    if edit.limits is not None:
        search = replace(search, config={**search.config, "limits": edit.limits})
    if edit.archived is None:
        return search
    return replace(search, archived_at=(search.archived_at or at) if edit.archived else None)


def require_deletable(search: Search, lease: SearchLease | None, at: datetime) -> None:
    """Raises ConflictError where somebody still works on the search."""
    if not search.state.is_final:
        raise ConflictError(f"search {search.id} is {search.state}: cancel it first")
    if holds(lease, at):
        raise ConflictError(f"search {search.id}: its controller has not left it yet, try again in some seconds")


def order_key(search: Search, order: SearchOrder) -> tuple[Any, str]:
    """What searches are sorted by; from the highest to the lowest where the order is NEWEST."""
    return (search.name if order is SearchOrder.NAME else search.created_at), search.id


def require_askable(search: Search, num_open: int, num_more: int) -> None:
    """Raises ConflictError where so many more requests cannot be made."""
    require_open(search)
    if search.state is SearchState.STOPPING:
        raise ConflictError(f"search {search.id} is {search.state}: nothing can be asked of it")
    if num_open + num_more > MAX_OPEN_REQUESTS:
        raise ConflictError(f"search {search.id} has {num_open} open requests: at most {MAX_OPEN_REQUESTS}")


def new_requests(search_id: str, newest: int, drafts: Sequence[RequestDraft], at: datetime) -> list[TrialRequest]:
    """The requests as they begin, numbered after the newest one."""
    return [
        TrialRequest(search_id=search_id, number=number, draft=draft, state=RequestState.OPEN, created_at=at)
        for number, draft in enumerate(map(_checked_request, drafts), start=newest + 1)
    ]


def _checked_request(draft: RequestDraft) -> RequestDraft:
    return replace(draft, spec=None if draft.spec is None else plain(draft.spec))


def are_same_requests(newest: Sequence[TrialRequest], drafts: Sequence[RequestDraft], at: datetime) -> bool:
    """Whether the newest requests are exactly these: the same call again, whose answer was lost."""
    same = [(request.draft, request.created_at) for request in newest]
    return same == [(_checked_request(draft), at) for draft in drafts]


def closed(request: TrialRequest, state: RequestState, at: datetime, reason: str = "") -> TrialRequest:
    """The request with an answer."""
    return replace(request, state=state, closed_at=at, reason=storable(reason))


def taken(request: TrialRequest, trial_number: int, at: datetime) -> TrialRequest:
    """The request as the trial that it became; ConflictError where it is not open."""
    if request.state is not RequestState.OPEN:
        raise ConflictError(f"request {request.number} of search {request.search_id} is {request.state}")
    return replace(closed(request, RequestState.DONE, at), trial_number=trial_number)


def request_payload(request: TrialRequest) -> dict[str, Any]:
    """Payload of `request.created`."""
    draft = request.draft
    return {
        "request": request.number,
        "verb": draft.verb.value,
        "name": draft.name,
        "source": _key_payload(draft.source),
    }


def answer_payload(request: TrialRequest) -> dict[str, Any]:
    """Payload of `request.closed`."""
    return {"request": request.number, "state": request.state.value, "reason": request.reason}


def _key_payload(key: TrialKey | None) -> dict[str, Any] | None:
    return None if key is None else {"search": key.search_id, "trial": key.number}


def is_told(trial: Trial) -> bool:
    """Whether an algorithm can learn from the trial: it proposes genotypes, and this has one."""
    return bool(trial.draft.genotype)


def is_same_state(search: Search, last: LedgerEntry, state: SearchState, reason: str, at: datetime) -> bool:
    """Whether the last that was written is exactly this: the same call again, whose answer was lost."""
    is_last = last.kind is EntryKind.SEARCH_STATE and last.at == at
    return is_last and (search.state, search.reason) == (state, storable(reason))


def earlier_payload(earlier: EarlierTold) -> dict[str, Any]:
    """Payload of `earlier.told`; ValueError where a reward in it is not finite."""
    for one in earlier.trials:
        if not math.isfinite(one.reward):
            raise ValueError(f"reward {one.reward} of trial {one.trial} of {earlier.search_id}: must be finite")
    return earlier.payload() | {"words": storable(earlier.words)}


def is_same_telling(last: LedgerEntry, payload: Mapping[str, Any], at: datetime) -> bool:
    """Whether the last that was written is exactly this: the same call again, whose answer was lost."""
    return (last.kind, last.at, last.payload) == (EntryKind.EARLIER_TOLD, at, payload)


def is_same_start(job: Job, last: Attempt, worker: str, at: datetime) -> bool:
    """Whether the job's last attempt is exactly this one: the same call again, whose answer was lost."""
    return job.state is JobState.RUNNING and (last.worker, last.started_at) == (worker, at)


def require_number(draft: TrialDraft, wanted: int) -> None:
    """Raises ConflictError where the draft is not the next trial."""
    if draft.number != wanted:
        raise ConflictError(f"trial {draft.number}: the next trial is {wanted}")


def new_trial(search_id: str, draft: TrialDraft, job_seed: int | None, at: datetime) -> Trial:
    """A trial as it begins: to be trained, off budget, or a reference."""
    state = TrialState.COMPLETED if job_seed is None else TrialState.QUEUED
    if draft.infeasible_reason:
        state = TrialState.INFEASIBLE
    return Trial(
        search_id=search_id,
        draft=draft,
        state=state,
        created_at=at,
        finished_at=at if state.is_final else None,
        failure=draft.infeasible_reason,
    )


def reused_trial(search_id: str, draft: TrialDraft, measured: Trial, at: datetime) -> Trial:
    """A trial that is complete from the start; ValueError where `measured` says nothing about it."""
    key = draft.measurement_key
    if draft.infeasible_reason or key is None or not is_measured(measured, key, draft.fingerprint):
        raise ValueError(f"trial {draft.number}: trial {measured.number} of {measured.search_id} did not measure it")
    return Trial(
        search_id=search_id,
        draft=draft,
        state=TrialState.COMPLETED,
        created_at=at,
        finished_at=at,
        reward=measured.reward,
        average_precision=measured.average_precision,
        latency=measured.latency,
        reused_from=TrialKey(search_id=measured.search_id, number=measured.number),
    )


def started_trial(search_id: str, draft: TrialDraft, timed: Trial | None, at: datetime) -> Trial:
    """A trial as it begins on a worker, with the latency that `timed` has."""
    trial = new_trial(search_id, draft, 0, at)
    return started(trial if timed is None else replace(trial, latency=timed.latency), at)


def require_first(kind: JobKind, draft: TrialDraft, timed: Trial | None, search_id: str) -> None:
    """Raises ValueError where the job cannot be the first of a trial, or `timed` says nothing of its latency."""
    if not kind.carries_trial:
        raise ValueError(f"trial {draft.number}: cannot begin with a job of kind {kind}")
    if timed is None:
        return
    if timed.latency is None or (timed.search_id, timed.draft.fingerprint) != (search_id, draft.fingerprint):
        raise ValueError(f"trial {draft.number}: trial {timed.number} of {timed.search_id} says nothing of its latency")


def with_latency(trial: Trial, latency: Latency) -> Trial:
    """The trial after its LATENCY job: it waits for its PROXY job."""
    return replace(trial, latency=latency, state=TrialState.QUEUED)


def is_measured(trial: Trial, measurement_key: str, fingerprint: str) -> bool:
    """Whether the trial was trained to a reward under this key with this fingerprint."""
    is_trained = trial.state is TrialState.COMPLETED and trial.reward is not None and trial.reused_from is None
    return is_trained and (trial.draft.measurement_key, trial.draft.fingerprint) == (measurement_key, fingerprint)


def first_measured(trials: Sequence[Trial], measurement_key: str, fingerprint: str) -> Trial | None:
    """The trial that was measured first under this key with this fingerprint."""
    found = [trial for trial in trials if is_measured(trial, measurement_key, fingerprint)]
    return min(found, key=lambda t: (t.finished_at or t.created_at, t.search_id, t.number), default=None)


def completed(trial: Trial, reward: float | None, evaluation: Mapping[str, Any], at: datetime) -> Trial:
    """The trial after its proxy job was measured, at its end or where it was stopped."""
    is_whole = evaluation.get("stopped_at_step") is None
    return replace(
        trial,
        state=TrialState.COMPLETED if is_whole else TrialState.STOPPED_EARLY,
        reward=reward,
        average_precision=evaluation["average_precision"],
        finished_at=at,
    )


def failed(trial: Trial, failure: Failure, at: datetime) -> Trial:
    """The trial after a job that carries it failed for good."""
    return replace(
        trial, state=TrialState.FAILED, finished_at=at, failure=failure.message, failure_reason=failure.reason
    )


def job_id(search_id: str, trial_number: int, kind: JobKind, seed: int) -> str:
    """The one id of this piece of work: making it twice is the same job."""
    return f"{search_id}.{trial_number}.{kind}.{seed:x}"


def new_job(
    search_id: str, trial_number: int, kind: JobKind, seed: int, at: datetime, num_steps: int | None = None
) -> Job:
    """A job as it begins."""
    return Job(
        id=job_id(search_id, trial_number, kind, seed),
        search_id=search_id,
        trial_number=trial_number,
        kind=kind,
        seed=seed,
        state=JobState.QUEUED,
        num_attempts=0,
        created_at=at,
        num_steps=num_steps,
    )


def started_job(job: Job) -> Job:
    """The job with one more attempt."""
    return replace(job, state=JobState.RUNNING, num_attempts=job.num_attempts + 1)


def new_attempt(job: Job, worker: str, at: datetime) -> Attempt:
    """The job's newest attempt as it begins."""
    return Attempt(job_id=job.id, number=job.num_attempts, state=AttemptState.RUNNING, worker=worker, started_at=at)


def started(trial: Trial, at: datetime) -> Trial:
    """The trial while a job runs that carries it."""
    return replace(trial, state=TrialState.RUNNING, started_at=trial.started_at or at)


def require_trainable(draft: TrialDraft) -> None:
    """Raises ValueError for a draft that is not to be trained."""
    if draft.infeasible_reason:
        raise ValueError(f"trial {draft.number}: cannot be started: {draft.infeasible_reason}")


def require_queued(job: Job) -> None:
    """Raises ConflictError where a job cannot be started."""
    if job.state is not JobState.QUEUED:
        raise ConflictError(f"job {job.id} is {job.state}: only a queued job can be started")


def require_open(search: Search) -> None:
    """Raises ConflictError where nothing may be added to the search any more."""
    if search.state.is_final:
        raise ConflictError(f"search {search.id} is {search.state}: nothing can be added")


def require_addable(kind: JobKind) -> None:
    """Raises ConflictError for a second job that leads to its reward: a trial is told once."""
    if kind.carries_trial:
        raise ConflictError(f"a trial has one {kind} job, made with it")


def may_complete(job: Job, attempt: Attempt) -> bool:
    """Whether a result counts: also that of an attempt given up as lost, while the job has no other."""
    was_lost = attempt.failure is not None and attempt.failure.reason is FailureReason.WORKER_LOST
    is_awaited = attempt.state in (AttemptState.RUNNING, AttemptState.LOST)
    return not job.state.is_final and (is_awaited or was_lost)


def is_running(job: Job, attempt: Attempt) -> bool:
    """Whether a failure, a measurement or a checkpoint counts."""
    return not job.state.is_final and attempt.state is AttemptState.RUNNING


def with_log(attempt: Attempt, part: LogPart) -> Attempt:
    """The attempt whose log goes to this part's end at least."""
    return replace(attempt, log_bytes=max(attempt.log_bytes, part.end))


def require_reward(kind: JobKind, reward: float | None) -> None:
    """Raises ValueError for a proxy job's reward that is no finite number, and for a job that has no evaluation."""
    if kind is JobKind.LATENCY:
        raise ValueError("a latency job gives no evaluation")
    if kind is JobKind.PROXY and (reward is None or not math.isfinite(reward)):
        raise ValueError(f"reward {reward}: must be a finite number")


def require_latency_job(job: Job) -> None:
    """Raises ValueError for a job of another kind."""
    if job.kind is not JobKind.LATENCY:
        raise ValueError(f"job {job.id}: is of kind {job.kind}, and gives no latency")


def checked_evaluation(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation as plain data; ValueError for an AP that is no finite number."""
    average_precision = evaluation.get("average_precision")
    if not isinstance(average_precision, int | float) or not math.isfinite(average_precision):
        raise ValueError(f"average_precision {average_precision}: must be a finite number")
    return plain(evaluation)


def checked_draft(draft: TrialDraft) -> TrialDraft:
    """The draft with its spec as plain data; ValueError for a log-probability that is no finite number."""
    if not all(math.isfinite(log_prob) for log_prob in draft.log_probs):
        raise ValueError(f"trial {draft.number}: log_probs {draft.log_probs}: must be finite numbers")
    return replace(draft, spec=plain(draft.spec), infeasible_reason=storable(draft.infeasible_reason))


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy as JSON gives it back; ValueError for a number that is not finite."""
    copy: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))
    return copy


def storable(text: str) -> str:
    """The text without what a database refuses: lone surrogates (file names may have them) and NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def storable_failure(failure: Failure) -> Failure:
    """The failure with storable texts."""
    return replace(failure, message=storable(failure.message), traceback=storable(failure.traceback))


def forgotten_before(heartbeat: Heartbeat) -> datetime:
    """Heartbeats before this time are deleted with this one."""
    return in_utc(heartbeat.at) - timedelta(seconds=FORGOTTEN_SECONDS)


def checked_snapshot(search: Search, snapshot: Snapshot) -> Snapshot:
    """The snapshot with its time in UTC; ConflictError for one of another search, or of a later entry than there is."""
    if snapshot.search_id != search.id or snapshot.sequence > search.last_sequence:
        raise ConflictError(f"search {search.id} has {search.last_sequence} entries: no snapshot of {snapshot}")
    return replace(snapshot, versions=dict(snapshot.versions), created_at=in_utc(snapshot.created_at))


def checked_insight(search: Search, insight: KeptInsight) -> KeptInsight:
    """The insight with its time in UTC; ConflictError for one of another search, or of a later entry than there is."""
    if insight.search_id != search.id or insight.sequence > search.last_sequence:
        place = f"entry {insight.sequence} of search {insight.search_id}"
        raise ConflictError(f"search {search.id} has {search.last_sequence} entries: no insight up to {place}")
    return replace(insight, written_at=in_utc(insight.written_at))


def mean_and_error(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The mean and its standard error; None where there are too few values."""
    if not values:
        return None, None
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, None
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def created_payload(draft: TrialDraft) -> dict[str, Any]:
    """Payload of `trial.created`."""
    return {
        "arm": draft.arm,
        "name": draft.name,
        "genotype": list(draft.genotype),
        "log_probs": list(draft.log_probs),
        "fingerprint": draft.fingerprint,
        "multiply_adds": draft.target_cost.backbone_multiply_adds,
        "parameters": draft.target_cost.backbone_parameters,
    }


def timed_payload(latency: Latency, source: Trial | None) -> dict[str, Any]:
    """Payload of `trial.timed`; `source` is the trial whose latency it is, where that was measured before."""
    key = None if source is None else TrialKey(search_id=source.search_id, number=source.number)
    return {"latency": latency.to_document(), "reused_from": _key_payload(key)}


def finished_payload(trial: Trial, *, consumed: bool, stopped_at_step: int | None = None) -> dict[str, Any]:
    """Payload of `trial.finished`; what is no genotype is never told."""
    return {
        "state": trial.state.value,
        "reward": trial.reward,
        "average_precision": trial.average_precision,
        "failure": trial.failure,
        "failure_reason": trial.failure_reason and trial.failure_reason.value,
        "stopped_at_step": stopped_at_step,
        "consumed": consumed and is_told(trial),
        "reused_from": _key_payload(trial.reused_from),
    }


def job_payload(job: Job, trial: Trial) -> dict[str, Any]:
    """Payload of `job.finished`."""
    return {
        "job_id": job.id,
        "kind": job.kind.value,
        "state": job.state.value,
        "average_precision": None if job.evaluation is None else job.evaluation["average_precision"],
        "val_average_precision": trial.val_average_precision,
        "val_standard_error": trial.val_standard_error,
        "val_count": trial.val_count,
    }


def seconds_since(started_at: datetime, at: datetime) -> float:
    """How long something runs; clocks of machines differ, so never below 0."""
    return max(0.0, (at - started_at).total_seconds())


def group(seconds: Sequence[float | None], bounds: Sequence[float]) -> Group:
    """The group of things that took so long; None where that is not known."""
    known = [each for each in seconds if each is not None]
    within = tuple(sum(each <= bound for each in known) for bound in bounds)
    return Group(count=len(seconds), seconds=sum(known), num_within=within)


def best_reward(trials: Iterable[Trial]) -> float | None:
    """The best reward of COMPLETED trials; None where there is none."""
    rewards = [trial.reward for trial in trials if trial.state is TrialState.COMPLETED and trial.reward is not None]
    return max(rewards, default=None)
