"""Whether an architecture that somebody names can be a trial of a search."""

from nas_controller.search_config import SearchConfig
from search_space.budget import backbone_multiply_adds, decode_within
from search_space.decisions import Genotype
from search_space.spaces import find_space
from search_space.spec import ArchitectureSpec


def placed(config: SearchConfig, spec: ArchitectureSpec) -> tuple[Genotype, str]:
    """The genotype of an architecture in a search's space, and why it is not one that the search would train.

    A genotype stands for the widths that the space's rule settles, whatever the spec has. An architecture that is not
    in the space has none, (); one that is off budget has one. The reason is "" where it is neither.
    """
    space, target, budget = find_space(config.space), config.target_network(), config.flops_budget()
    near = config.budget_near(backbone_multiply_adds(spec, target))
    try:
        genotype = space.encode(spec)
    except ValueError as error:
        return (), str(error)
    multiply_adds = backbone_multiply_adds(decode_within(space, genotype, target, near), target)
    if budget.contains(multiply_adds):
        return genotype, ""
    return genotype, f"{multiply_adds:,} multiply-adds: budget {budget.describe()}"
