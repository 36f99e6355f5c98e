"""The model card, read by a Markdown parser that is not ours (CommonMark with GitHub's tables, links and HTML on)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from search_space.cost import cost
from search_space.export.card import export_card, markdown
from search_space.export.provenance import Provenance, ValPrecision
from search_space.fingerprint import fingerprint
from search_space.plan import resolve
from search_space.reference import REFERENCES, published_target, reference
from tests.search_space.origins import FOUND, ORIGIN
from tests.search_space.test_export_pytorch import DEAD, ORPHANS

SPEC, TARGET = reference("spinenet-49"), published_target("spinenet-49")
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HEADINGS = ["Network", "Cost", "Origin", "Average precision", "What this does not show", "Block by block", "Use"]
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "[text](https://x.example)",
    "![](https://x.example/a.png)",
    "a | b | c",
    "`code` *bold* _under_ ~~gone~~ # no heading",
    "line\n\n# another heading\n\n- item",
    "```\nfence",
    "<https://x.example> &amp; \\",
    "$x^2$ :smile: @someone {a}",
    "1. item",
]


def tokens(text: str) -> list[Token]:
    return [inner for token in PARSER.parse(text) for inner in (token, *(token.children or ()))]


def tables(text: str) -> list[list[list[str]]]:
    """Every table's rows of cells, as they are shown."""
    found: list[list[list[str]]] = []
    parsed = PARSER.parse(text)
    for k, token in enumerate(parsed):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("th_open", "td_open"):
            found[-1][-1].append(shown(parsed[k + 1]))
    return found


def shown(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def headings(text: str) -> list[str]:
    parsed = PARSER.parse(text)
    return [shown(parsed[k + 1]) for k, token in enumerate(parsed) if token.type == "heading_open"]


def paragraphs(text: str) -> list[str]:
    parsed = PARSER.parse(text)
    return [shown(parsed[k + 1]) for k, token in enumerate(parsed) if token.type == "paragraph_open"]


def rows(text: str, number: int) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in tables(text)[number][1:]}


def test_a_published_architecture_has_its_source_its_costs_and_no_accuracy() -> None:
    card = export_card(SPEC, TARGET, Provenance(source=REFERENCES["spinenet-49"].source))
    assert headings(card) == ["spinenet-49", *HEADINGS]
    assert f"Published: {REFERENCES['spinenet-49'].source}." in paragraphs(card)
    assert rows(card, 0)["Fingerprint"] == [fingerprint(resolve(SPEC, TARGET))]
    # Backbone and detector with 91 classes, counted without this code.
    numbers = ["21,831,488", "28,543,383", "28,261,990,400", "85,281,555,200"]
    assert rows(card, 1) == {"at target size": numbers}
    assert "This export knows no measurement of it." in paragraphs(card)
    assert "--reference spinenet-49 --format pytorch" in card


def test_a_found_architecture_says_which_search_trial_seeds_budget_and_proxy() -> None:
    card = export_card(SPEC, TARGET, FOUND)
    assert rows(card, 1)["as it was trained"] == ["100", "200", "1,000", "2,000"]
    origin = rows(card, 2)
    assert origin["Search"] == ["cells (cells-1)"]
    assert origin["Trial"] == ["4, proposed by: policy"]
    assert origin["Algorithm"] == ["reinforce, seed 7"]
    assert origin["Budget"] == ["28.26 B multiply-adds ± 5% of the backbone at target size"]
    assert origin["Candidates trained"] == ["40 when this was written"]
    assert origin["Training seed"] == ["4"]
    assert "steps 300" in origin["Proxy task"][0]
    assert origin["torch"] == ["2.15.0"]
    assert "spinesearch export cells-1 --trial 4 --format pytorch" in card


def test_average_precision_stands_beside_the_references_with_seeds_and_significance() -> None:
    precision = rows(export_card(SPEC, TARGET, FOUND), 3)
    assert precision["this network"] == ["25.0", "0.6", "3 (1000, 1001, 1002)", ""]
    # 2.0 is less than 2.3, 5.0 is more.
    assert precision["spinenet-49"][-1] == "+2.0 ± 2.3, no significant difference"
    assert precision["resnet-50-fpn"][-1] == "+5.0 ± 2.3"


def limits(provenance: Provenance) -> str:
    card = export_card(SPEC, TARGET, provenance)
    return card[card.index("## What this does not show") : card.index("## Block by block")]


@pytest.mark.parametrize(
    ("changes", "line", "is_said"),
    [
        ({}, "trainings of 300 steps at 128 pixels and 0.25 of the width", True),
        ({}, "one of 40 candidates", True),
        ({"arm": "reference", "reward": None}, "candidates", False),
        ({}, "drawings that the program made", True),
        ({"data": "own"}, "drawings that the program made", False),
        ({}, "How far chance goes", False),
        ({"val": ValPrecision(average_precision=0.25, seeds=(1,))}, "How far chance goes", True),
        ({}, "none was measured alike", False),
        ({"references": ()}, "none was measured alike", True),
    ],
)
def test_the_limits_are_those_of_this_evidence(changes: dict[str, object], line: str, is_said: bool) -> None:
    origin = replace(ORIGIN, **changes)  # type: ignore[arg-type]
    assert (line in limits(Provenance(trial=origin))) == is_said


def test_the_block_table_sums_to_the_backbone_and_names_dead_and_joining_blocks() -> None:
    for spec in (SPEC, DEAD, ORPHANS, reference("efficientnet-b0-fpn")):
        blocks = tables(export_card(spec, TARGET, Provenance()))[-1][1:]
        assert [row[0] for row in blocks] == [str(index) for index in range(len(spec.all_blocks))]
        report = cost(resolve(spec, TARGET))
        counted = sum(int(row[6].replace(",", "")) for row in blocks if row[6])
        stem = report.per_block[0].parameters
        assert counted + stem + report.endpoints.parameters == report.backbone.parameters
    dead = tables(export_card(DEAD, TARGET, Provenance()))[-1][1:]
    assert dead[2] == ["2", "L2", "bottleneck", "0, 1", "", "dead", "", ""]
    assert tables(export_card(SPEC, TARGET, Provenance()))[-1][15][3] == "7, 12, 11 (joins)"


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_wrote_is_shown_as_it_is_and_makes_no_markup(text: str) -> None:
    origin = replace(ORIGIN, search_name=text, arm=text, versions={text: text}, references=(), proxy={text: text})
    plain_origin = replace(ORIGIN, search_name="x", arm="x", versions={"x": "x"}, references=(), proxy={"x": "x"})
    hostile = export_card(SPEC.renamed(text), TARGET, Provenance(source=text, trial=origin))
    plain = export_card(SPEC.renamed("x"), TARGET, Provenance(source="x", trial=plain_origin))
    structure = [
        [token.type for token in tokens(card) if token.type not in ("text", "text_special")]
        for card in (plain, hostile)
    ]
    assert structure[0] == structure[1]
    on_one_line = " ".join(text.split())
    assert headings(hostile)[0] == on_one_line
    assert rows(hostile, 2)["Search"] == [f"{on_one_line} (cells-1)"]
    assert rows(hostile, 2)[on_one_line] == [on_one_line]


@given(st.text(max_size=100))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    parsed = PARSER.parse(f"x {markdown(text)} x")
    (inline,) = [token for token in parsed if token.type == "inline"]
    assert {child.type for child in inline.children or ()} <= {"text", "text_special"}
    expected = " ".join("".join(c if c.isprintable() else " " for c in text).split()) or "unnamed"
    assert shown(inline) == f"x {expected} x"


def test_links_that_github_makes_of_bare_addresses_are_broken_up() -> None:
    assert markdown("https://a.example www.b.example c@d.example") == (
        "https\\://a.example www\\.b.example c\\@d.example"
    )


def test_every_reference_has_a_card() -> None:
    for name, entry in REFERENCES.items():
        card = export_card(entry.spec, entry.target, Provenance(source=entry.source))
        assert headings(card) == [name, *HEADINGS]
