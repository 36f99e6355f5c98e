"""The named search spaces.

Pools are those of Du et al. 2020 (arXiv 1912.05027), Table 1: a scale-permuted part has one output block for each
level 3 to 7, and the rest of its blocks are intermediate. That of `spinenet-mbconv` is the one of Google's released
search space of that name. What share of each space meets its own budget is printed in docs/spaces.md.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from search_space.decisions import Rounding, SearchSpace
from search_space.fixed_topology import FixedTopologySpace
from search_space.plan import TargetNetwork
from search_space.reference import published_target, reference
from search_space.scale_permuted import ScalePermutedSpace
from search_space.spec import BlockSpec, BlockType, Stem

MULTIPLIERS = (0.05, 0.25, 0.5, 0.75, 1.0)
"""What Du et al. 2020b chose from, reconstructed from their Table 1: only ratios matter, and with the smallest between
0.036 and 0.054 of the largest all 18 published widths come out."""

_SPINENET = reference("spinenet-49")
_MOBILE = reference("spinenet-mobile-49")
_TARGET = TargetNetwork(image_size=640)
_TABLE_1 = "Du et al. 2020, arXiv 1912.05027, Table 1: permutations and connections, all bottlenecks"


def _stem(*counts: int) -> Stem:
    """A stem of bottlenecks: how many at level 2, 3, ..."""
    return Stem(blocks=tuple(BlockSpec(level) for level, count in enumerate(counts, start=2) for _ in range(count)))


def _table_1(name: str, stem: Stem, pool: tuple[int, ...]) -> ScalePermutedSpace:
    """Permuting and connecting leaves the cost nearly constant: 15 % cuts off only the far ends."""
    return ScalePermutedSpace(
        name=name,
        source=_TABLE_1,
        template=_SPINENET,
        stem=stem,
        pool=pool,
        budget_reference="r0-sp53",
        budget_tolerance=0.15,
        target=_TARGET,
    )


R35_SP18 = _table_1("r35-sp18", _stem(2, 3, 5, 1), (2,))
R23_SP30 = _table_1("r23-sp30", _stem(2, 2, 2, 1), (2, 3, 4, 4, 4))
R14_SP39 = _table_1("r14-sp39", _stem(1, 1, 1, 1), (2, 2, 3, 3, 4, 4, 4, 4))
R0_SP53 = _table_1("r0-sp53", _stem(2), (2, 3, 3, 3, 4, 4, 4, 4, 4, 5))
SPINENET_49 = replace(
    R0_SP53,
    name="spinenet-49",
    source="Du et al. 2020, arXiv 1912.05027, section 3.1: permutations, connections, adjustments and block types",
    budget_reference="spinenet-49",
    budget_tolerance=0.05,
    adjustments=(-1, 0, 1, 2),
    block_types=(BlockType.BOTTLENECK, BlockType.RESIDUAL),
)
SPINENET_MBCONV = ScalePermutedSpace(
    name="spinenet-mbconv",
    source="Du et al. 2020, arXiv 1912.05027, appendix A; pool and adjustments of google/vertex-ai-nas",
    template=_MOBILE,
    stem=_MOBILE.stem,
    pool=(2, 3, 4, 4, 4, 4, 4, 5, 5, 5, 5),
    adjustments=(-1, 0, 1, 2),
    block_types=(BlockType.MBCONV,),
    budget_reference="spinenet-mobile-49",
    budget_tolerance=0.1,
    target=published_target("spinenet-mobile-49"),
)
EFF_SPINENET_B0 = FixedTopologySpace(
    name="eff-spinenet-b0",
    source="Du et al. 2020b, arXiv 2010.11426, section 3.3: a resource multiplier for each block of SP-EfficientNet-B0",
    template=reference("sp-efficientnet-b0"),
    budget_reference="sp-efficientnet-b0",
    budget_tolerance=0.1,
    target=published_target("sp-efficientnet-b0"),
    multipliers=MULTIPLIERS,
    rounding=Rounding.PAPER,
)
JOINT = replace(
    SPINENET_49,
    name="joint",
    source="the decisions of both papers at once: spinenet-49 with MBConv blocks and a multiplier for each block",
    budget_tolerance=0.01,
    block_types=(BlockType.BOTTLENECK, BlockType.RESIDUAL, BlockType.MBCONV),
    multipliers=MULTIPLIERS,
    rounding=Rounding.EXACT,
)
"""Pool and settings are SpineNet-49's, so its candidates are compared with SpineNet-49's at equal cost. All three
types stand on one table of widths, where they cost nearly alike: 17, 18 and 12 * width**2 multiply-adds a pixel (plus
MBConv's depthwise part). A multiplier therefore means about the same amount of compute whatever the type."""

SPACES: Mapping[str, SearchSpace] = MappingProxyType(
    {
        space.name: space
        for space in (
            R35_SP18,
            R23_SP30,
            R14_SP39,
            R0_SP53,
            SPINENET_49,
            SPINENET_MBCONV,
            EFF_SPINENET_B0,
            JOINT,
        )
    }
)


def find_space(name: str) -> SearchSpace:
    """The space of that name.

    Raises:
        ValueError: no such space; the message lists those known.
    """
    if name not in SPACES:
        raise ValueError(f"space {name!r}: unknown; the spaces are {', '.join(SPACES)}")
    return SPACES[name]
