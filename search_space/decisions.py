"""A search space as a sequence of decisions: options, decode, encode, mutate.

A genotype is the tuple of options taken, one index for each decision point. Whatever offered options are
taken, the architecture is valid; drawing every option uniformly draws permutations, parent pairs,
adjustments and types uniformly.

The points come in this order: the permutation of the intermediate blocks and of the output blocks (picks
without replacement), the level adjustments and block types, and then the parents of each block. The paper
(Du et al. 2020, section 3.1) connects before it adjusts; the set of architectures is the same, but a policy
that picks a parent here already knows the level and type of each candidate.
"""

from dataclasses import dataclass
from enum import StrEnum

Genotype = tuple[int, ...]


class DecisionKind(StrEnum):
    """What a decision point decides."""

    INTERMEDIATE_LEVEL = "intermediate_level"  # which block of the intermediate pool comes next
    OUTPUT_LEVEL = "output_level"  # which output block comes next
    LEVEL_ADJUSTMENT = "level_adjustment"
    BLOCK_TYPE = "block_type"
    PARENT = "parent"  # two points for each block; the order of the two means nothing


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be decided, and what it means; features that do not apply are zero or empty.

    Args:
        label: for people.
        feature: the candidate parent's feature index, or the pool position of the block picked; else -1.
        level: level that the block has, or gets.
        block_type: type of the candidate parent, or the type chosen.
        distance: how many features back a candidate parent is, 1 for the one just before.
        adjustment: the level adjustment chosen.
    """

    label: str
    feature: int = -1
    level: int = 0
    block_type: str = ""
    distance: int = 0
    adjustment: int = 0


@dataclass(frozen=True, slots=True)
class DecisionPoint:
    """The next thing to decide.

    Args:
        kind: what it decides.
        subject: feature index of the block that it is about.
        subject_level, subject_type: that block's level and type as far as they are decided, else 0 and "".
        options: what can be taken, never empty.
    """

    kind: DecisionKind
    subject: int
    options: tuple[Option, ...]
    subject_level: int = 0
    subject_type: str = ""
