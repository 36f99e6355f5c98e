"""Block specs and scaling values as Python literals, in the form that SpineNet in TensorFlow's Model Garden takes.

That code (tensorflow/models, official/vision/modeling/backbones/spinenet.py) builds one kind of network: a fixed stem,
one width for each level, one number of repeats, and an intermediate block that nobody reads joins the output block of
its size only where their channels agree. What it would build differently is refused here.
"""

import textwrap
from collections.abc import Iterator
from string import Template

from search_space.cost import cost
from search_space.export.network_source import LINE_LENGTH, for_docstring
from search_space.plan import EdgeKind, NetworkPlan, PlannedBlock, PlannedEdge, TargetNetwork, resolve
from search_space.spec import ArchitectureSpec, BlockType, Fusion, Neck, StemKind

FILTERS = {1: 32, 2: 64, 3: 128, 4: 256, 5: 256, 6: 256, 7: 256}
STEM_CHANNELS = 64
NUM_STEM_BLOCKS = 2
DIVISOR = 128

FILE = '''"""$NAME: a SpineNet for the TensorFlow Model Garden, written by spinesearch.

All that follows are literals, for official/vision/modeling/backbones/spinenet.py:

    backbone = spinenet.SpineNet(
        input_specs=tf.keras.layers.InputSpec(shape=[None, *INPUT_SIZE]),
        block_specs=spinenet.build_block_specs(BLOCK_SPECS),
        min_level=MIN_LEVEL,
        max_level=MAX_LEVEL,
        activation=ACTIVATION,
        **SCALING,
    )

Or, to train it from a configuration file, put SCALING into its SCALING_MAP under a
model id of its own, and BLOCK_SPECS in the place of its SPINENET_BLOCK_SPECS.

Parameters:     $PARAMETERS
Multiply-adds:  $MULTIPLY_ADDS (convolutions, one image of the target size)

$NOTES
"""

INPUT_SIZE = [$HEIGHT, $WIDTH, 3]
MIN_LEVEL = $MIN_LEVEL
MAX_LEVEL = $MAX_LEVEL
ACTIVATION = "$ACTIVATION"
SCALING = {
    "endpoints_num_filters": $CHANNELS,
    "filter_size_scale": $WIDTH_SCALE,
    "resample_alpha": $ALPHA,
    "block_repeats": $REPEATS,
}
# Level, block, the two inputs, whether it is an output. Inputs are counted from the
# stem's two blocks on: the first block of this list is number 2.
BLOCK_SPECS = [
$BLOCKS
]
'''
PADDING_NOTE = (
    'Strided convolutions pad as "same" does there, on one side only, and on both sides in our PyTorch files: the same '
    "network with as many parameters, but trained weights do not carry over exactly."
)
JOINING_NOTE = (
    "Blocks that no block reads join the output of their level: {joins}. That code tells so by the size of the "
    "features, so the input's size must be given; with None for height and width nothing would join."
)


class TfVisionError(ValueError):
    """An architecture that the Model Garden's SpineNet would build differently; the message names the block."""


def export_tf_vision(spec: ArchitectureSpec, target: TargetNetwork) -> str:
    """A Python file of literals: `BLOCK_SPECS`, `SCALING`, levels, activation and input size.

    Blocks that reach no endpoint stay in the list: there they are built and then dropped, and what they read counts as
    read.

    Raises:
        TfVisionError: it would be built differently.
    """
    plan = resolve(spec, target)
    difference = next(_differences(plan), None)
    if difference is not None:
        raise TfVisionError(f"the Model Garden's SpineNet would build another network: {difference}")
    backbone = cost(plan).backbone
    height, width = target.height_and_width
    return Template(FILE).substitute(
        NAME=for_docstring(spec.name),
        PARAMETERS=f"{backbone.parameters:,}",
        MULTIPLY_ADDS=f"{backbone.multiply_adds:,}",
        NOTES="\n\n".join(textwrap.fill(note, LINE_LENGTH) for note in _notes(plan)),
        HEIGHT=height,
        WIDTH=width,
        MIN_LEVEL=spec.min_level,
        MAX_LEVEL=spec.max_level,
        ACTIVATION=plan.activation,
        CHANNELS=plan.endpoints[0].out_channels,
        WIDTH_SCALE=target.width_scale,
        ALPHA=_alpha(plan),
        REPEATS=len(plan.blocks[0].layers),
        BLOCKS="\n".join(
            f'    ({block.level}, "{block.block_type}", {block.parents}, {block.is_output}),' for block in spec.blocks
        ),
    )


def _alpha(plan: NetworkPlan) -> float:
    alpha = plan.target.resampling_alpha
    return plan.spec.resampling_alpha if alpha is None else alpha


def _notes(plan: NetworkPlan) -> Iterator[str]:
    joins = [f"{edge.source} joins {block.index}" for block in plan.blocks for edge in block.edges if edge.is_orphan]
    if joins:
        yield JOINING_NOTE.format(joins=", ".join(joins))
    yield PADDING_NOTE


def _differences(plan: NetworkPlan) -> Iterator[str]:
    """What it would do differently, the first first."""
    spec = plan.spec
    if spec.neck is not Neck.ENDPOINTS:
        yield "this is a serial backbone with a feature pyramid; it has no scale-permuted blocks"
    for index, block in enumerate(spec.all_blocks):
        if block.block_type is BlockType.MBCONV:
            yield f"block {index} is an MBConv; it has bottleneck and residual blocks"
    yield from _stem_differences(plan)
    for planned in plan.blocks:
        yield from _block_differences(planned, plan)
    if any(side % DIVISOR for side in plan.target.height_and_width):
        yield f"sides {plan.target.height_and_width}: its features fit together for multiples of {DIVISOR} only"


def _stem_differences(plan: NetworkPlan) -> Iterator[str]:
    stem = plan.spec.stem
    if stem.kind is not StemKind.CONV7_POOL or stem.channels != STEM_CHANNELS:
        yield f"block 0 reads a {stem.kind} stem of {stem.channels} channels; its own is a 7x7 one of {STEM_CHANNELS}"
    for index, block in enumerate(stem.blocks):
        if (block.level, block.block_type) != (2, BlockType.BOTTLENECK) or index >= NUM_STEM_BLOCKS:
            yield f"stem block {index} is a {block.block_type} of level {block.level}; there are two bottlenecks"


def _block_differences(block: PlannedBlock, plan: NetworkPlan) -> Iterator[str]:
    width = int(FILTERS[block.level] * plan.target.width_scale)
    if block.width != width:
        yield f"block {block.index} has width {block.width}; all of level {block.level} have {width} there"
    repeats = len(plan.blocks[0].layers)
    if len(block.layers) != repeats:
        yield f"block {block.index} is repeated {len(block.layers)} times; there all are as block 0 is, {repeats} times"
    if block.edges and block.fusion is not Fusion.SUM:
        yield f"block {block.index} weighs its inputs; there they are added"
    for edge in block.edges:
        yield from _edge_differences(block, edge, plan)


def _edge_differences(block: PlannedBlock, edge: PlannedEdge, plan: NetworkPlan) -> Iterator[str]:
    if edge.is_orphan:
        if edge.kind is not EdgeKind.RAW:
            yield f"block {edge.source}, which no block reads, joins block {block.index} resampled; there it is lost"
    elif edge.kind is not EdgeKind.CONV:
        yield f"block {block.index} reads block {edge.source} through a {edge.kind} edge; it has convolutions"
    elif edge.mid_channels != int(_parent(edge, plan).width * _alpha(plan)):
        yield f"block {block.index} reads block {edge.source} through {edge.mid_channels} channels, which it would cut"


def _parent(edge: PlannedEdge, plan: NetworkPlan) -> PlannedBlock:
    return next(block for block in plan.blocks if block.index == edge.source)
