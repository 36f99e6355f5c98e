"""What differs between two architectures: `compare(before, after) -> ArchitectureDifference`.

An architecture is a row of places that read one another, with an operation at each: a level, a type, output or
not. A permutation moves operations between places while the connections stay; a block may also move with
its connections. So places and operations are matched apart:

* Places are matched so that the fewest connections and fields differ: a local search that exchanges two partners,
  begun from equal surroundings. Of what it finds and equal numbers the one with fewer edits counts.
* Operations of matched places are matched in place, or by what they are (level, type, output), or along the longest
  common subsequence of both rows: whichever leaves the fewest edits. What then stands in another order has moved.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields
from itertools import combinations

from search_space.graph import feature_inputs, orphans_by_output
from search_space.plan import MBCONV_EXPANSION
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType

Pair = tuple[int, int]

WIDTH_OF_LEVEL = "width of level "
SURROUNDINGS = 3
"""Blocks are recognised by inputs and readers up to this many connections away."""


@dataclass(frozen=True, slots=True, order=True)
class Connection:
    """One input of a block, as feature indices; an orphan joins its level's output."""

    source: int
    target: int
    is_orphan: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A block that stands elsewhere in the order; `before` and `after` are its feature indices.

    Args:
        with_connections: whether its inputs and readers went along, or stayed for the block that took its place.
    """

    before: int
    after: int
    with_connections: bool


@dataclass(frozen=True, slots=True)
class BlockChange:
    """One field of a block.

    Args:
        field: ``level``, ``type``, ``output``, ``multiplier``, ``width``, ``repeats``, ``kernel`` or ``expansion``.
        old, new: its values; widths are at width scale 1.
    """

    before: int
    after: int
    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A field that belongs to the whole architecture or to its stem."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureDifference:
    """All that differs between two architectures but their names; blocks are counted as features.

    Args:
        places: features of `before` and `after` whose connections correspond, by rising feature of `after`.
        blocks: features of `before` and `after` whose operations correspond, in the same order.
        moved: of `blocks`, those that stand in another order.
        changed: of `blocks`, every field that is another.
        removed_blocks, removed_connections: of `before`.
        added_blocks, added_connections, kept_connections: of `after`.
    """

    before: ArchitectureSpec
    after: ArchitectureSpec
    places: tuple[Pair, ...]
    blocks: tuple[Pair, ...]
    moved: tuple[Move, ...]
    changed: tuple[BlockChange, ...]
    settings: tuple[SettingChange, ...]
    removed_blocks: tuple[int, ...]
    added_blocks: tuple[int, ...]
    removed_connections: tuple[Connection, ...]
    added_connections: tuple[Connection, ...]
    kept_connections: tuple[Connection, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        edits = (self.moved, self.changed, self.settings, self.removed_blocks, self.added_blocks)
        return not any((*edits, self.removed_connections, self.added_connections))


def compare(before: ArchitectureSpec, after: ArchitectureSpec) -> ArchitectureDifference:
    """What leads from `before` to `after`; the same for the same two."""
    stem = _stem_places(before, after)
    searched = _searched_places(before, after, stem)
    places = sorted(stem + searched, key=lambda pair: pair[1])
    blocks = sorted(stem + _matched_operations(before, after, searched), key=lambda pair: pair[1])
    partner = dict(places)
    old, new = connections(before), connections(after)
    carried = [_carried(edge, partner) for edge in old]
    return ArchitectureDifference(
        before=before,
        after=after,
        places=tuple(places),
        blocks=tuple(blocks),
        moved=tuple(Move(*pair, with_connections=pair in places) for pair in _moved(blocks)[0]),
        changed=tuple(_changes(before, after, blocks)),
        settings=tuple(_setting_changes(before, after)),
        removed_blocks=tuple(i for i in range(len(before.all_blocks)) if i not in partner),
        added_blocks=tuple(j for j in range(len(after.all_blocks)) if j not in partner.values()),
        removed_connections=tuple(edge for edge, there in zip(old, carried, strict=True) if there not in new),
        added_connections=tuple(edge for edge in new if edge not in carried),
        kept_connections=tuple(edge for edge in new if edge in carried),
    )


def connections(spec: ArchitectureSpec) -> list[Connection]:
    """Every input of every block, by target: parents, then orphans."""
    orphans = orphans_by_output(spec)
    return [
        Connection(source, target, source in orphans.get(target, ()))
        for target, sources in enumerate(feature_inputs(spec))
        for source in sources
    ]


def _carried(edge: Connection, partner: dict[int, int]) -> Connection | None:
    """The same connection between the partners of its ends, or None where one has none."""
    if edge.source not in partner or edge.target not in partner:
        return None
    return Connection(partner[edge.source], partner[edge.target], edge.is_orphan)


def _operation(block: BlockSpec) -> tuple[int, BlockType, bool]:
    """What a permutation permutes."""
    return (block.level, block.block_type, block.is_output)


def _stem_places(before: ArchitectureSpec, after: ArchitectureSpec) -> list[Pair]:
    """Stem blocks in order; of stems of different lengths, along the longest common subsequence of operations."""
    old, new = (
        [(*_operation(block), block.kernel, block.expansion) for block in spec.stem.blocks] for spec in (before, after)
    )
    return [(index, index) for index in range(len(old))] if len(old) == len(new) else _longest_common(old, new)


def _searched_places(before: ArchitectureSpec, after: ArchitectureSpec, stem: list[Pair]) -> list[Pair]:
    """Equal numbers, or the partners that the local search finds: whichever leave the fewest edits."""
    cost = _PlaceCost(before, after, stem)
    in_order, by_surroundings = list(range(cost.size)), _by_surroundings(before, after, cost.size)

    def num_edits(partners: Sequence[int]) -> int:
        pairs = cost.pairs(partners)
        operations = _num_edits(before, after, _matched_operations(before, after, pairs))
        return cost.num_connections(pairs) + operations

    return cost.pairs(min((in_order, _improved(by_surroundings, cost.of)), key=num_edits))


class _PlaceCost:
    """How many connections and fields differ under partners of the searched blocks.

    Partners are a permutation as long as the longer architecture: ``partners[i]`` is the partner of searched block i;
    numbers above an architecture's own stand for no block.
    """

    def __init__(self, before: ArchitectureSpec, after: ArchitectureSpec, stem: list[Pair]) -> None:
        self.size = max(len(before.blocks), len(after.blocks))
        self._before, self._after, self._stem = before, after, stem
        self._old, self._new = connections(before), set(connections(after))
        self._old_fields = [tuple(_fields(before, block).values()) for block in before.all_blocks]
        self._new_fields = [tuple(_fields(after, block).values()) for block in after.all_blocks]

    def pairs(self, partners: Sequence[int]) -> list[Pair]:
        """Feature indices of the partners that are blocks of both."""
        first, other_first, num_new = self._before.num_stem_blocks, self._after.num_stem_blocks, len(self._after.blocks)
        matched = enumerate(partners[: len(self._before.blocks)])
        return [(first + i, other_first + j) for i, j in matched if j < num_new]

    def of(self, partners: Sequence[int]) -> int:
        """The cost of partners."""
        pairs = self.pairs(partners)
        fields_differ = sum(
            old != new for i, j in pairs for old, new in zip(self._old_fields[i], self._new_fields[j], strict=True)
        )
        return self.num_connections(pairs) + fields_differ

    def num_connections(self, pairs: list[Pair]) -> int:
        """How many connections only one of both has."""
        partner = dict(self._stem + pairs)
        common = sum(_carried(edge, partner) in self._new for edge in self._old)
        return len(self._old) + len(self._new) - 2 * common


def _improved(partners: list[int], cost: Callable[[Sequence[int]], int]) -> list[int]:
    """Partners that no exchange of two makes better."""
    best, is_improving = cost(partners), True
    while is_improving:
        is_improving = False
        for one, other in combinations(range(len(partners)), 2):
            exchanged = list(partners)
            exchanged[one], exchanged[other] = partners[other], partners[one]
            found = cost(exchanged)
            if found < best:
                partners, best, is_improving = exchanged, found, True
    return partners


def _by_surroundings(before: ArchitectureSpec, after: ArchitectureSpec, size: int) -> list[int]:
    """Partners whose surroundings are equal as far as can be; the rest in order."""
    numbers: dict[Hashable, int] = {}
    partner: dict[int, int] = {}
    for old, new in reversed(list(zip(_surroundings(before, numbers), _surroundings(after, numbers), strict=True))):
        _match(partner, old, new)
    _match(partner, [0] * size, [0] * size)
    return [partner[place] for place in range(size)]


def _surroundings(spec: ArchitectureSpec, numbers: dict[Hashable, int]) -> list[list[int]]:
    """For 0, 1, ... connections away a number for what each searched block sees, kept in `numbers`."""
    inputs = feature_inputs(spec)
    readers = [[target for target, sources in enumerate(inputs) if k in sources] for k in range(len(inputs))]
    places = [*range(spec.num_stem_blocks), *([-1] * len(spec.blocks))]
    keys: list[Hashable] = [(place, *_operation(b)) for place, b in zip(places, spec.all_blocks, strict=True)]
    rounds = [[numbers.setdefault(key, len(numbers)) for key in keys]]
    for _ in range(SURROUNDINGS):
        seen = rounds[-1]
        keys = [
            (seen[k], tuple(sorted(seen[i] for i in inputs[k])), tuple(sorted(seen[i] for i in readers[k])))
            for k in range(len(inputs))
        ]
        rounds.append([numbers.setdefault(key, len(numbers)) for key in keys])
    return [each[spec.num_stem_blocks :] for each in rounds]


def _match(partner: dict[int, int], old: Sequence[Hashable], new: Sequence[Hashable]) -> None:
    """Adds partners with equal keys to `partner`: those of the same number first, then in order."""
    free = [j for j in range(len(new)) if j not in partner.values()]
    for in_place in (True, False):
        for i, key in enumerate(old):
            fitting = [j for j in free if new[j] == key and (j == i or not in_place)]
            if i not in partner and fitting:
                partner[i] = fitting[0]
                free.remove(fitting[0])


def _matched_operations(before: ArchitectureSpec, after: ArchitectureSpec, places: list[Pair]) -> list[Pair]:
    """The pairs of equal or similar operations among matched places that leave the fewest edits."""
    by_operation = _similar(before, after, [i for i, _ in places], [j for _, j in places])
    in_order = _similar(before, after, [i for i, _ in places], sorted(j for _, j in places), runs_first=True)
    return min((places, by_operation, in_order), key=lambda pairs: _num_edits(before, after, pairs))


def _num_edits(before: ArchitectureSpec, after: ArchitectureSpec, pairs: list[Pair]) -> int:
    """How many moves and changes of fields make one of two rows of blocks the other."""
    return _moved(pairs)[1] + len(_changes(before, after, pairs))


def _similar(
    before: ArchitectureSpec, after: ArchitectureSpec, old: list[int], new: list[int], *, runs_first: bool = False
) -> list[Pair]:
    """Features of `old` and `new` paired by operation, else by level, else by being outputs; all are paired."""
    mine, theirs = ([_operation(spec.all_blocks[k]) for k in chosen] for spec, chosen in ((before, old), (after, new)))
    partner = dict(_longest_common(mine, theirs)) if runs_first else {}
    _match(partner, mine, theirs)
    _match(partner, [(level, out) for level, _, out in mine], [(level, out) for level, _, out in theirs])
    _match(partner, [out for *_, out in mine], [out for *_, out in theirs])
    _match(partner, [0] * len(old), [0] * len(new))
    return [(old[i], new[j]) for i, j in partner.items()]


def _longest_common(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Pair]:
    """Positions of a longest common subsequence."""
    length = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            longer = max(length[i + 1][j], length[i][j + 1])
            length[i][j] = length[i + 1][j + 1] + 1 if old[i] == new[j] else longer
    found, i, j = [], 0, 0
    while i < len(old) and j < len(new):
        if old[i] == new[j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif length[i + 1][j] >= length[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def _moved(pairs: list[Pair]) -> tuple[list[Pair], int]:
    """The pairs that stand in another order, and how many moves that took.

    Either exchanges of two, which take one move fewer than a cycle of exchanged blocks is long; or, where that
    takes fewer, one move for every block outside the longest run in rising order.
    """
    ordered = sorted(pairs)
    ranks = [sorted(j for _, j in ordered).index(j) for _, j in ordered]
    exchanged = [place for place, rank in enumerate(ranks) if place != rank]
    in_order = {place for place, _ in _longest_common(ranks, range(len(ranks)))}
    out_of_order = [place for place in range(len(ranks)) if place not in in_order]
    num_exchanges = len(exchanged) - _num_cycles(ranks, exchanged)
    if num_exchanges <= len(out_of_order):
        return [ordered[place] for place in exchanged], num_exchanges
    return [ordered[place] for place in out_of_order], len(out_of_order)


def _num_cycles(ranks: list[int], places: list[int]) -> int:
    left, count = set(places), 0
    while left:
        place = min(left)
        while place in left:
            left.remove(place)
            place = ranks[place]
        count += 1
    return count


def _fields(spec: ArchitectureSpec, block: BlockSpec) -> dict[str, str]:
    """What a block is apart from its inputs, by name."""
    is_mbconv = block.block_type is BlockType.MBCONV
    return {
        "level": str(block.level),
        "type": block.block_type.value,
        "output": "yes" if block.is_output else "no",
        "multiplier": str(block.resource_multiplier).removesuffix(".0"),
        "width": str(spec.block_width(block)),
        "repeats": str(block.repeats),
        "kernel": str(block.kernel),
        "expansion": str(block.expansion or MBCONV_EXPANSION) if is_mbconv else "",
    }


def _changes(before: ArchitectureSpec, after: ArchitectureSpec, pairs: list[Pair]) -> list[BlockChange]:
    """Every field that differs; of multiplier and width the one that settles the width."""
    changes = []
    for i, j in pairs:
        old, new = before.all_blocks[i], after.all_blocks[j]
        old_fields, new_fields = _fields(before, old), _fields(after, new)
        implied = "width" if old.width is None and new.width is None else "multiplier"
        new_fields[implied] = old_fields[implied]
        if old.block_type is not new.block_type:
            new_fields["expansion"] = old_fields["expansion"]
        changes += [
            BlockChange(i, j, name, old_fields[name], new_fields[name])
            for name in old_fields
            if old_fields[name] != new_fields[name]
        ]
    return changes


def _setting_changes(before: ArchitectureSpec, after: ArchitectureSpec) -> list[SettingChange]:
    old, new = _settings(before), _settings(after)
    none = "none"
    return [
        SettingChange(name, old.get(name, none), new.get(name, none))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]


def _settings(spec: ArchitectureSpec) -> dict[str, str]:
    """Every field that is not a block's, by name."""
    settings = {"stem": spec.stem.kind.value, "stem channels": str(spec.stem.channels)}
    settings |= {f"{WIDTH_OF_LEVEL}{level}": str(width) for level, width in spec.widths}
    others = [item.name for item in fields(spec) if item.name not in ("name", "stem", "blocks", "widths")]
    return settings | {name.replace("_", " "): str(getattr(spec, name)) for name in others}
