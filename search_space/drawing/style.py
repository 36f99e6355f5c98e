"""The colours of a drawing and its style sheet."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

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
            {
                "ink": "#1a212b",
                "muted": "#5c6773",
                "rule": "#e3e7ec",
                "panel": "#f3f5f8",
                "surface": "#ffffff",
                "added": "#0b5cc4",
                "removed": "#bd4a06",
            }
        ),
        "dark": MappingProxyType(
            {
                "ink": "#eef1f5",
                "muted": "#98a4b3",
                "rule": "#262d38",
                "panel": "#191f28",
                "surface": "#12161d",
                "added": "#63b3ff",
                "removed": "#ff9d4d",
            }
        ),
    }
)
THEMES = ("auto", "light", "dark")
THUMBNAIL_WIDTH = 480

# `P` stands for the drawing's prefix. `property:@name` stands for the theme's colour, then for the variable of that
# name: viewers without variables keep the first.
_STYLE = """
.P{max-width:100%;height:auto;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.P text{font-size:11px;fill:@muted}
.P .P-name{font-size:16px;font-weight:600;fill:@ink}
.P .P-edit{font-size:12px;fill:@ink}
.P .P-strong{font-weight:700;fill:currentColor}
.P .P-centre{text-anchor:middle;dominant-baseline:central}
.P .P-surface{fill:@surface}
.P .P-panel{fill:@panel}
.P .P-rule{stroke:@rule;stroke-width:1}
.P .P-casing{fill:none;stroke:@surface;stroke-width:4.6}
.P .P-line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
.P .P-tip{fill:currentColor}
.P .P-muted{color:@muted}
.P .P-orphan .P-line{stroke-dasharray:5 4;stroke-linecap:butt}
.P .P-dead{opacity:.38}
.P .P-dead .P-line{stroke-width:1.3}
.P .P-kept{color:@muted}
.P .P-kept .P-line{stroke-width:.9}
.P .P-added{color:@added}
.P .P-added .P-line{stroke-width:3}
.P .P-added .P-tip{stroke:currentColor;stroke-width:1.6}
.P .P-removed{color:@removed}
.P .P-removed .P-line{stroke-width:2;stroke-dasharray:7 4;stroke-linecap:butt}
.P .P-shape{fill:currentColor;stroke:none}
.P .P-output .P-shape{stroke:@ink;stroke-width:3}
.P .P-ghost .P-shape{fill:@surface;stroke:currentColor;stroke-width:1.4;stroke-dasharray:3 3;opacity:.6}
.P .P-gone .P-shape{fill:@surface;stroke:@removed;stroke-width:2;stroke-dasharray:7 4}
.P .P-hollow{fill:@surface;stroke:currentColor;stroke-width:1.6}
.P .P-ring{fill:none;stroke:currentColor;stroke-width:2.4}
.P .P-ring-changed{stroke:@ink;stroke-dasharray:.1 4.6;stroke-linecap:round}
.P .P-ring-added{stroke:@added}
.P .P-block text{font-size:11.5px;font-weight:700;fill:@surface}
.P .P-block .P-repeats{font-size:9px;font-weight:600}
.P .P-ghost text{fill:@muted}
.P .P-gone text{fill:@removed}
.P .P-note{font-size:9.5px;font-weight:600;fill:@ink;stroke:@surface;stroke-width:3;paint-order:stroke}
"""
# A thumbnail keeps what can be seen at a quarter of the size: shapes, colours, lines, levels.
_THUMBNAIL = """
.P .P-small{display:none}
.P text{font-size:30px}
.P .P-name{font-size:38px}
.P .P-block text{font-size:20px}
.P .P-line{stroke-width:4.4}
.P .P-casing{stroke-width:9}
.P .P-tip{stroke:currentColor;stroke-width:4}
.P .P-rule{stroke-width:3}
.P .P-orphan .P-line{stroke-dasharray:14 9}
.P .P-dead .P-line{stroke-width:3}
.P .P-kept .P-line{stroke-width:2}
.P .P-added .P-line{stroke-width:6.5}
.P .P-removed .P-line,.P .P-gone .P-shape{stroke-width:5.5;stroke-dasharray:16 9}
.P .P-output .P-shape,.P .P-ring{stroke-width:5}
.P .P-pyramid .P-hollow,.P .P-pyramid .P-tip{display:none}
.P .P-ring-changed{stroke-dasharray:.1 10}
"""


def style_sheet(prefix: str, theme: str, features: Iterable[str]) -> str:
    """The style sheet of one drawing; pointing at one of `features` dims the lines that are not its own."""
    base = "dark" if theme == "dark" else "light"
    levels = "".join(f".P .P-l{level}{{color:@level-{level}}}\n" for level in LEVEL_COLOURS[base])
    colours = _theme_colours(base)
    rules = re.sub(
        r"([a-z]+):@([a-z0-9-]+)", lambda m: f"{m[1]}:{colours[m[2]]};{m[1]}:var(--P-{m[2]})", levels + _STYLE
    )
    variables = _variables(base)
    if theme == "auto":
        variables += f"@media (prefers-color-scheme:dark){{{_variables('dark')}}}\n"
    for feature in features:
        others = f'[data-source]:not([data-source="{feature}"],[data-target="{feature}"])'
        rules += f'.P:has([data-feature="{feature}"]:hover) {others}{{opacity:.12}}\n'
    rules += f"@media (max-width:{THUMBNAIL_WIDTH}px){{{_THUMBNAIL}}}\n"
    return re.sub(r"(?<=[.-])P(?=[\s{:-])", prefix, variables + rules)


def _theme_colours(theme: str) -> dict[str, str]:
    return {**SURFACES[theme], **{f"level-{level}": colour for level, colour in LEVEL_COLOURS[theme].items()}}


def _variables(theme: str) -> str:
    """One rule that gives the drawing's variables the page's colours, or else the theme's."""
    values = "".join(
        f"--P-{name}:var(--{name if name.startswith('level') else f'arch-{name}'},{colour});"
        for name, colour in _theme_colours(theme).items()
    )
    return f".P{{{values}}}\n"
