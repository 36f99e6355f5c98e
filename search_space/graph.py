"""Which blocks of a spec take part: orphans that join an output, and blocks that reach no endpoint."""

from collections.abc import Mapping

from search_space.spec import ArchitectureSpec, Neck


def orphans_by_output(spec: ArchitectureSpec) -> dict[int, tuple[int, ...]]:
    """For each output block, the intermediate blocks of its level that nobody consumed when it was built.

    "Intermediate blocks that do not connect to any block with a higher ordering are connected to the output
    block at the corresponding level" (Du et al. 2020, section 3.3). As in the published code the out-degree
    is read when the output block is built, after its own parents were counted; so a block that only a later
    output consumes joins as well.
    """
    first, blocks = spec.num_stem_blocks, spec.all_blocks
    out_degree = [0] * len(blocks)
    orphans: dict[int, tuple[int, ...]] = {}
    for index, block in enumerate(spec.blocks, start=first):
        for parent in block.parents:
            out_degree[parent] += 1
        if block.is_output:
            joining = [
                i
                for i in range(first, index)
                if not blocks[i].is_output and out_degree[i] == 0 and blocks[i].level == block.level
            ]
            for i in joining:
                out_degree[i] += 1
            if joining:
                orphans[index] = tuple(joining)
    return orphans


def feature_inputs(spec: ArchitectureSpec) -> tuple[tuple[int, ...], ...]:
    """For each feature the features it reads: the one before for a stem block; else parents, then orphans."""
    return _inputs(spec, orphans_by_output(spec))


def _inputs(spec: ArchitectureSpec, orphans: Mapping[int, tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    first = spec.num_stem_blocks
    stem = [(index - 1,) if index else () for index in range(first)]
    searched = [block.parents + orphans.get(index, ()) for index, block in enumerate(spec.blocks, start=first)]
    return (*stem, *searched)


def live_features(spec: ArchitectureSpec) -> frozenset[int]:
    """Features that reach an endpoint; the others are dead: not built, not counted."""
    return live_among(spec, orphans_by_output(spec))


def live_among(spec: ArchitectureSpec, orphans: Mapping[int, tuple[int, ...]]) -> frozenset[int]:
    """The same where the orphans are known."""
    blocks = spec.all_blocks
    if spec.neck is not Neck.ENDPOINTS:
        return frozenset(range(len(blocks)))
    inputs = _inputs(spec, orphans)
    live = {index for index, block in enumerate(blocks) if block.is_output}
    for index in range(len(blocks) - 1, -1, -1):
        if index in live:
            live.update(inputs[index])
    return frozenset(live)
