"""`cost`, `draw` and `export`: one architecture, counted, drawn, or written as code."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from search_space.cost import NetworkCostReport
from search_space.plan import RetinaNetHead, TargetNetwork
from search_space.spec import ArchitectureSpec

SpecPath = Annotated[Path | None, typer.Argument(metavar="SPEC.json", help="a block-spec file")]
ReferenceName = Annotated[str | None, typer.Option("--reference", help="a published architecture by name")]


def cost(
    spec: SpecPath = None,
    reference: ReferenceName = None,
    image_size: Annotated[int | None, typer.Option(help="side of the input in pixels")] = None,
    head: Annotated[str, typer.Option(help="retinanet or none")] = "retinanet",
    num_classes: Annotated[int, typer.Option(help="sigmoid outputs for each anchor")] = 91,
    width_scale: Annotated[float | None, typer.Option(help="factor on every width")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Count parameters and multiply-adds, block by block."""
    from search_space.cost import cost as count
    from search_space.plan import resolve

    architecture, target = _architecture(spec, reference)
    if head not in ("retinanet", "none"):
        raise ValueError(f"--head: {head!r}: must be retinanet or none")
    target = replace(
        target,
        image_size=image_size or target.image_size,
        width_scale=width_scale or target.width_scale,
        head=(target.head or RetinaNetHead()) if head == "retinanet" else None,
        num_classes=num_classes,
    )
    report = count(resolve(architecture, target))
    if as_json:
        print(json.dumps(_cost_document(architecture.name, target, report), indent=2))
        return
    _print_cost(architecture.name, target, report)


def draw(
    output: Annotated[Path, typer.Option("-o", "--output", help="the SVG file to write")],
    spec: SpecPath = None,
    reference: ReferenceName = None,
) -> None:
    """Draw an architecture as SVG."""
    from search_space.drawing import draw as draw_svg

    architecture, _ = _architecture(spec, reference)
    output.write_text(draw_svg(architecture), encoding="utf-8")


def export(
    search: Annotated[str | None, typer.Argument(help="search id")] = None,
    trial: Annotated[int | None, typer.Option(help="trial number; by default the best")] = None,
    reference: ReferenceName = None,
    format_name: Annotated[str, typer.Option("--format", help="spec, pytorch or svg")] = "spec",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="file; by default standard output")] = None,
) -> None:
    """Write a found or published architecture in a format that other code can use."""
    from search_space.export.formats import export_text

    if (search is None) == (reference is None):
        raise ValueError("give either a search id or --reference NAME")
    if search is None:
        architecture, target = _architecture(None, reference)
    else:
        architecture, target = _trial_architecture(search, trial)
    text = export_text(architecture, target, format_name).text
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


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


def _trial_architecture(search_id: str, number: int | None) -> tuple[ArchitectureSpec, TargetNetwork]:
    from nas_controller.search_config import SearchConfig
    from nas_controller.store.base import NotFoundError
    from spinesearch.composition import open_home_store
    from spinesearch.home import Home

    store = open_home_store(Home.from_environment())
    try:
        search = store.get_search(search_id)
        if number is None:
            best = store.best_trials(search_id, 1)
            if not best:
                raise NotFoundError(f"search {search_id} has no completed trial yet")
            trial = best[0]
        else:
            trial = store.get_trial(search_id, number)
    finally:
        store.close()
    return ArchitectureSpec.from_document(trial.draft.spec), SearchConfig.from_document(search.config).target.network()


def _cost_document(name: str, target: TargetNetwork, report: NetworkCostReport) -> dict[str, object]:
    return {
        "name": name,
        "image_size": target.image_size,
        "width_scale": target.width_scale,
        "num_classes": target.num_classes,
        "parameters": report.parameters,
        "multiply_adds": report.multiply_adds,
        "backbone": asdict(report.backbone),
        "endpoints": asdict(report.endpoints),
        "head": asdict(report.head),
        "per_block": [asdict(row) for row in report.per_block],
    }


def _print_cost(name: str, target: TargetNetwork, report: NetworkCostReport) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{name} at {target.image_size} px, width scale {target.width_scale:g}")
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
