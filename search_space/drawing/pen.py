"""The elements that a drawing is made of, as SVG text: `Pen`."""

from search_space.drawing.layout import TIP, arrow_head, closed, line, number
from search_space.spec import BlockType

Point = tuple[float, float]
PathAndElement = tuple[str, str]
"""A line's path, which a casing needs as well, and the element that draws it."""


class Pen:
    """Writes elements whose classes start with the drawing's prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def classes(self, *names: str) -> str:
        """The class attribute."""
        return 'class="' + " ".join(f"{self.prefix}-{name}" for name in names if name) + '"'

    def text(self, x: float, y: float, content: str, *classes: str) -> str:
        """A line of text; `content` is escaped already."""
        attribute = f" {self.classes(*classes)}" if classes else ""
        return f'<text{attribute} x="{number(x)}" y="{number(y)}">{content}</text>'

    def shape(self, block_type: BlockType, middle: Point, half_width: float, half_height: float, *classes: str) -> str:
        """A block of a type: a rectangle, a diamond (residual) or an ellipse (MBConv)."""
        x, y = middle
        if block_type is BlockType.RESIDUAL:
            corners = [(x, y - half_height), (x + half_width, y), (x, y + half_height), (x - half_width, y)]
            return f'<path {self.classes(*classes)} d="{closed(corners)}"/>'
        if block_type is BlockType.MBCONV:
            radii = f'rx="{number(half_width)}" ry="{number(half_height)}"'
            return f'<ellipse {self.classes(*classes)} cx="{number(x)}" cy="{number(y)}" {radii}/>'
        return self.box(middle, half_width, half_height, 4, *classes)

    def box(self, middle: Point, half_width: float, half_height: float, radius: float, *classes: str) -> str:
        """A rectangle with round corners."""
        return (
            f'<rect {self.classes(*classes)} x="{number(middle[0] - half_width)}" '
            f'y="{number(middle[1] - half_height)}" width="{number(2 * half_width)}" '
            f'height="{number(2 * half_height)}" rx="{number(radius)}"/>'
        )

    def pill(self, middle: Point, width: float, content: str, *classes: str, radius: float = 10) -> str:
        """A hollow box with a text in it."""
        text = self.text(*middle, content, "centre", *classes)
        return self.box(middle, width / 2, 10, radius, "hollow") + text

    def line_to(self, path: str, tip: Point, heading: str) -> str:
        """A line and its arrow head."""
        head = f'<path {self.classes("tip")} d="{arrow_head(tip, heading)}"/>'
        return f'<path {self.classes("line")} d="{path}"/>{head}'

    def arrow(self, level: int, start: Point, tip: Point, heading: str, role: str) -> PathAndElement:
        """A straight line in a level's colour to an arrow head."""
        back_x, back_y = {"right": (TIP, 0.0), "down": (0.0, TIP), "up": (0.0, -TIP)}[heading]
        path = line(*start, tip[0] - back_x, tip[1] - back_y)
        element = f'<g {self.classes(f"l{level}")} data-role="{role}">{self.line_to(path, tip, heading)}</g>'
        return path, element
