"""The picture: valid, deterministic, complete, and with lines that can be followed."""

import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.difference import compare
from search_space.drawing import draw, draw_difference
from search_space.drawing_graph import EdgeRole, Mark, graph_of, graph_of_difference
from search_space.drawing_layout import Layout, Route, lay_out
from search_space.drawing_style import LEVEL_COLOURS, SURFACES
from search_space.graph import feature_inputs, live_features
from search_space.plan import TargetNetwork, resolve
from search_space.reference import published_target, reference
from search_space.spaces import SPACES
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType
from tests.search_space.strategies import SpaceAndGenotype, genotypes, spaces_with_genotypes

Point = tuple[float, float]
SPINENET_49 = reference("spinenet-49")
# Block 2 is at level 2 and nobody reads it.
DEAD = ArchitectureSpec(
    name="dead",
    blocks=(BlockSpec(2, parents=(0, 1)), *(BlockSpec(k, parents=(0, 1), is_output=True) for k in (3, 4, 5, 6, 7))),
)


def _elements(svg: str, **attributes: str) -> list[ElementTree.Element]:
    """Elements that have these data attributes; ``feature="3"`` means data-feature="3"."""
    wanted = {f"data-{name}": value for name, value in attributes.items()}
    return [
        element
        for element in ElementTree.fromstring(svg).iter()
        if all(element.get(name) == value for name, value in wanted.items())
    ]


def _title(element: ElementTree.Element) -> str:
    return element.findtext("{http://www.w3.org/2000/svg}title", "")


def _pieces(route: Route) -> list[list[Point]]:
    """The lines and curves of a route's path, each as its start, controls and end; a piece stays between them."""
    pieces: list[list[Point]] = []
    at = (0.0, 0.0)
    for command, text in re.findall(r"([MLHVCQ])([^MLHVCQ]*)", route.path):
        numbers = [float(part) for part in text.split()]
        if command == "H":
            numbers = [numbers[0], at[1]]
        elif command == "V":
            numbers = [at[0], numbers[0]]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command != "M":
            pieces.append([at, *points])
        at = points[-1]
    return pieces


def _layout(spec: ArchitectureSpec) -> Layout:
    return lay_out(graph_of(spec), spec.max_level, left=100, top=50)


def _sized(spec: ArchitectureSpec, multipliers: tuple[float, ...]) -> ArchitectureSpec:
    """The same blocks with resource multipliers, taken in turn."""
    blocks = enumerate(spec.blocks)
    return replace(
        spec, blocks=tuple(replace(b, resource_multiplier=multipliers[k % len(multipliers)]) for k, b in blocks)
    )


@st.composite
def layouts(draw_from: st.DrawFn) -> Layout:
    """An architecture of any space with blocks of any widths, or what differs between two of them."""
    space = draw_from(st.sampled_from(list(SPACES.values())))
    widths = st.lists(st.sampled_from([0.05, 0.25, 0.5, 0.75, 1.0, 16.0]), min_size=1).map(tuple)
    spec = _sized(space.decode(draw_from(genotypes(space))), draw_from(widths))
    if draw_from(st.booleans()):
        return _layout(spec)
    other_space = draw_from(st.sampled_from([space, *SPACES.values()]))
    other = other_space.decode(draw_from(genotypes(other_space)))
    return lay_out(graph_of_difference(compare(spec, other)), 7, left=100, top=50)


@given(spaces_with_genotypes())
def test_every_block_and_every_input_is_drawn_once(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    svg = draw(spec)
    assert svg == draw(spec)
    features = [element.get("data-feature") for element in ElementTree.fromstring(svg).iter()]
    assert sorted(int(f) for f in features if f) == list(range(len(spec.all_blocks)))
    edges = [
        (int(element.get("data-source", "")), int(element.get("data-target", "")))
        for role in EdgeRole
        for element in _elements(svg, role=role.value)
    ]
    assert sorted(edges) == sorted((s, t) for t, inputs in enumerate(feature_inputs(spec)) for s in inputs)
    outputs = [element.get("data-target") for element in _elements(svg, role="output")]
    assert sorted(str(o) for o in outputs) == ["P3", "P4", "P5", "P6", "P7"]


@given(layouts())
@settings(max_examples=60)
def test_no_line_meets_a_block_that_it_is_not_for(layout: Layout) -> None:
    for route in layout.routes:
        ends = (route.edge.source, route.edge.target)
        others = [node for k, node in enumerate(layout.nodes) if k not in ends]
        for piece in _pieces(route):
            xs, ys = zip(*piece, strict=True)
            for node in others:
                right, down = node.half_width, node.half_height
                is_beside = max(xs) < node.x - right or min(xs) > node.x + right
                assert is_beside or max(ys) < node.y - down or min(ys) > node.y + down, (route, node)


@given(layouts())
@settings(max_examples=60)
def test_lines_of_two_features_or_two_roles_never_run_on_top_of_each_other(layout: Layout) -> None:
    edits = {EdgeRole.ADDED, EdgeRole.REMOVED}
    runs = []
    for route in layout.routes:
        # Along a row or lane; what comes before is the way to the lane.
        straight = [(a, b) for a, *controls, b in _pieces(route) if not controls and a[1] == b[1]]
        owner = (route.edge.source, route.edge.role if route.edge.role in edits else "")
        runs += [(a[1], min(a[0], b[0]), max(a[0], b[0]), owner) for a, b in straight]
    reach: dict[tuple[float, tuple[int, str]], float] = {}
    for y, left, right, owner in sorted(runs):
        for (other_y, other), other_right in reach.items():
            assert other == owner or other_y != y or other_right <= left
        reach[y, owner] = max(right, reach.get((y, owner), 0.0))
    arrivals = [(route.edge.target, route.tip) for route in layout.routes]
    assert len(set(arrivals)) == len(arrivals)


@given(layouts())
@settings(max_examples=60)
def test_lines_join_their_blocks_and_blocks_stand_apart(layout: Layout) -> None:
    for route in layout.routes:
        source, target = layout.nodes[route.edge.source], layout.nodes[route.edge.target]
        start = _pieces(route)[0][0]
        assert start == pytest.approx((source.x + source.half_width, source.y), abs=0.1)
        assert abs(route.tip[0] - target.x) <= target.half_width + 2.01
        assert abs(route.tip[1] - target.y) <= target.half_height + 2.01
        # Up-sampling enters from above, down-sampling from below.
        if source.level != target.level:
            assert route.heading == ("down" if source.level > target.level else "up")
    for node, after in pairwise(layout.nodes):
        assert after.x - after.half_width - (node.x + node.half_width) >= 20


def test_a_shape_is_as_wide_as_the_root_of_its_share_of_the_resources() -> None:
    # Median 1; the roots of 0.5 and 2 are 0.7 and 1.4: 64 * 0.707 = 45.3 -> 48 channels, 128 * 1.41 = 181 -> 184.
    spec = ArchitectureSpec(
        name="sized",
        blocks=(
            BlockSpec(2, BlockType.BOTTLENECK, (0, 1), resource_multiplier=0.5),
            BlockSpec(3, BlockType.BOTTLENECK, (1, 2), resource_multiplier=2.0),
            *(BlockSpec(k, BlockType.BOTTLENECK, (2, 3), is_output=True) for k in (3, 4, 5, 6, 7)),
        ),
    )
    usual, narrow, wide = (_layout(spec).nodes[k].half_width for k in (0, 2, 3))
    assert narrow / usual == pytest.approx(48 / 64)
    assert wide / usual == pytest.approx(184 / 128)
    assert "width: channels for its level" in draw(spec)
    assert "width: channels for its level" not in draw(SPINENET_49)


def test_spinenet_49_shows_its_orphan_its_outputs_and_its_facts() -> None:
    svg = draw(SPINENET_49, plan=resolve(SPINENET_49, published_target("spinenet-49")))
    orphans = _elements(svg, role="orphan")
    assert [(o.get("data-source"), o.get("data-target")) for o in orphans] == [("11", "14")]
    assert not _elements(svg, role="dead")
    joined = {o.get("data-source"): o.get("data-target") for o in _elements(svg, role="output")}
    assert joined == {"12": "P4", "13": "P3", "14": "P5", "15": "P7", "16": "P6"}
    (block,) = _elements(svg, feature="14")
    assert block.get("data-level") == "5"
    # L5 has width 256, a bottleneck four times as many channels, 640 / 32 = 20.
    facts = _title(block).splitlines()
    assert facts == [
        "block 14: level 5 bottleneck",
        "width 256, 1024 channels out",
        "20 × 20",  # noqa: RUF001
        "parents 7, 12",
        "orphans joined 11",
        "read by 15, 16",
        "output P5",
    ]


def test_the_picture_in_the_docs_is_the_one_drawn_now() -> None:
    picture = Path(__file__).parents[2] / "docs" / "spinenet-49.svg"
    assert picture.read_text(encoding="utf-8") == draw(SPINENET_49)


def test_dead_blocks_are_ghosts_and_named_so() -> None:
    svg = draw(DEAD)
    (block,) = _elements(svg, feature="2")
    assert "-ghost" in block.get("class", "")
    assert "dead: reaches no output" in _title(block)
    assert [e.get("data-source") for e in _elements(svg, role="dead")] == ["0", "1"]
    assert live_features(DEAD) == frozenset({0, 1, 3, 4, 5, 6, 7})
    assert "8 blocks, 1 dead" in svg


@pytest.mark.parametrize("name", ["resnet-50-fpn", "resnet-152-fpn"])
def test_a_feature_pyramid_has_its_parts(name: str) -> None:
    svg = draw(reference(name))
    # Laterals and sums at levels 3, 4, 5; top-down from 5 and 4; strided convolutions for 6 and 7.
    counts = {"lateral": 3, "sum": 3, "top-down": 2, "strided": 2, "output": 5}
    assert {role: len(_elements(svg, role=role)) for role in counts} == counts
    assert len(_elements(svg, role="live")) == len(reference(name).all_blocks) - 1


def test_each_type_has_its_shape_and_the_legend_only_what_occurs() -> None:
    def shapes(svg: str) -> set[str]:
        blocks = [element for element in ElementTree.fromstring(svg).iter() if element.get("data-feature")]
        return {block[1].tag.rpartition("}")[2] for block in blocks}

    def labels(svg: str) -> set[str]:
        words = {
            "bottleneck",
            "residual",
            "MBConv",
            "output",
            "dead",
            "orphan",
            "repeats",
            "down-sampling",
            "up-sampling",
        }
        return words & {
            element.text or "" for element in ElementTree.fromstring(svg).iter() if element.get("x") == "29"
        }

    spinenet, mobile, fpn = (draw(reference(n)) for n in ("spinenet-96", "spinenet-mobile-49", "resnet-50-fpn"))
    assert shapes(spinenet) == {"rect", "path"}
    assert shapes(mobile) == {"ellipse"}
    sampling = {"down-sampling", "up-sampling"}
    assert labels(spinenet) == {"bottleneck", "residual", "output", "orphan", "repeats", *sampling}
    assert labels(mobile) == {"MBConv", "output", "orphan", *sampling}
    assert labels(fpn) == {"bottleneck", "down-sampling"}
    assert labels(draw(DEAD)) == {"bottleneck", "output", "dead", "down-sampling"}


def test_a_screen_reader_hears_the_architecture() -> None:
    root = ElementTree.fromstring(draw(SPINENET_49))
    title, description = root[0], root[1]
    assert (title.text, description.get("id")) == ("Architecture spinenet-49", root.get("aria-describedby"))
    said = description.text or ""
    assert said.startswith("17 blocks: 2 in the stem, 10 intermediate, 5 outputs. Block 0: level 2 bottleneck. ")
    assert said.endswith("Block 16: level 6 bottleneck from 12 and 14, an output.")


def test_sizes_of_an_oblong_image_are_written_out() -> None:
    svg = draw(SPINENET_49, plan=resolve(SPINENET_49, TargetNetwork(image_size=(320, 512))))
    assert "320 × 512 px, width scale 1" in svg  # noqa: RUF001
    # 320 / 8 = 40 and 512 / 8 = 64.
    (block,) = _elements(svg, feature="13")
    assert "40 × 64" in _title(block)  # noqa: RUF001
    assert "40×64" in svg  # noqa: RUF001


def test_a_thumbnail_loses_small_print_and_gets_strong_lines() -> None:
    svg = draw(SPINENET_49)
    _, _, rules = svg.partition("@media (max-width:480px){")
    (prefix,) = set(re.findall(r"\.(a[0-9a-f]{8}) ", svg))
    assert f".{prefix} .{prefix}-small{{display:none}}" in rules
    normal, thumbnail = (
        float(re.findall(rf"\.{prefix}-line{{[^}}]*stroke-width:([0-9.]+)", s)[0]) for s in (svg, rules)
    )
    assert thumbnail > 2 * normal


def test_a_difference_shows_what_was_added_removed_moved_and_changed() -> None:
    # Block 6 from level 6 to 3, block 16 reads 13 instead of 14.
    blocks = list(SPINENET_49.blocks)
    blocks[4], blocks[14] = replace(blocks[4], level=3), replace(blocks[14], parents=(12, 13))
    difference = compare(SPINENET_49, replace(SPINENET_49, name="other", blocks=tuple(blocks)))
    svg = draw_difference(difference)
    ends = {
        role: [(e.get("data-source"), e.get("data-target")) for e in _elements(svg, role=role)]
        for role in ("added", "removed")
    }
    assert ends == {"added": [("13", "16")], "removed": [("14", "16")]}
    assert len(_elements(svg, role="kept")) == len(graph_of(SPINENET_49).edges) - 1
    marks = {drawn.label: (drawn.mark, drawn.notes) for drawn in graph_of_difference(difference).blocks if drawn.notes}
    assert marks == {"6": (Mark.CHANGED, ("was L6",))}
    root = ElementTree.fromstring(svg)
    edits = ["block 6: level 6 -> 3", "block 16 reads 13 instead of 14"]
    assert root[1].text == f"What leads from spinenet-49 to other: {'; '.join(edits)}."
    assert [e.text for e in root.iter() if "-edit" in e.get("class", "")] == edits
    assert "other against spinenet-49" in svg


def test_a_difference_keeps_blocks_that_only_the_earlier_has() -> None:
    svg = draw_difference(compare(SPINENET_49, DEAD))
    features = [element.get("data-feature") for element in ElementTree.fromstring(svg).iter()]
    # DEAD has 8 blocks, so 9 of 17 are left out.
    assert sorted(int(f) for f in features if f and f.isdecimal()) == list(range(8))
    assert sum(f.startswith("was-") for f in features if f) == 9
    outputs = [element.get("data-target") for element in _elements(svg, role="output")]
    assert sorted(str(o) for o in outputs) == ["P3", "P4", "P5", "P6", "P7"]


def test_no_difference_says_so() -> None:
    svg = draw_difference(compare(SPINENET_49, SPINENET_49.renamed("twin")))
    assert "no difference" in svg
    assert not _elements(svg, role="added")
    assert not _elements(svg, role="removed")


@given(st.text(max_size=80))
def test_any_name_gives_valid_xml(name: str) -> None:
    root = ElementTree.fromstring(draw(DEAD.renamed(name)))
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    assert root.get("aria-label") == f"Architecture {printable}"


def test_two_drawings_in_a_page_share_no_class_and_no_variable() -> None:
    first, second = draw(SPINENET_49), draw(SPINENET_49, theme="dark")
    names = [set(re.findall(r"(?:--|\.)(a[0-9a-f]{8})", svg)) for svg in (first, second)]
    assert all(len(found) == 1 for found in names)
    assert names[0] != names[1]
    (prefix,) = names[0]
    classes = {c for found in re.findall(r'class="([^"]*)"', first) for c in found.split()}
    assert all(c.startswith(prefix) for c in classes)
    own = set(re.findall(rf"var\(--({prefix}-[a-z0-9-]+)\)", first))
    assert own == set(re.findall(rf"--({prefix}-[a-z0-9-]+):var\(", first))


def test_themes() -> None:
    auto, light, dark = (draw(SPINENET_49, theme=theme) for theme in ("auto", "light", "dark"))
    assert "prefers-color-scheme:dark" in auto
    assert SURFACES["dark"]["surface"] in auto
    assert SURFACES["dark"]["surface"] not in light
    assert SURFACES["light"]["surface"] not in dark
    with pytest.raises(ValueError, match="theme 'blue': must be one of auto, light, dark"):
        draw(SPINENET_49, theme="blue")


def test_the_plan_must_be_of_the_spec() -> None:
    plan = resolve(DEAD, TargetNetwork(image_size=64))
    with pytest.raises(ValueError, match="the plan is of 'dead', not of 'spinenet-49'"):
        draw(SPINENET_49, plan=plan)


# Machado et al. 2009, severity 1, on linear RGB.
VISIONS = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def _linear(colour: str) -> list[float]:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def _times(matrix: tuple[tuple[float, ...], ...], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _oklab(linear: list[float]) -> list[float]:
    """Ottosson 2020: a space where distance is what people see; 0.02 is just noticeable."""
    to_cones = (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    )
    to_lab = (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
    return _times(to_lab, [max(0.0, cone) ** (1 / 3) for cone in _times(to_cones, linear)])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_level_colours_stay_apart_for_everyone(theme: str, vision: str) -> None:
    seen = [
        _oklab([max(0.0, part) for part in _times(VISIONS[vision], _linear(colour))])
        for colour in LEVEL_COLOURS[theme].values()
    ]
    assert len(seen) == 7
    assert min(math.dist(a, b) for k, a in enumerate(seen) for b in seen[:k]) >= 0.075


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out_from_the_surface(theme: str) -> None:
    """WCAG 2.1: 3 to 1 for graphics, 4.5 to 1 for text."""

    def contrast(colour: str) -> float:
        lights = sorted(
            sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), _linear(c), strict=True))
            for c in (colour, SURFACES[theme]["surface"])
        )
        return (lights[1] + 0.05) / (lights[0] + 0.05)

    assert all(contrast(colour) >= 3 for colour in LEVEL_COLOURS[theme].values())
    assert all(contrast(SURFACES[theme][name]) >= 3 for name in ("added", "removed"))
    assert all(contrast(SURFACES[theme][name]) >= 4.5 for name in ("ink", "muted"))
