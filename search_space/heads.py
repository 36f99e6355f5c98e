"""What stands on the pyramid features: detection, instance masks, classification, segmentation.

A head is a few numbers; `head_cost` counts it and `trainer.model` builds it from the same record. Every convolution
of a head keeps the size of its input. "Separable" means a depthwise 3x3 convolution without bias, then a 1x1 with
bias, wherever the dense head has a 3x3 convolution with bias.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

BOX_NUMBERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RetinaNetHead:
    """Two subnets shared by all levels, with batch norm for each level (Lin et al. 2017).

    A subnet is `num_convs` 3x3 convolutions with bias, each followed by batch norm and the activation, then one
    3x3 convolution with bias to `anchors_per_location * num_classes` (class) or `anchors_per_location * 4`
    (box) channels. Convolutions are shared by the levels; every level and layer has its own batch norm. In a
    separable subnet the predictions are separable too.

    Args:
        channels: width of the subnets.
        num_convs: 3x3 convolutions in each subnet, before the prediction.
        anchors_per_location: 9 in the papers: three scales times three aspect ratios.
    """

    channels: int = 256
    num_convs: int = 4
    anchors_per_location: int = 9
    separable: bool = False

    def __post_init__(self) -> None:
        _check_counts(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRCNNHead:
    """Region proposals, boxes and masks (He et al. 2017) with batch norm, as in the published SpineNet code.

    Proposals (RPN), on every level, weights shared by the levels: `num_rpn_convs` 3x3 convolutions to `rpn_channels`,
    each with batch norm for each level and the activation; then 1x1 convolutions to `anchors_per_location` scores
    and four times as many box numbers.
    Boxes, on `num_proposals` regions of 7x7: `num_box_convs` 3x3 convolutions to `box_channels`, one fully connected
    layer to `fc_channels`, each with batch norm and activation; then fully connected layers to `num_classes` scores
    and `num_classes * 4` box numbers.
    Masks, on `num_masks` regions of 14x14: `num_mask_convs` 3x3 convolutions to `mask_channels` and a 2x2 stride-2
    transposed convolution, each with batch norm and activation; then a 1x1 convolution to `num_classes` masks of
    28x28. All convolutions and layers have a bias.

    Args:
        anchors_per_location: 3 in the papers: one scale times three aspect ratios.
    """

    num_rpn_convs: int = 1
    rpn_channels: int = 256
    num_box_convs: int = 4
    box_channels: int = 256
    fc_channels: int = 1024
    num_mask_convs: int = 4
    mask_channels: int = 256
    anchors_per_location: int = 3
    num_proposals: int = 1000
    num_masks: int = 100
    separable: bool = False

    def __post_init__(self) -> None:
        _check_counts(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationHead:
    """One label for an image (Du et al. 2020, section 4.2).

    Every feature is brought to the size of the lowest level (nearest neighbour), their mean is averaged over
    the image, and a fully connected layer with bias gives `num_classes` scores.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationHead:
    """One label for each pixel at output stride 8 (Du et al. 2020b, section 4.4).

    Every feature is brought to the size of level 3 (nearest neighbour) and averaged; then come `num_convs` 3x3
    convolutions with bias to `channels`, each with batch norm and activation, and a 1x1 convolution with bias to
    `num_classes`.
    """

    channels: int = 256
    num_convs: int = 3
    separable: bool = False

    def __post_init__(self) -> None:
        _check_counts(self)


Head = RetinaNetHead | MaskRCNNHead | ClassificationHead | SegmentationHead


def _check_counts(head: Head) -> None:
    """Numbers of convolutions are 0 or more, everything else is at least 1."""
    for item in fields(head):
        value = getattr(head, item.name)
        least = 0 if item.name.endswith("convs") else 1
        if item.name != "separable" and (type(value) is not int or value < least):
            raise ValueError(f"{item.name} {value!r}: must be an integer, {least} or more")


HEADS: Mapping[str, type[Head]] = MappingProxyType(
    {
        "retinanet": RetinaNetHead,
        "mask-rcnn": MaskRCNNHead,
        "classification": ClassificationHead,
        "segmentation": SegmentationHead,
    }
)


def head_name(head: Head | None) -> str:
    """Its key in `HEADS`, or ``none``."""
    return next((name for name, kind in HEADS.items() if isinstance(head, kind)), "none")
