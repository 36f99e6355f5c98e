"""What a search has found so far, and why some of its trials found nothing."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.context import Context
from api.errors import problem_docs
from api.failure_schemas import AttemptCount, Failures, ReasonCount
from api.pareto import pareto
from api.pareto_schemas import CostKind, Pareto
from api.routes.parameters import SearchId

router = APIRouter(prefix="/v1/searches/{search_id}", tags=["insight"], responses=problem_docs(401, 404, 422))


@router.get("/pareto", operation_id="getPareto", summary="The Pareto front of precision and cost")
def get_pareto(
    search_id: SearchId,
    context: Context,
    cost: Annotated[
        CostKind, Query(description="of the backbone at target size, or the latency of the target")
    ] = CostKind.MULTIPLY_ADDS,
) -> Pareto:
    """Trials that no other is better than in both, the growth of the hypervolume, the budget, and the references."""
    search = context.store.get_search(search_id)
    measured = context.store.reference_trials(search_id)
    with context.insights.of(search) as insight:
        return pareto(insight, cost, measured)


@router.get("/failures", operation_id="getFailures", summary="Why trials and attempts came to nothing")
def get_failures(search_id: SearchId, context: Context) -> Failures:
    """Trials without a whole reward by reason, and attempts without an evaluation, those that were tried again
    included."""
    search = context.store.get_search(search_id)
    attempts = context.store.count_failed_attempts(search_id)
    with context.insights.of(search) as insight:
        outcomes = sorted(insight.outcomes.by_reason.values(), key=lambda outcome: -outcome.count)
        sequence = insight.sequence
        reasons = [
            ReasonCount(
                state=outcome.state,
                reason=outcome.reason,
                count=outcome.count,
                last_trial=outcome.last_trial,
                last_message=outcome.last_message,
            )
            for outcome in outcomes
        ]
    counts = [AttemptCount(state=state, reason=reason, count=count) for (state, reason), count in attempts.items()]
    return Failures(sequence=sequence, reasons=reasons, attempts=sorted(counts, key=lambda each: -each.count))
