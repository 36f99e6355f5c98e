"""Architectures and heads that between them have every operation of a plan."""

from search_space.heads import ClassificationHead, Head, MaskRCNNHead, RetinaNetHead, SegmentationHead
from search_space.reference import REFERENCES
from search_space.spec import (
    ArchitectureSpec,
    BlockSpec,
    BlockType,
    Fusion,
    Neck,
    Resampling,
    Stem,
    StemKind,
)

B, R, M = BlockType.BOTTLENECK, BlockType.RESIDUAL, BlockType.MBCONV

# Levels and parents of mobile SpineNet; the last five are outputs, and block 12 is an orphan of output 15.
_MOBILE = (
    (2, (0, 1)),
    (2, (1, 2)),
    (4, (1, 2)),
    (3, (3, 4)),
    (4, (3, 5)),
    (6, (4, 6)),
    (4, (4, 6)),
    (5, (7, 8)),
    (7, (7, 9)),
    (5, (9, 10)),
    (5, (9, 11)),
    (4, (6, 11)),
    (3, (5, 11)),
    (5, (8, 13)),
    (7, (6, 15)),
    (6, (13, 15)),
)
_WIDTHS = ((1, 16), (2, 24), (3, 40), (4, 80), (5, 112), (6, 112), (7, 112))


def mobile(resampling: Resampling, fusion: Fusion, *, repeats: int = 1, se_ratio: float = 0.2) -> ArchitectureSpec:
    """The topology of mobile SpineNet, all MBConv."""
    first = BlockSpec(1, M, expansion=1, repeats=repeats)
    return ArchitectureSpec(
        name=f"mobile {resampling} {fusion}",
        stem=Stem(16, (first, BlockSpec(2, M, repeats=repeats)), StemKind.CONV3),
        blocks=tuple(
            BlockSpec(level, M, parents, is_output=i >= 11, repeats=repeats)
            for i, (level, parents) in enumerate(_MOBILE)
        ),
        widths=_WIDTHS,
        resampling=resampling,
        fusion=fusion,
        activation="swish",
        endpoint_channels=64,
        se_ratio=se_ratio,
    )


MIXED = ArchitectureSpec(
    name="all types, weighted, with two orphans of one output",
    blocks=(
        BlockSpec(4, M, (0, 1), kernel=5),
        BlockSpec(4, R, (0, 2), width=40),
        BlockSpec(4, B, (0, 1)),
        BlockSpec(1, M, (0, 1), expansion=1, kernel=7),
        BlockSpec(4, B, (0, 5), is_output=True),
        BlockSpec(3, M, (1, 2), is_output=True, repeats=2),
        BlockSpec(6, R, (6, 7), is_output=True),
        BlockSpec(5, B, (5, 6), is_output=True),
        BlockSpec(7, M, (0, 2), is_output=True, kernel=1),
    ),
    fusion=Fusion.WEIGHTED,
    activation="relu",
)

# The levels, kernels and first expansion of EfficientNet-B0, one block for each of its stages.
SEPARABLE = ArchitectureSpec(
    name="MBConv in a row with a separable FPN",
    stem=Stem(
        32,
        tuple(
            BlockSpec(level, M, kernel=kernel, expansion=1 if level == 1 else 6, width=width)
            for level, kernel, width in ((1, 3, 16), (2, 3, 24), (3, 5, 40), (4, 3, 80), (4, 5, 112), (5, 5, 192))
        ),
        StemKind.CONV3,
    ),
    activation="swish",
    neck=Neck.SEPARABLE_FPN,
    endpoint_channels=64,
)

ARCHITECTURES: dict[str, ArchitectureSpec] = {
    "spinenet-49": REFERENCES["spinenet-49"].spec,
    "resnet-50-fpn": REFERENCES["resnet-50-fpn"].spec,
    "mobile-depthwise": mobile(Resampling.DEPTHWISE, Fusion.SUM, se_ratio=0.0),
    "mobile-space-to-depth": mobile(Resampling.SPACE_TO_DEPTH, Fusion.WEIGHTED),
    "mixed": MIXED,
    "separable-fpn": SEPARABLE,
}

HEADS: dict[str, Head | None] = {
    "retinanet": RetinaNetHead(channels=16, num_convs=2),
    "retinanet-separable": RetinaNetHead(channels=16, num_convs=2, separable=True),
    "mask-rcnn": MaskRCNNHead(
        rpn_channels=16,
        num_box_convs=2,
        box_channels=16,
        fc_channels=32,
        mask_channels=16,
        num_proposals=30,
        num_masks=7,
    ),
    "mask-rcnn-separable": MaskRCNNHead(
        num_rpn_convs=3,
        rpn_channels=8,
        num_box_convs=0,
        fc_channels=16,
        num_mask_convs=0,
        mask_channels=8,
        num_proposals=30,
        num_masks=7,
        separable=True,
    ),
    "classification": ClassificationHead(),
    "segmentation": SegmentationHead(channels=16, num_convs=2),
    "segmentation-separable": SegmentationHead(channels=16, separable=True),
    "none": None,
}
