"""From specs to what the API says about architectures: costs part by part, decisions in words, comparisons."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from api import comparison
from api.architecture_schemas import (
    BlockDifference,
    ComparedArchitecture,
    Comparison,
    CostPart,
    CostTable,
    Decision,
)
from api.schemas import Cost
from nas_controller.records import Trial
from search_space.cost import NetworkCostReport, cost
from search_space.decisions import Genotype, SearchSpace
from search_space.difference import compare
from search_space.difference_text import edit_list
from search_space.plan import TargetNetwork, resolve
from search_space.spec import ArchitectureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One architecture of a comparison; `trial` is None for a published one that the search has no trial of."""

    spec: ArchitectureSpec
    trial: Trial | None = None


def cost_table(spec: ArchitectureSpec, target: TargetNetwork) -> CostTable:
    """Every part of the network at the target."""
    report = cost(resolve(spec, target))
    return CostTable(
        image_size=target.image_size,
        width_scale=target.width_scale,
        total=total_cost(report),
        parts=[CostPart(**row._asdict()) for row in report.per_block],
    )


def total_cost(report: NetworkCostReport) -> Cost:
    """What the whole network costs."""
    return Cost(
        backbone_parameters=report.backbone.parameters,
        backbone_multiply_adds=report.backbone.multiply_adds,
        detector_parameters=report.parameters,
        detector_multiply_adds=report.multiply_adds,
    )


def decisions(space: SearchSpace, genotype: Genotype, log_probs: Sequence[float] = ()) -> list[Decision]:
    """What a genotype of this space took at each decision point, of which options.

    Args:
        log_probs: of each; all 0 where none was drawn: a mutation, a model's choice or a user's architecture.
    """
    drawn = log_probs if any(log_probs) else (None,) * len(genotype)
    found = []
    for place, (taken, log_prob) in enumerate(zip(genotype, drawn, strict=True)):
        point = space.options(genotype[:place])
        assert point is not None, "the genotype is longer than its space decides"
        found.append(
            Decision(
                kind=point.kind,
                block=point.subject,
                taken=taken,
                label=point.options[taken].label,
                num_options=len(point.options),
                options=[option.label for option in point.options],
                log_prob=log_prob,
            )
        )
    return found


def compared(before: Compared, after: Compared, target: TargetNetwork) -> Comparison:
    """All that differs between two architectures, both counted at the same target."""
    difference = compare(before.spec, after.spec)
    val = None
    if after.trial is not None and before.trial is not None:
        val = comparison.compare(after.trial, before.trial)
    return Comparison(
        before=_side(before, target),
        after=_side(after, target),
        edits=edit_list(difference),
        blocks=[BlockDifference(**asdict(change)) for change in difference.changed],
        moved=[(move.before, move.after) for move in difference.moved],
        removed_blocks=list(difference.removed_blocks),
        added_blocks=list(difference.added_blocks),
        removed_connections=[(edge.source, edge.target) for edge in difference.removed_connections],
        added_connections=[(edge.source, edge.target) for edge in difference.added_connections],
        val_difference=None if val is None else val.model_copy(update={"reference": before.spec.name}),
    )


def _side(side: Compared, target: TargetNetwork) -> ComparedArchitecture:
    plan = resolve(side.spec, target)
    trial = side.trial
    return ComparedArchitecture(
        name=side.spec.name,
        search=None if trial is None else trial.search_id,
        trial=None if trial is None else trial.number,
        state=None if trial is None else trial.state,
        reward=None if trial is None else trial.reward,
        val_average_precision=None if trial is None else trial.val_average_precision,
        val_standard_error=None if trial is None else trial.val_standard_error,
        val_count=0 if trial is None else trial.val_count,
        num_blocks=len(side.spec.all_blocks),
        num_dead_blocks=plan.num_dead_blocks,
        cost=total_cost(cost(plan)),
        spec=side.spec.to_document(),
    )
