"""A search from inside: its controller, its choices, its workers."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.context import Context
from api.errors import problem_docs
from api.inside_schemas import (
    AttemptSpan,
    ChoiceInsight,
    ControllerInsight,
    EarlierSearch,
    WorkerDetail,
    WorkerInsight,
)
from api.routes.parameters import SearchId
from nas_controller.insight.choice_report import choice_fields
from nas_controller.insight.choices import MAX_TOP
from nas_controller.insight.improvement import improvement_fields
from nas_controller.insight.policy_report import controller_fields
from nas_controller.insight.workers import MAX_SPANS, Worker, WorkerState, WorkSpan, workers_of
from nas_controller.records import EntryKind, Search
from nas_controller.store.base import Store

MIN_TOP = 10
TOP = 20

router = APIRouter(prefix="/v1/searches/{search_id}", tags=["insight"], responses=problem_docs(401, 404, 422))


@router.get("/controller", operation_id="getController", summary="The controller from inside, over time")
def get_controller(search_id: SearchId, context: Context) -> ControllerInsight:
    """What it asked for and was told, how stale results were, how often it repeats itself, how certain its decisions
    are, what its algorithm says of itself, and whether it finds better ones than chance does."""
    search = context.store.get_search(search_id)
    with context.insights.of(search) as insight:
        fields = controller_fields(insight.policy) | {
            "sequence": insight.sequence,
            "improvement": improvement_fields(insight.improvement),
            "earlier": _earlier(context.store, search),
        }
    return ControllerInsight.model_validate({"algorithm": search.config["algorithm"]["name"], **fields})


def _earlier(store: Store, search: Search) -> list[EarlierSearch]:
    """These entries come before the first trial, one for each search: nothing after them is read."""
    count = len((search.config.get("warm_start") or {}).get("searches", ()))
    entries = store.read_ledger(search.id, limit=count, kinds=[EntryKind.EARLIER_TOLD]) if count else []
    names = ("search", "space", "looked_at", "left_out", "words")
    return [
        EarlierSearch(told=len(entry.payload["trials"]), **{name: entry.payload[name] for name in names})
        for entry in entries
    ]


@router.get("/choices", operation_id="getChoices", summary="What was chosen, and what came of it")
def get_choices(
    search_id: SearchId,
    context: Context,
    top: Annotated[int, Query(ge=MIN_TOP, le=MAX_TOP, description="compare so many of the best with the rest")] = TOP,
) -> ChoiceInsight:
    """For each decision how often each option was taken over time and with what reward, how much the decision matters,
    and which edges the best architectures have."""
    search = context.store.get_search(search_id)
    with context.insights.of(search) as insight:
        fields = choice_fields(insight.choices, top)
        sequence = insight.sequence
    return ChoiceInsight.model_validate({"sequence": sequence, "importances_as_of": sequence, **fields})


@router.get("/workers", operation_id="listWorkers", summary="The workers and their last attempts")
def list_workers(search_id: SearchId, context: Context) -> WorkerInsight:
    """Who is at work on what, and who worked when."""
    spans = context.store.last_attempts(search_id, MAX_SPANS)
    return WorkerInsight(
        workers=[_worker(worker) for worker in workers_of(spans, context.clock())],
        spans=[_span(span) for span in reversed(spans)],
    )


def _worker(worker: Worker) -> WorkerDetail:
    is_busy = worker.state is WorkerState.BUSY
    return WorkerDetail(
        name=worker.name,
        state=worker.state,
        trial=worker.span.trial_number if is_busy else None,
        kind=worker.span.kind if is_busy else None,
        since=worker.since,
        attempts=worker.num_attempts,
        busy_seconds=round(worker.busy_seconds, 1),
        lost=worker.num_lost,
    )


def _span(span: WorkSpan) -> AttemptSpan:
    attempt = span.attempt
    return AttemptSpan(
        worker=attempt.worker,
        trial=span.trial_number,
        kind=span.kind,
        state=attempt.state,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
    )
