"""Between records and database rows."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from nas_controller.insight.kept import KeptInsight
from nas_controller.insight.workers import WorkSpan
from nas_controller.records import (
    Artifact,
    Attempt,
    AttemptState,
    EntryKind,
    Failure,
    FailureKind,
    FailureReason,
    Job,
    JobKind,
    JobState,
    LedgerEntry,
    NetworkCost,
    Search,
    SearchLease,
    SearchState,
    Snapshot,
    Trial,
    TrialDraft,
    TrialKey,
    TrialState,
)
from nas_controller.requests import RequestDraft, RequestState, RequestVerb, TrialRequest
from nas_controller.tallies import Heartbeat, ProcessRole
from nas_controller.trial_summaries import TrialSummary
from trainer.latency_task import Latency
from trainer.session import Checkpoint, LogPart, Measurement

Row = RowMapping
Values = dict[str, Any]

_REASON_OF_KIND = {
    FailureKind.MODEL: FailureReason.RAISED,
    FailureKind.INFRASTRUCTURE: FailureReason.WORKER_LOST,
    FailureKind.DATA: FailureReason.BROKEN_DATA,
}
"""Of failures that were stored before they had reasons."""

_SUMMARY = ("num_dead_blocks", "target_cost", "proxy_cost", "source")
"""Of a draft, beside what has a column of its own: what lists show."""
_OWN_COLUMNS = ("number", "arm", "name", "fingerprint", "measurement_key")
_SUMMARY_COLUMNS = (
    *("search_id", "number", "arm", "name", "reward", "average_precision", "val_average_precision"),
    *("val_standard_error", "val_count", "failure", "fingerprint", "created_at", "started_at", "finished_at"),
)


def search_of(row: Row) -> Search:
    """The search in a row."""
    return Search(
        id=row["id"],
        name=row["name"],
        config=row["config"],
        state=SearchState(row["state"]),
        reason=row["reason"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        last_sequence=row["last_sequence"],
        notes=row["notes"],
        cloned_from=row["cloned_from"],
        archived_at=row["archived_at"],
    )


def search_values(search: Search) -> Values:
    """The row of a search, but for its lease and idempotency key."""
    return {**_fields(search), "state": search.state.value}


def search_state_values(search: Search) -> Values:
    """What changes in a search's row while it runs."""
    return {
        "state": search.state.value,
        "reason": search.reason,
        "started_at": search.started_at,
        "finished_at": search.finished_at,
        "last_sequence": search.last_sequence,
    }


def _fields(record: Any) -> Values:
    """A record's fields by name. `asdict` would copy documents to their depths, several times for each trial."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def lease_of(row: Row) -> SearchLease | None:
    """The newest lease on a search; None where there was none."""
    if not row["lease_token"]:
        return None
    return SearchLease(
        search_id=row["id"],
        owner=row["lease_owner"],
        token=row["lease_token"],
        expires_at=row["lease_expires_at"],
    )


def lease_values(lease: SearchLease) -> Values:
    """A lease's columns in the row of its search."""
    return {"lease_owner": lease.owner, "lease_token": lease.token, "lease_expires_at": lease.expires_at}


def trial_of(row: Row) -> Trial:
    """The trial in a row."""
    document = dict(row["draft"])
    draft = TrialDraft(
        **{column: row[column] for column in _OWN_COLUMNS},
        spec=document["spec"],
        target_cost=NetworkCost(**document["target_cost"]),
        proxy_cost=NetworkCost(**document["proxy_cost"]),
        num_dead_blocks=document["num_dead_blocks"],
        genotype=tuple(document["genotype"]),
        log_probs=tuple(document["log_probs"]),
        parents=tuple(document["parents"]),
        edits=tuple(document["edits"]),
        infeasible_reason=document["infeasible_reason"],
        source=_key_of(document.get("source")),
    )
    return Trial(
        search_id=row["search_id"],
        draft=draft,
        state=TrialState(row["state"]),
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        reward=row["reward"],
        average_precision=row["average_precision"],
        val_average_precision=row["val_average_precision"],
        val_standard_error=row["val_standard_error"],
        val_count=row["val_count"],
        failure=row["failure"],
        failure_reason=FailureReason(row["failure_reason"]) if row["failure_reason"] else None,
        reused_from=_trial_key_of(row),
        latency=_latency_of(row),
    )


def summary_of(row: Row) -> TrialSummary:
    """The trial in a row that may be without its draft."""
    summary = row["summary"]
    return TrialSummary(
        **{name: row[name] for name in _SUMMARY_COLUMNS},
        state=TrialState(row["state"]),
        latency=_latency_of(row),
        reused_from=_trial_key_of(row),
        source=_key_of(summary["source"]),
        num_dead_blocks=summary["num_dead_blocks"],
        target_cost=NetworkCost(**summary["target_cost"]),
        proxy_cost=NetworkCost(**summary["proxy_cost"]),
    )


def parent_values(trial: Trial) -> list[Values]:
    """A row for each trial that this one was made from."""
    of_search = {"search_id": trial.search_id, "child": trial.number}
    return [{**of_search, "parent": parent} for parent in sorted(set(trial.draft.parents))]


def _latency_of(row: Row) -> Latency | None:
    return None if row["latency"] is None else Latency.from_document(row["latency"])


def _trial_key_of(row: Row) -> TrialKey | None:
    if row["reused_search_id"] is None:
        return None
    return TrialKey(search_id=row["reused_search_id"], number=row["reused_number"])


def trial_values(trial: Trial) -> Values:
    """The whole row of a trial."""
    costs = {name: asdict(getattr(trial.draft, name)) for name in ("target_cost", "proxy_cost")}
    draft = {**_fields(trial.draft), **costs, "source": _key_value(trial.draft.source)}
    own = {column: draft.pop(column) for column in _OWN_COLUMNS}
    source = trial.reused_from
    return {
        **own,
        "draft": draft,
        "multiply_adds": trial.draft.target_cost.backbone_multiply_adds,
        "parameters": trial.draft.target_cost.backbone_parameters,
        "summary": {name: draft[name] for name in _SUMMARY},
        "search_id": trial.search_id,
        "reused_search_id": source and source.search_id,
        "reused_number": source and source.number,
        **trial_state_values(trial),
    }


def _key_value(key: TrialKey | None) -> Values | None:
    return None if key is None else asdict(key)


def _key_of(document: Mapping[str, Any] | None) -> TrialKey | None:
    return None if document is None else TrialKey(**document)


def trial_state_values(trial: Trial) -> Values:
    """What changes in a trial's row after it was made."""
    return {
        "state": trial.state.value,
        "created_at": trial.created_at,
        "started_at": trial.started_at,
        "finished_at": trial.finished_at,
        "reward": trial.reward,
        "average_precision": trial.average_precision,
        "val_average_precision": trial.val_average_precision,
        "val_standard_error": trial.val_standard_error,
        "val_count": trial.val_count,
        "failure": trial.failure,
        "failure_reason": trial.failure_reason and trial.failure_reason.value,
        "seconds": _seconds(trial.started_at, trial.finished_at),
        "latency": trial.latency and trial.latency.to_document(),
    }


def job_of(row: Row) -> Job:
    """The job in a row."""
    return Job(
        id=row["id"],
        search_id=row["search_id"],
        trial_number=row["trial_number"],
        kind=JobKind(row["kind"]),
        seed=row["seed"],
        state=JobState(row["state"]),
        num_attempts=row["num_attempts"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        evaluation=row["evaluation"],
        failure=failure_of(row["failure"]),
        num_steps=row["num_steps"],
        checkpoint=_checkpoint_of(row),
    )


def _checkpoint_of(row: Row) -> Checkpoint | None:
    if row["checkpoint_key"] is None:
        return None
    return Checkpoint(step=row["checkpoint_step"], key=row["checkpoint_key"], num_bytes=row["checkpoint_num_bytes"])


def job_values(job: Job) -> Values:
    """The row of a job, but for its position; AP has a column of its own for sums."""
    values = _fields(job)
    checkpoint = values.pop("checkpoint")
    average_precision = None if job.evaluation is None else job.evaluation["average_precision"]
    changed = {"kind": job.kind.value, "state": job.state.value, "average_precision": average_precision}
    of_checkpoint = {f"checkpoint_{name}": getattr(checkpoint, name, None) for name in Checkpoint.__dataclass_fields__}
    return {**values, **changed, **of_checkpoint, "failure": failure_value(job.failure)}


def measurement_of(row: Row) -> Measurement:
    """The measurement in a row."""
    return Measurement(**{name: row[name] for name in Measurement.__dataclass_fields__})


def attempt_of(row: Row) -> Attempt:
    """The attempt in a row."""
    return Attempt(
        job_id=row["job_id"],
        number=row["number"],
        state=AttemptState(row["state"]),
        worker=row["worker"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        failure=failure_of(row["failure"]),
        log_bytes=row["log_bytes"],
    )


def work_span_of(row: Row) -> WorkSpan:
    """The attempt in a row that has its job's trial and kind too."""
    return WorkSpan(trial_number=row["trial_number"], kind=JobKind(row["kind"]), attempt=attempt_of(row))


def attempt_values(attempt: Attempt) -> Values:
    """The row of an attempt."""
    return {
        **_fields(attempt),
        "state": attempt.state.value,
        "failure": failure_value(attempt.failure),
        "failure_reason": attempt.failure and attempt.failure.reason.value,
        "seconds": _seconds(attempt.started_at, attempt.finished_at),
    }


def _seconds(started_at: datetime | None, finished_at: datetime | None) -> float | None:
    """How long it took, for sums; None where it has not begun or not ended."""
    if started_at is None or finished_at is None:
        return None
    return (finished_at - started_at).total_seconds()


def outcome_of(row: Row) -> tuple[AttemptState, FailureReason | None]:
    """How an attempt ended; one that was lost has no reason."""
    return AttemptState(row["state"]), FailureReason(row["failure_reason"]) if row["failure_reason"] else None


def log_part_of(row: Row) -> LogPart:
    """The part of a log in a row."""
    return LogPart(**{name: row[name] for name in LogPart.__dataclass_fields__})


def entry_of(row: Row) -> LedgerEntry:
    """The ledger entry in a row."""
    return LedgerEntry(
        search_id=row["search_id"],
        sequence=row["sequence"],
        kind=EntryKind(row["kind"]),
        trial_number=row["trial_number"],
        payload=row["payload"],
        at=row["at"],
    )


def artifact_of(row: Row) -> Artifact:
    """The artifact in a row."""
    return Artifact(**{name: row[name] for name in Artifact.__dataclass_fields__})


def snapshot_of(row: Row) -> Snapshot:
    """The snapshot in a row."""
    return Snapshot(**{name: row[name] for name in Snapshot.__dataclass_fields__})


def insight_of(row: Row) -> KeptInsight:
    """The insight in a row."""
    return KeptInsight(**{name: row[name] for name in KeptInsight.__dataclass_fields__})


def request_of(row: Row) -> TrialRequest:
    """The request in a row."""
    document = row["document"]
    draft = RequestDraft(
        verb=RequestVerb(row["verb"]),
        source=_key_of(document["source"]),
        spec=document["spec"],
        genotype=tuple(document["genotype"]),
        parents=tuple(document.get("parents", ())),
        edits=tuple(document.get("edits", ())),
        name=document["name"],
        num_steps=document.get("num_steps"),
        num_seeds=document.get("num_seeds", 1),
    )
    return TrialRequest(
        search_id=row["search_id"],
        number=row["number"],
        draft=draft,
        state=RequestState(row["state"]),
        created_at=row["created_at"],
        closed_at=row["closed_at"],
        trial_number=row["trial_number"],
        reason=row["reason"],
    )


def request_values(request: TrialRequest) -> Values:
    """The row of a request."""
    values = _fields(request)
    draft = values.pop("draft")
    document = {
        "source": _key_value(draft.source),
        "spec": draft.spec,
        "genotype": list(draft.genotype),
        "parents": list(draft.parents),
        "edits": list(draft.edits),
        "name": draft.name,
        "num_steps": draft.num_steps,
        "num_seeds": draft.num_seeds,
    }
    return {**values, "verb": draft.verb.value, "document": document, "state": request.state.value}


def heartbeat_of(row: Row) -> Heartbeat:
    """The heartbeat in a row."""
    values = {name: row[name] for name in Heartbeat.__dataclass_fields__}
    return Heartbeat(**{**values, "role": ProcessRole(row["role"])})


def heartbeat_values(heartbeat: Heartbeat) -> Values:
    """The row of a heartbeat."""
    return {**asdict(heartbeat), "role": heartbeat.role.value}


def failure_value(failure: Failure | None) -> Mapping[str, str] | None:
    """A failure as JSON; releases without reasons read its kind."""
    if failure is None:
        return None
    return {**asdict(failure), "reason": failure.reason.value, "kind": failure.kind.value}


def failure_of(document: Mapping[str, str] | None) -> Failure | None:
    """The failure in a JSON document; of an older release, its kind says what the reason is."""
    if document is None:
        return None
    reason = document.get("reason") or _REASON_OF_KIND[FailureKind(document["kind"])]
    return Failure(reason=FailureReason(reason), message=document["message"], traceback=document["traceback"])
