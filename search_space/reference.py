"""Published architectures as specs, each with its source.

`reference(name)` is the architecture; `published_target(name)` is the network that its authors report: image
size, width scale and head. Repeats, resampling width and endpoint width belong to the architecture.

One reading of the papers holds throughout: what `search_space.plan` and `search_space.heads` say, with 91 classes in a
detector. Mobile SpineNet (Du et al. 2020, appendix A) resamples with depthwise convolutions and adds; Efficient
SpineNet (Du et al. 2020b) makes neighbours into channels first and weighs its inputs. What that gives beside the
published numbers is `search_space.published`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from search_space.heads import RetinaNetHead
from search_space.plan import TargetNetwork
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, Fusion, Neck, Resampling, Stem, StemKind

B, R, M = BlockType.BOTTLENECK, BlockType.RESIDUAL, BlockType.MBCONV

_SPINENET_49 = (
    BlockSpec(2, B, (0, 1)),
    BlockSpec(4, R, (0, 1)),
    BlockSpec(3, B, (2, 3)),
    BlockSpec(4, B, (2, 4)),
    BlockSpec(6, R, (3, 5)),
    BlockSpec(4, B, (3, 5)),
    BlockSpec(5, R, (6, 7)),
    BlockSpec(7, R, (6, 8)),
    BlockSpec(5, B, (8, 9)),
    BlockSpec(5, B, (8, 10)),
    BlockSpec(4, B, (5, 10), is_output=True),
    BlockSpec(3, B, (4, 10), is_output=True),
    BlockSpec(5, B, (7, 12), is_output=True),
    BlockSpec(7, B, (5, 14), is_output=True),
    BlockSpec(6, B, (12, 14), is_output=True),
)

_R0_SP53 = (
    BlockSpec(2, B, (0, 1)),
    BlockSpec(3, B, (0, 1)),
    BlockSpec(3, B, (2, 3)),
    BlockSpec(4, B, (2, 4)),
    BlockSpec(4, B, (3, 5)),
    BlockSpec(3, B, (5, 6)),
    BlockSpec(5, B, (4, 7)),
    BlockSpec(4, B, (4, 8)),
    BlockSpec(4, B, (8, 9)),
    BlockSpec(4, B, (8, 10)),
    BlockSpec(3, B, (4, 10), is_output=True),
    BlockSpec(4, B, (6, 7), is_output=True),
    BlockSpec(5, B, (8, 13), is_output=True),
    BlockSpec(7, B, (6, 9), is_output=True),
    BlockSpec(6, B, (7, 9), is_output=True),
)

_SPINENET_49_MBCONV = (
    BlockSpec(2, M, (0, 1)),
    BlockSpec(2, M, (1, 2)),
    BlockSpec(4, M, (1, 2)),
    BlockSpec(3, M, (3, 4)),
    BlockSpec(4, M, (3, 5)),
    BlockSpec(6, M, (4, 6)),
    BlockSpec(4, M, (4, 6)),
    BlockSpec(5, M, (7, 8)),
    BlockSpec(7, M, (7, 9)),
    BlockSpec(5, M, (9, 10)),
    BlockSpec(5, M, (9, 11)),
    BlockSpec(4, M, (6, 11), is_output=True),
    BlockSpec(3, M, (5, 11), is_output=True),
    BlockSpec(5, M, (8, 13), is_output=True),
    BlockSpec(7, M, (6, 15), is_output=True),
    BlockSpec(6, M, (13, 15), is_output=True),
)
"""SpineNet-49's topology behind a stem of one block at level 1 and one at level 2, as in the released mobile code."""

_MOBILE_WIDTHS = ((1, 16), (2, 24), (3, 40), (4, 80), (5, 112), (6, 112), (7, 112))
_SP_EFFICIENTNET_WIDTHS = ((1, 16), (2, 24), (3, 40), (4, 96), (5, 152), (6, 152), (7, 152))
_D0_WIDTHS = (16, 24, 16, 16, 104, 48, 120, 40, 120, 168, 96, 192, 136, 104, 40, 136, 136, 40)
_D0_MULTIPLIERS = (0.5, 0.5, 0.25, 0.25, 0.75, 1.0, 1.0, 0.05, 1.0, 0.75, 0.25, 1.0, 0.5, 0.75, 0.75, 0.5, 0.5, 0.05)
"""Not published: the paper gives the widths. By equation 4 these give exactly them; 0.05 may be 0.036 to 0.054."""
_D1_REPEATS = (2, 2, 1, 1, 2, 2, 2, 1, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1)

_RESNET_WIDTHS = ((2, 64), (3, 128), (4, 256), (5, 512))

_EFFICIENTNET_B0 = (
    # level, kernel, expansion, channels, blocks: Tan and Le 2019, table 1
    (1, 3, 1, 16, 1),
    (2, 3, 6, 24, 2),
    (3, 5, 6, 40, 2),
    (4, 3, 6, 80, 3),
    (4, 5, 6, 112, 3),
    (5, 5, 6, 192, 4),
    (5, 3, 6, 320, 1),
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A published architecture, the network its authors report, and where both come from."""

    spec: ArchitectureSpec
    target: TargetNetwork
    source: str


def _scale_permuted(
    name: str, blocks: tuple[BlockSpec, ...], repeats: int = 1, alpha: float = 0.5, endpoint_channels: int = 256
) -> ArchitectureSpec:
    """The topology with every block, stem included, repeated; parents feed the first copy."""
    return ArchitectureSpec(
        name=name,
        stem=Stem(blocks=(BlockSpec(2, repeats=repeats),) * 2),
        blocks=tuple(
            BlockSpec(b.level, b.block_type, b.parents, is_output=b.is_output, repeats=repeats) for b in blocks
        ),
        resampling_alpha=alpha,
        endpoint_channels=endpoint_channels,
    )


def _resnet_fpn(name: str, blocks_by_level: Mapping[int, int]) -> ArchitectureSpec:
    """A ResNet of bottlenecks with an FPN: stem blocks only."""
    blocks = tuple(BlockSpec(level) for level, count in blocks_by_level.items() for _ in range(count))
    return ArchitectureSpec(name=name, stem=Stem(blocks=blocks), widths=_RESNET_WIDTHS, neck=Neck.FPN)


def _mobile_spinenet(name: str, endpoint_channels: int) -> ArchitectureSpec:
    """SpineNet-49 of MBConv blocks: expansion 6, kernel 3 and squeeze-and-excitation of 0.2 everywhere."""
    return ArchitectureSpec(
        name=name,
        stem=Stem(8, (BlockSpec(1, M), BlockSpec(2, M)), StemKind.CONV3),
        blocks=_SPINENET_49_MBCONV,
        widths=_MOBILE_WIDTHS,
        resampling=Resampling.DEPTHWISE,
        activation="swish",
        endpoint_channels=endpoint_channels,
    )


def _sp_efficientnet(name: str, endpoint_channels: int) -> ArchitectureSpec:
    """The same topology with EfficientNet-B0's widths averaged by level; the stem is as wide as level 1."""
    return replace(
        _mobile_spinenet(name, endpoint_channels),
        stem=Stem(16, (BlockSpec(1, M), BlockSpec(2, M)), StemKind.CONV3),
        widths=_SP_EFFICIENTNET_WIDTHS,
        resampling=Resampling.SPACE_TO_DEPTH,
        fusion=Fusion.WEIGHTED,
    )


def _efficient_spinenet(name: str, endpoint_channels: int, repeats: Sequence[int] = (1,) * 18) -> ArchitectureSpec:
    """SP-EfficientNet-B0 with the learned distribution of resources: multipliers, and the widths they gave."""
    base = _sp_efficientnet(name, endpoint_channels)
    settings = zip(base.all_blocks, _D0_MULTIPLIERS, _D0_WIDTHS, repeats, strict=True)
    blocks = [
        replace(block, resource_multiplier=multiplier, width=width, repeats=count)
        for block, multiplier, width, count in settings
    ]
    return base.with_blocks(blocks)


def efficientnet_width(channels: int, scale: float) -> int:
    """`channels * scale` at the nearest multiple of 8, or at the next one where that is less than 90 % of it.

    The rule of the released EfficientNet code.

    >>> efficientnet_width(320, 1.1), efficientnet_width(16, 1.1), efficientnet_width(16, 0.7)
    (352, 16, 16)
    """
    wanted = channels * scale
    nearest = max(8, int(wanted + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * wanted else nearest


def _efficientnet_fpn(name: str, width: float, depth: float, endpoint_channels: int) -> ArchitectureSpec:
    """An EfficientNet without its last 1x1 convolution of 1280 channels, with a separable FPN: stem blocks only."""
    blocks = tuple(
        BlockSpec(level, M, width=efficientnet_width(channels, width), kernel=kernel, expansion=expansion)
        for level, kernel, expansion, channels, count in _EFFICIENTNET_B0
        for _ in range(math.ceil(count * depth))
    )
    return ArchitectureSpec(
        name=name,
        stem=Stem(efficientnet_width(32, width), blocks, StemKind.CONV3),
        activation="swish",
        se_ratio=0.25,
        neck=Neck.SEPARABLE_FPN,
        endpoint_channels=endpoint_channels,
    )


def _target(image_size: int, width_scale: float = 1.0, channels: int = 256, num_convs: int = 4) -> TargetNetwork:
    head = RetinaNetHead(channels=channels, num_convs=num_convs)
    return TargetNetwork(image_size=image_size, width_scale=width_scale, head=head)


def _separable_target(image_size: int, channels: int, num_convs: int, width_scale: float = 1.0) -> TargetNetwork:
    head = RetinaNetHead(channels=channels, num_convs=num_convs, separable=True)
    return TargetNetwork(image_size=image_size, width_scale=width_scale, head=head)


_PAPER = "Du et al. 2020, arXiv 1912.05027"
_RELEASE = _PAPER + ", and the released code in tensorflow/tpu"
_MOBILE = _PAPER + ", appendix A, and the released code in tensorflow/tpu"
_EFFICIENT = "Du et al. 2020b, arXiv 2010.11426"
_RESNET = "He et al. 2016 with the FPN of Lin et al. 2017, levels 3 to 7, as compared with in " + _PAPER
_EFFICIENTNET = "Tan and Le 2019, arXiv 1905.11946, with a separable FPN, as compared with in " + _EFFICIENT


def _spinenets() -> list[Reference]:
    return [
        # Endpoints of 256: only they give the published 33.8 B multiply-adds and 11.9 M parameters; the
        # release's own map says 128.
        Reference(_scale_permuted("spinenet-49s", _SPINENET_49), _target(640, 0.65, channels=128), _RELEASE),
        Reference(_scale_permuted("spinenet-49", _SPINENET_49), _target(640), _RELEASE),
        Reference(_scale_permuted("spinenet-96", _SPINENET_49, repeats=2), _target(1024), _RELEASE),
        Reference(_scale_permuted("spinenet-143", _SPINENET_49, repeats=3, alpha=1.0), _target(1280), _RELEASE),
        Reference(
            _scale_permuted("spinenet-190", _SPINENET_49, repeats=4, alpha=1.0, endpoint_channels=512),
            _target(1280, 1.3, channels=512, num_convs=7),
            _RELEASE,
        ),
        Reference(_scale_permuted("r0-sp53", _R0_SP53), _target(640), _PAPER + ", read off its figure"),
    ]


def _mobile_spinenets() -> list[Reference]:
    scaling = {"49xs": (24, 0.6, 256), "49s": (40, 0.65, 384), "49": (48, 1.0, 384)}
    return [
        Reference(
            _mobile_spinenet(f"spinenet-mobile-{size}", channels),
            _separable_target(image_size, channels, 4, width_scale),
            _MOBILE,
        )
        for size, (channels, width_scale, image_size) in scaling.items()
    ]


def _efficient_spinenets() -> list[Reference]:
    """Table 2 of the paper: subnet width, width scale, image size; D1 and D2 repeat blocks as well."""
    scaling = {
        "d0": (64, 1.0, 512),
        "d1": (88, 1.0, 640),
        "d2": (112, 1.1, 768),
        "m0": (24, 0.4, 256),
        "m1": (40, 0.5, 384),
        "m2": (64, 0.8, 384),
    }
    base = _sp_efficientnet("sp-efficientnet-b0", 64)
    found = [Reference(base, _separable_target(512, 64, 3), _EFFICIENT + ", table 1")]
    for size, (channels, width_scale, image_size) in scaling.items():
        repeats = _D1_REPEATS if size in ("d1", "d2") else (1,) * len(_D0_WIDTHS)
        spec = _efficient_spinenet(f"eff-spinenet-{size}", channels, repeats)
        target = _separable_target(image_size, channels, 3, width_scale)
        found.append(Reference(spec, target, _EFFICIENT + ", tables 1 and 2"))
    return found


def _baselines() -> list[Reference]:
    """The scale-decreased networks that the papers compare with."""
    resnets = {50: ((3, 4, 6, 3), 640), 101: ((3, 4, 23, 3), 1024), 152: ((3, 8, 36, 3), 1280)}
    efficientnets = {"b0": (1.0, 1.0, 64, 512), "b1": (1.0, 1.1, 88, 640), "b2": (1.1, 1.2, 112, 768)}
    found = []
    for layers, (counts, image_size) in resnets.items():
        spec = _resnet_fpn(f"resnet-{layers}-fpn", dict(zip((2, 3, 4, 5), counts, strict=True)))
        found.append(Reference(spec, _target(image_size), _RESNET))
    for size, (width, depth, channels, image_size) in efficientnets.items():
        spec = _efficientnet_fpn(f"efficientnet-{size}-fpn", width, depth, channels)
        found.append(Reference(spec, _separable_target(image_size, channels, 3), _EFFICIENTNET))
    return found


def _references() -> dict[str, Reference]:
    found = [*_spinenets(), *_mobile_spinenets(), *_efficient_spinenets(), *_baselines()]
    return {entry.spec.name: entry for entry in found}


REFERENCES: Mapping[str, Reference] = MappingProxyType(_references())


def _find(name: str) -> Reference:
    if name not in REFERENCES:
        raise ValueError(f"reference {name!r}: unknown; the references are {', '.join(REFERENCES)}")
    return REFERENCES[name]


def reference(name: str) -> ArchitectureSpec:
    """The architecture of that name.

    Raises:
        ValueError: no such reference; the message lists those known.
    """
    return _find(name).spec


def published_target(name: str) -> TargetNetwork:
    """The network that the architecture's authors report; raises like `reference`."""
    return _find(name).target
