"""Where everything goes: lines that can be followed, and blocks that stand apart."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.difference import compare
from search_space.drawing.graph import EdgeRole, graph_of, graph_of_difference
from search_space.drawing.layout import Layout, Route, lay_out
from search_space.spaces import SPACES
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType
from tests.search_space.strategies import genotypes

Point = tuple[float, float]


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
def test_no_line_runs_along_the_notes_of_a_block(layout: Layout) -> None:
    for node in (node for node in layout.nodes if node.drawn.notes):
        # As `drawing` puts them: the first 13 below the shape, the others 10 apart; 9 high.
        bottom = node.y + node.half_height + 13 + 10 * (len(node.drawn.notes) - 1) + 4.5
        for route in layout.routes:
            for a, *_, b in _pieces(route):
                is_beside = max(a[0], b[0]) < node.x or min(a[0], b[0]) > node.x
                assert a[1] != b[1] or is_beside or not node.y < a[1] < bottom


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
