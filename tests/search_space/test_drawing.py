"""The picture: valid, deterministic, complete, and with lines that can be followed."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.drawing import LEVEL_COLOURS, SURFACES, draw
from search_space.drawing_layout import EdgeRole, Layout, Route, lay_out
from search_space.graph import feature_inputs, live_features
from search_space.plan import TargetNetwork, resolve
from search_space.reference import published_target, reference
from search_space.spec import ArchitectureSpec, BlockSpec
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes

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
    return lay_out(spec, 1.0, left=100, top=50)


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


@given(spaces_with_genotypes())
def test_no_line_meets_a_block_that_it_is_not_for(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    layout = _layout(space.decode(genotype))
    for route in layout.routes:
        others = [node for node in layout.nodes if node.feature not in (route.source, route.target)]
        for piece in _pieces(route):
            xs, ys = zip(*piece, strict=True)
            for node in others:
                is_beside = max(xs) < node.x - 18 or min(xs) > node.x + 18
                assert is_beside or max(ys) < node.y - 18 or min(ys) > node.y + 18, (route, node.feature)


@given(spaces_with_genotypes())
def test_lines_of_two_features_never_run_on_top_of_each_other(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    layout = _layout(space.decode(genotype))
    runs = []
    for route in layout.routes:
        straight = [(a, b) for a, *controls, b in _pieces(route) if not controls and a[1] == b[1]]
        runs += [(a[1], a[0], b[0], route.source) for a, b in straight]
    reach: dict[tuple[float, int], float] = {}
    for y, left, right, source in sorted(runs):
        for (other_y, other), other_right in reach.items():
            assert other == source or other_y != y or other_right <= left
        reach[y, source] = max(right, reach.get((y, source), 0.0))
    arrivals = [(route.target, route.tip) for route in layout.routes]
    assert len(set(arrivals)) == len(arrivals)


@given(spaces_with_genotypes())
def test_lines_join_their_blocks_and_blocks_stand_apart(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    layout = _layout(space.decode(genotype))
    for route in layout.routes:
        source, target = layout.nodes[route.source], layout.nodes[route.target]
        start = _pieces(route)[0][0]
        assert start == pytest.approx((source.x + source.half_width, source.y), abs=0.1)
        assert abs(route.tip[0] - target.x) <= target.half_width + 2.01
        assert abs(route.tip[1] - target.y) <= target.half_height + 2.01
        # Up-sampling enters from above, down-sampling from below.
        if source.level != target.level:
            assert route.heading == ("down" if source.level > target.level else "up")
    for node, after in pairwise(layout.nodes):
        assert after.x - after.half_width - (node.x + node.half_width) >= 6


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
    assert all(contrast(SURFACES[theme][name]) >= 4.5 for name in ("ink", "muted"))
