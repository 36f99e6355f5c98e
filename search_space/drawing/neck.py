# ruff: noqa: RUF001 - multiplication signs are meant
"""The right end of a drawing: the pyramid features, and the feature pyramid network where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass

from search_space.drawing.layout import OUTPUT_BORDER, TIP, Node, line, number
from search_space.drawing.pen import PathAndElement, Pen
from search_space.plan import NetworkPlan, feature_size
from search_space.spec import ArchitectureSpec, Neck

PYRAMID_WIDTH = 96.0
FPN_WIDTH = 150.0
SUM_RADIUS = 9.0


@dataclass(frozen=True, slots=True)
class NeckDrawing:
    """Draws what follows the blocks.

    Args:
        left: end of the blocks' columns.
        row_y: the middle of each level's row.
    """

    spec: ArchitectureSpec
    plan: NetworkPlan | None
    pen: Pen
    left: float
    row_y: Mapping[int, float]

    @property
    def right(self) -> float:
        """Where the lines to the pyramid features begin their last stretch."""
        return self.left + (18 if self.spec.neck is Neck.ENDPOINTS else FPN_WIDTH)

    @property
    def _sum_x(self) -> float:
        return self.left + 34

    @property
    def _out_x(self) -> float:
        return self.left + 108

    def leaving(self, node: Node, is_last_of_level: bool) -> list[PathAndElement]:
        """The line from a block to the neck: to its endpoint, or to its lateral convolution."""
        start_x = node.x + node.half_width
        if node.drawn.block.is_output:
            return [self._to_pyramid(node.level, start_x + OUTPUT_BORDER, node.drawn.label)]
        if self.spec.neck is not Neck.ENDPOINTS and is_last_of_level and node.level >= self.spec.min_level:
            tip = (self._sum_x - SUM_RADIUS, node.y)
            return [self.pen.arrow(node.level, (start_x, node.y), tip, "right", "lateral")]
        return []

    def feature_pyramid(self) -> list[str]:
        """Top-down sums and output convolutions, to the right of the blocks."""
        if self.spec.neck is Neck.ENDPOINTS:
            return []
        top_of_stem = self.spec.stem.blocks[-1].level
        lines: list[PathAndElement] = []
        boxes = []
        for level in range(self.spec.max_level, self.spec.min_level - 1, -1):
            y, in_stem = self.row_y[level], level <= top_of_stem
            if in_stem:
                boxes.append(self._sum(level))
                start, end = (self._sum_x + SUM_RADIUS, y), (self._out_x - 21, y)
                lines.append(self.pen.arrow(level, start, end, "right", "sum"))
            if in_stem and level > self.spec.min_level:
                start, end = (self._sum_x, y + 9), (self._sum_x, self.row_y[level - 1] - 9)
                lines.append(self.pen.arrow(level, start, end, "down", "top-down"))
            if not in_stem:
                start, end = (self._out_x, self.row_y[level - 1] - 10), (self._out_x, y + 10)
                lines.append(self.pen.arrow(level - 1, start, end, "up", "strided"))
            lines.append(self._to_pyramid(level, self._out_x + 21, "neck"))
            pill = self.pen.pill((self._out_x, y), 42, "3×3" if in_stem else "3×3/2", "small", radius=4)
            boxes.append(f"<g {self.pen.classes(f'l{level}')}>{pill}</g>")
        return [element for _, element in lines] + boxes

    def _to_pyramid(self, level: int, start_x: float, source: str) -> PathAndElement:
        """The arrow to a pyramid feature and its label, at the right."""
        tip = (self.right + 20, self.row_y[level])
        path = line(start_x, tip[1], tip[0] - TIP, tip[1])
        channels = self.plan.endpoints[0].out_channels if self.plan else self.spec.endpoint_channels
        kind = {Neck.ENDPOINTS: "1×1", Neck.FPN: "3×3", Neck.SEPARABLE_FPN: "separable 3×3"}[self.spec.neck]
        pill = self.pen.pill((tip[0] + 17, tip[1]), 34, f"P{level}", "strong")
        return path, (
            f'<g {self.pen.classes(f"l{level}", "pyramid")} data-source="{source}" data-target="P{level}" '
            f'data-role="output"><title>P{level}: {kind} convolution to {channels} channels</title>'
            f"{self.pen.line_to(path, tip, 'right')}{pill}{self._size(level, tip[0] + 40)}</g>"
        )

    def _size(self, level: int, x: float) -> str:
        if self.plan is None:
            return ""
        height, width = feature_size(self.plan.target.height_and_width, level)
        content = f"{height}²" if height == width else f"{height}×{width}"
        return self.pen.text(x, self.row_y[level] + 4, content, "small")

    def _sum(self, level: int) -> str:
        x, y, classes = self._sum_x, self.row_y[level], self.pen.classes
        return (
            f"<g {classes(f'l{level}')}><title>1×1 lateral convolution, plus the level above</title>"
            f'<circle {classes("hollow")} cx="{number(x)}" cy="{number(y)}" r="{number(SUM_RADIUS)}"/>'
            f'<path {classes("line")} d="{line(x - 4, y, x + 4, y)}{line(x, y - 4, x, y + 4)}"/></g>'
        )
