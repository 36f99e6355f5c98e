"""Equal exactly for isomorphic networks: against networkx, and against the cases that a simple hash gets wrong."""

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import networkx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from search_space.decisions import random_genotype
from search_space.fingerprint import Label, LabelledGraph, canonical_form, fingerprint, network_graph
from search_space.graph import live_features, orphans_by_output
from search_space.plan import TargetNetwork, resolve
from search_space.reference import REFERENCES, reference
from search_space.spaces import SPACES
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, Fusion, Resampling
from tests.search_space.strategies import SpaceAndGenotype, renumbered, spaces_with_genotypes

TARGET = TargetNetwork(image_size=640)


def mark(spec: ArchitectureSpec) -> str:
    return fingerprint(resolve(spec, TARGET))


@given(spaces_with_genotypes(), st.randoms(use_true_random=False))
def test_order_and_name_do_not_matter(drawn: SpaceAndGenotype, rng: Random) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    other, place_of = renumbered(spec, rng)
    orphans = {
        place_of[output]: sorted(place_of[orphan] for orphan in joined)
        for output, joined in orphans_by_output(spec).items()
    }
    assume(orphans == {output: sorted(joined) for output, joined in orphans_by_output(other).items()})
    assert mark(other) == mark(spec)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(spaces_with_genotypes())
def test_dead_blocks_do_not_matter(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype)
    dead = [index for index in range(spec.num_stem_blocks, len(spec.all_blocks)) if index not in live_features(spec)]
    assume(dead)
    place = dead[-1] - spec.num_stem_blocks
    changed = replace(spec.blocks[place], block_type=BlockType.RESIDUAL, level=2)
    other = replace(spec, blocks=(*spec.blocks[:place], changed, *spec.blocks[place + 1 :]))
    assume(live_features(other) == live_features(spec) and orphans_by_output(other) == orphans_by_output(spec))
    assert mark(other) == mark(spec)


def test_the_two_published_lists_of_spinenet_49_are_one_network() -> None:
    # The first release lists L6 (12, 14) before L7 (5, 14).
    spec = reference("spinenet-49")
    preview = replace(spec, blocks=(*spec.blocks[:13], spec.blocks[14], spec.blocks[13]))
    assert mark(preview) == mark(spec)


def twins(second_consumer_parent: int) -> ArchitectureSpec:
    """Siblings 2 and 3; of their consumers 4, 5 and 6, the second reads either sibling."""
    blocks = (
        BlockSpec(4, parents=(0, 1)),
        BlockSpec(4, parents=(0, 1)),
        BlockSpec(5, parents=(0, 2)),
        BlockSpec(3, parents=(1, second_consumer_parent)),
        BlockSpec(4, parents=(3, 4)),
        BlockSpec(3, parents=(5, 6), is_output=True),
        BlockSpec(4, parents=(5, 6), is_output=True),
        BlockSpec(5, parents=(4, 6), is_output=True),
        BlockSpec(6, parents=(4, 9), is_output=True),
        BlockSpec(7, parents=(9, 10), is_output=True),
    )
    return ArchitectureSpec(name="twins", blocks=blocks)


def bottom_up(graph: LabelledGraph) -> list[int]:
    """What a bottom-up hash says about every node: its label and, unordered, what it reads."""
    value: dict[int, int] = {}
    for node, label in enumerate(graph.labels):  # blocks are listed after what they read
        reads = sorted((value[source], edge) for source, target, edge in graph.edges if target == node)
        value[node] = hash((label, tuple(reads)))
    return sorted(value.values())


def test_shared_and_unshared_siblings_differ_where_a_bottom_up_hash_is_blind() -> None:
    shared, apart = twins(2), twins(3)
    graphs = [network_graph(resolve(spec, TARGET)) for spec in (shared, apart)]
    assert len(graphs[0].labels) == len(graphs[1].labels) == 12
    assert bottom_up(graphs[0]) == bottom_up(graphs[1])
    assert mark(shared) != mark(apart)


def last_block(spec: ArchitectureSpec, **changes: Any) -> ArchitectureSpec:
    return replace(spec, blocks=(*spec.blocks[:-1], replace(spec.blocks[-1], **changes)))


def test_global_facts_matter_and_the_head_does_not() -> None:
    spec = reference("spinenet-49")
    others = [
        replace(spec, activation="swish"),
        replace(spec, endpoint_channels=128),
        replace(spec, resampling_alpha=1.0),
        replace(spec, stem=replace(spec.stem, channels=32)),
        replace(spec, resampling=Resampling.SPACE_TO_DEPTH),
        replace(spec, resampling=Resampling.DEPTHWISE),
        replace(spec, fusion=Fusion.WEIGHTED),
        reference("spinenet-96"),
        last_block(spec, block_type=BlockType.RESIDUAL),
        last_block(spec, width=264),
        last_block(spec, block_type=BlockType.MBCONV),
        last_block(spec, block_type=BlockType.MBCONV, kernel=5),
        last_block(spec, block_type=BlockType.MBCONV, expansion=4),
        last_block(replace(spec, se_ratio=0.25), block_type=BlockType.MBCONV),
    ]
    assert len({mark(other) for other in [spec, *others]}) == 1 + len(others)
    # What no live block has does not matter.
    assert mark(replace(spec, se_ratio=0.25)) == mark(spec)
    assert mark(last_block(spec, width=256)) == mark(spec)
    for target in (replace(TARGET, head=None), replace(TARGET, num_classes=3), replace(TARGET, image_size=512)):
        assert fingerprint(resolve(spec, target)) == mark(spec)
    assert fingerprint(resolve(spec, replace(TARGET, width_scale=0.5))) != mark(spec)


def test_references_are_different_networks() -> None:
    # Two differ from another one in their published target only: at one target they are the same network.
    assert len({mark(reference(name)) for name in REFERENCES}) == len(REFERENCES) - 2
    assert mark(reference("spinenet-49s")) == mark(reference("spinenet-49"))
    assert mark(reference("eff-spinenet-m2")) == mark(reference("eff-spinenet-d0"))


# --- canonical_form on plain graphs ------------------------------------------------------------------------------


def random_graph(rng: Random) -> LabelledGraph:
    """Few nodes, few labels, any direction: ties are common."""
    num_nodes = rng.randint(2, 7)
    labels: list[Label] = [(rng.randint(0, 1),) for _ in range(num_nodes)]
    share = rng.choice((0.2, 0.4, 0.7))
    edges: list[tuple[int, int, Label]] = [
        (source, target, ("edge", rng.choice((0, 0, 1))))
        for source in range(num_nodes)
        for target in range(num_nodes)
        if source != target and rng.random() < share
    ]
    return LabelledGraph(tuple(labels), tuple(edges))


def shuffled(graph: LabelledGraph, rng: Random) -> LabelledGraph:
    place = list(range(len(graph.labels)))
    rng.shuffle(place)
    labels = [graph.labels[place.index(node)] for node in range(len(place))]
    edges = [(place[source], place[target], label) for source, target, label in graph.edges]
    rng.shuffle(edges)
    return LabelledGraph(tuple(labels), tuple(edges))


def one_edge_moved(graph: LabelledGraph, rng: Random) -> LabelledGraph:
    """The same number of nodes and edges, one edge turned or moved: often not isomorphic."""
    if not graph.edges:
        return graph
    source, target, label = rng.choice(graph.edges)
    others = [edge for edge in graph.edges if edge[:2] != (source, target)]
    free = [
        (one, other)
        for one in range(len(graph.labels))
        for other in range(len(graph.labels))
        if one != other and (one, other) not in {edge[:2] for edge in others}
    ]
    return LabelledGraph(graph.labels, (*others, (*rng.choice(free), label)))


def isomorphic_by_networkx(one: LabelledGraph, other: LabelledGraph) -> bool:
    graphs = []
    for graph in (one, other):
        built = networkx.DiGraph()
        built.add_nodes_from((node, {"label": label}) for node, label in enumerate(graph.labels))
        built.add_edges_from((source, target, {"label": label}) for source, target, label in graph.edges)
        graphs.append(built)
    same = lambda a, b: a["label"] == b["label"]  # noqa: E731
    return bool(networkx.is_isomorphic(*graphs, node_match=same, edge_match=same))


def test_agrees_with_networkx_on_random_pairs() -> None:
    rng = Random(11)
    answers = []
    for _ in range(10_000):
        one = random_graph(rng)
        other = one_edge_moved(shuffled(one, rng), rng)
        answers.append(isomorphic_by_networkx(one, other))
        assert (canonical_form(one) == canonical_form(other)) == answers[-1]
        assert canonical_form(shuffled(one, rng)) == canonical_form(one)
    assert 1000 < sum(answers) < 9000  # both answers are common


def test_agrees_with_networkx_on_random_pairs_of_networks() -> None:
    rng, answers = Random(12), []
    spaces = list(SPACES.values())
    for number in range(1000):
        space = spaces[number % len(spaces)]
        spec = space.decode(random_genotype(space, rng))
        other = renumbered(spec, rng)[0] if space.name != "eff-spinenet-b0" else spec
        if rng.random() < 0.5:
            other = space.decode(space.mutate(space.encode(spec), number)[0])
        plans = [resolve(one, TARGET) for one in (spec, other)]
        answers.append(isomorphic_by_networkx(*map(network_graph, plans)))
        assert (fingerprint(plans[0]) == fingerprint(plans[1])) == answers[-1]
    assert 200 < sum(answers) < 800


def ring(*lengths: int) -> LabelledGraph:
    """Undirected rings as pairs of edges: colour refinement sees no difference between any of them."""
    edges: list[tuple[int, int, Label]] = []
    start = 0
    for length in lengths:
        for place in range(length):
            one, other = start + place, start + (place + 1) % length
            edges += [(one, other, ("edge", 0)), (other, one, ("edge", 0))]
        start += length
    return LabelledGraph(((0,),) * start, tuple(edges))


def test_one_ring_of_six_is_not_two_of_three() -> None:
    assert canonical_form(ring(6)) != canonical_form(ring(3, 3))
    assert canonical_form(shuffled(ring(3, 3), Random(1))) == canonical_form(ring(3, 3))


@pytest.mark.parametrize("chain", [1, 2, 3])
def test_many_interchangeable_parts_do_not_blow_up(chain: int) -> None:
    # Twelve equal chains between one source and one sink have 12! symmetries; trying each would not end.
    num_chains, sink = 12, 12 * chain + 1
    edges: list[tuple[int, int, Label]] = []
    for first in range(1, sink, chain):
        nodes = [0, *range(first, first + chain), sink]
        edges += [(source, target, ("edge", 0)) for source, target in pairwise(nodes)]
    graph = LabelledGraph(((0,),) * (num_chains * chain + 2), tuple(edges))
    assert canonical_form(shuffled(graph, Random(chain))) == canonical_form(graph)
