"""The Python source of a network, made of the sections that its plan needs; the files of several formats hold it."""

import textwrap
from collections.abc import Iterable

from search_space.cost import cost
from search_space.export.pytorch_source import backbones, edges, frame, operations
from search_space.export.spec_json import short_document, written
from search_space.heads import head_name
from search_space.plan import EdgeKind, NetworkPlan, PlannedBlock
from search_space.spec import BlockType, Fusion, Neck, Resampling, StemKind

LINE_LENGTH = 88
SPEC_LINE_LENGTH = 120
ACTIVATIONS = {"relu": "relu", "swish": "silu"}
CLASSES = {BlockType.BOTTLENECK: "Bottleneck", BlockType.RESIDUAL: "Residual", BlockType.MBCONV: "MBConv"}
STEMS = {
    StemKind.CONV7_POOL: "functional.max_pool2d(self.stem(images), kernel_size=3, stride=2, padding=1)",
    StemKind.CONV3: "self.stem(images)",
}
STEM_KERNELS = {StemKind.CONV7_POOL: 7, StemKind.CONV3: 3}
RESAMPLINGS = {
    Resampling.CONV: edges.CONV_RESAMPLE,
    Resampling.DEPTHWISE: edges.DEPTHWISE_RESAMPLE,
    Resampling.SPACE_TO_DEPTH: edges.SPACE_TO_DEPTH_RESAMPLE,
}
FUSIONS = {Fusion.SUM: edges.SUMMED_BLOCK, Fusion.WEIGHTED: edges.WEIGHTED_BLOCK}


def network_sections(plan: NetworkPlan) -> list[str]:
    """The table of blocks and the classes up to `Backbone`; imports come before. Dead blocks are left out.

    Parameter names are those of `trainer.model.backbone.Backbone`.
    """
    return [frame.TABLE, *_operation_sections(plan), *_backbone_sections(plan)]


def _block_types(plan: NetworkPlan) -> list[BlockType]:
    used = {block.block_type for block in plan.blocks}
    return [block_type for block_type in CLASSES if block_type in used]


def _squeezes(plan: NetworkPlan) -> bool:
    return any(layer.squeeze_channels for block in plan.blocks for layer in block.layers)


def _operation_sections(plan: NetworkPlan) -> list[str]:
    types = _block_types(plan)
    has_edges = any(block.edges for block in plan.blocks)
    is_grouped = BlockType.MBCONV in types or (has_edges and plan.spec.resampling is not Resampling.CONV)
    sections = [operations.GROUPED_CONV_NORM_ACT if is_grouped else operations.CONV_NORM_ACT]
    if types != [BlockType.MBCONV]:
        sections.append(operations.SHORTCUT)
    if BlockType.BOTTLENECK in types:
        sections.append(operations.BOTTLENECK)
    if BlockType.RESIDUAL in types:
        sections.append(operations.RESIDUAL)
    if BlockType.MBCONV in types:
        sections += [operations.SQUEEZE, operations.SQUEEZED_MBCONV] if _squeezes(plan) else [operations.MBCONV]
    return [*sections, operations.OPERATIONS]


def _backbone_sections(plan: NetworkPlan) -> list[str]:
    spec = plan.spec
    if spec.neck is Neck.ENDPOINTS:
        return [RESAMPLINGS[spec.resampling], FUSIONS[spec.fusion], backbones.SEARCHED_BACKBONE]
    separable = [backbones.SEPARABLE_CONV] if spec.neck is Neck.SEPARABLE_FPN else []
    return [*separable, backbones.FPN_BACKBONE]


def network_values(plan: NetworkPlan, backbone_class: str = "Backbone") -> dict[str, str | int]:
    """What stands for the names in the sections, and in a file's header.

    Args:
        backbone_class: what `build_backbone` makes.
    """
    height, width = plan.target.height_and_width
    backbone = cost(plan).backbone
    is_separable = plan.spec.neck is Neck.SEPARABLE_FPN
    return {
        "BACKBONE": backbone_class,
        "NAME": for_docstring(plan.spec.name),
        "HEIGHT": height,
        "WIDTH": width,
        "WIDTH_SCALE": f"{plan.target.width_scale:g}",
        "HEAD": _head(plan),
        "PARAMETERS": f"{backbone.parameters:,}",
        "MULTIPLY_ADDS": f"{backbone.multiply_adds:,}",
        "STEM_CHANNELS": plan.stem_channels,
        "CHANNELS": plan.endpoints[0].out_channels,
        "PYRAMID": repr({endpoint.level: endpoint.source for endpoint in plan.endpoints}),
        "BLOCKS": "\n".join(_block(block) for block in plan.blocks),
        "ACTIVATION": ACTIVATIONS[plan.activation],
        "OPERATIONS": ", ".join(f'"{block_type}": {CLASSES[block_type]}' for block_type in _block_types(plan)),
        "STEM_KERNEL": STEM_KERNELS[plan.spec.stem.kind],
        "STEM": STEMS[plan.spec.stem.kind],
        "OUTPUT_CONV": "SeparableConv(stride)" if is_separable else "nn.Conv2d(CHANNELS, CHANNELS, 3, stride, 1)",
        "SPEC_JSON": written(short_document(plan.spec), line_length=SPEC_LINE_LENGTH),
        **_table_values(plan),
    }


def _table_values(plan: NetworkPlan) -> dict[str, str]:
    """What is said before the table, which depends on what its rows have."""
    types = _block_types(plan)
    words, fields, constants = ["`channels` are those of its output"], [], []
    columns = "Feature, level, kind, channels"
    words += ["; the 3x3 convolution of a bottleneck has a quarter. "] if BlockType.BOTTLENECK in types else [". "]
    if plan.spec.neck is Neck.ENDPOINTS:
        words += ["`inputs` are pairs: the feature read, and its width on the way, or RAW where it is added as it is. "]
        words += ["A block without inputs reads the one before it."]
        fields += ["inputs: tuple[tuple[int, int], ...] = ()"]
        constants += ["RAW = 0"]
        columns += ", inputs"
    else:
        words += ["A block reads the one before it."]
    fields += ["repeats: int = 1"]
    if BlockType.MBCONV in types:
        words += [" `kernel` and `expansion` are those of an MBConv."]
        fields += ["kernel: int = 3", "expansion: int = 6"]
    if _squeezes(plan):
        constants += ["# Channels inside a squeeze, for each input channel of its block."]
        constants += [f"SQUEEZE_RATIO = {plan.spec.se_ratio}"]
    return {
        "BLOCK_DOCSTRING": textwrap.indent(textwrap.fill("".join(words), LINE_LENGTH - 4), "    "),
        "BLOCK_FIELDS": textwrap.indent("\n".join(fields), "    "),
        "CONSTANTS": "".join(f"{line}\n" for line in constants),
        "COLUMNS": columns,
    }


def for_docstring(name: str) -> str:
    """The name on one short line, without what could end or bend a docstring."""
    clean = "".join(c if c.isprintable() and c not in '\\"' else "?" for c in name)
    return clean.strip()[:40] or "unnamed"


def _head(plan: NetworkPlan) -> str:
    name = head_name(plan.head)
    return name if plan.head is None else f"{name}, {plan.num_classes} classes; not in this file"


def _block(block: PlannedBlock) -> str:
    """One row of the table; spread over lines, as a formatter would, where it is long."""
    head = [str(block.index), str(block.level), f'"{block.block_type}"', str(block.out_channels)]
    inputs = [f"({edge.source}, {'RAW' if edge.kind is EdgeKind.RAW else edge.mid_channels})" for edge in block.edges]
    arguments = [*head, f"({', '.join(inputs)})", *_options(block)] if inputs else [*head, *_options(block)]
    row = f"    Block({', '.join(arguments)}),"
    if len(row) <= LINE_LENGTH:
        return row
    lines = [f"        {argument}," for argument in arguments]
    if max(map(len, lines)) > LINE_LENGTH:
        lines[len(head)] = f"        (\n{_lines(inputs, 12)}\n        ),"
    return "    Block(\n" + "\n".join(lines) + "\n    ),"


def _options(block: PlannedBlock) -> list[str]:
    """Arguments that have a default, where they differ from it."""
    first = block.layers[0]
    options = [("repeats", len(block.layers), 1), ("kernel", block.kernel, 3)]
    if block.block_type is BlockType.MBCONV:
        options.append(("expansion", first.mid_channels // first.in_channels, 6))
    return [f"{name}={value}" for name, value, default in options if value != default]


def _lines(items: Iterable[str], indent: int) -> str:
    return "\n".join(f"{' ' * indent}{item}," for item in items)
