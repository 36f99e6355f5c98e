"""What a genotype decided, by name, and the moves that change one thing of it.

A move changes what it says and leaves the connections where they are: parents are positions, so swapping two
blocks swaps their levels, types and multipliers while each position keeps its parents. Every result is in the
space, and differs from the start as an architecture.
"""

from dataclasses import dataclass, replace
from random import Random

from search_space.spec import BlockType


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


Edited = list[tuple[Choices, str]]


def moved(choices: Choices, offer: Offer, rng: Random) -> tuple[Choices, str]:
    """One random move, and what it did: a kind of move drawn uniformly, then one of its results."""
    kinds = [swap_intermediates, insert_intermediate, swap_outputs]
    kinds += [change_parent, change_level, change_type, change_multiplier]
    rng.shuffle(kinds)
    for kind in kinds:
        edited = kind(choices, offer)
        if edited:
            return rng.choice(edited)
    raise AssertionError("two outputs can always be swapped")


def swap_intermediates(choices: Choices, offer: Offer) -> Edited:
    """All results of exchanging two intermediate blocks of different level, type or multiplier."""
    return _swaps(choices, offer, range(len(choices.picks)))


def swap_outputs(choices: Choices, offer: Offer) -> Edited:
    """All results of exchanging two output blocks."""
    return _swaps(choices, offer, range(len(choices.picks), len(choices.types)))


def _swaps(choices: Choices, offer: Offer, places: range) -> Edited:
    edited = []
    for one in places:
        for other in range(one + 1, places.stop):
            order = list(range(len(choices.types)))
            order[one], order[other] = other, one
            if _changes(order, choices, offer):
                text = f"swap blocks {offer.first + one} and {offer.first + other}"
                edited.append((_reordered(choices, offer, order), text))
    return edited


def insert_intermediate(choices: Choices, offer: Offer) -> Edited:
    """All results of taking one intermediate block out and putting it in at another place."""
    places = range(len(choices.picks))
    edited = []
    for source in places:
        for target in places:
            order = list(range(len(choices.types)))
            order.insert(target, order.pop(source))
            if _changes(order, choices, offer):
                text = f"move block {offer.first + source} to {offer.first + target}"
                edited.append((_reordered(choices, offer, order), text))
    return edited


def change_parent(choices: Choices, offer: Offer) -> Edited:
    """All results of giving one block one other parent."""
    edited = []
    for place, pair in enumerate(choices.parents):
        for old, kept in (pair, pair[::-1]):
            for new in offer.candidates[place]:
                if new not in pair:
                    parents = list(choices.parents)
                    parents[place] = (min(kept, new), max(kept, new))
                    text = f"block {offer.first + place}: parent {old} -> {new}"
                    edited.append((replace(choices, parents=tuple(parents)), text))
    return edited


def change_level(choices: Choices, offer: Offer) -> Edited:
    """All results of giving one intermediate block another level adjustment."""
    edited = []
    for place, old in enumerate(choices.adjustments):
        base = offer.pool[choices.picks[place]]
        for new in offer.adjustments:
            if new != old:
                adjustments = list(choices.adjustments)
                adjustments[place] = new
                text = f"block {offer.first + place}: level {base + old} -> {base + new}"
                edited.append((replace(choices, adjustments=tuple(adjustments)), text))
    return edited


def change_type(choices: Choices, offer: Offer) -> Edited:
    """All results of giving one block another type."""
    edited = []
    for place, old in enumerate(choices.types):
        for new in offer.block_types:
            if new != old:
                types = list(choices.types)
                types[place] = new
                text = f"block {offer.first + place}: {old} -> {new}"
                edited.append((replace(choices, types=tuple(types)), text))
    return edited


def change_multiplier(choices: Choices, offer: Offer) -> Edited:
    """All results of giving one block, also one of the stem, another resource multiplier."""
    edited = []
    for feature, old in enumerate(choices.multipliers):
        for new in offer.multipliers:
            if new != old:
                multipliers = list(choices.multipliers)
                multipliers[feature] = new
                text = f"block {feature}: multiplier {old:g} -> {new:g}"
                edited.append((replace(choices, multipliers=tuple(multipliers)), text))
    return edited


def _changes(order: list[int], choices: Choices, offer: Offer) -> bool:
    """Whether another order of the blocks gives another sequence of levels, types and multipliers."""
    bases = (offer.pool[pick] for pick in choices.picks)
    levels = [base + change for base, change in zip(bases, choices.adjustments, strict=True)]
    shares = choices.multipliers[offer.first :]
    looks = list(zip([*levels, *choices.outputs], choices.types, shares, strict=True))
    return [looks[place] for place in order] != looks


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
