"""An architecture as one standalone Python file that needs torch alone."""

from collections.abc import Iterable
from string import Template

from search_space.cost import cost
from search_space.export.pytorch_source import (
    BLOCK_CLASSES,
    FOOTER,
    FPN_BACKBONE,
    HEADER,
    SEARCHED_BACKBONE,
    SEARCHED_CLASSES,
)
from search_space.export.spec_json import short_document, written
from search_space.plan import EdgeKind, NetworkPlan, PlannedBlock, TargetNetwork, resolve
from search_space.spec import ArchitectureSpec, Neck

LINE_LENGTH = 88
ACTIVATIONS = {"relu": "relu", "swish": "silu"}


def export_pytorch(spec: ArchitectureSpec, target: TargetNetwork) -> str:
    """The source of a module with `build_backbone()` and `load_spec()`, for the backbone without a head.

    Dead blocks are left out. Parameter names are those of `trainer.model.backbone.Backbone`.
    """
    plan = resolve(spec, target)
    is_searched = spec.neck is Neck.ENDPOINTS
    parts = [HEADER, BLOCK_CLASSES]
    parts += [SEARCHED_CLASSES, SEARCHED_BACKBONE] if is_searched else [FPN_BACKBONE]
    parts += [FOOTER]
    return Template("".join(parts)).substitute(_values(plan))


def _values(plan: NetworkPlan) -> dict[str, str | int]:
    backbone = cost(plan).backbone
    return {
        "NAME": _for_docstring(plan.spec.name),
        "IMAGE_SIZE": plan.target.image_size,
        "WIDTH_SCALE": f"{plan.target.width_scale:g}",
        "PARAMETERS": f"{backbone.parameters:,}",
        "MULTIPLY_ADDS": f"{backbone.multiply_adds:,}",
        "STEM_CHANNELS": plan.stem_channels,
        "CHANNELS": plan.endpoints[0].out_channels,
        "PYRAMID": repr({endpoint.level: endpoint.source for endpoint in plan.endpoints}),
        "BLOCKS": "\n".join(_block(block) for block in plan.blocks),
        "ACTIVATION": ACTIVATIONS[plan.activation],
        "SPEC_JSON": written(short_document(plan.spec)),
    }


def _for_docstring(name: str) -> str:
    """The name on one short line, without what could end or bend a docstring."""
    clean = "".join(c if c.isprintable() and c not in '\\"' else "?" for c in name)
    return clean.strip()[:40] or "unnamed"


def _block(block: PlannedBlock) -> str:
    """One row of the table; spread over lines, as a formatter would, where it is long."""
    head = [str(block.index), str(block.level), f'"{block.block_type.value}"', str(block.mid_channels)]
    inputs = [f"({edge.source}, {'RAW' if edge.kind is EdgeKind.RAW else edge.mid_channels})" for edge in block.edges]
    tail = [f"repeats={block.repeats}"] if block.repeats > 1 else []
    arguments = [*head, f"({', '.join(inputs)})", *tail] if inputs else [*head, *tail]
    row = f"    Block({', '.join(arguments)}),"
    if len(row) <= LINE_LENGTH:
        return row
    lines = [f"        {argument}," for argument in arguments]
    if max(map(len, lines)) > LINE_LENGTH:
        lines[len(head)] = f"        (\n{_lines(inputs, 12)}\n        ),"
    return "    Block(\n" + "\n".join(lines) + "\n    ),"


def _lines(items: Iterable[str], indent: int) -> str:
    return "\n".join(f"{' ' * indent}{item}," for item in items)
