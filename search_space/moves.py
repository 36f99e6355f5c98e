"""What a genotype decided, by name, and the moves that change one thing of it.

A move changes what it says and leaves the connections where they are: parents are positions, so swapping two
blocks swaps their levels, types and multipliers while each position keeps its parents. Every result is in the
space, and differs from the start as an architecture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, groupby
from random import Random
from typing import TypeVar

from search_space.spec import BlockType

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choices:
    """Decisions by name. Of a prefix the tuples are shorter.

    Args:
        picks: positions in the pool, in the order of the intermediate blocks.
        outputs: levels of the output blocks, in order.
        adjustments: level change of each intermediate block.
        types: of each searched block.
        parents: two feature indices for each searched block.
        multipliers: of every block, those of the stem first.
    """

    picks: tuple[int, ...]
    outputs: tuple[int, ...]
    adjustments: tuple[int, ...]
    types: tuple[BlockType, ...]
    parents: tuple[tuple[int, ...], ...]
    multipliers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """What the moves of a space may choose from.

    Args:
        first: feature index of the first searched block.
        pool: levels of the intermediate blocks before adjustment, by pool position.
        adjustments, block_types: all that the space has.
        candidates: for each searched block the features that it may have as parents.
    """

    first: int
    pool: tuple[int, ...]
    adjustments: tuple[int, ...]
    block_types: tuple[BlockType, ...]
    multipliers: tuple[float, ...]
    candidates: tuple[range, ...]


Moves = Sequence[Callable[[], tuple[Choices, str]]]
"""All results of one kind of move, none of them made yet: each gives the changed choices, and what it did."""


def moved(choices: Choices, offer: Offer, rng: Random) -> tuple[Choices, str]:
    """One random move, and what it did: a kind of move drawn uniformly, then one of its results."""
    kinds = [swap_intermediates, insert_intermediate, swap_outputs]
    kinds += [change_parent, change_level, change_type, change_multiplier]
    rng.shuffle(kinds)
    for kind in kinds:
        moves = kind(choices, offer)
        if moves:
            return rng.choice(moves)()
    raise AssertionError("two outputs can always be swapped")


def swap_intermediates(choices: Choices, offer: Offer) -> Moves:
    """All results of exchanging two intermediate blocks of different level, type or multiplier."""
    return _swaps(choices, offer, range(len(choices.picks)))


def swap_outputs(choices: Choices, offer: Offer) -> Moves:
    """All results of exchanging two output blocks."""
    return _swaps(choices, offer, range(len(choices.picks), len(choices.types)))


def _swaps(choices: Choices, offer: Offer, places: range) -> Moves:
    looks = _looks(choices, offer)
    return [
        partial(_swapped, choices, offer, one, other)
        for one in places
        for other in range(one + 1, places.stop)
        if looks[one] != looks[other]
    ]


def _swapped(choices: Choices, offer: Offer, one: int, other: int) -> tuple[Choices, str]:
    order = list(range(len(choices.types)))
    order[one], order[other] = other, one
    return _reordered(choices, offer, order), f"swap blocks {offer.first + one} and {offer.first + other}"


def insert_intermediate(choices: Choices, offer: Offer) -> Moves:
    """All results of taking one intermediate block out and putting it in at another place; among blocks that look
    alike that is no move."""
    looks, places = _looks(choices, offer), range(len(choices.picks))
    lengths = [len(list(alike)) for _, alike in groupby(looks[: places.stop])]
    next_other = [end for end, length in zip(accumulate(lengths), lengths, strict=True) for _ in range(length)]
    return [
        partial(_inserted, choices, offer, source, target)
        for source in places
        for target in places
        if next_other[min(source, target)] <= max(source, target)
    ]


def _inserted(choices: Choices, offer: Offer, source: int, target: int) -> tuple[Choices, str]:
    order = list(range(len(choices.types)))
    order.insert(target, order.pop(source))
    return _reordered(choices, offer, order), f"move block {offer.first + source} to {offer.first + target}"


def change_parent(choices: Choices, offer: Offer) -> Moves:
    """All results of giving one block one other parent."""
    return [
        partial(_with_parent, choices, offer, place, old, kept, new)
        for place, pair in enumerate(choices.parents)
        for old, kept in (pair, pair[::-1])
        for new in offer.candidates[place]
        if new not in pair
    ]


def _with_parent(choices: Choices, offer: Offer, place: int, old: int, kept: int, new: int) -> tuple[Choices, str]:
    pair = (min(kept, new), max(kept, new))
    text = f"block {offer.first + place}: parent {old} -> {new}"
    return replace(choices, parents=_with(choices.parents, place, pair)), text


def change_level(choices: Choices, offer: Offer) -> Moves:
    """All results of giving one intermediate block another level adjustment."""
    return [
        partial(_with_adjustment, choices, offer, place, new)
        for place, old in enumerate(choices.adjustments)
        for new in offer.adjustments
        if new != old
    ]


def _with_adjustment(choices: Choices, offer: Offer, place: int, new: int) -> tuple[Choices, str]:
    base = offer.pool[choices.picks[place]]
    text = f"block {offer.first + place}: level {base + choices.adjustments[place]} -> {base + new}"
    return replace(choices, adjustments=_with(choices.adjustments, place, new)), text


def change_type(choices: Choices, offer: Offer) -> Moves:
    """All results of giving one block another type."""
    return [
        partial(_with_type, choices, offer, place, new)
        for place, old in enumerate(choices.types)
        for new in offer.block_types
        if new != old
    ]


def _with_type(choices: Choices, offer: Offer, place: int, new: BlockType) -> tuple[Choices, str]:
    text = f"block {offer.first + place}: {choices.types[place]} -> {new}"
    return replace(choices, types=_with(choices.types, place, new)), text


def change_multiplier(choices: Choices, offer: Offer) -> Moves:
    """All results of giving one block, also one of the stem, another resource multiplier."""
    return [
        partial(_with_multiplier, choices, feature, new)
        for feature, old in enumerate(choices.multipliers)
        for new in offer.multipliers
        if new != old
    ]


def _with_multiplier(choices: Choices, feature: int, new: float) -> tuple[Choices, str]:
    text = f"block {feature}: multiplier {choices.multipliers[feature]:g} -> {new:g}"
    return replace(choices, multipliers=_with(choices.multipliers, feature, new)), text


def _with(items: tuple[T, ...], place: int, item: T) -> tuple[T, ...]:
    return (*items[:place], item, *items[place + 1 :])


def _looks(choices: Choices, offer: Offer) -> list[tuple[int, BlockType, float]]:
    """Level, type and multiplier of each searched block: another order that shows the same is none."""
    bases = (offer.pool[pick] for pick in choices.picks)
    levels = [base + change for base, change in zip(bases, choices.adjustments, strict=True)]
    shares = choices.multipliers[offer.first :]
    return list(zip([*levels, *choices.outputs], choices.types, shares, strict=True))


def _reordered(choices: Choices, offer: Offer, order: list[int]) -> Choices:
    count, first = len(choices.picks), offer.first
    return Choices(
        picks=tuple(choices.picks[place] for place in order[:count]),
        outputs=tuple(choices.outputs[place - count] for place in order[count:]),
        adjustments=tuple(choices.adjustments[place] for place in order[:count]),
        types=tuple(choices.types[place] for place in order),
        parents=choices.parents,
        multipliers=choices.multipliers[:first] + tuple(choices.multipliers[first + place] for place in order),
    )
