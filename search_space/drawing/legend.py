"""A drawing's legend: what its shapes and lines mean, only those that occur."""

from collections.abc import Iterator
from typing import NamedTuple

from search_space.drawing.graph import EdgeRole, Mark
from search_space.drawing.layout import Layout, arrow_head, number
from search_space.drawing.pen import Pen
from search_space.spec import BlockType

ROW_HEIGHT = 24.0
LETTER = 5.8


class Entry(NamedTuple):
    """One sample around (11, 0), 22 wide, what it means, and the class that it has."""

    sample: str
    label: str
    kind: str = ""


def legend(pen: Pen, layout: Layout, left: float, top: float, right: float) -> tuple[list[str], float]:
    """The entries in rows from `top`, and how high they are."""
    parts, x, y = [], left, top
    for entry in _entries(pen, layout):
        width = 52 + LETTER * len(entry.label)
        if x > left and x + width > right:
            x, y = left, y + ROW_HEIGHT
        parts.append(
            f'<g {pen.classes("muted", "small", entry.kind)} transform="translate({number(x)} {number(y)})">'
            f"{entry.sample}{pen.text(29, 4, entry.label)}</g>"
        )
        x += width
    return parts, y + ROW_HEIGHT - top


def _entries(pen: Pen, layout: Layout) -> Iterator[Entry]:
    blocks = [node.drawn for node in layout.nodes]
    types = {drawn.block.block_type for drawn in blocks}
    shape = {kind: pen.shape(kind, (11, 0), 10, 9 if kind is BlockType.RESIDUAL else 7, "shape") for kind in BlockType}
    names = {BlockType.BOTTLENECK: "bottleneck", BlockType.RESIDUAL: "residual", BlockType.MBCONV: "MBConv"}
    for block_type, name in names.items():
        if block_type in types:
            yield Entry(shape[block_type], name)
    usual = next(shape[kind] for kind in BlockType if kind in types)
    widths = [drawn.relative_width for drawn in blocks]
    if max(widths) > 1.05 * min(widths):
        pair = pen.box((3, 0), 3, 7, 2, "shape") + pen.box((16, 0), 7, 7, 3, "shape")
        yield Entry(pair, "width: channels for its level")
    if any(drawn.block.repeats > 1 for drawn in blocks):
        yield Entry(pen.text(11, 0, "\N{MULTIPLICATION SIGN}n", "centre", "strong"), "repeats")
    if any(drawn.block.is_output and drawn.mark is not Mark.REMOVED for drawn in blocks):
        yield Entry(usual, "output", "output")
    if any(drawn.is_dead and drawn.mark is not Mark.REMOVED for drawn in blocks):
        yield Entry(usual, "dead", "ghost")
    yield from _line_entries(pen, layout)
    marks = {drawn.mark for drawn in blocks}
    ring = {mark: pen.box((11, 0), 10, 8, 5, "ring", f"ring-{mark}") for mark in Mark}
    if Mark.CHANGED in marks:
        yield Entry(ring[Mark.CHANGED], "moved or changed")
    if Mark.ADDED in marks:
        yield Entry(ring[Mark.ADDED], "new")
    if Mark.REMOVED in marks:
        yield Entry(usual, "left out", "gone")


def _line_entries(pen: Pen, layout: Layout) -> Iterator[Entry]:
    roles = {route.edge.role for route in layout.routes}
    names = {EdgeRole.KEPT: "in both", EdgeRole.ADDED: "connection added", EdgeRole.REMOVED: "connection removed"}
    stroke = f'<path {pen.classes("line")} d="M0 0H22"/>'
    steps = [layout.nodes[r.edge.target].level - layout.nodes[r.edge.source].level for r in layout.routes]
    is_difference = not roles.isdisjoint(names)
    for turn, heading, name in ((6, "up", "down-sampling"), (-6, "down", "up-sampling")):
        path = f"M0 {turn}H4Q10 {turn} 10 0V0"
        if any(step * turn > 0 for step in steps) and not is_difference:
            tip = f'<path {pen.classes("tip")} d="{arrow_head((10, -7 if turn > 0 else 7), heading)}"/>'
            yield Entry(f'<path {pen.classes("line")} d="{path}"/>{tip}', name)
    if EdgeRole.ORPHAN in roles:
        yield Entry(stroke, "orphan", "orphan")
    for role, name in names.items():
        if role in roles:
            yield Entry(stroke, name, role)
