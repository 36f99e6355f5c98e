"""The options of scale-permuted spaces. Most are made again and again, and making one takes longer than finding it."""

from collections.abc import Sequence
from functools import cache

from search_space.decisions import Option
from search_space.spec import BlockType


def pick_options(levels: Sequence[int], taken: Sequence[int]) -> tuple[Option, ...]:
    """Blocks of a pool by level, without the positions that were taken."""
    left = [(position, level) for position, level in enumerate(levels) if position not in taken]
    return tuple(picked(position, level) for position, level in left)


@cache
def picked(position: int, level: int) -> Option:
    """A block of a pool."""
    return Option(f"L{level}", feature=position, level=level)


@cache
def adjusted(base: int, by: int) -> Option:
    """A block moved from its level in the pool."""
    return Option(f"{by:+d}", level=base + by, adjustment=by)


@cache
def of_type(block_type: BlockType) -> Option:
    """A type."""
    return Option(block_type, block_type=block_type)


@cache
def of_share(share: float) -> Option:
    """A resource multiplier."""
    return Option(f"x{share:g}", multiplier=share)


@cache
def as_parent(feature: int, subject: int, level: int, block_type: BlockType) -> Option:
    """A feature that `subject` may read."""
    label = f"{feature}: L{level} {block_type}"
    return Option(label, feature=feature, level=level, block_type=block_type, distance=subject - feature)
