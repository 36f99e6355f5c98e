"""A search space as a sequence of decisions: options, decode, encode, mutate.

A genotype is the tuple of options taken, one index for each decision point. Whatever offered options are
taken, the architecture is valid; drawing every option uniformly draws permutations, parent pairs,
adjustments and types uniformly.

The points come in this order, each group in the order of the blocks:

1. intermediate blocks: picks among the remaining blocks of the pool, which is listed in rising level;
2. output blocks: picks among the remaining output levels, in rising order;
3. level adjustments of the intermediate blocks, where the space has more than one;
4. block types of all searched blocks, where the space has more than one;
5. for each searched block two parents: a pick among its candidates, then one among the others.

The paper (Du et al. 2020, section 3.1) connects before it adjusts; the set of architectures is the same, but
a policy that picks a parent here already knows the level and type of each candidate. An intermediate block's
candidates are the five features before it, stem included; an output block's are all features before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property
from random import Random
from typing import TypeVar

from search_space.moves import Choices, Offer, moved
from search_space.size import SpaceSize, count_space, levels_can_match
from search_space.spec import MAX_LEVEL, MIN_LEVEL, ArchitectureSpec, BlockSpec, BlockType, Stem

Genotype = tuple[int, ...]
T = TypeVar("T")

OUTPUT_LEVELS = (3, 4, 5, 6, 7)


class DecisionKind(StrEnum):
    """What a decision point decides."""

    INTERMEDIATE_LEVEL = "intermediate_level"  # which block of the intermediate pool comes next
    OUTPUT_LEVEL = "output_level"  # which output block comes next
    LEVEL_ADJUSTMENT = "level_adjustment"
    BLOCK_TYPE = "block_type"
    PARENT = "parent"  # two points for each block; the order of the two means nothing


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be decided, and what it means; features that do not apply are zero or empty.

    Args:
        label: for people.
        feature: the candidate parent's feature index, or the pool position of the block picked; else -1.
        level: level that the block has, or gets.
        block_type: type of the candidate parent, or the type chosen.
        distance: how many features back a candidate parent is, 1 for the one just before.
        adjustment: the level adjustment chosen.
    """

    label: str
    feature: int = -1
    level: int = 0
    block_type: str = ""
    distance: int = 0
    adjustment: int = 0


@dataclass(frozen=True, slots=True)
class DecisionPoint:
    """The next thing to decide.

    Args:
        kind: what it decides.
        subject: feature index of the block that it is about.
        subject_level, subject_type: that block's level and type as far as they are decided, else 0 and "";
            a level to be adjusted is the pool's.
        options: what can be taken, never empty.
    """

    kind: DecisionKind
    subject: int
    options: tuple[Option, ...]
    subject_level: int = 0
    subject_type: str = ""


@dataclass(frozen=True)
class SearchSpace:
    """Scale-permuted backbones over one pool of blocks; every other setting is the spec's default.

    Args:
        source: where the pool and the rules come from.
        stem: the fixed beginning; all its blocks are parent candidates.
        pool: levels of the intermediate blocks, rising.
        budget_reference, budget_tolerance: the budget of a search that names none.
        adjustments: level changes that intermediate blocks may take: consecutive integers, 0 among them.
        block_types: what each searched block may be.
        window: how many features back an intermediate block looks for parents.
    """

    name: str
    source: str
    stem: Stem
    pool: tuple[int, ...]
    budget_reference: str
    budget_tolerance: float
    adjustments: tuple[int, ...] = (0,)
    block_types: tuple[BlockType, ...] = (BlockType.BOTTLENECK,)
    window: int = 5

    def __post_init__(self) -> None:
        low, high = self.adjustments[0], self.adjustments[-1]
        in_range = self.pool[0] + low >= MIN_LEVEL and self.pool[-1] + high <= MAX_LEVEL
        rules = [
            (self.pool == tuple(sorted(self.pool)), f"pool {self.pool}: must rise"),
            (self.adjustments == tuple(range(low, high + 1)), f"adjustments {self.adjustments}: must be consecutive"),
            (low <= 0 <= high, f"adjustments {self.adjustments}: must contain 0"),
            (in_range, f"pool {self.pool} adjusted by {self.adjustments}: must stay in {MIN_LEVEL} to {MAX_LEVEL}"),
            (len(set(self.block_types)) == len(self.block_types), f"block_types {self.block_types}: each once"),
            (self.window >= 2, f"window {self.window}: must be at least 2"),
        ]
        for holds, message in rules:
            if not holds:
                raise ValueError(f"space {self.name!r}: {message}")

    @property
    def num_searched_blocks(self) -> int:
        """Intermediate and output blocks together: N in the papers."""
        return len(self.pool) + len(OUTPUT_LEVELS)

    @property
    def genotype_length(self) -> int:
        """Number of decision points, the same for every genotype."""
        return len(self.option_counts)

    @cached_property
    def option_counts(self) -> tuple[int, ...]:
        """Number of options at each decision point; it does not depend on what was decided before."""
        counts = [*range(len(self.pool), 0, -1), *range(len(OUTPUT_LEVELS), 0, -1)]
        counts += [len(self.adjustments)] * self._num_adjustment_points
        counts += [len(self.block_types)] * self._num_type_points
        for candidates in self._offer.candidates:
            counts += [len(candidates), len(candidates) - 1]
        return tuple(counts)

    @cached_property
    def _points(self) -> tuple[tuple[DecisionKind, int], ...]:
        """Kind and searched block, counted from 0, of each decision point."""
        searched = range(self.num_searched_blocks)
        points = [(DecisionKind.INTERMEDIATE_LEVEL, place) for place in searched[: len(self.pool)]]
        points += [(DecisionKind.OUTPUT_LEVEL, place) for place in searched[len(self.pool) :]]
        points += [(DecisionKind.LEVEL_ADJUSTMENT, place) for place in range(self._num_adjustment_points)]
        points += [(DecisionKind.BLOCK_TYPE, place) for place in range(self._num_type_points)]
        points += [(DecisionKind.PARENT, place) for place in searched for _ in (0, 1)]
        return tuple(points)

    @property
    def _num_adjustment_points(self) -> int:
        return len(self.pool) if len(self.adjustments) > 1 else 0

    @property
    def _num_type_points(self) -> int:
        return self.num_searched_blocks if len(self.block_types) > 1 else 0

    @cached_property
    def _offer(self) -> Offer:
        first = len(self.stem.blocks)
        candidates = []
        for place in range(self.num_searched_blocks):
            is_output = place >= len(self.pool)
            candidates.append(range(0 if is_output else max(first + place - self.window, 0), first + place))
        return Offer(first, self.pool, self.adjustments, self.block_types, tuple(candidates))

    def options(self, prefix: Sequence[int]) -> DecisionPoint | None:
        """The next decision after `prefix`, or None where the genotype is complete.

        Raises:
            ValueError: the prefix is too long, or an index in it was not offered.
        """
        choices = self._read(prefix)
        if len(prefix) == self.genotype_length:
            return None
        kind, place = self._points[len(prefix)]
        subject = self._offer.first + place
        if kind is DecisionKind.INTERMEDIATE_LEVEL:
            return DecisionPoint(kind, subject, _pick_options(self.pool, choices.picks))
        if kind is DecisionKind.OUTPUT_LEVEL:
            taken = [OUTPUT_LEVELS.index(level) for level in choices.outputs]
            return DecisionPoint(kind, subject, _pick_options(OUTPUT_LEVELS, taken))
        if kind is DecisionKind.LEVEL_ADJUSTMENT:
            base = self.pool[choices.picks[place]]
            options = tuple(Option(f"{by:+d}", level=base + by, adjustment=by) for by in self.adjustments)
            return DecisionPoint(kind, subject, options, subject_level=base)
        level = self._levels(choices)[place]
        if kind is DecisionKind.BLOCK_TYPE:
            options = tuple(Option(block_type, block_type=block_type) for block_type in self.block_types)
            return DecisionPoint(kind, subject, options, subject_level=level)
        options = self._parent_options(choices, place)
        return DecisionPoint(kind, subject, options, subject_level=level, subject_type=choices.types[place])

    def _parent_options(self, choices: Choices, place: int) -> tuple[Option, ...]:
        """Candidates of a searched block, without the one that it already took."""
        subject = self._offer.first + place
        taken = choices.parents[place] if place < len(choices.parents) else ()
        levels = [block.level for block in self.stem.blocks] + self._levels(choices)
        types = [block.block_type for block in self.stem.blocks] + list(choices.types)
        return tuple(
            Option(
                f"{feature}: L{levels[feature]} {types[feature]}",
                feature=feature,
                level=levels[feature],
                block_type=types[feature],
                distance=subject - feature,
            )
            for feature in self._offer.candidates[place]
            if feature not in taken
        )

    def decode(self, genotype: Sequence[int], name: str = "") -> ArchitectureSpec:
        """The architecture that a complete genotype decided.

        Raises:
            ValueError: the genotype has another length, or an index was not offered.
        """
        if len(genotype) != self.genotype_length:
            raise ValueError(f"genotype of length {len(genotype)}: {self.name} has {self.genotype_length} decisions")
        return self._spec(self._read(genotype), name)

    def encode(self, spec: ArchitectureSpec) -> Genotype:
        """The canonical genotype of an architecture; `decode` gives the architecture back.

        Where its levels can be had in several ways, each block in turn takes the smallest adjustment (0, then
        -1 before +1) that leaves a way for the others, and of equal blocks in the pool the first.

        Raises:
            ValueError: the architecture is not in the space; the message names the first difference.
        """
        problem = self._difference(spec)
        if problem:
            raise ValueError(f"not an architecture of {self.name}: {problem}")
        inner, outputs = spec.blocks[: len(self.pool)], spec.blocks[len(self.pool) :]
        picks = self._picks([block.level for block in inner])
        choices = Choices(
            picks=picks,
            outputs=tuple(block.level for block in outputs),
            adjustments=tuple(block.level - self.pool[pick] for block, pick in zip(inner, picks, strict=True)),
            types=tuple(block.block_type for block in spec.blocks),
            parents=tuple(block.parents for block in spec.blocks),
        )
        return self._write(choices)

    def mutate(self, genotype: Sequence[int], seed: int) -> tuple[Genotype, tuple[str, ...]]:
        """Another architecture of the space, one move away, and what the move was.

        A move swaps two intermediate blocks, moves one, swaps two outputs, or changes one parent, level or type.

        Raises:
            ValueError: the genotype is not of this space.
        """
        self.decode(genotype)
        choices, edit = moved(self._read(genotype), self._offer, Random(seed))
        return self._write(choices), (edit,)

    def size(self) -> SpaceSize:
        """How many architectures there are, by the papers' formula and without duplicates."""
        return count_space(self._offer)

    def _read(self, prefix: Sequence[int]) -> Choices:
        """What a prefix decided; adjustments and types that the space does not search are filled in."""
        self._check(prefix)
        after_picks = len(self.pool)
        after_outputs = after_picks + len(OUTPUT_LEVELS)
        after_adjustments = after_outputs + self._num_adjustment_points
        after_types = after_adjustments + self._num_type_points
        adjustments: tuple[int, ...] = (0,) * len(self.pool)
        if self._num_adjustment_points:
            adjustments = tuple(self.adjustments[index] for index in prefix[after_outputs:after_adjustments])
        types = self.block_types * self.num_searched_blocks
        if self._num_type_points:
            types = tuple(self.block_types[index] for index in prefix[after_adjustments:after_types])
        pairs = [prefix[start : start + 2] for start in range(after_types, len(prefix), 2)]
        return Choices(
            picks=_taken(range(len(self.pool)), prefix[:after_picks]),
            outputs=_taken(OUTPUT_LEVELS, prefix[after_picks:after_outputs]),
            adjustments=adjustments,
            types=types,
            parents=tuple(_taken(*both) for both in zip(self._offer.candidates, pairs, strict=False)),
        )

    def _check(self, prefix: Sequence[int]) -> None:
        if len(prefix) > self.genotype_length:
            raise ValueError(f"genotype of length {len(prefix)}: {self.name} has {self.genotype_length} decisions")
        for position, (index, count) in enumerate(zip(prefix, self.option_counts, strict=False)):
            if not 0 <= index < count:
                kind, place = self._points[position]
                subject = f"{kind} of block {self._offer.first + place}"
                raise ValueError(f"genotype[{position}] = {index}: must be 0 to {count - 1} ({subject})")

    def _write(self, choices: Choices) -> Genotype:
        """The genotype that decides complete choices, parents in rising order."""
        genotype = _indices(range(len(self.pool)), choices.picks) + _indices(OUTPUT_LEVELS, choices.outputs)
        if self._num_adjustment_points:
            genotype += [self.adjustments.index(adjustment) for adjustment in choices.adjustments]
        if self._num_type_points:
            genotype += [self.block_types.index(block_type) for block_type in choices.types]
        for candidates, parents in zip(self._offer.candidates, choices.parents, strict=True):
            genotype += _indices(candidates, sorted(parents))
        return tuple(genotype)

    def _levels(self, choices: Choices) -> list[int]:
        """Levels of the searched blocks after adjustment."""
        bases = [self.pool[pick] for pick in choices.picks]
        return [base + change for base, change in zip(bases, choices.adjustments, strict=True)] + list(choices.outputs)

    def _spec(self, choices: Choices, name: str) -> ArchitectureSpec:
        columns = zip(self._levels(choices), choices.types, choices.parents, strict=True)
        blocks = tuple(
            BlockSpec(level, block_type, tuple(sorted(parents)), is_output=place >= len(self.pool))
            for place, (level, block_type, parents) in enumerate(columns)
        )
        return ArchitectureSpec(name=name, stem=self.stem, blocks=blocks)

    def _picks(self, levels: Sequence[int]) -> tuple[int, ...]:
        """A block of the pool for each level: the smallest adjustment that leaves a solution, then the first block."""
        left, picks = list(range(len(self.pool))), []
        for place, level in enumerate(levels):
            changes = {pick: level - self.pool[pick] for pick in left if level - self.pool[pick] in self.adjustments}
            for pick in sorted(changes, key=lambda pick: (abs(changes[pick]), changes[pick], pick)):
                rest = [self.pool[position] for position in left if position != pick]
                if levels_can_match(levels[place + 1 :], rest, self.adjustments):
                    left.remove(pick)
                    picks.append(pick)
                    break
        return tuple(picks)

    def _difference(self, spec: ArchitectureSpec) -> str:
        """The first thing about `spec` that no architecture of the space has, or an empty string."""
        own = self.decode((0,) * self.genotype_length)
        for field in fields(spec):
            given, wanted = getattr(spec, field.name), getattr(own, field.name)
            if field.name not in ("name", "blocks") and given != wanted:
                return f"{field.name} {given}: must be {wanted}"
        if len(spec.blocks) != self.num_searched_blocks:
            return f"{len(spec.blocks)} searched blocks: must be {self.num_searched_blocks}"
        for place, block in enumerate(spec.blocks):
            where, candidates = f"block {self._offer.first + place}", self._offer.candidates[place]
            if block.block_type not in self.block_types:
                return f"{where}: {block.block_type}: must be {' or '.join(self.block_types)}"
            if not set(block.parents) <= set(candidates):
                return f"{where}: parents {block.parents}: must be {candidates.start} to {candidates.stop - 1}"
            if (block.resource_multiplier, block.repeats) != (1.0, 1):
                return f"{where}: multiplier {block.resource_multiplier}, repeats {block.repeats}: both must be 1"
        levels = [block.level for block in spec.blocks[: len(self.pool)]]
        if not levels_can_match(levels, self.pool, self.adjustments):
            return f"intermediate levels {levels}: not the pool {self.pool} adjusted by {self.adjustments}"
        return ""


def _pick_options(levels: Sequence[int], taken: Sequence[int]) -> tuple[Option, ...]:
    left = [(position, level) for position, level in enumerate(levels) if position not in taken]
    return tuple(Option(f"L{level}", feature=position, level=level) for position, level in left)


def _taken(items: Sequence[T], indices: Sequence[int]) -> tuple[T, ...]:
    """Items taken one after the other out of those that are left."""
    left = list(items)
    return tuple(left.pop(index) for index in indices)


def _indices(items: Sequence[T], taken: Sequence[T]) -> list[int]:
    """The indices that `_taken` needs to take `taken`."""
    left, indices = list(items), []
    for item in taken:
        indices.append(left.index(item))
        left.remove(item)
    return indices


def random_genotype(space: SearchSpace, rng: Random) -> Genotype:
    """A genotype that takes one of the options uniformly at each decision point."""
    return tuple(rng.randrange(count) for count in space.option_counts)
