"""What a detection backbone is, as data: blocks, their parents, and the rules that give them widths.

A feature index counts the stem blocks first and the searched blocks after them, as the papers do:
``[stem 0, stem 1, block 2, block 3, ...]``. A spec names no image size: `plan.resolve` settles every
channel and stride for a given target network.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any, Self

SCHEMA_VERSION = 1
MIN_LEVEL, MAX_LEVEL = 1, 7


class SpecError(ValueError):
    """An architecture spec that breaks a rule; the message names the place, the value and the rule."""


class BlockType(StrEnum):
    """The operation of a block (Du et al. 2020, section 3.1; He et al. 2016)."""

    BOTTLENECK = "bottleneck"
    RESIDUAL = "residual"


class Neck(StrEnum):
    """How the features of equal width that the head reads are made.

    ENDPOINTS: one 1x1 convolution on each output block (SpineNet). FPN: laterals, top-down sums and a 3x3
    convolution on the last stem block of each level, and strided convolutions above (Lin et al. 2017).
    """

    ENDPOINTS = "endpoints"
    FPN = "fpn"


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
        resource_multiplier: share of multiply-adds relative to the base width of its level and type
            (Du et al. 2020b, equation 4); the width grows with its square root.
        repeats: copies in a row (compound scaling); the parents feed the first, the last feeds consumers.
    """

    level: int
    block_type: BlockType = BlockType.BOTTLENECK
    parents: tuple[int, ...] = ()
    is_output: bool = False
    resource_multiplier: float = 1.0
    repeats: int = 1

    def __post_init__(self) -> None:
        for name, number in (("level", self.level), ("repeats", self.repeats), *(("parent", p) for p in self.parents)):
            _require(type(number) is int, f"{name} {number!r}: must be an integer")
        _require(MIN_LEVEL <= self.level <= MAX_LEVEL, f"level {self.level}: must be {MIN_LEVEL} to {MAX_LEVEL}")
        _require(self.repeats >= 1, f"repeats {self.repeats}: must be at least 1")
        _require(
            0 < self.resource_multiplier <= 64, f"resource_multiplier {self.resource_multiplier}: must be in (0, 64]"
        )
        _require(list(self.parents) == sorted(set(self.parents)), f"parents {self.parents}: must rise")
        _require(all(parent >= 0 for parent in self.parents), f"parents {self.parents}: must be 0 or more")


@dataclass(frozen=True, slots=True)
class Stem:
    """The fixed, scale-decreased beginning: a 7x7 stride-2 convolution, a 3x3 stride-2 max-pool, then blocks.

    Args:
        channels: output channels of the first convolution; not scaled by the width scale.
        blocks: serial blocks, each fed by the one before; the first block of a new level has stride 2.
    """

    channels: int = 64
    blocks: tuple[BlockSpec, ...] = (BlockSpec(level=2), BlockSpec(level=2))

    def __post_init__(self) -> None:
        levels = [block.level for block in self.blocks]
        _require(type(self.channels) is int and self.channels >= 1, f"stem channels {self.channels}: must be 1 or more")
        _require(len(levels) >= 2, f"stem of {len(levels)} blocks: must have at least 2")
        _require(levels[0] == 2, f"stem block 0 at level {levels[0]}: must be level 2")
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
        widths: channels of the 3x3 convolution by level; a bottleneck's output has four times as many.
        resampling_alpha: width of a resampling edge relative to its parent's 3x3 width.
        activation: ``relu`` or ``swish``.
        neck: how the pyramid features are made.
        endpoint_channels: width of the pyramid features.
        min_level, max_level: the pyramid, 3 to 7 in the papers.
    """

    name: str
    stem: Stem = field(default_factory=Stem)
    blocks: tuple[BlockSpec, ...] = ()
    widths: tuple[tuple[int, int], ...] = ((1, 32), (2, 64), (3, 128), (4, 256), (5, 256), (6, 256), (7, 256))
    resampling_alpha: float = 0.5
    activation: str = "relu"
    neck: Neck = Neck.ENDPOINTS
    endpoint_channels: int = 256
    min_level: int = 3
    max_level: int = 7

    def __post_init__(self) -> None:
        _require(self.activation in ("relu", "swish"), f"activation {self.activation!r}: must be relu or swish")
        _require(0 < self.resampling_alpha <= 4, f"resampling_alpha {self.resampling_alpha}: must be in (0, 4]")
        counts = [("endpoint_channels", self.endpoint_channels), *((f"width of level {k}", c) for k, c in self.widths)]
        for place, count in counts:
            _require(type(count) is int and count >= 1, f"{place} {count!r}: must be an integer, 1 or more")
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
            _require(block.parents[-1] < index, f"{place}: parents {block.parents}: must be earlier than {index}")
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

    def renamed(self, name: str) -> Self:
        """The same architecture under another name."""
        return replace(self, name=name)

    def to_json(self, indent: int | None = None) -> str:
        """The spec as JSON with sorted keys and its schema version."""
        return json.dumps(self.to_document(), indent=indent, sort_keys=True)

    def to_document(self) -> dict[str, Any]:
        """The spec as plain data, ready for JSON."""
        document = asdict(self)
        document["widths"] = {str(level): width for level, width in self.widths}
        return {"schema_version": SCHEMA_VERSION, **json.loads(json.dumps(document))}

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
        """The spec that `to_document` wrote; raises like `from_json`."""
        fields = dict(document)
        version = fields.pop("schema_version", None)
        _require(version == SCHEMA_VERSION, f"schema_version {version!r}: this release reads {SCHEMA_VERSION}")
        try:
            stem = dict(fields.pop("stem"))
            stem["blocks"] = tuple(_block(block, f"stem block {i}") for i, block in enumerate(stem["blocks"]))
            widths = tuple(sorted((int(level), width) for level, width in fields.pop("widths").items()))
            first = len(stem["blocks"])
            blocks = tuple(_block(block, f"block {i}") for i, block in enumerate(fields.pop("blocks"), start=first))
            neck = Neck(fields.pop("neck"))
            return cls(stem=Stem(**stem), blocks=blocks, widths=widths, neck=neck, **fields)
        except SpecError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecError(f"not an architecture spec: {error!r}") from error


def _block(document: Mapping[str, Any], place: str) -> BlockSpec:
    fields = dict(document)
    try:
        block_type = BlockType(fields.pop("block_type"))
        return BlockSpec(block_type=block_type, parents=tuple(fields.pop("parents")), **fields)
    except (KeyError, TypeError, ValueError) as error:
        raise SpecError(f"{place}: {error if isinstance(error, ValueError) else repr(error)}") from error
