# ruff: noqa: RUF001 - multiplication signs are meant
"""An architecture as a picture: `draw(spec)` is one standalone SVG, the same text for the same input.

Levels are rows, the highest resolution at the bottom; time runs from left to right. A page that inlines the
SVG can set ``--arch-ink``, ``--arch-muted``, ``--arch-rule``, ``--arch-panel``, ``--arch-surface`` and
``--level-1`` to ``--level-7``; each colour has a default for light and for dark. Blocks carry ``data-feature``
and ``data-level``, edges ``data-source``, ``data-target`` and ``data-role``. Pointing at a block lights its
edges. Every class and variable starts with a prefix of the drawing's own, so that two drawings share a page.
"""

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from xml.sax.saxutils import escape, quoteattr

from search_space.drawing_layout import (
    HALF_ROW,
    OUTPUT_BORDER,
    TIP,
    EdgeRole,
    Node,
    Route,
    arrow_head,
    diamond,
    lay_out,
    line,
    number,
)
from search_space.plan import NetworkPlan, feature_size
from search_space.spec import ArchitectureSpec, BlockType, Neck

# One colour for each level, the same in drawings, charts and tables. Neighbours in any pair stay apart with
# protanopia, deuteranopia and tritanopia, and each stands out from its theme's surface by 3 to 1 or more.
LEVEL_COLOURS: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "light": MappingProxyType(
            {1: "#46606e", 2: "#4b2a96", 3: "#1a84e0", 4: "#238068", 5: "#a67a0b", 6: "#ad2a12", 7: "#c4489f"}
        ),
        "dark": MappingProxyType(
            {1: "#9fb0bd", 2: "#8f6cf5", 3: "#66abff", 4: "#5fe0b0", 5: "#f2b62a", 6: "#e2602a", 7: "#c070b0"}
        ),
    }
)
SURFACES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "light": MappingProxyType(
            {"ink": "#1a212b", "muted": "#5c6773", "rule": "#e3e7ec", "panel": "#f3f5f8", "surface": "#ffffff"}
        ),
        "dark": MappingProxyType(
            {"ink": "#eef1f5", "muted": "#98a4b3", "rule": "#262d38", "panel": "#191f28", "surface": "#12161d"}
        ),
    }
)
THEMES = ("auto", "light", "dark")

LEFT = 86.0
INPUT_WIDTH = 56.0
HEADER = 70.0
FOOTER = 62.0
PYRAMID_WIDTH = 96.0
FPN_WIDTH = 150.0
SUM_RADIUS = 9.0

# `property:@name` stands for the theme's colour, then for the variable of that name: viewers without
# variables keep the first.
_STYLE = """
.P{max-width:100%;height:auto;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.P text{font-size:11px;fill:@muted}
.P .P-name{font-size:16px;font-weight:600;fill:@ink}
.P .P-strong{font-weight:700;fill:currentColor}
.P .P-centre{text-anchor:middle}
.P .P-surface{fill:@surface}
.P .P-panel{fill:@panel}
.P .P-rule{stroke:@rule;stroke-width:1}
.P .P-casing{fill:none;stroke:@surface;stroke-width:4.6}
.P .P-line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
.P .P-orphan .P-line{stroke-dasharray:5 4;stroke-linecap:butt}
.P .P-dead{opacity:.38}
.P .P-dead .P-line{stroke-width:1.3}
.P .P-tip{fill:currentColor}
.P .P-shape{fill:currentColor;stroke:none}
.P .P-output .P-shape{stroke:@ink;stroke-width:3}
.P .P-ghost .P-shape{fill:@surface;stroke:currentColor;stroke-width:1.4;stroke-dasharray:3 3;opacity:.6}
.P .P-hollow{fill:@surface;stroke:currentColor;stroke-width:1.6}
.P .P-block text{font-size:11.5px;font-weight:700;text-anchor:middle;fill:@surface}
.P .P-block .P-repeats{font-size:8.5px;font-weight:600}
.P .P-ghost text{fill:@muted}
.P .P-muted{color:@muted}
"""


def draw(spec: ArchitectureSpec, *, plan: NetworkPlan | None = None, theme: str = "auto") -> str:
    """The architecture as the text of an SVG document.

    Args:
        spec: what to draw; dead blocks are drawn as ghosts.
        plan: of the same spec, for channels and sizes at a target; without it, widths are the spec's own.
        theme: ``auto`` follows the viewer, ``light`` and ``dark`` are fixed.

    Raises:
        ValueError: an unknown theme, or the plan of another spec.
    """
    if theme not in THEMES:
        raise ValueError(f"theme {theme!r}: must be one of {', '.join(THEMES)}")
    if plan is not None and plan.spec != spec:
        raise ValueError(f"the plan is of {plan.spec.name!r}, not of {spec.name!r}")
    return _Drawing(spec, plan, theme).text()


class _Drawing:
    """One drawing: the spec, its geometry, and the class prefix that its parts share."""

    def __init__(self, spec: ArchitectureSpec, plan: NetworkPlan | None, theme: str) -> None:
        self.spec, self.plan, self.theme = spec, plan, theme
        key = f"{spec.to_json()} {plan.target if plan else None} {theme}"
        self.prefix = "a" + hashlib.sha256(key.encode()).hexdigest()[:8]
        width_scale = plan.target.width_scale if plan else 1.0
        self.layout = lay_out(spec, width_scale, LEFT + INPUT_WIDTH, HEADER)
        self.neck_right = self.layout.right + (FPN_WIDTH if spec.neck is Neck.FPN else 18)
        self._sum_x, self._out_x = self.layout.right + 34, self.layout.right + 108
        self.bottom = max(self.layout.row_y.values()) + HALF_ROW + 12
        self.name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in spec.name)

    def text(self) -> str:
        """The SVG document."""
        width, height = number(max(640.0, self.neck_right + PYRAMID_WIDTH)), number(self.bottom + FOOTER)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{self.prefix}" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-label={quoteattr(f"Architecture {self.name}")}>',
            f"<style>{self._style()}</style>",
            f'<rect {self._class("surface")} width="{width}" height="{height}"/>',
            *self._header(),
            *self._rows(),
            *self._edges(),
            *(self._feature_pyramid() if self.spec.neck is Neck.FPN else []),
            *(self._block(node) for node in self.layout.nodes),
            *self._legend(),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _class(self, *names: str) -> str:
        return 'class="' + " ".join(f"{self.prefix}-{name}" for name in names) + '"'

    def _style(self) -> str:
        base = "dark" if self.theme == "dark" else "light"
        rules = _STYLE + "".join(f".P .P-l{level}{{color:@level-{level}}}\n" for level in LEVEL_COLOURS[base])
        colours = _theme_colours(base)
        rules = re.sub(r"([a-z]+):@([a-z0-9-]+)", lambda m: f"{m[1]}:{colours[m[2]]};{m[1]}:var(--P-{m[2]})", rules)
        variables = _variables(base)
        if self.theme == "auto":
            variables += f"@media (prefers-color-scheme:dark){{{_variables('dark')}}}\n"
        for node in self.layout.nodes:
            others = f'[data-source]:not([data-source="{node.feature}"],[data-target="{node.feature}"])'
            rules += f'.P:has([data-feature="{node.feature}"]:hover) {others}{{opacity:.12}}\n'
        return re.sub(r"(?<=[.-])P(?=[\s{:-])", self.prefix, variables + rules)

    def _header(self) -> list[str]:
        num_dead = sum(node.is_dead for node in self.layout.nodes)
        facts = [f"{len(self.layout.nodes)} blocks" + (f", {num_dead} dead" if num_dead else "")]
        if self.plan is not None:
            target = self.plan.target
            facts.append(f"{target.image_size} × {target.image_size} px, width scale {target.width_scale:g}")
        name = self.name if len(self.name) <= 64 else self.name[:63] + "…"
        return [
            f'<text {self._class("name")} x="20" y="30">{escape(name)}</text>',
            f'<text x="20" y="48">{" · ".join(facts)}</text>',
        ]

    def _rows(self) -> list[str]:
        """The stem's panel, and a line and a label for each level."""
        top, left, right = HEADER - 4, LEFT + 4, self.layout.stem_right - 2
        parts = [
            f'<rect {self._class("panel")} x="{number(left)}" y="{number(top)}" width="{number(right - left)}" '
            f'height="{number(self.bottom - top)}" rx="10"/>',
            f'<text {self._class("centre")} x="{number((left + right) / 2)}" y="{number(top + 18)}">'
            f"{'bottom-up' if self.spec.neck is Neck.FPN else 'stem'}</text>",
        ]
        for level, y in self.layout.row_y.items():
            end = self.neck_right + 14
            parts.append(f'<path {self._class("rule")} d="{line(LEFT + 4, y, end, y)}"/>')
            parts.append(
                f'<text x="20" y="{number(y + 4)}"><tspan {self._class("strong", f"l{level}")}>L{level}</tspan>'
                f" · 1/{2**level}</text>"
            )
        return parts

    def _edges(self) -> list[str]:
        """Every line that leaves a block, far lanes over near ones, those to dead blocks under all others."""
        routes = self.layout.routes
        farthest = [max((abs(r.lane) for r in routes if r.source == n.feature), default=0) for n in self.layout.nodes]
        nodes = sorted(self.layout.nodes, key=lambda node: farthest[node.feature])
        parts = self._input(self.layout.nodes[0])
        for node in nodes:
            dead = [r for r in routes if r.source == node.feature and r.role is EdgeRole.DEAD]
            parts += self._cased([(route.path, self._edge(route, node.level)) for route in dead])
        for node in nodes:
            live = [r for r in routes if r.source == node.feature and r.role is not EdgeRole.DEAD]
            lines = [(route.path, self._edge(route, node.level)) for route in live]
            parts += self._cased(lines + self._leaving(node))
        return parts

    def _cased(self, lines: list[tuple[str, str]]) -> list[str]:
        """The elements of some lines (path, element) above one casing that cuts what they cross."""
        casing = "".join(path for path, _ in lines)
        return [f'<path {self._class("casing")} d="{casing}"/>', *(element for _, element in lines)] if lines else []

    def _leaving(self, node: Node) -> list[tuple[str, str]]:
        """The line from a block to the neck: to its endpoint, or to its lateral convolution."""
        start_x = node.x + node.half_width
        if node.is_output:
            return [self._to_pyramid(node.level, start_x + OUTPUT_BORDER, node.y, str(node.feature))]
        last_of_level = not any(other.level == node.level for other in self.layout.nodes[node.feature + 1 :])
        if self.spec.neck is Neck.FPN and last_of_level and node.level >= self.spec.min_level:
            end_x = self._sum_x - SUM_RADIUS
            return [self._arrow(node.level, (start_x, node.y), (end_x, node.y), "right", "lateral")]
        return []

    def _edge(self, route: Route, level: int) -> str:
        return (
            f'<g {self._class(f"l{level}", route.role.value)} data-source="{route.source}" '
            f'data-target="{route.target}" data-role="{route.role.value}">'
            f'<path {self._class("line")} d="{route.path}"/>'
            f'<path {self._class("tip")} d="{arrow_head(route.tip, route.heading)}"/></g>'
        )

    def _input(self, first: Node) -> list[str]:
        """The image's way into the first block: the 7x7 convolution and the pool."""
        x, y, tip = LEFT + 38, first.y, (first.x - first.half_width, first.y)
        title = f"7×7 convolution, stride 2, {self.spec.stem.channels} channels; 3×3 max-pool, stride 2"
        return [
            f"<g {self._class('muted')}><title>{title}</title>",
            f'<path {self._class("line")} d="{line(x + 20, y, tip[0] - TIP, y)}"/>',
            f'<path {self._class("tip")} d="{arrow_head(tip, "right")}"/>',
            self._pill(x, y, 40, "7×7"),
            "</g>",
        ]

    def _pill(self, x: float, y: float, width: float, text: str, *classes: str, radius: float = 10) -> str:
        return (
            f'<rect {self._class("hollow")} x="{number(x - width / 2)}" y="{number(y - 10)}" '
            f'width="{number(width)}" height="20" rx="{number(radius)}"/>'
            f'<text {self._class("centre", *classes)} x="{number(x)}" y="{number(y + 4)}">{text}</text>'
        )

    def _block(self, node: Node) -> str:
        """A rectangle (bottleneck) or a diamond (residual) with the feature's index, and its facts as tooltip."""
        block = self.spec.all_blocks[node.feature]
        classes = ["block", f"l{node.level}"]
        classes += ["output"] if node.is_output else []
        classes += ["ghost"] if node.is_dead else []
        baseline = node.y + (4 if block.repeats == 1 else 1)
        text = f'<text x="{number(node.x)}" y="{number(baseline)}">{node.feature}</text>'
        if block.repeats > 1:
            text += (
                f'<text {self._class("repeats")} x="{number(node.x)}" y="{number(baseline + 8.5)}">'
                f"×{block.repeats}</text>"
            )
        return (
            f'<g {self._class(*classes)} data-feature="{node.feature}" data-level="{node.level}">'
            f"<title>{self._facts(node)}</title>{self._shape(node)}{text}</g>"
        )

    def _shape(self, node: Node) -> str:
        if node.block_type is BlockType.RESIDUAL:
            return f'<path {self._class("shape")} d="{diamond(node)}"/>'
        return (
            f'<rect {self._class("shape")} x="{number(node.x - node.half_width)}" '
            f'y="{number(node.y - node.half_height)}" width="{number(2 * node.half_width)}" '
            f'height="{number(2 * node.half_height)}" rx="4"/>'
        )

    def _facts(self, node: Node) -> str:
        block = self.spec.all_blocks[node.feature]
        orphans = [r.source for r in self.layout.routes if r.target == node.feature and r.role is EdgeRole.ORPHAN]
        facts = [f"block {node.feature}: level {node.level} {block.block_type.value}"]
        facts.append(f"width {node.width}, {node.channels} channels out")
        if self.plan is not None:
            size = self.plan.size(node.level)
            facts.append(f"{size} × {size}")
        facts += [f"{block.repeats} repeats"] if block.repeats > 1 else []
        facts += [f"parents {_listed(block.parents)}"] if block.parents else []
        facts += [f"orphans joined {_listed(orphans)}"] if orphans else []
        facts += [f"read by {_listed(node.readers)}"] if node.readers else []
        facts += [f"output P{node.level}"] if node.is_output else []
        facts += ["dead: reaches no output"] if node.is_dead else []
        return "\n".join(facts)

    def _to_pyramid(self, level: int, start_x: float, y: float, source: str) -> tuple[str, str]:
        """The arrow to a pyramid feature and its label, at the right; (path, element)."""
        tip = (self.neck_right + 20, y)
        path = line(start_x, y, tip[0] - TIP, y)
        kind = "3×3" if self.spec.neck is Neck.FPN else "1×1"
        size = ""
        if self.plan is not None:
            side = feature_size(self.plan.target.image_size, level)
            size = f'<text x="{number(tip[0] + 40)}" y="{number(y + 4)}">{side}²</text>'
        return path, (
            f'<g {self._class(f"l{level}")} data-source="{source}" data-target="P{level}" data-role="output">'
            f"<title>P{level}: {kind} convolution to {self._pyramid_channels()} channels</title>"
            f'<path {self._class("line")} d="{path}"/>'
            f'<path {self._class("tip")} d="{arrow_head(tip, "right")}"/>'
            f"{self._pill(tip[0] + 17, y, 34, f'P{level}', 'strong')}{size}</g>"
        )

    def _pyramid_channels(self) -> int:
        return self.plan.endpoints[0].out_channels if self.plan else self.spec.endpoint_channels

    def _feature_pyramid(self) -> list[str]:
        """Top-down sums and output convolutions, to the right of the stem."""
        stem_levels = {node.level for node in self.layout.nodes}
        lines, boxes = [], []
        for level in range(self.spec.max_level, self.spec.min_level - 1, -1):
            y = self.layout.row_y[level]
            if level in stem_levels:
                boxes.append(self._sum(level, self._sum_x, y))
                start, end = (self._sum_x + SUM_RADIUS, y), (self._out_x - 21, y)
                lines.append(self._arrow(level, start, end, "right", "sum"))
                if level > self.spec.min_level:
                    start, end = (self._sum_x, y + 9), (self._sum_x, self.layout.row_y[level - 1] - 9)
                    lines.append(self._arrow(level, start, end, "down", "top-down"))
            else:
                start, end = (self._out_x, self.layout.row_y[level - 1] - 10), (self._out_x, y + 10)
                lines.append(self._arrow(level - 1, start, end, "up", "strided"))
            lines.append(self._to_pyramid(level, self._out_x + 21, y, "neck"))
            text = "3×3" if level in stem_levels else "3×3/2"
            boxes.append(f"<g {self._class(f'l{level}')}>{self._pill(self._out_x, y, 42, text, radius=4)}</g>")
        return [element for _, element in lines] + boxes

    def _arrow(
        self, level: int, start: tuple[float, float], tip: tuple[float, float], heading: str, role: str
    ) -> tuple[str, str]:
        """A straight line in a level's colour to an arrow head; (path, element)."""
        back_x, back_y = {"right": (TIP, 0.0), "down": (0.0, TIP), "up": (0.0, -TIP)}[heading]
        path = line(*start, tip[0] - back_x, tip[1] - back_y)
        return path, (
            f'<g {self._class(f"l{level}")} data-role="{role}"><path {self._class("line")} d="{path}"/>'
            f'<path {self._class("tip")} d="{arrow_head(tip, heading)}"/></g>'
        )

    def _sum(self, level: int, x: float, y: float) -> str:
        return (
            f"<g {self._class(f'l{level}')}><title>1×1 lateral convolution, plus the level above</title>"
            f'<circle {self._class("hollow")} cx="{number(x)}" cy="{number(y)}" r="{number(SUM_RADIUS)}"/>'
            f'<path {self._class("line")} d="{line(x - 4, y, x + 4, y)}{line(x, y - 4, x, y + 4)}"/></g>'
        )

    def _legend(self) -> list[str]:
        """What the shapes and lines mean, only those that occur."""
        y = self.bottom + 34
        nodes, routes = self.layout.nodes, self.layout.routes
        box = f'<rect {self._class("shape")} x="1" y="-7" width="20" height="14" rx="3"/>'
        rhombus = f'<path {self._class("shape")} d="M11 -9L21 0L11 9L1 0Z"/>'
        stroke = f'<path {self._class("line")} d="M0 0H22"/>'
        arrow = f'<path {self._class("line")} d="M0 %dH4Q10 %d 10 %dV0"/>'
        entries = [("", box, "bottleneck", any(n.block_type is BlockType.BOTTLENECK for n in nodes))]
        entries.append(("", rhombus, "residual", any(n.block_type is BlockType.RESIDUAL for n in nodes)))
        entries.append(("output", box, "output", self.spec.neck is Neck.ENDPOINTS))
        down = arrow % (6, 6, 0) + f'<path {self._class("tip")} d="{arrow_head((10, -7), "up")}"/>'
        up = arrow % (-6, -6, 0) + f'<path {self._class("tip")} d="{arrow_head((10, 7), "down")}"/>'
        entries.append(("", down, "down-sampling", True))
        entries.append(("", up, "up-sampling", True))
        entries.append(("orphan", stroke, "orphan", any(r.role is EdgeRole.ORPHAN for r in routes)))
        entries.append(("ghost", box, "dead", any(n.is_dead for n in nodes)))
        parts, x = [], LEFT + 4
        for kind, sample, label, occurs in entries:
            if occurs:
                classes = self._class("muted", kind) if kind else self._class("muted")
                parts.append(
                    f'<g {classes} transform="translate({number(x)} {number(y)})">{sample}'
                    f'<text x="29" y="4">{label}</text></g>'
                )
                x += 52 + 6.2 * len(label)
        return parts


def _theme_colours(theme: str) -> dict[str, str]:
    return {**SURFACES[theme], **{f"level-{level}": colour for level, colour in LEVEL_COLOURS[theme].items()}}


def _variables(theme: str) -> str:
    """One rule that gives the drawing's variables the page's colours, or else the theme's."""
    values = "".join(
        f"--P-{name}:var(--{name if name.startswith('level') else f'arch-{name}'},{colour});"
        for name, colour in _theme_colours(theme).items()
    )
    return f".P{{{values}}}\n"


def _listed(indices: tuple[int, ...] | list[int]) -> str:
    return ", ".join(str(index) for index in indices)
