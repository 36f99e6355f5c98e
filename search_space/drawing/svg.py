# ruff: noqa: RUF001 - multiplication signs are meant
"""An architecture as a picture: `draw(spec)` is one standalone SVG, the same text for the same input.

Levels are rows, the highest resolution at the bottom; time runs from left to right. `draw_difference` shows what
leads from one architecture to another. A page that inlines the SVG can set ``--arch-ink``, ``--arch-muted``,
``--arch-rule``, ``--arch-panel``, ``--arch-surface``, ``--arch-added``, ``--arch-removed`` and ``--level-1`` to
``--level-7``; each colour has a default for light and for dark. Blocks carry ``data-feature`` and ``data-level``,
edges ``data-source``, ``data-target`` and ``data-role``. Pointing at a block lights its edges. Every class and variable
starts with a prefix of the drawing's own, so that two drawings share a page. Where the viewer gives the picture
480 pixels or fewer, small print makes way and lines grow.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from search_space.difference import ArchitectureDifference
from search_space.difference_text import edit_list
from search_space.drawing.graph import DrawnGraph, EdgeRole, Mark, graph_of, graph_of_difference
from search_space.drawing.layout import HALF_ROW, NOTE_LINE, TIP, Node, Route, lay_out, line, number
from search_space.drawing.legend import legend
from search_space.drawing.neck import PYRAMID_WIDTH, NeckDrawing
from search_space.drawing.pen import PathAndElement, Pen
from search_space.drawing.style import THEMES, style_sheet
from search_space.plan import NetworkPlan
from search_space.spec import ArchitectureSpec, Neck, StemKind

LEFT = 86.0
INPUT_WIDTH = 56.0
HEADER = 70.0
MIN_WIDTH = 640.0
EDIT_LINE = 18.0
MAX_EDITS = 24
EDIT_LETTER = 6.6
RING = 4.5
NARROW = 16.0  # has no room for a thumbnail's number


def draw(spec: ArchitectureSpec, *, plan: NetworkPlan | None = None, theme: str = "auto") -> str:
    """The architecture as the text of an SVG document.

    Args:
        spec: what to draw; dead blocks are drawn as ghosts.
        plan: of the same spec, for channels and sizes at a target; without it, widths are the spec's own.
        theme: ``auto`` follows the viewer, ``light`` and ``dark`` are fixed.

    Raises:
        ValueError: an unknown theme, or the plan of another spec.
    """
    if plan is not None and plan.spec != spec:
        raise ValueError(f"the plan is of {plan.spec.name!r}, not of {spec.name!r}")
    graph = graph_of(spec, plan)
    num_dead = sum(drawn.is_dead for drawn in graph.blocks)
    facts = [f"{len(graph.blocks)} blocks" + (f", {num_dead} dead" if num_dead else "")]
    if plan is not None:
        height, width = plan.target.height_and_width
        facts.append(f"{height} × {width} px, width scale {plan.target.width_scale:g}")
    caption = Caption(f"Architecture {_printable(spec.name)}", _printable(spec.name), " · ".join(facts), _prose(spec))
    return _Drawing(spec, graph, caption, theme, plan).text()


def draw_difference(difference: ArchitectureDifference, *, theme: str = "auto") -> str:
    """The later architecture as an SVG document, with all that leads to it from the earlier one, in words as well.

    Blocks of the earlier architecture alone stand where they were in the order.

    Raises:
        ValueError: an unknown theme.
    """
    before, after = _printable(difference.before.name), _printable(difference.after.name)
    edits = edit_list(difference)
    counted = f"{len(edits)} edit{'' if len(edits) == 1 else 's'}" if edits else "no difference"
    title = f"{after} against {before}"
    prose = f"What leads from {before} to {after}: {'; '.join(edits) or 'no difference'}."
    caption = Caption(f"Difference: {title}", title, counted, prose, tuple(edits))
    return _Drawing(difference.after, graph_of_difference(difference), caption, theme).text()


@dataclass(frozen=True, slots=True)
class Caption:
    """What a drawing says in words, unescaped: its label and description for screen readers, title, facts, edits."""

    label: str
    title: str
    facts: str
    description: str
    edits: tuple[str, ...] = ()


class _Drawing:
    """One drawing: what it shows, its geometry, and the class prefix that its parts share."""

    def __init__(
        self, spec: ArchitectureSpec, graph: DrawnGraph, caption: Caption, theme: str, plan: NetworkPlan | None = None
    ) -> None:
        if theme not in THEMES:
            raise ValueError(f"theme {theme!r}: must be one of {', '.join(THEMES)}")
        self.spec, self.caption, self.theme = spec, caption, theme
        key = f"{spec.to_json()} {caption} {plan.target if plan else None} {theme}"
        self.pen = Pen("a" + hashlib.sha256(key.encode()).hexdigest()[:8])
        self.layout = lay_out(graph, spec.max_level, LEFT + INPUT_WIDTH, HEADER)
        self.neck = NeckDrawing(spec, plan, self.pen, self.layout.right, self.layout.row_y)
        lowest = max(self.layout.row_y.values())
        notes = max((len(n.drawn.notes) for n in self.layout.nodes if n.y == lowest), default=0)
        self.bottom = lowest + HALF_ROW + 12 + NOTE_LINE * notes
        self.width = max(MIN_WIDTH, self.neck.right + PYRAMID_WIDTH)

    def text(self) -> str:
        """The SVG document."""
        pen, caption = self.pen, self.caption
        edits, edits_height = self._edits()
        samples, legend_height = legend(pen, self.layout, LEFT + 4, self.bottom + edits_height + 34, self.width - 20)
        width, height = number(self.width), number(self.bottom + edits_height + legend_height + 38)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{pen.prefix}" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-label={quoteattr(caption.label)} '
            f'aria-describedby="{pen.prefix}-description">',
            f"<title>{escape(caption.label)}</title>",
            f'<desc id="{pen.prefix}-description">{escape(caption.description)}</desc>',
            f"<style>{style_sheet(pen.prefix, self.theme, [node.drawn.key for node in self.layout.nodes])}</style>",
            f'<rect {pen.classes("surface")} width="{width}" height="{height}"/>',
            pen.text(20, 30, escape(_shortened(caption.title, 64)), "name"),
            pen.text(20, 48, caption.facts, "small"),
            *self._rows(),
            *self._lines(),
            *self.neck.feature_pyramid(),
            *(self._block(node) for node in self.layout.nodes),
            *(self._notes(node) for node in self.layout.nodes if node.drawn.notes),
            *edits,
            *samples,
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _rows(self) -> list[str]:
        """The stem's panel, and a line and a label for each level."""
        pen, top, left, right = self.pen, HEADER - 4, LEFT + 4, self.layout.stem_right
        middle, half_height = ((left + right) / 2, (top + self.bottom) / 2), (self.bottom - top) / 2
        name = "stem" if self.spec.neck is Neck.ENDPOINTS else "bottom-up"
        parts = [
            pen.box(middle, (right - left) / 2, half_height, 10, "panel"),
            pen.text(middle[0], top + 14, name, "centre", "small"),
        ]
        for level, y in self.layout.row_y.items():
            parts.append(f'<path {pen.classes("rule")} d="{line(left, y, self.neck.right + 14, y)}"/>')
            scale = f"<tspan {pen.classes('small')}> · 1/{2**level}</tspan>"
            label = f"<tspan {pen.classes('strong', f'l{level}')}>L{level}</tspan>{scale}"
            parts.append(pen.text(20, y + 4, label))
        return parts

    def _lines(self) -> list[str]:
        """Every line that leaves a block, far lanes over near ones; under all others those that matter least."""
        layers = [(EdgeRole.DEAD,), (EdgeRole.KEPT,), (EdgeRole.LIVE, EdgeRole.ORPHAN), (EdgeRole.REMOVED,)]
        layers.append((EdgeRole.ADDED,))
        nodes, routes = self.layout.nodes, self.layout.routes
        farthest = [max((abs(r.lane) for r in routes if r.edge.source == k), default=0) for k in range(len(nodes))]
        parts = self._input()
        for roles in layers:
            for k in sorted(range(len(nodes)), key=lambda k: farthest[k]):
                lines = [self._edge(r) for r in routes if r.edge.source == k and r.edge.role in roles]
                if EdgeRole.LIVE in roles and nodes[k].drawn.mark is not Mark.REMOVED:
                    later = [n.level for n in nodes[k + 1 :] if n.drawn.mark is not Mark.REMOVED]
                    lines += self.neck.leaving(nodes[k], nodes[k].level not in later)
                parts += self._cased(lines)
        return parts

    def _cased(self, lines: Sequence[PathAndElement]) -> list[str]:
        """The elements of some lines above one casing that cuts what they cross."""
        casing = "".join(path for path, _ in lines)
        return [f'<path {self.pen.classes("casing")} d="{casing}"/>', *(e for _, e in lines)] if lines else []

    def _edge(self, route: Route) -> PathAndElement:
        source, target = self.layout.nodes[route.edge.source], self.layout.nodes[route.edge.target]
        role = route.edge.role
        return route.path, (
            f'<g {self.pen.classes(f"l{source.level}", role)} data-source="{source.drawn.key}" '
            f'data-target="{target.drawn.key}" data-role="{role}">'
            f"{self.pen.line_to(route.path, route.tip, route.heading)}</g>"
        )

    def _input(self) -> list[str]:
        """The image's way into the first block: the first convolution, and the pool where there is one."""
        pen, stem = self.pen, self.spec.stem
        first = next(node for node in self.layout.nodes if node.drawn.mark is not Mark.REMOVED)
        x, y, tip = LEFT + 38, first.y, (first.x - first.half_width, first.y)
        side, pool = ("7×7", "; 3×3 max-pool, stride 2") if stem.kind is StemKind.CONV7_POOL else ("3×3", "")
        return [
            f"<g {pen.classes('muted')}>",
            f"<title>{side} convolution, stride 2, {stem.channels} channels{pool}</title>",
            pen.line_to(line(x + 20, y, tip[0] - TIP, y), tip, "right"),
            pen.pill((x, y), 40, side, "small"),
            "</g>",
        ]

    def _block(self, node: Node) -> str:
        """The shape with the feature's index, a ring where a difference touched it, and its facts as tooltip."""
        drawn, pen = node.drawn, self.pen
        is_gone = drawn.mark is Mark.REMOVED
        is_ghost, is_output = drawn.is_dead and not is_gone, drawn.block.is_output and not is_gone
        classes = ["block", f"l{node.level}"]
        classes += [name for name, holds in (("output", is_output), ("ghost", is_ghost), ("gone", is_gone)) if holds]
        kind, middle = drawn.block.block_type, (node.x, node.y)
        shape = pen.shape(kind, middle, node.half_width, node.half_height, "shape")
        if drawn.mark in (Mark.ADDED, Mark.CHANGED):
            shape += pen.shape(
                kind, middle, node.half_width + RING, node.half_height + RING, "ring", f"ring-{drawn.mark}"
            )
        has_repeats = drawn.block.repeats > 1
        is_narrow = node.half_width < NARROW
        text = pen.text(node.x, node.y - (3 if has_repeats else 0), drawn.label, "centre", "small" if is_narrow else "")
        text += (
            pen.text(node.x, node.y + 7, f"×{drawn.block.repeats}", "centre", "repeats", "small") if has_repeats else ""
        )
        title = "\n".join(drawn.facts)
        return (
            f'<g {pen.classes(*classes)} data-feature="{drawn.key}" data-level="{node.level}">'
            f"<title>{title}</title>{shape}{text}</g>"
        )

    def _notes(self, node: Node) -> str:
        """Short lines below a block, on top of every line that passes there."""
        top = node.y + node.half_height + RING + 8
        lines = [
            self.pen.text(node.x, top + NOTE_LINE * k, note, "centre", "note", "small")
            for k, note in enumerate(node.drawn.notes)
        ]
        return f"<g {self.pen.classes('notes')}>{''.join(lines)}</g>"

    def _edits(self) -> tuple[list[str], float]:
        """The list of edits below the picture, in two columns where it is long, and how high it is."""
        edits = list(self.caption.edits)
        if len(edits) > MAX_EDITS:
            edits[MAX_EDITS - 1 :] = [f"and {len(edits) - MAX_EDITS + 1} more"]
        num_columns = 2 if len(edits) > 4 else 1
        num_rows, column = -(-len(edits) // num_columns), (self.width - LEFT - 24) / num_columns
        letters = int(column / EDIT_LETTER) - 2
        parts = [
            self.pen.text(
                LEFT + 4 + column * (k // num_rows),
                self.bottom + 28 + EDIT_LINE * (k % num_rows),
                escape(_shortened(edit, letters)),
                "edit",
                "small",
            )
            for k, edit in enumerate(edits)
        ]
        return parts, EDIT_LINE * num_rows


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def _shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _prose(spec: ArchitectureSpec) -> str:
    """The architecture in sentences."""
    outputs = sum(block.is_output for block in spec.blocks)
    sentences = [
        f"{len(spec.all_blocks)} blocks: {spec.num_stem_blocks} in the stem, "
        f"{len(spec.blocks) - outputs} intermediate, {outputs} outputs."
    ]
    for k, block in enumerate(spec.all_blocks):
        parents = f" from {block.parents[0]} and {block.parents[1]}" if block.parents else ""
        repeats = f", {block.repeats} times" if block.repeats > 1 else ""
        output = ", an output" if block.is_output else ""
        sentences.append(f"Block {k}: level {block.level} {block.block_type.value}{parents}{repeats}{output}.")
    return " ".join(sentences)
