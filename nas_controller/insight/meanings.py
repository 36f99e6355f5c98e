"""What decisions and options mean, in words, so that trials can be counted by them.

A decision is named by its kind and the block that it is about. Which of a block's two parents was picked first means
nothing, so the two are told apart by where they are: the earlier and the later one.

An option is named by what it gives the block, not by its index, which means something else after other decisions: a
level, a change of level, a type, a multiplier; a parent by its level and how many blocks before it is. Its type and its
number are left out: with them, most options would be so rare that nothing could be said about them.

A motif is an edge of the architecture: level and type of the parent, level and type of the block, and about how far one
is from the other.
"""

from collections.abc import Sequence

from search_space.decisions import Decision, DecisionKind, SearchSpace

OptionKey = tuple[int | float | str, ...]
MotifKey = tuple[int, str, int, str, int]

FAR_DISTANCE = 6
"""Parents of intermediate blocks are at most 5 blocks before; those of outputs are anywhere, and from here on alike."""
MOTIF_DISTANCES = (1, 2, 4)
"""The least distances of the ranges that motifs are told apart by: the block before, 2 to 3, and 4 or more."""

_NAMES = {
    DecisionKind.INTERMEDIATE_LEVEL: "level",
    DecisionKind.OUTPUT_LEVEL: "output level",
    DecisionKind.LEVEL_ADJUSTMENT: "level adjustment",
    DecisionKind.BLOCK_TYPE: "type",
    DecisionKind.RESOURCE_MULTIPLIER: "multiplier",
}


def decision_labels(space: SearchSpace) -> list[str]:
    """Each decision point of the space in words, in their order, e.g. ``block 7: later parent``."""
    labels: list[str] = []
    for kind, subject in space.points:
        name = _NAMES.get(kind, "earlier parent")
        label = f"block {subject}: {name}"
        labels.append(label if label not in labels else f"block {subject}: later parent")
    return labels


def in_order(decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions with the earlier parent of each block before the later one."""
    ordered = list(decisions)
    for place in range(len(ordered) - 1):
        one, other = ordered[place], ordered[place + 1]
        is_pair = one.kind is DecisionKind.PARENT and (other.kind, other.subject) == (one.kind, one.subject)
        if is_pair and one.option.feature > other.option.feature:
            ordered[place], ordered[place + 1] = other, one
    return ordered


def option_key(decision: Decision) -> OptionKey:
    """What the option means; equal for options that mean the same, and rising in an order that people expect."""
    option = decision.option
    match decision.kind:
        case DecisionKind.PARENT:
            return option.level, min(option.distance, FAR_DISTANCE)
        case DecisionKind.LEVEL_ADJUSTMENT:
            return (option.adjustment,)
        case DecisionKind.BLOCK_TYPE:
            return (option.block_type,)
        case DecisionKind.RESOURCE_MULTIPLIER:
            return (option.multiplier,)
        case _:
            return (option.level,)


def option_label(kind: DecisionKind, key: OptionKey) -> str:
    """An option in words."""
    match kind:
        case DecisionKind.PARENT:
            level, distance = key
            return f"from level {level}, {_before(int(distance), is_last=distance == FAR_DISTANCE)}"
        case DecisionKind.LEVEL_ADJUSTMENT:
            return _adjustment_label(int(key[0]))
        case DecisionKind.BLOCK_TYPE:
            return str(key[0])
        case DecisionKind.RESOURCE_MULTIPLIER:
            return f"x{key[0]:g}"
        case _:
            return f"level {key[0]}"


def _adjustment_label(change: int) -> str:
    levels = f"{abs(change)} level" if abs(change) == 1 else f"{abs(change)} levels"
    return f"{levels} {'up' if change > 0 else 'down'}" if change else "as it is"


def motif_keys(decisions: Sequence[Decision]) -> set[MotifKey]:
    """The motifs of an architecture; none where the space does not decide parents."""
    return {
        (
            decision.option.level,
            str(decision.option.block_type),
            decision.subject_level,
            str(decision.subject_type),
            max(distance for distance in MOTIF_DISTANCES if distance <= decision.option.distance),
        )
        for decision in decisions
        if decision.kind is DecisionKind.PARENT
    }


def motif_label(key: MotifKey) -> str:
    """A motif in words, e.g. ``level 4 bottleneck -> level 3 residual, the block before``."""
    from_level, from_type, level, block_type, distance = key
    place = MOTIF_DISTANCES.index(distance)
    last = MOTIF_DISTANCES[place + 1] - 1 if place + 1 < len(MOTIF_DISTANCES) else None
    where = f"{distance} to {last} blocks before" if last not in (None, distance) else _before(distance, last is None)
    return f"level {from_level} {from_type} -> level {level} {block_type}, {where}"


def _before(distance: int, is_last: bool) -> str:
    if is_last:
        return f"{distance} or more blocks before"
    return "the block before" if distance == 1 else f"{distance} blocks before"
