# ruff: noqa: RUF001 - multiplication signs are meant
"""What a drawing shows: blocks in columns and lines between them, of one architecture or of a difference of two."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from search_space.difference import ArchitectureDifference
from search_space.graph import live_features, orphans_by_output
from search_space.plan import BOTTLENECK_EXPANSION, MBCONV_EXPANSION, NetworkPlan, scaled
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType

MAX_NOTES = 3


class EdgeRole(StrEnum):
    """What a line stands for.

    LIVE; ORPHAN joins its level's output block; DEAD leads to a block that reaches no endpoint. In a difference:
    KEPT is in both, ADDED in the later and REMOVED in the earlier architecture only.
    """

    LIVE = "live"
    ORPHAN = "orphan"
    DEAD = "dead"
    KEPT = "kept"
    ADDED = "added"
    REMOVED = "removed"


class Mark(StrEnum):
    """What a difference did to a block."""

    NONE = "same"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnBlock:
    """One block of a drawing.

    Args:
        label: its feature index in its own architecture.
        relative_width: channels of its 3x3 convolution relative to its level's base width.
        facts: lines for who points at it.
        notes: short lines below it.
    """

    label: str
    block: BlockSpec
    relative_width: float
    is_stem: bool
    is_dead: bool
    facts: tuple[str, ...]
    mark: Mark = Mark.NONE
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name among all blocks of the drawing."""
        return f"was-{self.label}" if self.mark is Mark.REMOVED else self.label


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """A line between two blocks, as positions in the drawing's row of blocks."""

    source: int
    target: int
    role: EdgeRole


@dataclass(frozen=True, slots=True)
class DrawnGraph:
    """Blocks in the order of their columns, and the lines between them."""

    blocks: tuple[DrawnBlock, ...]
    edges: tuple[DrawnEdge, ...]


def graph_of(spec: ArchitectureSpec, plan: NetworkPlan | None = None) -> DrawnGraph:
    """All blocks of an architecture and every input of each; with a plan of it, facts at the plan's target."""
    live, orphans = live_features(spec), orphans_by_output(spec)
    edges = []
    for target, block in enumerate(spec.all_blocks):
        role = EdgeRole.LIVE if target in live else EdgeRole.DEAD
        parents = block.parents if target >= spec.num_stem_blocks else tuple(range(max(0, target - 1), target))
        edges += [DrawnEdge(source, target, role) for source in parents]
        edges += [DrawnEdge(source, target, EdgeRole.ORPHAN) for source in orphans.get(target, ())]
    blocks = tuple(
        DrawnBlock(
            label=str(k),
            block=block,
            relative_width=spec.block_width(block) / spec.base_width(block.level),
            is_stem=k < spec.num_stem_blocks,
            is_dead=k not in live,
            facts=tuple(_facts(spec, plan, k, k not in live, edges)),
        )
        for k, block in enumerate(spec.all_blocks)
    )
    return DrawnGraph(blocks, tuple(edges))


def graph_of_difference(difference: ArchitectureDifference) -> DrawnGraph:
    """The later architecture, with the blocks and lines that only the earlier one has."""
    before, after = graph_of(difference.before), graph_of(difference.after)
    columns = _columns(difference)
    new_column = {feature: column for column, (feature, is_removed) in enumerate(columns) if not is_removed}
    old_column = {feature: column for column, (feature, is_removed) in enumerate(columns) if is_removed}
    old_column |= {old: new_column[new] for old, new in difference.places}
    notes = _notes(difference)
    blocks = [
        replace(before.blocks[feature], mark=Mark.REMOVED, notes=("left out",))
        if is_removed
        else _marked(after.blocks[feature], feature in difference.added_blocks, notes.get(feature, []))
        for feature, is_removed in columns
    ]
    lines = [
        (EdgeRole.KEPT, difference.kept_connections, new_column),
        (EdgeRole.ADDED, difference.added_connections, new_column),
        (EdgeRole.REMOVED, difference.removed_connections, old_column),
    ]
    edges = [
        DrawnEdge(column[line.source], column[line.target], role) for role, chosen, column in lines for line in chosen
    ]
    return DrawnGraph(tuple(blocks), tuple(edges))


def _columns(difference: ArchitectureDifference) -> list[tuple[int, bool]]:
    """Features of the later architecture, and after the partner of what came before it each one left out (True)."""
    partner = dict(difference.places)
    columns = [(feature, False) for feature in range(len(difference.after.all_blocks))]
    for feature in difference.removed_blocks:
        if feature == 0:
            columns.insert(0, (feature, True))
            continue
        previous = (partner[feature - 1], False) if feature - 1 in partner else (feature - 1, True)
        columns.insert(columns.index(previous) + 1, (feature, True))
    return columns


def _notes(difference: ArchitectureDifference) -> dict[int, list[str]]:
    """What moved and changed blocks of the later architecture were, by feature."""
    notes: dict[int, list[str]] = {}
    for move in difference.moved:
        notes.setdefault(move.after, []).append(f"{move.before}")
    words = {
        "level": "L{}",
        "type": "{}",
        "multiplier": "share {}",
        "width": "{} wide",
        "repeats": "×{}",
        "kernel": "{0}×{0}",
        "expansion": "expand {}",
    }
    for change in difference.changed:
        if change.field in words:
            notes.setdefault(change.after, []).append(words[change.field].format(change.old))
        else:
            notes.setdefault(change.after, []).append("output" if change.old == "yes" else "no output")
    return notes


def _marked(block: DrawnBlock, is_added: bool, was: list[str]) -> DrawnBlock:
    if is_added:
        return replace(block, mark=Mark.ADDED, notes=("new",))
    if not was:
        return block
    facts = (*block.facts, f"was {', '.join(was)}")
    lines = (f"was {was[0]}", *was[1:MAX_NOTES], *(["..."] if len(was) > MAX_NOTES else []))
    return replace(block, mark=Mark.CHANGED, facts=facts, notes=lines)


def _facts(
    spec: ArchitectureSpec, plan: NetworkPlan | None, feature: int, is_dead: bool, edges: list[DrawnEdge]
) -> Iterator[str]:
    """What there is to say about a block, a line for each thing."""
    block = spec.all_blocks[feature]
    width = scaled(spec.block_width(block), plan.target.width_scale if plan else 1.0)
    channels = width * (BOTTLENECK_EXPANSION if block.block_type is BlockType.BOTTLENECK else 1)
    yield f"block {feature}: level {block.level} {block.block_type.value}"
    yield f"width {width}, {channels} channels out"
    if block.block_type is BlockType.MBCONV:
        yield f"kernel {block.kernel} × {block.kernel}, expansion {block.expansion or MBCONV_EXPANSION}"
    if plan is not None:
        height, width_of_feature = plan.size(block.level)
        yield f"{height} × {width_of_feature}"
    if block.repeats > 1:
        yield f"{block.repeats} repeats"
    if block.parents:
        yield f"parents {_listed(block.parents)}"
    orphans = [e.source for e in edges if e.target == feature and e.role is EdgeRole.ORPHAN]
    if orphans:
        yield f"orphans joined {_listed(orphans)}"
    readers = [e.target for e in edges if e.source == feature]
    if readers:
        yield f"read by {_listed(readers)}"
    if block.is_output:
        yield f"output P{block.level}"
    if is_dead:
        yield "dead: reaches no output"


def _listed(features: Iterable[int]) -> str:
    return ", ".join(map(str, features))
