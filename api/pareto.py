"""The Pareto front of a search, with what it is to be seen beside: budget or targets, and references."""

import math
from functools import lru_cache

from api.pareto_schemas import (
    BudgetBand,
    CostKind,
    FrontPoint,
    FrontReference,
    HypervolumeStep,
    Pareto,
    ReferencePoint,
)
from nas_controller.insight.front import REFERENCE_MARGIN, Front
from nas_controller.insight.insight import Insight
from nas_controller.records import Trial
from nas_controller.search_config import SearchConfig
from search_space.budget import FlopsBudget
from search_space.cost import NetworkCostReport, cost
from search_space.plan import TargetNetwork, resolve
from search_space.reference import reference
from search_space.spaces import find_space


def pareto(insight: Insight, kind: CostKind, measured: list[Trial]) -> Pareto:
    """The front of this kind of cost.

    Args:
        measured: references that are trials of the search.
    """
    front: Front = getattr(insight.fronts, kind)
    wanted = insight.config.front
    budget = _band(insight.config.flops_budget()) if kind is CostKind.MULTIPLY_ADDS else None
    reference_cost = _dearest(kind, front) if budget is None else budget.high
    steps = front.hypervolumes(reference_cost)
    return Pareto(
        sequence=insight.sequence,
        cost=kind,
        points=[
            FrontPoint(
                number=member.number,
                cost=member.cost,
                average_precision=member.average_precision,
                val_average_precision=member.val_average_precision,
                val_standard_error=member.val_standard_error,
            )
            for member in front.members()
        ],
        hypervolume=[HypervolumeStep(trained=trained, value=value) for trained, value in steps],
        reference_point=ReferencePoint(cost=reference_cost, average_precision=0.0),
        budget=budget,
        targets=list(wanted.targets) if wanted is not None and kind is CostKind.MULTIPLY_ADDS else [],
        references=[] if kind is CostKind.LATENCY_MS else _references(insight.config, kind, measured),
    )


def _dearest(kind: CostKind, front: Front) -> int | float:
    cost = REFERENCE_MARGIN * front.largest_cost
    return cost if kind is CostKind.LATENCY_MS else math.ceil(cost)


def _band(budget: FlopsBudget) -> BudgetBand:
    slack = math.floor(budget.tolerance * budget.centre)
    return BudgetBand(low=budget.centre - slack, high=budget.centre + slack, target=budget.centre)


def _references(config: SearchConfig, kind: CostKind, measured: list[Trial]) -> list[FrontReference]:
    by_name = {trial.draft.name: trial for trial in measured}
    relative_to = None if config.budget is None else config.budget.relative_to
    if config.budget is None and config.front is None:
        relative_to = find_space(config.space).budget_reference
    names = dict.fromkeys([*config.reevaluate.references, *([relative_to] if relative_to else [])])
    target = config.target_network()
    costs = {name: getattr(counted_reference(name, target).backbone, kind) for name in names}
    return [_reference(name, counted, by_name.get(name)) for name, counted in costs.items()]


def _reference(name: str, counted: int, trial: Trial | None) -> FrontReference:
    return FrontReference(
        name=name,
        cost=counted,
        val_average_precision=None if trial is None else trial.val_average_precision,
        val_standard_error=None if trial is None else trial.val_standard_error,
    )


@lru_cache(maxsize=500)
def counted_reference(name: str, target: TargetNetwork) -> NetworkCostReport:
    """What a published architecture costs at a target."""
    return cost(resolve(reference(name), target))
