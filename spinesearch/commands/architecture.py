"""`cost` and `draw`: one architecture, counted or drawn."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from search_space.cost import NetworkCostReport
from search_space.heads import HEADS, ClassificationHead, Head, head_name
from search_space.plan import Size, TargetNetwork
from search_space.spec import ArchitectureSpec

MAX_DIGITS = 6

SpecPath = Annotated[Path | None, typer.Argument(metavar="SPEC.json", help="a block-spec file")]
ReferenceName = Annotated[str | None, typer.Option("--reference", help="a published architecture by name")]

ImageSize = Annotated[str | None, typer.Option(metavar="N|HxW", help="input in pixels: 640, or 320x512")]
HeadName = Annotated[str, typer.Option(help="retinanet, mask-rcnn, classification, segmentation or none")]
NumClasses = Annotated[int, typer.Option(help="scores, or sigmoid outputs for each anchor")]
WidthScale = Annotated[float | None, typer.Option(help="factor on every width")]


def cost(
    spec: SpecPath = None,
    reference: ReferenceName = None,
    image_size: ImageSize = None,
    head: HeadName = "retinanet",
    num_classes: NumClasses = 91,
    width_scale: WidthScale = None,
    table: Annotated[bool, typer.Option("--table", help="every published network beside our count")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Count parameters and multiply-adds, block by block."""
    from search_space.cost import cost as count
    from search_space.plan import resolve

    if table:
        if spec is not None or reference is not None:
            raise ValueError("--table counts all published networks: give no SPEC.json and no --reference with it")
        _print_published(as_json)
        return
    architecture, target = architecture_at(spec, reference, image_size, head, num_classes, width_scale)
    report = count(resolve(architecture, target))
    if as_json:
        print(json.dumps(_cost_document(architecture.name, target, report), indent=2))
        return
    _print_cost(architecture.name, target, report)


def parse_image_size(text: str) -> int | Size:
    """The side of a square in pixels, or height and width.

    >>> parse_image_size("640"), parse_image_size("320x512")
    (640, (320, 512))

    Raises:
        ValueError: anything else.
    """
    sides = text.split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdecimal() and len(side) <= MAX_DIGITS for side in sides):
        raise ValueError(f"--image-size {text!r}: must be N or HxW in pixels, such as 640 or 320x512")
    height, width = int(sides[0]), int(sides[-1])
    return height if height == width else (height, width)


def _chosen_head(name: str, own: Head | None) -> Head | None:
    """The architecture's own head where it is of that kind, else a default one, separable where its own is."""
    if name == "none":
        return None
    if name not in HEADS:
        raise ValueError(f"--head {name!r}: must be one of {', '.join(HEADS)}, none")
    if own is not None and head_name(own) == name:
        return own
    head = HEADS[name]()
    if isinstance(head, ClassificationHead):
        return head
    return replace(head, separable=getattr(own, "separable", False))


def _print_published(as_json: bool) -> None:
    from search_space.published import published_table
    from spinesearch.commands.published import print_table, table_document

    rows = published_table()
    if as_json:
        print(json.dumps({"rows": table_document(rows)}, indent=2))
    else:
        print_table(rows)


def draw(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="the SVG file to write")] = None,
    spec: SpecPath = None,
    reference: ReferenceName = None,
    against: Annotated[
        str | None, typer.Option(metavar="NAME|SPEC.json", help="draw and list what differs from this one")
    ] = None,
) -> None:
    """Draw an architecture as SVG, or what differs between it and another."""
    from search_space.difference import compare
    from search_space.difference_text import edit_list
    from search_space.drawing.svg import draw as draw_svg
    from search_space.drawing.svg import draw_difference
    from search_space.reference import REFERENCES

    if output is None and against is None:
        raise ValueError("give -o FILE.svg")
    architecture, _ = _architecture(spec, reference)
    if against is None:
        drawing = draw_svg(architecture)
    else:
        is_file = against not in REFERENCES and (against.endswith(".json") or Path(against).exists())
        other, _ = _architecture(Path(against), None) if is_file else _architecture(None, against)
        difference = compare(other, architecture)
        print("\n".join(edit_list(difference) or ["no difference"]))
        drawing = draw_difference(difference)
    if output is not None:
        output.write_text(drawing, encoding="utf-8")


def architecture_at(
    spec: Path | None,
    reference: str | None,
    image_size: str | None,
    head: str,
    num_classes: int,
    width_scale: float | None,
) -> tuple[ArchitectureSpec, TargetNetwork]:
    """The architecture that was named, and the network it is to be; what was left out is as it was published.

    Raises:
        ValueError: no such architecture, or a wrong value.
    """
    architecture, target = _architecture(spec, reference)
    return architecture, replace(
        target,
        image_size=target.image_size if image_size is None else parse_image_size(image_size),
        width_scale=target.width_scale if width_scale is None else width_scale,
        head=_chosen_head(head, target.head),
        num_classes=num_classes,
    )


def _architecture(spec: Path | None, reference: str | None) -> tuple[ArchitectureSpec, TargetNetwork]:
    """The architecture that was named, and the target network it was published for."""
    from search_space.reference import published_target
    from search_space.reference import reference as find_reference

    if (spec is None) == (reference is None):
        raise ValueError("give either a SPEC.json or --reference NAME")
    if reference is not None:
        return find_reference(reference), published_target(reference)
    assert spec is not None
    return ArchitectureSpec.from_json(spec.read_text(encoding="utf-8")), TargetNetwork(image_size=640)


def _cost_document(name: str, target: TargetNetwork, report: NetworkCostReport) -> dict[str, object]:
    return {
        "name": name,
        "image_size": target.image_size,
        "width_scale": target.width_scale,
        "head_kind": head_name(target.head),
        "num_classes": target.num_classes,
        "parameters": report.parameters,
        "multiply_adds": report.multiply_adds,
        "backbone": report.backbone._asdict(),
        "endpoints": report.endpoints._asdict(),
        "head": report.head._asdict(),
        "per_block": [row._asdict() for row in report.per_block],
    }


def _print_cost(name: str, target: TargetNetwork, report: NetworkCostReport) -> None:
    from rich.console import Console
    from rich.table import Table

    size = "x".join(map(str, target.height_and_width))
    table = Table(title=f"{name} at {size} pixels, width scale {target.width_scale:g}, head {head_name(target.head)}")
    table.add_column("part")
    for column in ("level", "parameters", "multiply-adds"):
        table.add_column(column, justify="right")
    for row in report.per_block:
        level = str(row.level) if row.level else ""
        table.add_row(f"{row.name} ({row.kind})", level, f"{row.parameters:,}", f"{row.multiply_adds:,}")
    table.add_section()
    table.add_row(
        "backbone with endpoints", "", f"{report.backbone.parameters:,}", f"{report.backbone.multiply_adds:,}"
    )
    table.add_row("whole network", "", f"{report.parameters:,}", f"{report.multiply_adds:,}")
    Console().print(table)
