"""The picture: valid, deterministic, complete."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.difference import compare
from search_space.drawing.graph import EdgeRole, Mark, graph_of, graph_of_difference
from search_space.drawing.style import SURFACES
from search_space.drawing.svg import draw, draw_difference
from search_space.graph import feature_inputs, live_features
from search_space.plan import TargetNetwork, resolve
from search_space.reference import published_target, reference
from search_space.spec import ArchitectureSpec, BlockSpec
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes

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
    assert "width: channels for its level" in draw(reference("eff-spinenet-d0"))
    assert "width: channels for its level" not in spinenet
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
