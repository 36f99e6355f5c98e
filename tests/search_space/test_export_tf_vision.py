"""Block specs for the Model Garden's SpineNet: literals, equal to the published ones, counted by its own rules."""

import ast
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.cost import cost
from search_space.decisions import random_genotype
from search_space.export.tf_vision import TfVisionError, export_tf_vision
from search_space.heads import RetinaNetHead
from search_space.plan import EdgeKind, TargetNetwork, resolve
from search_space.reference import published_target, reference
from search_space.spaces import SPACES
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, Fusion, Resampling, Stem, StemKind

B, R, M = BlockType.BOTTLENECK, BlockType.RESIDUAL, BlockType.MBCONV
# The table of the release (tensorflow/tpu; tensorflow/models has one more output, at level 2, outside of 3 to 7).
PUBLISHED = [
    (2, "bottleneck", (0, 1), False),
    (4, "residual", (0, 1), False),
    (3, "bottleneck", (2, 3), False),
    (4, "bottleneck", (2, 4), False),
    (6, "residual", (3, 5), False),
    (4, "bottleneck", (3, 5), False),
    (5, "residual", (6, 7), False),
    (7, "residual", (6, 8), False),
    (5, "bottleneck", (8, 9), False),
    (5, "bottleneck", (8, 10), False),
    (4, "bottleneck", (5, 10), True),
    (3, "bottleneck", (4, 10), True),
    (5, "bottleneck", (7, 12), True),
    (7, "bottleneck", (5, 14), True),
    (6, "bottleneck", (12, 14), True),
]
# Its scaling map: endpoint channels, width, resampling, repeats. Endpoints of 49S are 256 in the published row.
SCALINGS = {
    "spinenet-49s": (256, 0.65, 0.5, 1),
    "spinenet-49": (256, 1.0, 0.5, 1),
    "spinenet-96": (256, 1.0, 0.5, 2),
    "spinenet-143": (256, 1.0, 1.0, 3),
    "spinenet-190": (512, 1.3, 1.0, 4),
}
SPINENET_49, TARGET = reference("spinenet-49"), published_target("spinenet-49")
OUTPUTS = tuple(BlockSpec(level, B, (0, 1), is_output=True) for level in (3, 4, 5, 6, 7))


def literals(source: str) -> dict[str, Any]:
    """What the file assigns, read without running it."""
    statements = ast.parse(source).body[1:]  # after the docstring
    values = {}
    for statement in statements:
        assert isinstance(statement, ast.Assign)
        (name,) = statement.targets
        assert isinstance(name, ast.Name)
        values[name.id] = ast.literal_eval(statement.value)
    return values


def exported(spec: ArchitectureSpec, target: TargetNetwork = TARGET) -> dict[str, Any]:
    return literals(export_tf_vision(spec, target))


def weights(*convolutions: tuple[int, int, int]) -> int:
    """Of convolutions (kernel, in, out) without bias, each with a batch norm."""
    return sum(kernel**2 * a * b + 2 * b for kernel, a, b in convolutions)


def counted(table: dict[str, Any]) -> int:
    """Parameters of the network that the Model Garden builds, by the rules of its spinenet.py, dead blocks dropped."""
    scaling, levels = table["SCALING"], range(table["MIN_LEVEL"], table["MAX_LEVEL"] + 1)
    widths = {1: 32, 2: 64, 3: 128, 4: 256, 5: 256, 6: 256, 7: 256}
    filters = {level: int(width * scaling["filter_size_scale"]) for level, width in widths.items()}
    repeats: int = scaling["block_repeats"]
    alpha: float = scaling["resample_alpha"]

    def group(kind: str, level: int) -> int:
        c = filters[level]
        one = (
            weights((1, 4 * c, c), (3, c, c), (1, c, 4 * c)) if kind == "bottleneck" else weights((3, c, c), (3, c, c))
        )
        return one * repeats

    def channels(kind: str, level: int) -> int:
        return filters[level] * (4 if kind == "bottleneck" else 1)

    first = filters[2]
    stem = group("bottleneck", 2) + (64 - 4 * first) * first
    if 4 * first != 64:
        stem += weights((1, 64, 4 * first))  # the projection
    kinds, net_levels, own = ["bottleneck"] * 2, [2, 2], [stem, group("bottleneck", 2)]
    reads: list[tuple[int, ...]] = [(), (0,)]
    degrees = [0, 0]
    ends = {}
    for level, kind, parents, is_output in table["BLOCK_SPECS"]:
        cost_here, inputs = group(kind, level), list(parents)
        for parent in parents:
            mid = int(filters[net_levels[parent]] * alpha)
            cost_here += weights((1, channels(kinds[parent], net_levels[parent]), mid), (1, mid, channels(kind, level)))
            cost_here += weights((3, mid, mid)) if level > net_levels[parent] else 0
            degrees[parent] += 1
        if is_output:
            ends[level] = len(own)
            for j, degree in enumerate(degrees):
                if not degree and net_levels[j] == level and channels(kinds[j], level) == channels(kind, level):
                    inputs.append(j)
                    degrees[j] += 1
        kinds.append(kind)
        net_levels.append(level)
        own.append(cost_here)
        reads.append(tuple(inputs))
        degrees.append(0)
    live = set(ends.values())
    for index in range(len(own) - 1, -1, -1):
        live |= set(reads[index]) if index in live else set()
    endpoints = sum(
        weights((1, channels(kinds[ends[level]], level), scaling["endpoints_num_filters"])) for level in levels
    )
    return weights((7, 3, 64)) + sum(own[index] for index in live) + endpoints


@pytest.mark.parametrize("name", SCALINGS)
def test_the_published_networks_are_the_published_table_and_scaling(name: str) -> None:
    table = exported(reference(name), published_target(name))
    assert table["BLOCK_SPECS"] == PUBLISHED
    assert tuple(table["SCALING"].values()) == SCALINGS[name]
    assert list(table["SCALING"]) == ["endpoints_num_filters", "filter_size_scale", "resample_alpha", "block_repeats"]
    size = published_target(name).image_size
    assert (table["MIN_LEVEL"], table["MAX_LEVEL"], table["ACTIVATION"]) == (3, 7, "relu")
    assert table["INPUT_SIZE"] == [size, size, 3]
    assert counted(table) == cost(resolve(reference(name), published_target(name))).backbone.parameters


def test_spinenet_49_has_the_parameters_that_were_counted_elsewhere() -> None:
    assert counted(exported(SPINENET_49)) == 21_831_488


@given(
    seed=st.integers(0, 10**6), scale=st.sampled_from([0.25, 0.65, 1.0, 1.3]), alpha=st.sampled_from([0.5, 1.0, 0.3])
)
@settings(max_examples=150)
def test_what_is_not_refused_is_counted_the_same_and_what_is_names_a_block(
    seed: int, scale: float, alpha: float
) -> None:
    space = SPACES["spinenet-49"]
    spec = replace(space.decode(random_genotype(space, random.Random(seed))), resampling_alpha=alpha)
    target = replace(TARGET, width_scale=scale)
    plan = resolve(spec, target)
    resampled = [
        (edge.source, block.index)
        for block in plan.blocks
        for edge in block.edges
        if edge.is_orphan and edge.kind is not EdgeKind.RAW
    ]
    if resampled:
        with pytest.raises(TfVisionError, match="block {}, .*joins block {} resampled".format(*resampled[0])):
            export_tf_vision(spec, target)
    else:
        assert counted(exported(spec, target)) == cost(plan).backbone.parameters


def with_block(index: int, **changes: Any) -> ArchitectureSpec:
    blocks = list(SPINENET_49.all_blocks)
    blocks[index] = replace(blocks[index], **changes)
    return SPINENET_49.with_blocks(blocks)


def made(*blocks: BlockSpec, **more: Any) -> ArchitectureSpec:
    return ArchitectureSpec(name="made", blocks=(*blocks, *OUTPUTS), **more)


REFUSED: list[tuple[ArchitectureSpec, str]] = [
    (with_block(5, resource_multiplier=0.5), "block 5 has width 184; all of level 4 have 256"),  # sqrt(.5) * 256
    (with_block(7, width=200), "block 7 has width 200; all of level 4 have 256"),
    (with_block(10, repeats=2), "block 10 is repeated 2 times"),
    (with_block(12, block_type=M, width=256), "block 12 is an MBConv"),
    (made(BlockSpec(5, R, (0, 1))), "block 2, which no block reads, joins block 5 resampled"),
    (replace(SPINENET_49, fusion=Fusion.WEIGHTED), "block 2 weighs its inputs"),
    (replace(SPINENET_49, resampling=Resampling.DEPTHWISE), "block 2 reads block 0 through a depthwise edge"),
    (replace(SPINENET_49, widths=((2, 64), (3, 128), (4, 256), (5, 512), (6, 256), (7, 256))), "block 8 has width 512"),
    (replace(SPINENET_49, stem=Stem(channels=32)), "block 0 reads a conv7-pool stem of 32 channels"),
    (made(stem=Stem(blocks=(BlockSpec(2, B), BlockSpec(2, R)))), "stem block 1 is a residual of level 2"),
    (made(stem=Stem(blocks=(BlockSpec(2, B),) * 3)), "stem block 2 is a bottleneck of level 2"),
    (made(stem=Stem(64, (BlockSpec(1, B), BlockSpec(2, B)), StemKind.CONV3)), "block 0 reads a conv3 stem"),
    (reference("resnet-50-fpn"), "a serial backbone with a feature pyramid"),
    (reference("eff-spinenet-d0"), "block 0 is an MBConv"),
    (reference("spinenet-mobile-49"), "block 0 is an MBConv"),
]


@pytest.mark.parametrize(("spec", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_would_be_built_differently_is_refused_with_the_block(spec: ArchitectureSpec, message: str) -> None:
    with pytest.raises(TfVisionError, match=message):
        export_tf_vision(spec, TARGET)


def test_widths_that_float_arithmetic_truncates_otherwise_are_refused() -> None:
    # 256 * 0.99999999999 is 255.99999999744: we take 256, int() takes 255.
    with pytest.raises(TfVisionError, match="block 0 has width 64; all of level 2 have 63"):
        export_tf_vision(SPINENET_49, replace(TARGET, width_scale=0.99999999999))


def test_sizes_that_its_features_do_not_fit_are_refused() -> None:
    with pytest.raises(TfVisionError, match="multiples of 128"):
        export_tf_vision(SPINENET_49, replace(TARGET, image_size=(640, 600)))
    assert exported(SPINENET_49, replace(TARGET, image_size=(640, 384)))["INPUT_SIZE"] == [640, 384, 3]


def test_the_target_may_change_endpoints_resampling_and_head() -> None:
    target = replace(TARGET, endpoint_channels=64, resampling_alpha=0.25, head=RetinaNetHead(channels=64))
    table = exported(SPINENET_49, target)
    assert (table["SCALING"]["endpoints_num_filters"], table["SCALING"]["resample_alpha"]) == (64, 0.25)
    assert counted(table) == cost(resolve(SPINENET_49, target)).backbone.parameters


def test_dead_blocks_stay_in_the_list_and_are_not_counted() -> None:
    # Block 2 is at level 2, where there is no output, and nobody reads it.
    spec = made(BlockSpec(2, B, (0, 1)), BlockSpec(4, R, (0, 1)), BlockSpec(3, B, (0, 3)), activation="swish")
    table = exported(spec)
    assert len(table["BLOCK_SPECS"]) == len(spec.blocks)
    assert table["ACTIVATION"] == "swish"
    assert counted(table) == cost(resolve(spec, TARGET)).backbone.parameters


def test_the_header_says_which_blocks_join_and_that_the_size_must_be_given() -> None:
    header = ast.get_docstring(ast.parse(export_tf_vision(SPINENET_49, TARGET)))
    assert header is not None
    assert "11 joins 14" in header
    assert "21,831,488" in header


@pytest.mark.parametrize("name", ['"""', "\\", "a\nimport os", "$BLOCKS ${x} $", "\u202e\x00", "ü" * 300, " "])
def test_a_name_changes_nothing_but_the_header(name: str) -> None:
    assert exported(SPINENET_49.renamed(name)) == exported(SPINENET_49)
