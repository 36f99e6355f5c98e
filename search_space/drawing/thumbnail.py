"""An architecture at the size of a line of text: what can be told apart there, and nothing else.

As in the large drawing, levels are rows with the highest resolution at the bottom, time runs from left to right, and a
line has the colour of the level that it leaves. A line runs along its source's row and turns into its reader's column.
Dead blocks are hollow, and their lines are left out.
"""

from collections.abc import Mapping, Sequence
from statistics import median

from search_space.drawing.graph import DrawnBlock, DrawnEdge, EdgeRole, graph_of
from search_space.drawing.layout import line, number
from search_space.drawing.pen import Pen, Point
from search_space.drawing.style import LEVEL_COLOURS, SURFACES
from search_space.spec import ArchitectureSpec

COLUMN, ROW = 22.0, 24.0
HALF_HEIGHT, HALF_WIDTH, NARROWEST, WIDEST = 7.0, 7.0, 4.0, 10.0
LOWEST_ROW = 2  # level 1 has a row where a block is at it
ARC = 17.0

_STYLE = """\
.t-line{fill:none;stroke:currentColor;stroke-width:2.2;opacity:.8}
.t-block{fill:currentColor;stroke:none}
.t-output{stroke:INK;stroke-width:2.4}
.t-dead{fill:none;stroke:currentColor;stroke-width:1.5;stroke-dasharray:3 2}
"""


def draw_thumbnail(spec: ArchitectureSpec) -> str:
    """The architecture as the text of a small SVG document, the same text for the same input; it follows the viewer's
    theme."""
    graph, pen = graph_of(spec), Pen("t")
    levels = [drawn.block.level for drawn in graph.blocks]
    top, bottom = max(*levels, spec.max_level), min(*levels, LOWEST_ROW)
    width, height = number(COLUMN * len(levels)), number(ROW * (top - bottom + 1))
    middles = [(COLUMN * (k + 0.5), ROW * (top - level + 0.5)) for k, level in enumerate(levels)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="Architecture">',
        f"<style>{_style_sheet()}</style>",
        *(_line(pen, edge, middles, levels) for edge in graph.edges if edge.role is not EdgeRole.DEAD),
        *_blocks(pen, graph.blocks, middles),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _style_sheet() -> str:
    dark = f"@media (prefers-color-scheme:dark){{{_colours('dark')}}}"
    return f"{_colours('light')}{dark}"


def _colours(theme: str) -> str:
    levels: Mapping[int, str] = LEVEL_COLOURS[theme]
    rules = "".join(f".t-l{level}{{color:{colour}}}\n" for level, colour in levels.items())
    return rules + _STYLE.replace("INK", SURFACES[theme]["ink"])


def _line(pen: Pen, edge: DrawnEdge, middles: Sequence[Point], levels: Sequence[int]) -> str:
    """From block to block: straight to the next one of its row, in an arc over others there, or around one corner."""
    (x1, y1), (x2, y2) = middles[edge.source], middles[edge.target]
    if levels[edge.source] != levels[edge.target]:
        path = (
            f"M{number(x1)} {number(y1)}H{number(x2 - COLUMN / 2)}Q{number(x2)} {number(y1)} {number(x2)} {number(y2)}"
        )
    elif levels[edge.source] in levels[edge.source + 1 : edge.target]:
        path = f"M{number(x1)} {number(y1)}Q{number((x1 + x2) / 2)} {number(y1 - 2 * ARC)} {number(x2)} {number(y2)}"
    else:
        path = line(x1, y1, x2, y2)
    level = pen.classes(f"l{levels[edge.source]}", "line")
    return f'<path {level} data-source="{edge.source}" data-target="{edge.target}" d="{path}"/>'


def _blocks(pen: Pen, blocks: Sequence[DrawnBlock], middles: Sequence[Point]) -> list[str]:
    """Shapes, their widths in proportion to the blocks', the median block as wide as ever."""
    usual = median(drawn.relative_width for drawn in blocks)
    parts = []
    for drawn, middle in zip(blocks, middles, strict=True):
        block = drawn.block
        half_width = min(WIDEST, max(NARROWEST, HALF_WIDTH * drawn.relative_width / usual))
        look = "dead" if drawn.is_dead else "output" if block.is_output else ""
        classes = (f"l{block.level}", "block", look)
        parts.append(pen.shape(block.block_type, middle, half_width, HALF_HEIGHT, *classes))
    return parts
