"""Where everything in a drawing goes: blocks on a grid of levels and time, and an edge for every input.

Each feature has a column of its own and stands in the row of its level, so a vertical line in a column meets
one block only: the one it is for. A feature leaves its block to the right, runs along its row until the next
block there, or along a lane above the row (for targets above, or behind a block in the row) or below it (for
targets below), and turns into the column of its reader. Two features never share a lane where they overlap:
every edge can be followed. Lengths are SVG units; y grows downwards, level 1 is at the bottom.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from search_space.graph import live_features, orphans_by_output
from search_space.plan import BOTTLENECK_EXPANSION, block_width
from search_space.spec import ArchitectureSpec, BlockType

COLUMN = 60.0
STEM_COLUMN = 54.0
HALF_ROW = 19.0
LANE = 9.0
FIRST_LANE = 13.0
ROW_PITCH = 76.0
LANE_START = 35.0
CORNER = 18.0
PORT = 10.0
TIP = 6.0
OUTPUT_BORDER = 2.0


class EdgeRole(StrEnum):
    """ORPHAN joins its level's output block; DEAD leads to a block that reaches no endpoint."""

    LIVE = "live"
    ORPHAN = "orphan"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Node:
    """One block as a shape around (x, y).

    Args:
        width: channels of its 3x3 convolution; channels: of its output.
        readers: features that read it.
    """

    feature: int
    level: int
    block_type: BlockType
    x: float
    y: float
    half_width: float
    half_height: float
    width: int
    channels: int
    readers: tuple[int, ...]
    is_output: bool
    is_dead: bool

    def edge_of_shape(self, dx: float) -> float:
        """Half the height of the shape at `dx` from its middle, an output's border included."""
        border = OUTPUT_BORDER if self.is_output else 0.0
        if self.block_type is BlockType.RESIDUAL:
            return border + self.half_height * max(0.0, 1 - abs(dx) / self.half_width)
        return border + self.half_height


@dataclass(frozen=True, slots=True)
class Route:
    """The line of one edge.

    Args:
        lane: 0 along the source's row, 1, 2, ... along lanes above it, -1, -2, ... below.
        path: as SVG writes it.
        tip, heading: where its arrow head stands and points: ``up``, ``down`` or ``right``.
    """

    source: int
    target: int
    role: EdgeRole
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
class _Edge:
    source: int
    target: int
    role: EdgeRole


@dataclass(frozen=True, slots=True)
class _Lane:
    """A horizontal run of one feature: 0 is the row itself, 1, 2, ... lie above it, -1, -2, ... below."""

    number: int
    y: float


def lay_out(spec: ArchitectureSpec, width_scale: float, left: float, top: float) -> Layout:
    """The geometry of a spec, its first column at `left`, its highest row's upper border at `top`."""
    edges = _edges(spec)
    columns = _columns(spec, left)
    lanes = _lane_numbers(spec, edges, columns)
    row_y = _row_positions(spec, lanes, top)
    nodes = _nodes(spec, edges, columns, row_y, width_scale)
    return Layout(
        nodes=nodes,
        routes=_routes(nodes, edges, lanes, row_y),
        row_y=row_y,
        stem_right=columns[spec.num_stem_blocks - 1] + COLUMN / 2,
        right=columns[-1] + COLUMN / 2,
    )


def number(value: float) -> str:
    """The shortest text of a length, one decimal at most."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _edges(spec: ArchitectureSpec) -> list[_Edge]:
    live = live_features(spec)
    orphans = orphans_by_output(spec)
    edges = []
    for target, block in enumerate(spec.all_blocks):
        role = EdgeRole.LIVE if target in live else EdgeRole.DEAD
        parents = block.parents if target >= spec.num_stem_blocks else tuple(range(max(0, target - 1), target))
        edges += [_Edge(source, target, role) for source in parents]
        edges += [_Edge(source, target, EdgeRole.ORPHAN) for source in orphans.get(target, ())]
    return edges


def _columns(spec: ArchitectureSpec, left: float) -> list[float]:
    """The middle of each feature's column."""
    columns = [left + COLUMN / 2]
    for index in range(1, len(spec.all_blocks)):
        columns.append(columns[-1] + (STEM_COLUMN if index < spec.num_stem_blocks else COLUMN))
    return columns


def _lane_numbers(spec: ArchitectureSpec, edges: list[_Edge], columns: list[float]) -> dict[_Edge, int]:
    """The lane of each edge; features that share a row and a side get different lanes where they overlap."""
    levels = [block.level for block in spec.all_blocks]
    numbers: dict[_Edge, int] = {}
    runs: dict[tuple[int, int, int], list[_Edge]] = {}
    for edge in edges:
        level = levels[edge.source]
        if level not in levels[edge.source + 1 : edge.target]:
            numbers[edge] = 0
        else:
            side = -1 if levels[edge.target] < level else 1
            runs.setdefault((level, side, edge.source), []).append(edge)
    taken: dict[tuple[int, int], list[float]] = {}
    for (level, side, source), run in sorted(runs.items(), key=lambda item: item[0]):
        ends = taken.setdefault((level, side), [])
        start = columns[source] + HALF_ROW
        lane = next((k for k, end in enumerate(ends) if end < start), len(ends))
        end = max(columns[edge.target] for edge in run) + PORT
        ends[lane : lane + 1] = [end]
        numbers |= dict.fromkeys(run, side * (lane + 1))
    return numbers


def _row_positions(spec: ArchitectureSpec, lanes: dict[_Edge, int], top: float) -> dict[int, float]:
    """The middle of each row, highest level first; lanes push rows apart."""
    levels = [block.level for block in spec.all_blocks]
    above = dict.fromkeys(range(1, 9), 0)
    below = dict.fromkeys(range(1, 9), 0)
    for edge, lane in lanes.items():
        level = levels[edge.source]
        above[level] = max(above[level], lane)
        below[level] = max(below[level], -lane)
    highest = max(max(levels), spec.max_level)
    y = top + HALF_ROW + (FIRST_LANE + LANE * above[highest] if above[highest] else 0)
    positions = {highest: y}
    for level in range(highest - 1, min(levels) - 1, -1):
        num_lanes = below[level + 1] + above[level]
        y += max(ROW_PITCH, 2 * (HALF_ROW + FIRST_LANE) + LANE * num_lanes)
        positions[level] = y
    return positions


def _nodes(
    spec: ArchitectureSpec, edges: list[_Edge], columns: list[float], row_y: dict[int, float], width_scale: float
) -> tuple[Node, ...]:
    live = live_features(spec)
    widths = [block_width(spec, block, width_scale) for block in spec.all_blocks]
    channels = [
        width * (BOTTLENECK_EXPANSION if block.block_type is BlockType.BOTTLENECK else 1)
        for block, width in zip(spec.all_blocks, widths, strict=True)
    ]
    nodes = []
    for index, block in enumerate(spec.all_blocks):
        share = (channels[index] / max(channels)) ** 0.5
        is_diamond = block.block_type is BlockType.RESIDUAL
        nodes.append(
            Node(
                feature=index,
                level=block.level,
                block_type=block.block_type,
                x=columns[index],
                y=row_y[block.level],
                half_width=15 + 4 * share if is_diamond else 11 + 7 * share,
                half_height=15 + 4 * share if is_diamond else 11 + 3 * share,
                width=widths[index],
                channels=channels[index],
                readers=tuple(edge.target for edge in edges if edge.source == index),
                is_output=block.is_output,
                is_dead=index not in live,
            )
        )
    return tuple(nodes)


def _routes(
    nodes: tuple[Node, ...], edges: list[_Edge], lane_numbers: dict[_Edge, int], row_y: Mapping[int, float]
) -> tuple[Route, ...]:
    lanes = {edge: _lane(lane_numbers[edge], row_y[nodes[edge.source].level]) for edge in edges}
    ports = _ports(nodes, edges, lanes)
    return tuple(_route(nodes[edge.source], nodes[edge.target], edge, lanes[edge], ports[edge]) for edge in edges)


def _lane(number: int, row_y: float) -> _Lane:
    if number == 0:
        return _Lane(0, row_y)
    side = 1 if number > 0 else -1
    return _Lane(number, row_y - side * (HALF_ROW + FIRST_LANE + LANE * (abs(number) - 1)))


def _ports(nodes: tuple[Node, ...], edges: list[_Edge], lanes: dict[_Edge, _Lane]) -> dict[_Edge, float]:
    """Where each edge meets its target, as distance from the middle; the nearest lane turns in first."""
    groups: dict[tuple[int, bool], list[_Edge]] = {}
    for edge in edges:
        groups.setdefault((edge.target, lanes[edge].y > nodes[edge.target].y), []).append(edge)
    ports: dict[_Edge, float] = {}
    for (target, _), group in groups.items():
        entering = [edge for edge in group if lanes[edge].y != nodes[target].y]
        entering.sort(key=lambda edge: (abs(lanes[edge].y - nodes[target].y), edge.source))
        spacing = min(PORT, 2 * (nodes[target].half_width - 5) / max(1, len(entering) - 1))
        ports |= {edge: spacing * (k - (len(entering) - 1) / 2) for k, edge in enumerate(entering)}
        ports |= {edge: 0.0 for edge in group if edge not in entering}
    return ports


def _route(source: Node, target: Node, edge: _Edge, lane: _Lane, port: float) -> Route:
    start_x = source.x + source.half_width
    if lane.y == target.y:
        border = OUTPUT_BORDER if target.is_output else 0.0
        tip = (target.x - target.half_width - border, target.y)
        path = line(start_x, source.y, tip[0] - TIP, tip[1])
        return Route(edge.source, edge.target, edge.role, lane.number, path, tip, "right")
    x = target.x + port
    upwards = lane.y > target.y
    sign = -1 if upwards else 1
    tip = (x, target.y - sign * target.edge_of_shape(port))
    stop = tip[1] - sign * TIP
    run_x = start_x
    path = f"M{number(start_x)} {number(source.y)}"
    if lane.number:
        run_x = source.x + LANE_START
        middle = (start_x + run_x) / 2
        path += curve((middle + 3, source.y), (middle - 3, lane.y), (run_x, lane.y))
    corner = max(0.0, min(CORNER, x - run_x, abs(stop - lane.y)))
    path += f"H{number(x - corner)}Q{number(x)} {number(lane.y)} {number(x)} {number(lane.y + sign * corner)}"
    path += f"V{number(stop)}"
    return Route(edge.source, edge.target, edge.role, lane.number, path, tip, "up" if upwards else "down")


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
    return _closed([tip, *corners])


def diamond(node: Node) -> str:
    """The path of a node's diamond."""
    return _closed(
        [
            (node.x, node.y - node.half_height),
            (node.x + node.half_width, node.y),
            (node.x, node.y + node.half_height),
            (node.x - node.half_width, node.y),
        ]
    )


def _closed(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + "Z"
