"""A trial's architecture with some of its decisions taken otherwise: what it is, before somebody has it trained."""

from collections.abc import Sequence

from api.architecture_schemas import Variant
from api.architectures import decisions, total_cost
from api.errors import FieldError
from nas_controller.enqueueing import placed
from nas_controller.records import Trial
from nas_controller.search_config import SearchConfig
from search_space.budget import decode_within
from search_space.cost import cost
from search_space.decisions import Genotype, SearchSpace
from search_space.difference import compare
from search_space.difference_text import edit_list
from search_space.plan import resolve
from search_space.spaces import find_space
from search_space.spec import ArchitectureSpec


def wrong_decisions(space: SearchSpace, genotype: Sequence[int]) -> list[FieldError]:
    """What is not a genotype of the space, decision by decision; empty where it is one."""
    counts = space.option_counts
    if len(genotype) != len(counts):
        return [FieldError(place="genotype", message=f"{len(genotype)} decisions: {space.name} has {len(counts)}")]
    return [
        FieldError(
            place=f"genotype.{position}",
            message=f"{taken}: must be 0 to {count - 1}: {space.describe_point(position)}",
        )
        for position, (taken, count) in enumerate(zip(genotype, counts, strict=True))
        if not 0 <= taken < count
    ]


def edits_of(space: SearchSpace, trial: Trial, genotype: Genotype) -> tuple[str, ...]:
    """What leads from the trial's architecture to the one of the genotype, in words. Widths that follow from shares are
    none: with one share they all change."""
    before = ArchitectureSpec.from_document(trial.draft.spec)
    if trial.draft.genotype:
        before = space.decode(trial.draft.genotype)
    return tuple(edit_list(compare(before, space.decode(genotype))))


def variant_of(config: SearchConfig, trial: Trial, genotype: Genotype) -> Variant:
    """What the genotype, one of the search's space, makes of the trial."""
    space, target = find_space(config.space), config.target_network()
    spec = variant_spec(config, trial, genotype)
    canonical, problem = placed(config, spec)
    return Variant(
        genotype=list(canonical),
        decisions=decisions(space, canonical),
        edits=list(edits_of(space, trial, canonical)),
        cost=total_cost(cost(resolve(spec, target))),
        problem=problem,
    )


def variant_spec(config: SearchConfig, trial: Trial, genotype: Genotype) -> ArchitectureSpec:
    """The architecture of a genotype as the search would train it as a variant of the trial: in a search for a front,
    near the target that the trial was for."""
    budget = config.budget_near(trial.draft.target_cost.backbone_multiply_adds)
    return decode_within(find_space(config.space), genotype, config.target_network(), budget, name="variant")
