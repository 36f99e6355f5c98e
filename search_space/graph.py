"""Which blocks of a spec take part: orphans that join an output, and blocks that reach no endpoint."""

from functools import lru_cache

from search_space.spec import ArchitectureSpec, Neck


@lru_cache(maxsize=4096)
def orphans_by_output(spec: ArchitectureSpec) -> dict[int, tuple[int, ...]]:
    """For each output block, the intermediate blocks of its level that nobody consumed when it was built.

    "Intermediate blocks that do not connect to any block with a higher ordering are connected to the output
    block at the corresponding level" (Du et al. 2020, section 3.3). As in the published code the out-degree
    is read when the output block is built, after its own parents were counted; so a block that only a later
    output consumes joins as well.
    """
    first = spec.num_stem_blocks
    out_degree = [0] * len(spec.all_blocks)
    orphans: dict[int, tuple[int, ...]] = {}
    for index, block in enumerate(spec.blocks, start=first):
        for parent in block.parents:
            out_degree[parent] += 1
        if block.is_output:
            joining = [
                i
                for i in range(first, index)
                if not spec.all_blocks[i].is_output and out_degree[i] == 0 and spec.all_blocks[i].level == block.level
            ]
            for i in joining:
                out_degree[i] += 1
            if joining:
                orphans[index] = tuple(joining)
    return orphans


def feature_inputs(spec: ArchitectureSpec, index: int) -> tuple[int, ...]:
    """Features that a block reads: the one before for a stem block; parents, then orphans, for the others."""
    if index < spec.num_stem_blocks:
        return (index - 1,) if index else ()
    return spec.all_blocks[index].parents + orphans_by_output(spec).get(index, ())


@lru_cache(maxsize=4096)
def live_features(spec: ArchitectureSpec) -> frozenset[int]:
    """Features that reach an endpoint; the others are dead: not built, not counted."""
    if spec.neck is Neck.FPN:
        return frozenset(range(len(spec.all_blocks)))
    live: set[int] = set()
    todo = [index for index, block in enumerate(spec.all_blocks) if block.is_output]
    while todo:
        index = todo.pop()
        if index not in live:
            live.add(index)
            todo.extend(feature_inputs(spec, index))
    return frozenset(live)
