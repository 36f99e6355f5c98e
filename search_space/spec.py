"""What a detection backbone is, as data: blocks, their parents, and the rules that give them widths.

A feature index counts the stem blocks first and the searched blocks after them, as the papers do:
``[stem 0, stem 1, block 2, block 3, ...]``. A spec names no image size: `plan.resolve` settles every
channel and stride for a given target network.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any, Self, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Version 1 lacks the fields that MBConv blocks need; their defaults are what it meant."""
NOTES = ("fingerprint", "target", "provenance")
"""What an exported spec says about itself beside what it is; not read back, for an edit would make it untrue."""
MIN_LEVEL, MAX_LEVEL = 1, 7
MAX_MULTIPLIER = 64.0
MAX_REPEATS = 100


class SpecError(ValueError):
    """An architecture spec that breaks a rule; the message names the place, the value and the rule."""


class BlockType(StrEnum):
    """The operation of a block.

    BOTTLENECK, RESIDUAL: He et al. 2016, in Du et al. 2020, section 3.1. MBCONV: the inverted bottleneck with
    squeeze-and-excitation of Tan and Le 2019, in Du et al. 2020b, section 3.1.
    """

    BOTTLENECK = "bottleneck"
    RESIDUAL = "residual"
    MBCONV = "mbconv"


class StemKind(StrEnum):
    """How an image becomes the first feature.

    CONV7_POOL: a 7x7 stride-2 convolution and a 3x3 stride-2 max-pool; the blocks begin at level 2 (ResNet,
    SpineNet). CONV3: a 3x3 stride-2 convolution; the blocks begin at level 1 (EfficientNet, Efficient SpineNet).
    """

    CONV7_POOL = "conv7-pool"
    CONV3 = "conv3"


class Resampling(StrEnum):
    """How a feature reaches a block of another level; `plan.PlannedEdge` says what each does exactly.

    CONV: a bottleneck with one strided convolution (SpineNet). DEPTHWISE: strided depthwise convolutions
    (mobile SpineNet). SPACE_TO_DEPTH: four neighbours become channels first (Efficient SpineNet).
    """

    CONV = "conv"
    DEPTHWISE = "depthwise"
    SPACE_TO_DEPTH = "space-to-depth"


class Fusion(StrEnum):
    """How the inputs of a block become one.

    SUM: added. WEIGHTED: fast normalised fusion (Tan et al. 2020), sum(w_i * x_i) / (eps + sum(w_i)) with one
    trained weight w_i >= 0 for each input.
    """

    SUM = "sum"
    WEIGHTED = "weighted"


class Neck(StrEnum):
    """How the features of equal width that the head reads are made.

    ENDPOINTS: one 1x1 convolution on each output block (SpineNet). FPN: laterals, top-down sums and a 3x3
    convolution on the last stem block of each level, and strided convolutions above (Lin et al. 2017).
    SEPARABLE_FPN: the same with separable 3x3 convolutions, as EfficientNets are compared with.
    """

    ENDPOINTS = "endpoints"
    FPN = "fpn"
    SEPARABLE_FPN = "separable-fpn"


def nearest_multiple(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, at least one of it; halves go up.

    >>> nearest_multiple(43.9), nearest_multiple(44.0), nearest_multiple(1.0)
    (40, 48, 8)
    """
    return max(divisor, divisor * math.floor(channels / divisor + 0.5))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise SpecError(message)


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """One node of the backbone.

    Args:
        level: the block's resolution is 1 / 2**level of the image.
        block_type: its operation.
        parents: two distinct feature indices in rising order; one index or none for a stem block.
        is_output: whether an endpoint reads it.
        resource_multiplier: share of multiply-adds relative to the base width of its level (Du et al. 2020b,
            equation 4); only ratios between blocks mean something once `resources.share` has settled the widths.
        repeats: copies in a row (compound scaling); the parents feed the first, the last feeds consumers.
        width: channels of the 3x3 convolution (of the block's input and output for MBConv) at width scale 1;
            None for the level's base width times the multiplier's root, to the nearest multiple of 8.
        kernel, expansion: of an MBConv: side of its depthwise convolution, and how many times as many channels
            that has as the block's input. The other types have 3 and 1.
    """

    level: int
    block_type: BlockType = BlockType.BOTTLENECK
    parents: tuple[int, ...] = ()
    is_output: bool = False
    resource_multiplier: float = 1.0
    repeats: int = 1
    width: int | None = None
    kernel: int = 3
    expansion: int | None = None

    def __post_init__(self) -> None:
        integers = [("level", self.level), ("repeats", self.repeats), ("kernel", self.kernel)]
        integers += [(name, value) for name, value in (("width", self.width), ("expansion", self.expansion)) if value]
        for name, number in (*integers, *(("parent", parent) for parent in self.parents)):
            _require(type(number) is int, f"{name} {number!r}: must be an integer")
        _require(MIN_LEVEL <= self.level <= MAX_LEVEL, f"level {self.level}: must be {MIN_LEVEL} to {MAX_LEVEL}")
        _require(1 <= self.repeats <= MAX_REPEATS, f"repeats {self.repeats}: must be 1 to {MAX_REPEATS}")
        in_range = 0 < self.resource_multiplier <= MAX_MULTIPLIER
        _require(in_range, f"resource_multiplier {self.resource_multiplier}: must be in (0, {MAX_MULTIPLIER:g}]")
        _require(list(self.parents) == sorted(set(self.parents)), f"parents {self.parents}: must rise")
        _require(all(parent >= 0 for parent in self.parents), f"parents {self.parents}: must be 0 or more")
        _require(self.width is None or self.width >= 1, f"width {self.width}: must be at least 1")
        _require(self.kernel in (1, 3, 5, 7), f"kernel {self.kernel}: must be 1, 3, 5 or 7")
        _require(self.expansion is None or self.expansion >= 1, f"expansion {self.expansion}: must be at least 1")
        if self.block_type is not BlockType.MBCONV:
            own = self.kernel == 3 and self.expansion is None
            _require(own, f"{self.block_type}: kernel and expansion belong to {BlockType.MBCONV} only")


@dataclass(frozen=True, slots=True)
class Stem:
    """The fixed, scale-decreased beginning: a strided convolution, then blocks.

    Args:
        channels: output channels of the first convolution; the width scale changes them for CONV3 only, as in
            the published code.
        blocks: serial blocks, each fed by the one before; the first block of a new level has stride 2.
        kind: the first convolution, and whether a pool follows.
    """

    channels: int = 64
    blocks: tuple[BlockSpec, ...] = (BlockSpec(level=2), BlockSpec(level=2))
    kind: StemKind = StemKind.CONV7_POOL

    def __post_init__(self) -> None:
        levels = [block.level for block in self.blocks]
        _require(type(self.channels) is int and self.channels >= 1, f"stem channels {self.channels}: must be 1 or more")
        _require(len(levels) >= 2, f"stem of {len(levels)} blocks: must have at least 2")
        first = 2 if self.kind is StemKind.CONV7_POOL else 1
        _require(levels[0] == first, f"stem block 0 at level {levels[0]}: must be level {first} after {self.kind}")
        steps = [after - before for before, after in pairwise(levels)]
        _require(all(step in (0, 1) for step in steps), f"stem levels {levels}: must rise by 0 or 1")
        _require(
            all(not b.parents and not b.is_output for b in self.blocks),
            "stem blocks have no parents or endpoint",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureSpec:
    """A whole backbone, self-contained and valid by construction.

    Args:
        name: what to call it in tables; part of neither fingerprint nor cost.
        stem: the fixed beginning.
        blocks: the scale-permuted part, in the order of computation; outputs come last.
        widths: channels of the 3x3 convolution by level; a bottleneck's output has four times as many, an MBConv
            as many in and out.
        resampling: how features change level.
        resampling_alpha: width of a CONV edge relative to its parent's 3x3 width.
        fusion: how the inputs of a block become one.
        activation: ``relu`` or ``swish``.
        se_ratio: channels inside the squeeze-and-excitation of an MBConv, relative to the block's input; 0 for none.
        neck: how the pyramid features are made.
        endpoint_channels: width of the pyramid features.
        min_level, max_level: the pyramid, 3 to 7 in the papers.
    """

    name: str
    stem: Stem = field(default_factory=Stem)
    blocks: tuple[BlockSpec, ...] = ()
    widths: tuple[tuple[int, int], ...] = ((1, 32), (2, 64), (3, 128), (4, 256), (5, 256), (6, 256), (7, 256))
    resampling: Resampling = Resampling.CONV
    resampling_alpha: float = 0.5
    fusion: Fusion = Fusion.SUM
    activation: str = "relu"
    se_ratio: float = 0.2
    neck: Neck = Neck.ENDPOINTS
    endpoint_channels: int = 256
    min_level: int = 3
    max_level: int = 7

    def __post_init__(self) -> None:
        _require(self.activation in ("relu", "swish"), f"activation {self.activation!r}: must be relu or swish")
        _require(0 < self.resampling_alpha <= 4, f"resampling_alpha {self.resampling_alpha}: must be in (0, 4]")
        _require(0 <= self.se_ratio <= 1, f"se_ratio {self.se_ratio}: must be in [0, 1]")
        counts = [("endpoint_channels", self.endpoint_channels), *((f"widths: level {k}:", c) for k, c in self.widths)]
        for place, count in counts:
            _require(type(count) is int and count >= 1, f"{place} {count!r}: must be an integer, 1 or more")
        for place, level in (("min_level", self.min_level), ("max_level", self.max_level)):
            in_range = type(level) is int and MIN_LEVEL <= level <= MAX_LEVEL
            _require(in_range, f"{place} {level!r}: must be {MIN_LEVEL} to {MAX_LEVEL}")
        levels_with_width = [level for level, _ in self.widths]
        _require(levels_with_width == sorted(set(levels_with_width)), "widths: levels must rise, once each")
        for index, block in enumerate(self.all_blocks):
            _require(block.level in levels_with_width, f"block {index}: no width for level {block.level}")
        if self.neck is Neck.ENDPOINTS:
            self._check_blocks()
        else:
            _require(not self.blocks, "an FPN backbone has stem blocks only")
            top = self.stem.blocks[-1].level
            levels = f"min_level {self.min_level}, max_level {self.max_level}"
            _require(2 <= self.min_level <= top <= self.max_level, f"{levels}: must include the stem's top level {top}")

    def _check_blocks(self) -> None:
        num_stem = len(self.stem.blocks)
        seen_output = False
        for index, block in enumerate(self.blocks, start=num_stem):
            place = f"block {index}"
            _require(len(block.parents) == 2, f"{place}: parents {block.parents}: must be two")
            earlier = f"must be earlier blocks, 0 to {index - 1}"
            _require(block.parents[-1] < index, f"{place}: parents {block.parents}: {earlier}")
            _require(block.is_output or not seen_output, f"{place}: an intermediate block after an output block")
            seen_output = seen_output or block.is_output
        levels = sorted(block.level for block in self.blocks if block.is_output)
        wanted = list(range(self.min_level, self.max_level + 1))
        _require(levels == wanted, f"output levels {levels}: must be {wanted}, once each")

    @property
    def all_blocks(self) -> tuple[BlockSpec, ...]:
        """Stem and searched blocks, by feature index."""
        return self.stem.blocks + self.blocks

    @property
    def num_stem_blocks(self) -> int:
        """Number of features before the first searched block."""
        return len(self.stem.blocks)

    def base_width(self, level: int) -> int:
        """Channels of the 3x3 convolution at a level, before any scaling."""
        return dict(self.widths)[level]

    def block_width(self, block: BlockSpec) -> int:
        """Channels of a block's 3x3 convolution (of an MBConv's input and output) at width scale 1."""
        if block.width is not None:
            return block.width
        base = self.base_width(block.level)
        if block.resource_multiplier == 1.0:
            return base
        return nearest_multiple(base * math.sqrt(block.resource_multiplier))

    def renamed(self, name: str) -> Self:
        """The same architecture under another name."""
        return replace(self, name=name)

    def with_blocks(self, blocks: Sequence[BlockSpec]) -> Self:
        """The same settings with other blocks, as many as before, those of the stem first."""
        count = self.num_stem_blocks
        return replace(self, stem=replace(self.stem, blocks=tuple(blocks[:count])), blocks=tuple(blocks[count:]))

    def to_json(self, indent: int | None = None) -> str:
        """The spec as JSON with sorted keys and its schema version."""
        return json.dumps(self.to_document(), indent=indent, sort_keys=True)

    def to_document(self) -> dict[str, Any]:
        """The spec as plain data, ready for JSON."""
        document = {**_own_fields(self), "widths": {str(level): width for level, width in self.widths}}
        return {"schema_version": SCHEMA_VERSION, **json.loads(json.dumps(document, default=_own_fields))}

    @classmethod
    def from_json(cls, text: str) -> "ArchitectureSpec":
        """The spec that `to_json` wrote.

        Raises:
            SpecError: not JSON, an unknown or missing key, another schema version, or a broken rule.
        """
        try:
            document = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise SpecError(f"not JSON: {error}") from error
        _require(isinstance(document, dict), f"a spec is a JSON object, not {type(document).__name__}")
        return cls.from_document(document)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ArchitectureSpec":
        """The spec that `to_document` wrote, without an export's `NOTES`; raises like `from_json`."""
        version = document.get("schema_version")
        readable = " and ".join(map(str, READABLE_VERSIONS))
        is_readable = type(version) is int and version in READABLE_VERSIONS
        _require(is_readable, f"schema_version {version!r}: this release reads {readable}")
        given = {name: value for name, value in document.items() if name not in ("schema_version", *NOTES)}
        values = _known(given, cls, "spec")
        if "stem" in given:
            values["stem"] = _stem(given["stem"])
        first = len(values["stem"].blocks) if "stem" in given else len(Stem().blocks)
        if "blocks" in given:
            values["blocks"] = _blocks(given["blocks"], first, "block")
        if "widths" in given:
            values["widths"] = _widths(given["widths"])
        for name, kind in (("neck", Neck), ("resampling", Resampling), ("fusion", Fusion)):
            if name in given:
                values[name] = _member(kind, given[name], name)
        return _built(cls, values, "spec")


def _own_fields(record: Any) -> dict[str, Any]:
    """A record's fields by name, to no depth: `asdict` would copy all that JSON copies anyway."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _known(given: object, record: type, place: str) -> dict[str, Any]:
    """The object's items, all of which are fields of the record, with those that have no default."""
    _require(isinstance(given, Mapping), f"{place}: must be an object, not {type(given).__name__}")
    assert isinstance(given, Mapping)
    known = {item.name: item for item in fields(record)}
    for name in given:
        _require(name in known, f"{place}: unknown field {name!r}; the fields are {', '.join(known)}")
    for name, item in known.items():
        needed = item.default is MISSING and item.default_factory is MISSING
        _require(name in given or not needed, f"{place}: field {name!r} is missing")
    return dict(given)


def _built(record: Callable[..., T], values: Mapping[str, Any], place: str) -> T:
    """The record, with the place in front of what is wrong."""
    try:
        return record(**values)
    except SpecError as error:
        raise error if place == "spec" else SpecError(f"{place}: {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise SpecError(f"{place}: a value has the wrong type: {error}") from error


def _member(kind: type[E], value: object, place: str) -> E:
    allowed = [member.value for member in kind]
    _require(value in allowed, f"{place} {value!r}: must be {', '.join(allowed[:-1])} or {allowed[-1]}")
    return kind(str(value))


def _stem(given: object) -> Stem:
    values = _known(given, Stem, "stem")
    if "blocks" in values:
        values["blocks"] = _blocks(values["blocks"], 0, "stem block")
    if "kind" in values:
        values["kind"] = _member(StemKind, values["kind"], "stem kind")
    return _built(Stem, values, "stem")


def _blocks(given: object, first: int, what: str) -> tuple[BlockSpec, ...]:
    _require(isinstance(given, Sequence) and not isinstance(given, str), f"{what}s: must be a list")
    assert isinstance(given, Sequence)
    return tuple(_block(block, f"{what} {index}") for index, block in enumerate(given, start=first))


def _block(given: object, place: str) -> BlockSpec:
    values = _known(given, BlockSpec, place)
    if "block_type" in values:
        values["block_type"] = _member(BlockType, values["block_type"], f"{place}: block_type")
    if "parents" in values:
        _require(isinstance(values["parents"], Sequence), f"{place}: parents {values['parents']!r}: must be a list")
        values["parents"] = tuple(values["parents"])
    return _built(BlockSpec, values, place)


def _widths(given: object) -> tuple[tuple[int, int], ...]:
    _require(isinstance(given, Mapping), "widths: must be an object of level: channels")
    assert isinstance(given, Mapping)
    for level in given:
        _require(str(level).isdecimal(), f"widths: level {level!r}: must be {MIN_LEVEL} to {MAX_LEVEL}")
    return tuple(sorted((int(level), width) for level, width in given.items()))
