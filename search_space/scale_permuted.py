"""Spaces of scale-permuted backbones: permutation, connections, level adjustments, block types, multipliers.

The points come in this order, each group in the order of the blocks:

1. intermediate blocks: picks among the remaining blocks of the pool, which is listed in rising level;
2. output blocks: picks among the remaining output levels, in rising order;
3. level adjustments of the intermediate blocks, where the space has more than one;
4. block types of all searched blocks, where the space has more than one;
5. for each searched block two parents: a pick among its candidates, then one among the others;
6. resource multipliers of all blocks, those of the stem first, where the space has more than one.

The paper (Du et al. 2020, section 3.1) connects before it adjusts; the set of architectures is the same, but
a policy that picks a parent here already knows the level and type of each candidate. An intermediate block's
candidates are the five features before it, stem included; an output block's are all features before it.
Drawing every option uniformly draws permutations, parent pairs, adjustments, types and multipliers uniformly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from random import Random
from typing import TypeVar

from search_space.decisions import Decision, DecisionKind, DecisionPoint, Genotype, Option, SearchSpace
from search_space.moves import Choices, Offer, moved
from search_space.offered_options import adjusted, as_parent, of_share, of_type, pick_options, picked
from search_space.size import SpaceSize, count_space, levels_can_match
from search_space.spec import MAX_LEVEL, MIN_LEVEL, ArchitectureSpec, BlockSpec, BlockType, Stem

T = TypeVar("T")

OUTPUT_LEVELS = (3, 4, 5, 6, 7)


@dataclass(frozen=True, kw_only=True)
class ScalePermutedSpace(SearchSpace):
    """Scale-permuted backbones over one pool of blocks; every other setting is the template's.

    Args:
        stem: the fixed beginning; all its blocks are parent candidates.
        pool: levels of the intermediate blocks, rising.
        adjustments: level changes that intermediate blocks may take: consecutive integers, 0 among them.
        block_types: what each searched block may be.
        window: how many features back an intermediate block looks for parents.
    """

    stem: Stem
    pool: tuple[int, ...]
    adjustments: tuple[int, ...] = (0,)
    block_types: tuple[BlockType, ...] = (BlockType.BOTTLENECK,)
    window: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
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

    @cached_property
    def option_counts(self) -> tuple[int, ...]:
        """Number of options at each decision point."""
        counts = [*range(len(self.pool), 0, -1), *range(len(OUTPUT_LEVELS), 0, -1)]
        counts += [len(self.adjustments)] * self._num_adjustment_points
        counts += [len(self.block_types)] * self._num_type_points
        for candidates in self._offer.candidates:
            counts += [len(candidates), len(candidates) - 1]
        counts += [len(self.multipliers)] * self._num_multiplier_points
        return tuple(counts)

    @cached_property
    def points(self) -> tuple[tuple[DecisionKind, int], ...]:
        """Kind and subject, a feature index, of each decision point."""
        searched = range(self._offer.first, self._offer.first + self.num_searched_blocks)
        points = [(DecisionKind.INTERMEDIATE_LEVEL, feature) for feature in searched[: len(self.pool)]]
        points += [(DecisionKind.OUTPUT_LEVEL, feature) for feature in searched[len(self.pool) :]]
        points += [(DecisionKind.LEVEL_ADJUSTMENT, feature) for feature in searched[: self._num_adjustment_points]]
        points += [(DecisionKind.BLOCK_TYPE, feature) for feature in searched[: self._num_type_points]]
        points += [(DecisionKind.PARENT, feature) for feature in searched for _ in (0, 1)]
        points += [(DecisionKind.RESOURCE_MULTIPLIER, feature) for feature in range(self._num_multiplier_points)]
        return tuple(points)

    @property
    def _num_adjustment_points(self) -> int:
        return len(self.pool) if len(self.adjustments) > 1 else 0

    @property
    def _num_type_points(self) -> int:
        return self.num_searched_blocks if len(self.block_types) > 1 else 0

    @property
    def _num_multiplier_points(self) -> int:
        return self._offer.first + self.num_searched_blocks if len(self.multipliers) > 1 else 0

    @cached_property
    def _offer(self) -> Offer:
        first = len(self.stem.blocks)
        candidates = []
        for place in range(self.num_searched_blocks):
            is_output = place >= len(self.pool)
            candidates.append(range(0 if is_output else max(first + place - self.window, 0), first + place))
        return Offer(first, self.pool, self.adjustments, self.block_types, self.multipliers, tuple(candidates))

    def options(self, prefix: Sequence[int]) -> DecisionPoint | None:
        """The next decision after `prefix`, or None where the genotype is complete."""
        self.check(prefix, is_prefix=True)
        choices = self._read(prefix)
        if len(prefix) == self.genotype_length:
            return None
        kind, subject = self.points[len(prefix)]
        place = subject - self._offer.first
        if kind is DecisionKind.INTERMEDIATE_LEVEL:
            return DecisionPoint(kind, subject, pick_options(self.pool, choices.picks))
        if kind is DecisionKind.OUTPUT_LEVEL:
            taken = [OUTPUT_LEVELS.index(level) for level in choices.outputs]
            return DecisionPoint(kind, subject, pick_options(OUTPUT_LEVELS, taken))
        if kind is DecisionKind.LEVEL_ADJUSTMENT:
            base = self.pool[choices.picks[place]]
            options = tuple(adjusted(base, by) for by in self.adjustments)
            return DecisionPoint(kind, subject, options, subject_level=base)
        level = self._all_levels(choices)[subject]
        if kind is DecisionKind.BLOCK_TYPE:
            options = tuple(of_type(block_type) for block_type in self.block_types)
            return DecisionPoint(kind, subject, options, subject_level=level)
        if kind is DecisionKind.PARENT:
            options = self._parent_options(choices, place)
        else:
            options = tuple(of_share(share) for share in self.multipliers)
        subject_type = self._all_types(choices)[subject]
        return DecisionPoint(kind, subject, options, subject_level=level, subject_type=subject_type)

    def _parent_options(self, choices: Choices, place: int) -> tuple[Option, ...]:
        """Candidates of a searched block, without the one that it already took."""
        subject = self._offer.first + place
        taken = choices.parents[place] if place < len(choices.parents) else ()
        levels, types = self._all_levels(choices), self._all_types(choices)
        left = [feature for feature in self._offer.candidates[place] if feature not in taken]
        return tuple(as_parent(feature, subject, levels[feature], types[feature]) for feature in left)

    def _visit(self, take: Callable[[DecisionPoint], int]) -> None:
        """The points that `options` gives along a growing prefix, which it would read anew at each of them."""
        first, stem = self._offer.first, self.stem.blocks
        bases = _pick_all(DecisionKind.INTERMEDIATE_LEVEL, first, self.pool, take)
        outputs = _pick_all(DecisionKind.OUTPUT_LEVEL, first + len(self.pool), OUTPUT_LEVELS, take)
        for place, base in enumerate(bases[: self._num_adjustment_points]):
            options = tuple(adjusted(base, by) for by in self.adjustments)
            point = DecisionPoint(DecisionKind.LEVEL_ADJUSTMENT, first + place, options, base)
            bases[place] = options[take(point)].level
        levels = [*(block.level for block in stem), *bases, *outputs]
        types = [*(block.block_type for block in stem), *(self.block_types[:1] * self.num_searched_blocks)]
        kinds = tuple(of_type(block_type) for block_type in self.block_types)
        for subject in range(first, first + self._num_type_points):
            point = DecisionPoint(DecisionKind.BLOCK_TYPE, subject, kinds, levels[subject])
            types[subject] = self.block_types[take(point)]
        for subject, candidates in enumerate(self._offer.candidates, start=first):
            left = [as_parent(feature, subject, levels[feature], types[feature]) for feature in candidates]
            for _ in range(2):
                point = DecisionPoint(DecisionKind.PARENT, subject, tuple(left), levels[subject], types[subject])
                left.pop(take(point))
        shares = tuple(of_share(share) for share in self.multipliers)
        for subject in range(self._num_multiplier_points):
            kind = DecisionKind.RESOURCE_MULTIPLIER
            take(DecisionPoint(kind, subject, shares, levels[subject], types[subject]))

    def decisions(self, genotype: Sequence[int]) -> tuple[Decision, ...]:
        """What a complete genotype decided, read once: a walk along `options` reads it at every point."""
        self.check(genotype)
        choices = self._read(genotype)
        levels, types = self._all_levels(choices), self._all_types(choices)
        bases = [self.pool[pick] for pick in choices.picks]
        options = [picked(pick, level) for pick, level in zip(choices.picks, bases, strict=True)]
        options += [picked(OUTPUT_LEVELS.index(level), level) for level in choices.outputs]
        num_adjusted = self._num_adjustment_points
        options += [adjusted(base, by) for base, by in zip(bases, choices.adjustments, strict=True)][:num_adjusted]
        options += [of_type(block_type) for block_type in choices.types[: self._num_type_points]]
        for subject, pair in enumerate(choices.parents, start=self._offer.first):
            options += [as_parent(feature, subject, levels[feature], types[feature]) for feature in pair]
        options += [of_share(share) for share in choices.multipliers[: self._num_multiplier_points]]
        decided = []
        for (kind, subject), option in zip(self.points, options, strict=True):
            level, block_type = 0, ""
            if kind is DecisionKind.LEVEL_ADJUSTMENT:
                level = option.level - option.adjustment
            elif kind not in (DecisionKind.INTERMEDIATE_LEVEL, DecisionKind.OUTPUT_LEVEL):
                level = levels[subject]
                block_type = "" if kind is DecisionKind.BLOCK_TYPE else types[subject]
            decided.append(Decision(kind, subject, option, level, block_type))
        return tuple(decided)

    def decode(self, genotype: Sequence[int], name: str = "") -> ArchitectureSpec:
        """The architecture that a complete genotype decided."""
        self.check(genotype)
        return self._spec(self._read(genotype), name)

    def encode(self, spec: ArchitectureSpec) -> Genotype:
        """The canonical genotype of an architecture; `decode` gives the architecture back.

        Where its levels can be had in several ways, each block in turn takes the smallest adjustment (0, then
        -1 before +1) that leaves a way for the others, and of equal blocks in the pool the first.
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
            multipliers=tuple(block.resource_multiplier for block in spec.all_blocks),
        )
        return self._write(choices)

    def mutate(self, genotype: Sequence[int], seed: int) -> tuple[Genotype, tuple[str, ...]]:
        """Another architecture of the space, one move away, and what the move was.

        A move swaps two intermediate blocks, moves one, swaps two outputs, or changes one parent, level, type or
        multiplier.
        """
        self.check(genotype)
        choices, edit = moved(self._read(genotype), self._offer, Random(seed))
        return self._write(choices), (edit,)

    def size(self) -> SpaceSize:
        """How many architectures there are, by the papers' formula and without duplicates."""
        return count_space(self._offer)

    def _read(self, prefix: Sequence[int]) -> Choices:
        """What a prefix decided, checked before; adjustments and types that the space does not search are filled in."""
        after_picks = len(self.pool)
        after_outputs = after_picks + len(OUTPUT_LEVELS)
        after_adjustments = after_outputs + self._num_adjustment_points
        after_types = after_adjustments + self._num_type_points
        after_parents = after_types + 2 * self.num_searched_blocks
        adjustments: tuple[int, ...] = (0,) * len(self.pool)
        if self._num_adjustment_points:
            adjustments = tuple(self.adjustments[index] for index in prefix[after_outputs:after_adjustments])
        types = self.block_types * self.num_searched_blocks
        if self._num_type_points:
            types = tuple(self.block_types[index] for index in prefix[after_adjustments:after_types])
        pairs = [prefix[start : start + 2] for start in range(after_types, min(len(prefix), after_parents), 2)]
        multipliers = (1.0,) * (self._offer.first + self.num_searched_blocks)
        if self._num_multiplier_points:
            multipliers = tuple(self.multipliers[index] for index in prefix[after_parents:])
        return Choices(
            picks=_taken(range(len(self.pool)), prefix[:after_picks]),
            outputs=_taken(OUTPUT_LEVELS, prefix[after_picks:after_outputs]),
            adjustments=adjustments,
            types=types,
            parents=tuple(_taken(*both) for both in zip(self._offer.candidates, pairs, strict=False)),
            multipliers=multipliers,
        )

    def describe_point(self, position: int) -> str:
        """What a decision point decides."""
        kind, subject = self.points[position]
        return f"{kind} of block {subject}"

    def _write(self, choices: Choices) -> Genotype:
        """The genotype that decides complete choices, parents in rising order."""
        genotype = _indices(range(len(self.pool)), choices.picks) + _indices(OUTPUT_LEVELS, choices.outputs)
        if self._num_adjustment_points:
            genotype += [self.adjustments.index(adjustment) for adjustment in choices.adjustments]
        if self._num_type_points:
            genotype += [self.block_types.index(block_type) for block_type in choices.types]
        for candidates, parents in zip(self._offer.candidates, choices.parents, strict=True):
            genotype += _indices(candidates, sorted(parents))
        if self._num_multiplier_points:
            genotype += [self.multipliers.index(multiplier) for multiplier in choices.multipliers]
        return tuple(genotype)

    def _levels(self, choices: Choices) -> list[int]:
        """Levels of the searched blocks after adjustment."""
        bases = [self.pool[pick] for pick in choices.picks]
        return [base + change for base, change in zip(bases, choices.adjustments, strict=True)] + list(choices.outputs)

    def _all_levels(self, choices: Choices) -> list[int]:
        """Levels by feature, stem included."""
        return [block.level for block in self.stem.blocks] + self._levels(choices)

    def _all_types(self, choices: Choices) -> list[BlockType]:
        """Types by feature, stem included."""
        return [block.block_type for block in self.stem.blocks] + list(choices.types)

    def _spec(self, choices: Choices, name: str) -> ArchitectureSpec:
        first = self._offer.first
        columns = zip(self._levels(choices), choices.types, choices.parents, choices.multipliers[first:], strict=True)
        blocks = tuple(
            BlockSpec(
                level=level,
                block_type=block_type,
                parents=(min(parents), max(parents)),
                is_output=place >= len(self.pool),
                resource_multiplier=multiplier,
            )
            for place, (level, block_type, parents, multiplier) in enumerate(columns)
        )
        stem = self.stem
        if self._num_multiplier_points:
            shares = zip(stem.blocks, choices.multipliers, strict=False)
            stem = replace(stem, blocks=tuple(replace(block, resource_multiplier=share) for block, share in shares))
        return replace(self.template, name=name, stem=stem, blocks=blocks)

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
        for field in fields(spec):
            given, wanted = getattr(spec, field.name), getattr(self.template, field.name)
            if field.name not in ("name", "stem", "blocks") and given != wanted:
                return f"{field.name} {given}: must be {wanted}"
        if _without_shares(spec.stem) != self.stem:
            return f"stem {spec.stem}: must be {self.stem}"
        if len(spec.blocks) != self.num_searched_blocks:
            return f"{len(spec.blocks)} searched blocks: must be {self.num_searched_blocks}"
        for feature, block in enumerate(spec.all_blocks):
            problem = self._block_difference(block, feature)
            if problem:
                return f"block {feature}: {problem}"
        levels = [block.level for block in spec.blocks[: len(self.pool)]]
        if not levels_can_match(levels, self.pool, self.adjustments):
            return f"intermediate levels {levels}: not the pool {self.pool} adjusted by {self.adjustments}"
        return ""

    def _block_difference(self, block: BlockSpec, feature: int) -> str:
        """The same about one block."""
        if block.resource_multiplier not in self.multipliers:
            return f"resource_multiplier {block.resource_multiplier}: must be one of {self.multipliers}"
        if len(self.multipliers) == 1 and block.width is not None:
            return f"width {block.width}: must be that of its level"
        if (block.kernel, block.expansion, block.repeats) != (3, None, 1):
            return f"kernel {block.kernel}, expansion {block.expansion}, repeats {block.repeats}: must be 3, None, 1"
        if feature < self._offer.first:
            return ""
        candidates = self._offer.candidates[feature - self._offer.first]
        if block.block_type not in self.block_types:
            return f"{block.block_type}: must be {' or '.join(self.block_types)}"
        if not set(block.parents) <= set(candidates):
            return f"parents {block.parents}: must be {candidates.start} to {candidates.stop - 1}"
        return ""


def _without_shares(stem: Stem) -> Stem:
    """The stem before multipliers and widths were given to its blocks."""
    return replace(stem, blocks=tuple(replace(b, resource_multiplier=1.0, width=None) for b in stem.blocks))


def _pick_all(
    kind: DecisionKind, subject: int, levels: Sequence[int], take: Callable[[DecisionPoint], int]
) -> list[int]:
    """Levels of blocks in the order in which they are picked."""
    left, taken = list(pick_options(levels, ())), []
    for place in range(len(levels)):
        index = take(DecisionPoint(kind, subject + place, tuple(left)))
        taken.append(left.pop(index).level)
    return taken


def _taken(items: Sequence[T], indices: Sequence[int]) -> tuple[T, ...]:
    """Items taken one after the other out of those that are left."""
    if len(indices) == 2:  # parents, of which there are many
        first, second = indices
        return items[first], items[second + (second >= first)]
    left = list(items)
    return tuple(left.pop(index) for index in indices)


def _indices(items: Sequence[T], taken: Sequence[T]) -> list[int]:
    """The indices that `_taken` needs to take `taken`."""
    left, indices = list(items), []
    for item in taken:
        indices.append(left.index(item))
        left.remove(item)
    return indices
