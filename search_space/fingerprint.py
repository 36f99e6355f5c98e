"""A name for what a network computes: `fingerprint(plan)`, equal for plans that are the same network.

The live blocks and their edges are a small labelled graph. Its canonical form does not depend on block names,
dead blocks or the order of independent blocks. Colour refinement in both directions tells most blocks
apart; where it leaves ties, each tied block in turn is told apart by hand and the least encoding of all is
taken (McKay 1981). A bottom-up hash is not enough: it gives two equal siblings one name, and then cannot see
whether their consumers share a sibling.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from search_space.plan import NetworkPlan, PlannedBlock

Label = tuple[str | int, ...]
Signature = Label | tuple[int, tuple[tuple[int, Label, int], ...]]  # all keys of one ranking are of one kind
Colours = tuple[int, ...]  # one for each node; equal where nodes are not told apart


@dataclass(frozen=True, slots=True)
class LabelledGraph:
    """A directed graph with labels; `edges` are (source, target, label), nodes are counted from 0.

    Labels of nodes are comparable with one another, and so are labels of edges.
    """

    labels: tuple[Label, ...]
    edges: tuple[tuple[int, int, Label], ...]


def fingerprint(plan: NetworkPlan) -> str:
    """64 hexadecimal digits, equal for networks that are the same at the plan's target, head left out."""
    graph = network_graph(plan)
    order, edges = canonical_form(graph)
    ends = [(end.level, end.in_channels, end.out_channels) for end in plan.endpoints]
    document = [
        plan.spec.stem.kind,
        plan.stem_channels,
        plan.activation,
        plan.spec.fusion,
        plan.spec.neck,
        ends,
        order,
        edges,
    ]
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()


def network_graph(plan: NetworkPlan) -> LabelledGraph:
    """Live blocks and edges; labels hold all that a block or edge is, and nothing about their numbers."""
    node_of = {block.index: node for node, block in enumerate(plan.blocks)}
    edges: list[tuple[int, int, Label]] = []
    for block in plan.blocks:
        if block.is_stem and block.index > 0:
            edges.append((node_of[block.index - 1], node_of[block.index], ("serial", 0)))
        edges += [(node_of[e.source], node_of[block.index], (e.kind.value, e.mid_channels)) for e in block.edges]
    return LabelledGraph(tuple(_label(block) for block in plan.blocks), tuple(edges))


def _label(block: PlannedBlock) -> Label:
    stem_position = block.index if block.is_stem else -1
    first, last = block.layers[0], block.layers[-1]
    inside = (first.mid_channels, first.squeeze_channels, last.mid_channels, last.squeeze_channels, block.width)
    return (
        stem_position,
        block.level,
        block.block_type.value,
        block.kernel,
        block.in_channels,
        block.out_channels,
        *inside,
        len(block.layers),
        first.stride,
        int(block.is_output),
    )


def canonical_form(graph: LabelledGraph) -> tuple[list[Label], list[tuple[int, int, Label]]]:
    """Labels in canonical order, and edges between positions in that order; equal for isomorphic graphs only."""
    return _least_form(graph, _refined(graph, _ranks(graph.labels)))


def _least_form(graph: LabelledGraph, colours: Colours) -> tuple[list[Label], list[tuple[int, int, Label]]]:
    tied = _first_tie(colours)
    if not tied:
        return _encoded(graph, colours)
    tried: list[Colours] = []
    forms = []
    for node in tied:
        told_apart = _individualised(graph, colours, node)
        # A node that a symmetry of the graph maps to one already tried leads to the same form.
        if not any(_isomorphic(graph, told_apart, before) for before in tried):
            tried.append(told_apart)
            forms.append(_least_form(graph, told_apart))
    return min(forms)


def _isomorphic(graph: LabelledGraph, one: Colours, other: Colours) -> bool:
    """Whether a symmetry of the graph takes one refined colouring to the other."""
    if Counter(one) != Counter(other):
        return False
    tied = _first_tie(one)
    if not tied:
        return _encoded(graph, one) == _encoded(graph, other)
    mine = _individualised(graph, one, tied[0])
    same_colour = [node for node, colour in enumerate(other) if colour == one[tied[0]]]
    return any(_isomorphic(graph, mine, _individualised(graph, other, node)) for node in same_colour)


def _refined(graph: LabelledGraph, colours: Colours) -> Colours:
    """The coarsest colouring that tells apart nodes of different colours or differently coloured neighbours.

    New colours are ranks of what was seen, so isomorphic starts give isomorphic results.
    """
    num_colours = len(set(colours))
    while True:
        seen: defaultdict[int, list[tuple[int, Label, int]]] = defaultdict(list)
        for source, target, label in graph.edges:
            seen[target].append((0, label, colours[source]))
            seen[source].append((1, label, colours[target]))
        colours = _ranks([(colour, tuple(sorted(seen[node]))) for node, colour in enumerate(colours)])
        if len(set(colours)) == num_colours:
            return colours
        num_colours = len(set(colours))


def _individualised(graph: LabelledGraph, colours: Colours, node: int) -> Colours:
    """One node put before the others of its colour, and what follows from that."""
    return _refined(graph, tuple(2 * colour + (other != node) for other, colour in enumerate(colours)))


def _first_tie(colours: Colours) -> list[int]:
    """Nodes of the first colour that several nodes have; empty where all are told apart."""
    counts = Counter(colours)
    shared = [colour for colour, count in counts.items() if count > 1]
    return [node for node, colour in enumerate(colours) if colour == min(shared)] if shared else []


def _ranks(keys: Sequence[Signature]) -> Colours:
    """For each key its place among the different keys in rising order."""
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    return tuple(places[key] for key in keys)


def _encoded(graph: LabelledGraph, order: Colours) -> tuple[list[Label], list[tuple[int, int, Label]]]:
    """Labels and edges by position, for a colouring that tells all nodes apart."""
    labels = [label for _, label in sorted(zip(order, graph.labels, strict=True))]
    edges = sorted((order[source], order[target], label) for source, target, label in graph.edges)
    return labels, edges
