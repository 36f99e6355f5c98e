"""Published architectures as specs, each with its source.

`reference(name)` is the architecture; `published_target(name)` is the network that its authors report: image
size, width scale and head. Repeats, resampling width and endpoint width belong to the architecture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from search_space.plan import RetinaNetHead, TargetNetwork
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, Neck, Stem

B, R = BlockType.BOTTLENECK, BlockType.RESIDUAL

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

_RESNET_WIDTHS = ((2, 64), (3, 128), (4, 256), (5, 512))


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


def _target(image_size: int, width_scale: float = 1.0, channels: int = 256, num_convs: int = 4) -> TargetNetwork:
    head = RetinaNetHead(channels=channels, num_convs=num_convs)
    return TargetNetwork(image_size=image_size, width_scale=width_scale, head=head)


_PAPER = "Du et al. 2020, arXiv 1912.05027"
_RELEASE = _PAPER + ", and the released code in tensorflow/tpu"
_RESNET = "He et al. 2016 with the FPN of Lin et al. 2017, levels 3 to 7, as compared with in " + _PAPER


def _references() -> dict[str, Reference]:
    resnet_depths = {
        "resnet-50-fpn": ((3, 4, 6, 3), 640),
        "resnet-101-fpn": ((3, 4, 23, 3), 1024),
        "resnet-152-fpn": ((3, 8, 36, 3), 1280),
    }
    found = [
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
    for name, (counts, image_size) in resnet_depths.items():
        spec = _resnet_fpn(name, dict(zip((2, 3, 4, 5), counts, strict=True)))
        found.append(Reference(spec, _target(image_size), _RESNET))
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
