"""Where everything in a drawing goes: blocks on a grid of levels and time, and an edge for every input.

Each feature has a column of its own and stands in the row of its level, so a vertical line in a column meets
one block only: the one it is for. A feature leaves its block to the right, runs along its row until the next
block there, or along a lane above the row (for targets above, or behind a block in the row) or below it (for
targets below), and turns into the column of its reader. Two features never share a lane where they overlap:
every edge can be followed. Lengths are SVG units; y grows downwards, level 1 is at the bottom.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from search_space.drawing.graph import DrawnBlock, DrawnEdge, DrawnGraph, EdgeRole, Mark
from search_space.spec import BlockType

GAP = 24.0
HALF_ROW = 19.0
LANE = 9.0
FIRST_LANE = 13.0
NOTE_LINE = 10.0
NOTE_LETTER = 5.8
ROW_PITCH = 76.0
LANE_START = 17.0
CORNER = 22.0
PORT = 10.0
TIP = 6.0
OUTPUT_BORDER = 2.0
HALF_WIDTH = 18.0
WIDEST = 40.0
# The number must fit, and in a diamond it has less room.
NARROWEST = {BlockType.BOTTLENECK: 9.5, BlockType.RESIDUAL: 15.0, BlockType.MBCONV: 10.0}
HALF_HEIGHT = {BlockType.BOTTLENECK: 14.0, BlockType.RESIDUAL: 18.0, BlockType.MBCONV: 15.0}


@dataclass(frozen=True, slots=True)
class Node:
    """One block as a shape around (x, y): a rectangle, a diamond (residual) or an ellipse (MBConv)."""

    drawn: DrawnBlock
    x: float
    y: float
    half_width: float
    half_height: float

    @property
    def level(self) -> int:
        """Of its block."""
        return self.drawn.block.level

    def edge_of_shape(self, dx: float) -> float:
        """Half the height of the shape at `dx` from its middle, an output's border included."""
        border = OUTPUT_BORDER if self.drawn.block.is_output else 0.0
        away = min(1.0, abs(dx) / self.half_width)
        share = {BlockType.RESIDUAL: 1 - away, BlockType.MBCONV: math.sqrt(1 - away**2)}
        return border + self.half_height * share.get(self.drawn.block.block_type, 1.0)


@dataclass(frozen=True, slots=True)
class Route:
    """The line of one edge.

    Args:
        lane: 0 along the source's row, 1, 2, ... along lanes above it, -1, -2, ... below.
        path: as SVG writes it.
        tip, heading: where its arrow head stands and points: ``up``, ``down`` or ``right``.
    """

    edge: DrawnEdge
    lane: int
    path: str
    tip: tuple[float, float]
    heading: str


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing's geometry; `row_y` is the middle of each level's row, `right` the end of the last column."""

    nodes: tuple[Node, ...]
    routes: tuple[Route, ...]
    row_y: Mapping[int, float]
    stem_right: float
    right: float


@dataclass(frozen=True, slots=True)
class _Lane:
    """A horizontal run of one feature: 0 is the row itself, 1, 2, ... lie above it, -1, -2, ... below."""

    number: int
    y: float


def lay_out(graph: DrawnGraph, top_level: int, left: float, top: float) -> Layout:
    """The geometry of a graph, its first column at `left`, the upper border of the row of `top_level` at `top`."""
    half_widths = _half_widths(graph.blocks)
    rooms = [max(half, _half_of_notes(drawn)) for half, drawn in zip(half_widths, graph.blocks, strict=True)]
    columns = [left + GAP / 2 + rooms[0]]
    for before, after in pairwise(rooms):
        columns.append(columns[-1] + before + GAP + after)
    lanes = _lane_numbers(graph, columns, half_widths)
    notes = _note_heights(graph.blocks)
    row_y = _row_positions(graph, lanes, notes, top_level, top)
    nodes = tuple(
        Node(drawn, x, row_y[drawn.block.level], half_width, HALF_HEIGHT[drawn.block.block_type])
        for drawn, x, half_width in zip(graph.blocks, columns, half_widths, strict=True)
    )
    last_stem = max(k for k, drawn in enumerate(graph.blocks) if drawn.is_stem and drawn.mark is not Mark.REMOVED)
    return Layout(
        nodes=nodes,
        routes=_routes(nodes, graph.edges, lanes, notes),
        row_y=row_y,
        stem_right=columns[last_stem] + rooms[last_stem] + GAP / 2,
        right=columns[-1] + rooms[-1] + GAP / 2,
    )


def number(value: float) -> str:
    """The shortest text of a length, one decimal at most."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _half_widths(blocks: Sequence[DrawnBlock]) -> list[float]:
    """Half of each shape's width: in proportion to the blocks' relative widths, the median block as wide as ever."""
    usual = median(drawn.relative_width for drawn in blocks)
    return [
        min(WIDEST, max(NARROWEST[drawn.block.block_type], HALF_WIDTH * drawn.relative_width / usual))
        for drawn in blocks
    ]


def _half_of_notes(drawn: DrawnBlock) -> float:
    """Half of what the notes below a block are wider than the gap between columns takes."""
    return max((NOTE_LETTER * len(note) - GAP + 6 for note in drawn.notes), default=0.0) / 2


def _lane_numbers(graph: DrawnGraph, columns: list[float], half_widths: list[float]) -> dict[DrawnEdge, int]:
    """The lane of each edge; lines that share a row and a side get different lanes where they overlap.

    What a difference added or removed has lanes of its own, even next to lines of the same feature.
    """
    levels = [drawn.block.level for drawn in graph.blocks]
    numbers: dict[DrawnEdge, int] = {}
    runs: dict[tuple[int, int, int, str], list[DrawnEdge]] = {}
    for edge in graph.edges:
        level, is_edit = levels[edge.source], edge.role in (EdgeRole.ADDED, EdgeRole.REMOVED)
        if level not in levels[edge.source + 1 : edge.target] and not is_edit:
            numbers[edge] = 0
        else:
            side = -1 if levels[edge.target] < level else 1
            runs.setdefault((level, side, edge.source, edge.role if is_edit else ""), []).append(edge)
    taken: dict[tuple[int, int], list[list[tuple[float, float]]]] = {}
    for (level, side, source, _), run in sorted(runs.items(), key=lambda item: item[0]):
        reach = [columns[edge.target] + port for edge in run for port in (-PORT, PORT)]
        start, end = (pick([columns[source] + half_widths[source], *reach]) for pick in (min, max))
        lanes = taken.setdefault((level, side), [])
        lane = next((k for k, spans in enumerate(lanes) if all(e < start or end < s for s, e in spans)), len(lanes))
        lanes[lane:] = lanes[lane:] or [[]]
        lanes[lane].append((start, end))
        numbers |= dict.fromkeys(run, side * (lane + 1))
    return numbers


def _note_heights(blocks: Sequence[DrawnBlock]) -> dict[int, float]:
    """The room that the notes of each level's blocks take below its row."""
    heights = dict.fromkeys(range(1, 9), 0.0)
    for drawn in blocks:
        heights[drawn.block.level] = max(heights[drawn.block.level], NOTE_LINE * len(drawn.notes))
    return heights


def _row_positions(
    graph: DrawnGraph, lanes: dict[DrawnEdge, int], notes: dict[int, float], top_level: int, top: float
) -> dict[int, float]:
    """The middle of each row, highest level first; lanes and notes push rows apart."""
    levels = [drawn.block.level for drawn in graph.blocks]
    above = dict.fromkeys(range(1, 9), 0)
    below = dict.fromkeys(range(1, 9), 0)
    for edge, lane in lanes.items():
        level = levels[edge.source]
        above[level] = max(above[level], lane)
        below[level] = max(below[level], -lane)
    highest = max(*levels, top_level)
    y = top + HALF_ROW + (FIRST_LANE + LANE * above[highest] if above[highest] else 0)
    positions = {highest: y}
    for level in range(highest - 1, min(levels) - 1, -1):
        num_lanes = below[level + 1] + above[level]
        y += max(ROW_PITCH, 2 * (HALF_ROW + FIRST_LANE) + LANE * num_lanes + notes[level + 1])
        positions[level] = y
    return positions


def _routes(
    nodes: tuple[Node, ...], edges: tuple[DrawnEdge, ...], lane_numbers: dict[DrawnEdge, int], notes: dict[int, float]
) -> tuple[Route, ...]:
    lanes = {edge: _lane(lane_numbers[edge], nodes[edge.source], notes) for edge in edges}
    ports = _ports(nodes, edges, lanes)
    return tuple(_route(nodes[edge.source], nodes[edge.target], edge, lanes[edge], ports[edge]) for edge in edges)


def _lane(number: int, source: Node, notes: dict[int, float]) -> _Lane:
    away = HALF_ROW + FIRST_LANE + LANE * (abs(number) - 1)
    if number < 0:
        return _Lane(number, source.y + away + notes[source.level])
    return _Lane(number, source.y - away if number else source.y)


def _ports(
    nodes: tuple[Node, ...], edges: tuple[DrawnEdge, ...], lanes: dict[DrawnEdge, _Lane]
) -> dict[DrawnEdge, float]:
    """Where each edge meets its target, as distance from the middle.

    The nearest lane turns in first: furthest left of what comes from the left, furthest right of the rest.
    """
    groups: dict[tuple[int, bool], list[DrawnEdge]] = {}
    for edge in edges:
        groups.setdefault((edge.target, lanes[edge].y > nodes[edge.target].y), []).append(edge)
    ports: dict[DrawnEdge, float] = {}
    for (target, _), group in groups.items():
        entering = [edge for edge in group if lanes[edge].y != nodes[target].y]
        away = {edge: abs(lanes[edge].y - nodes[target].y) for edge in entering}
        entering.sort(key=lambda edge: (edge.source > target, away[edge] if edge.source < target else -away[edge]))
        spacing = min(PORT, 2 * (nodes[target].half_width - 5) / max(1, len(entering) - 1))
        ports |= {edge: spacing * (k - (len(entering) - 1) / 2) for k, edge in enumerate(entering)}
        ports |= {edge: 0.0 for edge in group if edge not in entering}
    return ports


def _route(source: Node, target: Node, edge: DrawnEdge, lane: _Lane, port: float) -> Route:
    start_x = source.x + source.half_width
    if lane.y == target.y:
        border = OUTPUT_BORDER if target.drawn.block.is_output else 0.0
        tip = (target.x - target.half_width - border, target.y)
        return Route(edge, lane.number, line(start_x, source.y, tip[0] - TIP, tip[1]), tip, "right")
    x = target.x + port
    upwards = lane.y > target.y
    sign = -1 if upwards else 1
    tip = (x, target.y - sign * target.edge_of_shape(port))
    stop = tip[1] - sign * TIP
    path, run_x = _way_to_lane(source, lane, is_backward=edge.target < edge.source)
    ahead = 1 if x > run_x else -1
    corner = max(0.0, min(CORNER, ahead * (x - run_x), abs(stop - lane.y)))
    path += f"H{number(x - ahead * corner)}Q{number(x)} {number(lane.y)} {number(x)} {number(lane.y + sign * corner)}"
    path += f"V{number(stop)}"
    return Route(edge, lane.number, path, tip, "up" if upwards else "down")


def _way_to_lane(source: Node, lane: _Lane, *, is_backward: bool) -> tuple[str, float]:
    """The path from a block's right side to where its lane begins, and the x of that; backward lanes need a turn."""
    start_x = source.x + source.half_width
    path = f"M{number(start_x)} {number(source.y)}"
    if not lane.number:
        return path, start_x
    run_x = start_x + LANE_START
    if is_backward:
        return path + curve((run_x, source.y), (run_x, lane.y), (start_x, lane.y)), start_x
    middle = (start_x + run_x) / 2
    return path + curve((middle + 3, source.y), (middle - 3, lane.y), (run_x, lane.y)), run_x


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    """The path of a straight line."""
    return f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"


def curve(*points: tuple[float, float]) -> str:
    """The path of a cubic Bezier curve through two controls to an end."""
    return "C" + " ".join(f"{number(x)} {number(y)}" for x, y in points)


def arrow_head(tip: tuple[float, float], heading: str) -> str:
    """The path of a small triangle whose point is at `tip`."""
    x, y = tip
    back = TIP + 1
    corners = {
        "up": ((x - 3.4, y + back), (x + 3.4, y + back)),
        "down": ((x - 3.4, y - back), (x + 3.4, y - back)),
        "right": ((x - back, y - 3.4), (x - back, y + 3.4)),
    }[heading]
    return closed([tip, *corners])


def closed(points: Iterable[tuple[float, float]]) -> str:
    """The path of a polygon."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + "Z"
