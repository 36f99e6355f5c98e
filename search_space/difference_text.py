"""A difference in words: `edit_list(difference)`, one line for each edit."""

from collections.abc import Iterable

from search_space.difference import WIDTH_OF_LEVEL, ArchitectureDifference, Connection, Move
from search_space.spec import ArchitectureSpec


def edit_list(difference: ArchitectureDifference) -> list[str]:
    """What to do to `before` to have `after`; empty where nothing differs.

    Blocks have the numbers of `after`, unless a line says what they were.
    """
    return [
        *_setting_lines(difference),
        *_removed_and_added(difference),
        *_move_lines(difference),
        *_change_lines(difference),
        *_connection_lines(difference),
    ]


def _setting_lines(difference: ArchitectureDifference) -> list[str]:
    """One line for each setting; the base widths share one."""
    lines = [f"{change.field}: {change.old} -> {change.new}" for change in difference.settings]
    widths = [line.removeprefix(WIDTH_OF_LEVEL) for line in lines if line.startswith(WIDTH_OF_LEVEL)]
    shared = [f"base widths: L{', L'.join(widths)}"] if widths else []
    return [line for line in lines if not line.startswith(WIDTH_OF_LEVEL)] + shared


def _removed_and_added(difference: ArchitectureDifference) -> list[str]:
    """Blocks that are alike share a line, but for new ones that choose what they read."""
    removed: dict[str, list[int]] = {}
    for k in difference.removed_blocks:
        removed.setdefault(_look(difference.before, k), []).append(k)
    lines = [f"{_blocks(numbers)} ({look}): left out" for look, numbers in removed.items()]
    added: dict[tuple[str, str], list[int]] = {}
    for k in difference.added_blocks:
        sources = [_source(e, str(e.source)) for e in difference.added_connections if e.target == k]
        is_searched = k >= difference.after.num_stem_blocks
        reading = f", reads {_joined(sources)}" if is_searched else ""
        added.setdefault((_look(difference.after, k), reading), []).append(k)
    return lines + [f"{_blocks(numbers)} ({look}): new{reading}" for (look, reading), numbers in added.items()]


def _move_lines(difference: ArchitectureDifference) -> list[str]:
    """Two blocks that took each other's place make one line."""
    lines, told = [], set[Move]()
    by_before = {move.before: move for move in difference.moved}
    for move in difference.moved:
        if move in told:
            continue
        how = "with their connections" if move.with_connections else "connections stay"
        name = f"{move.before} ({_look(difference.before, move.before)})"
        other = by_before.get(move.after)
        if other is not None and other.after == move.before:
            told.add(other)
            lines.append(f"blocks {name} and {other.before} ({_look(difference.before, other.before)}) swap: {how}")
        else:
            lines.append(f"block {name} moves to {move.after}: {how.replace('their', 'its')}")
    return lines


def _change_lines(difference: ArchitectureDifference) -> list[str]:
    """Blocks with the same change share a line."""
    blocks: dict[tuple[str, str, str], list[int]] = {}
    for change in difference.changed:
        blocks.setdefault((change.field, change.old, change.new), []).append(change.after)
    return [f"{_blocks(numbers)}: {field} {old} -> {new}" for (field, old, new), numbers in blocks.items()]


def _connection_lines(difference: ArchitectureDifference) -> list[str]:
    """One line for each block of both that reads something else."""
    lines = []
    old_place = {j: i for i, j in difference.places}
    partner = dict(difference.places)
    for k, was in old_place.items():
        added = [_source(e, str(e.source)) for e in difference.added_connections if e.target == k]
        removed = [
            _source(e, str(partner[e.source]) if e.source in partner else f"the former {e.source}")
            for e in difference.removed_connections
            if e.target == was
        ]
        if added and removed:
            lines.append(f"block {k} reads {_joined(added)} instead of {_joined(removed)}")
        elif added:
            lines.append(f"block {k} also reads {_joined(added)}")
        elif removed:
            lines.append(f"block {k} no longer reads {_joined(removed)}")
    return lines


def _source(edge: Connection, name: str) -> str:
    return f"orphan {name}" if edge.is_orphan else name


def _look(spec: ArchitectureSpec, feature: int) -> str:
    block = spec.all_blocks[feature]
    return f"L{block.level} {block.block_type.value}"


def _blocks(numbers: list[int]) -> str:
    """``block 4``, ``blocks 4 and 5``, ``blocks 2, 4-7 and 9`` for numbers that rise."""
    if len(numbers) == 1:
        return f"block {numbers[0]}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    names = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return f"blocks {_joined(', '.join(names).split(', '))}"


def _joined(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
