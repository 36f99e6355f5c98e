"""The small picture: valid, deterministic, every live connection, and both themes."""

from xml.etree import ElementTree

from hypothesis import given

from search_space.drawing.style import LEVEL_COLOURS
from search_space.drawing.thumbnail import draw_thumbnail
from search_space.graph import feature_inputs, live_features
from search_space.reference import reference
from search_space.spec import BlockType
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes


def _classes(svg: str) -> list[tuple[str, set[str]]]:
    """Tag and classes of each element that has some."""
    found = [
        (element.tag.rpartition("}")[2], element.get("class", "")) for element in ElementTree.fromstring(svg).iter()
    ]
    return [(tag, set(names.split())) for tag, names in found if names]


@given(spaces_with_genotypes())
def test_every_block_and_every_live_connection_is_drawn(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    svg = draw_thumbnail(spec)
    assert svg == draw_thumbnail(spec.renamed("another name"))
    live, inputs = live_features(spec), feature_inputs(spec)
    lines = [
        (int(element.get("data-source", "")), int(element.get("data-target", "")))
        for element in ElementTree.fromstring(svg).iter()
        if element.get("data-source")
    ]
    assert sorted(lines) == sorted((s, t) for t in live for s in inputs[t])
    blocks = [names for _, names in _classes(svg) if "t-block" in names]
    assert len(blocks) == len(spec.all_blocks)
    assert sum("t-dead" in names for names in blocks) == len(spec.all_blocks) - len(live)
    assert sum("t-output" in names for names in blocks) == sum(block.is_output for block in spec.blocks)


def test_shapes_say_the_type_and_colours_the_level_in_both_themes() -> None:
    spec = reference("spinenet-49")
    svg = draw_thumbnail(spec)
    shape_of = {BlockType.BOTTLENECK: "rect", BlockType.RESIDUAL: "path", BlockType.MBCONV: "ellipse"}
    blocks = [(tag, names) for tag, names in _classes(svg) if "t-block" in names]
    for (tag, names), block in zip(blocks, spec.all_blocks, strict=True):
        assert tag == shape_of[block.block_type]
        assert f"t-l{block.level}" in names
    light, _, dark = svg.partition("prefers-color-scheme:dark")
    for theme, sheet in (("light", light), ("dark", dark)):
        for level, colour in LEVEL_COLOURS[theme].items():
            assert f".t-l{level}{{color:{colour}}}" in sheet


def test_a_thumbnail_is_a_fraction_of_the_drawing() -> None:
    assert len(draw_thumbnail(reference("spinenet-190"))) < 8000  # 25 of them make a page of trials
