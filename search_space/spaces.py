"""The named search spaces.

Pools are those of Du et al. 2020 (arXiv 1912.05027), Table 1: a scale-permuted part has one output block for each
level 3 to 7, and the rest of its blocks are intermediate.

Permuting and connecting leaves the cost of a pool nearly constant, so there the default budget, 15 % around R0-SP53,
cuts off only the far ends. Of 3,000 uniform draws at 640 pixels are inside: r35-sp18 53 % (the others leave part of its
long stem unused), r23-sp30 97 %, r14-sp39 99 %, r0-sp53 99 %; and spinenet-49 32 % of 5 % around SpineNet-49.
"""

from collections.abc import Mapping
from types import MappingProxyType

from search_space.decisions import SearchSpace
from search_space.spec import BlockSpec, BlockType, Stem

FAMILY_TOLERANCE = 0.15
_TABLE_1 = "Du et al. 2020, arXiv 1912.05027, Table 1: permutations and connections, all bottlenecks"


def _stem(*counts: int) -> Stem:
    """A stem of bottlenecks: how many at level 2, 3, ..."""
    return Stem(blocks=tuple(BlockSpec(level) for level, count in enumerate(counts, start=2) for _ in range(count)))


R35_SP18 = SearchSpace(
    name="r35-sp18",
    source=_TABLE_1,
    stem=_stem(2, 3, 5, 1),
    pool=(2,),
    budget_reference="r0-sp53",
    budget_tolerance=FAMILY_TOLERANCE,
)
R23_SP30 = SearchSpace(
    name="r23-sp30",
    source=_TABLE_1,
    stem=_stem(2, 2, 2, 1),
    pool=(2, 3, 4, 4, 4),
    budget_reference="r0-sp53",
    budget_tolerance=FAMILY_TOLERANCE,
)
R14_SP39 = SearchSpace(
    name="r14-sp39",
    source=_TABLE_1,
    stem=_stem(1, 1, 1, 1),
    pool=(2, 2, 3, 3, 4, 4, 4, 4),
    budget_reference="r0-sp53",
    budget_tolerance=FAMILY_TOLERANCE,
)
R0_SP53 = SearchSpace(
    name="r0-sp53",
    source=_TABLE_1,
    stem=_stem(2),
    pool=(2, 3, 3, 3, 4, 4, 4, 4, 4, 5),
    budget_reference="r0-sp53",
    budget_tolerance=FAMILY_TOLERANCE,
)
SPINENET_49 = SearchSpace(
    name="spinenet-49",
    source="Du et al. 2020, arXiv 1912.05027, section 3.1: permutations, connections, adjustments and block types",
    stem=_stem(2),
    pool=(2, 3, 3, 3, 4, 4, 4, 4, 4, 5),
    budget_reference="spinenet-49",
    budget_tolerance=0.05,
    adjustments=(-1, 0, 1, 2),
    block_types=(BlockType.BOTTLENECK, BlockType.RESIDUAL),
)

SPACES: Mapping[str, SearchSpace] = MappingProxyType(
    {space.name: space for space in (R35_SP18, R23_SP30, R14_SP39, R0_SP53, SPINENET_49)}
)


def find_space(name: str) -> SearchSpace:
    """The space of that name.

    Raises:
        ValueError: no such space; the message lists those known.
    """
    if name not in SPACES:
        raise ValueError(f"space {name!r}: unknown; the spaces are {', '.join(SPACES)}")
    return SPACES[name]
