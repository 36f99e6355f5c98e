"""What the papers and the released model lists print, row by row, and which network of ours stands beside it.

A row without published numbers is one that the same reading gives for a scale or a head of which no count was found.
Only one published network of the families is left out: R50-NAS-FPN (140.6 B, 60.3 M) has a neck that is not built here.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from search_space.heads import ClassificationHead, Head, MaskRCNNHead, RetinaNetHead, SegmentationHead
from search_space.plan import TargetNetwork
from search_space.reference import published_target, reference
from search_space.spec import ArchitectureSpec, BlockSpec, Fusion, Neck, Resampling, nearest_multiple

PAPER = "arXiv 1912.05027"
PAPER_QUOTED = PAPER + " as quoted by PyTorch ports"
EFFICIENT = "arXiv 2010.11426"
ZOO = "tensorflow/tpu MODEL_ZOO"
GARDEN = "tensorflow/models MODEL_GARDEN"
COUNTED = "not published"


@dataclass(frozen=True, slots=True)
class Reading:
    """One network that a published row may mean.

    Args:
        label: what sets it apart; "" for the reading that holds throughout.
    """

    label: str
    spec: ArchitectureSpec
    target: TargetNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """One published network and our reading of it.

    Args:
        network: its name for people.
        parameters, multiply_adds: in millions and billions with the decimals that were printed; None where no
            number was found.
        note: why the reading is this one, or why the row cannot be met.
        others: readings that were tried and not taken.
    """

    network: str
    reading: Reading
    parameters: Decimal | None
    multiply_adds: Decimal | None
    source: str
    note: str = ""
    others: tuple[Reading, ...] = ()


def _row(
    network: str,
    name: str,
    published: tuple[str, str] | None,
    source: str,
    *,
    note: str = "",
    others: tuple[Reading, ...] = (),
    spec: ArchitectureSpec | None = None,
    target: TargetNetwork | None = None,
) -> PublishedRow:
    """The reference of that name at its authors' target, unless spec or target are given."""
    parameters, multiply_adds = map(Decimal, published) if published else (None, None)
    return PublishedRow(
        network=network,
        reading=Reading("", spec or reference(name), target or published_target(name)),
        parameters=parameters,
        multiply_adds=multiply_adds,
        source=source,
        note=note,
        others=others,
    )


def _target(name: str, head: Head, image_size: int | None = None, num_classes: int = 91) -> TargetNetwork:
    """The reference's published target with another head."""
    target = published_target(name)
    return replace(target, head=head, image_size=image_size or target.image_size, num_classes=num_classes)


def _depthwise(name: str, target: TargetNetwork | None = None) -> Reading:
    spec = replace(reference(name), resampling=Resampling.DEPTHWISE)
    return Reading("depthwise resampling", spec, target or published_target(name))


def _rounded(name: str, resampling: Resampling) -> Reading:
    """Scaled widths at the nearest multiple of 8, where the reading truncates."""
    target = published_target(name)
    spec = replace(reference(name), resampling=resampling)
    stem = replace(spec.stem, channels=nearest_multiple(spec.stem.channels * target.width_scale))
    spec = replace(spec, stem=stem)
    blocks = [_with_rounded_width(spec, block, target.width_scale) for block in spec.all_blocks]
    label = f"widths to multiples of 8, {resampling} resampling"
    return Reading(label, spec.with_blocks(blocks), replace(target, width_scale=1.0))


def _with_rounded_width(spec: ArchitectureSpec, block: BlockSpec, scale: float) -> BlockSpec:
    return replace(block, width=nearest_multiple(spec.block_width(block) * scale))


def _efficientnet_others(name: str) -> tuple[Reading, ...]:
    spec, target = reference(name), published_target(name)
    return (
        Reading("4 head convolutions", spec, replace(target, head=_longer(target.head))),
        Reading("dense FPN", replace(spec, neck=Neck.FPN), target),
    )


def _longer(head: Head | None) -> Head:
    assert isinstance(head, RetinaNetHead)
    return replace(head, num_convs=4)


def _separable_mask_rcnn(channels: int, fc_channels: int) -> MaskRCNNHead:
    """Efficient SpineNet's: three layers of the subnet width in all three subnets."""
    return MaskRCNNHead(
        num_rpn_convs=3,
        rpn_channels=channels,
        num_box_convs=3,
        box_channels=channels,
        fc_channels=fc_channels,
        num_mask_convs=3,
        mask_channels=channels,
        separable=True,
    )


def _retinanet_rows() -> list[PublishedRow]:
    small, released = "spinenet-49s", replace(published_target("spinenet-49s"), endpoint_channels=128)
    return [
        _row("ResNet-50-FPN", "resnet-50-fpn", ("34.0", "96.8"), PAPER + ", table 3"),
        _row("ResNet-50-FPN", "resnet-50-fpn", ("34.0", "97.0"), ZOO),
        _row("ResNet-101-FPN", "resnet-101-fpn", ("53.1", "326.3"), ZOO),
        _row("ResNet-152-FPN", "resnet-152-fpn", ("68.7", "630.5"), ZOO),
        _row("R0-SP53", "r0-sp53", None, COUNTED),
        _row(
            "SpineNet-49S",
            small,
            ("11.9", "33.8"),
            ZOO,
            note="Only endpoints of 256 give this row, although the released code's map says 128.",
            others=(Reading("endpoints of 128", reference(small), released),),
        ),
        _row("SpineNet-49", "spinenet-49", ("28.5", "85.4"), ZOO),
        _row(
            "SpineNet-49",
            "spinenet-49",
            None,
            COUNTED,
            target=replace(published_target("spinenet-49"), image_size=896),
        ),
        _row("SpineNet-96", "spinenet-96", ("43.0", "265.4"), ZOO),
        _row("SpineNet-143", "spinenet-143", ("67.0", "524.0"), ZOO),
        _row("SpineNet-190", "spinenet-190", ("163.6", "1885.0"), ZOO),
    ]


def _mobile_rows() -> list[PublishedRow]:
    return [
        _row("Mobile SpineNet-49XS", "spinenet-mobile-49xs", None, COUNTED),
        _row("Mobile SpineNet-49S", "spinenet-mobile-49s", None, COUNTED),
        _row("Mobile SpineNet-49", "spinenet-mobile-49", ("2.34", "1.0"), ZOO),
        _row(
            "Mobile SpineNet-49",
            "spinenet-mobile-49",
            ("2.32", "1.0"),
            GARDEN,
            note="The same network as in the row above, printed with fewer parameters.",
        ),
    ]


def _efficient_rows() -> list[PublishedRow]:
    d0 = "eff-spinenet-d0"
    plain = _depthwise(d0).spec
    scaled = "Scaled widths are truncated, as in the released SpineNet code; no other rounding meets both numbers."
    return [
        _row("SP-EfficientNet-B0", "sp-efficientnet-b0", ("4.4", "2.4"), EFFICIENT),
        _row(
            "Eff-SpineNet-D0",
            d0,
            ("3.6", "2.5"),
            EFFICIENT,
            note="3.6 M lies between the two kinds of resampling; no reading that was tried gives it.",
            others=(_depthwise(d0),),
        ),
        _row("Eff-SpineNet-D0, no space-to-depth", d0, ("3.3", "2.4"), EFFICIENT + ", table 9", spec=plain),
        _row(
            "Eff-SpineNet-D0, neither trick",
            d0,
            ("3.3", "2.4"),
            EFFICIENT + ", table 9",
            spec=replace(plain, fusion=Fusion.SUM),
        ),
        _row("Eff-SpineNet-D1", "eff-spinenet-d1", None, COUNTED),
        *(
            _row(
                f"Eff-SpineNet-{size.upper()}",
                f"eff-spinenet-{size}",
                published,
                EFFICIENT if published else COUNTED,
                note=scaled if published else "",
                others=_scaled_others(f"eff-spinenet-{size}") if published else (),
            )
            for size, published in (
                ("d2", ("6.2", "10.3")),
                ("m0", None),
                ("m1", ("0.99", "0.51")),
                ("m2", ("2.36", "0.97")),
            )
        ),
    ]


def _scaled_others(name: str) -> tuple[Reading, ...]:
    return (_depthwise(name), _rounded(name, Resampling.SPACE_TO_DEPTH), _rounded(name, Resampling.DEPTHWISE))


def _efficientnet_rows() -> list[PublishedRow]:
    note = (
        "How deep the head is, and whether the FPN is separable, is not in the text that was read; here both are as in "
        "Efficient SpineNet. At these sizes batch norm is a larger part of a published count."
    )
    published = {"b0": ("3.7", "2.5"), "b1": ("6.3", "5.8"), "b2": ("7.5", "10.0")}
    return [
        _row(
            f"EfficientNet-{size.upper()}-FPN",
            f"efficientnet-{size}-fpn",
            numbers,
            EFFICIENT,
            note=note,
            others=_efficientnet_others(f"efficientnet-{size}-fpn"),
        )
        for size, numbers in published.items()
    ]


def _mask_rcnn_rows() -> list[PublishedRow]:
    head = MaskRCNNHead()
    targets = {name: _target(name, head) for name in ("resnet-50-fpn", "spinenet-49", "spinenet-96", "spinenet-143")}
    narrow = MaskRCNNHead(rpn_channels=128, box_channels=128, fc_channels=512, mask_channels=128)
    small = _target("spinenet-49s", narrow)
    rows = [
        ("ResNet-50-FPN", "resnet-50-fpn", ("46.3", "227.7"), GARDEN),
        ("SpineNet-49", "spinenet-49", ("40.8", "216.1"), PAPER),
        ("SpineNet-49", "spinenet-49", ("40.8", "215.7"), ZOO),
        ("SpineNet-96", "spinenet-96", ("55.2", "314.6"), ZOO),
        ("SpineNet-96", "spinenet-96", ("55.2", "315.0"), GARDEN),
        ("SpineNet-143", "spinenet-143", ("79.2", "498.4"), ZOO),
        ("SpineNet-143", "spinenet-143", ("79.2", "498.8"), GARDEN),
    ]
    return [
        _row(
            "SpineNet-49S",
            "spinenet-49s",
            ("13.9", "60.2"),
            PAPER_QUOTED,
            target=replace(small, endpoint_channels=128),
            note="Here endpoints are 128, as all widths of the heads; the RetinaNet row needs 256.",
            others=(Reading("endpoints of 256", reference("spinenet-49s"), small),),
        ),
        *(_row(*row, target=targets[row[1]]) for row in rows),
        _spinenet_190_mask_rcnn(),
        *_efficient_mask_rcnn_rows(),
    ]


def _spinenet_190_mask_rcnn() -> PublishedRow:
    name = "spinenet-190"
    head = MaskRCNNHead(
        rpn_channels=384, num_box_convs=7, box_channels=384, num_mask_convs=7, mask_channels=384, num_rpn_convs=1
    )
    released = replace(head, num_rpn_convs=7)
    return _row(
        "SpineNet-190",
        name,
        ("168.2", "1685.7"),
        ZOO,
        target=_target(name, head, 1536),
        note="One convolution for the proposals gives this row; the released configuration says 7 for each subnet.",
        others=(Reading("7 convolutions for the proposals", reference(name), _target(name, released, 1536)),),
    )


def _efficient_mask_rcnn_rows() -> list[PublishedRow]:
    published = {"d0": ("4.6", "4.7"), "d1": None, "d2": ("9.2", "16.0")}
    rows = []
    for size, numbers in published.items():
        name = f"eff-spinenet-{size}"
        channels = reference(name).endpoint_channels
        target = _target(name, _separable_mask_rcnn(channels, 512 if size == "d2" else 256))
        others = (_depthwise(name, target),) if numbers else ()
        source = EFFICIENT if numbers else COUNTED
        note = "Parameters need space-to-depth; multiply-adds come nearer in the other order." if numbers else ""
        label = f"Eff-SpineNet-{size.upper()}"
        rows.append(_row(label, name, numbers, source, target=target, note=note, others=others))
    return rows


def _classification_rows() -> list[PublishedRow]:
    """ImageNet with 1,001 classes and iNaturalist-2017 with 5,089, as in the released code."""
    published = {
        "spinenet-49": ("3.5", "22.1", "23.1"),
        "spinenet-96": ("5.7", "36.5", "37.6"),
        "spinenet-143": ("9.1", "60.5", "61.6"),
        "spinenet-190": ("19.1", "127.1", "129.2"),
    }
    rows = []
    for name, (multiply_adds, *parameters) in published.items():
        for data, num_classes, number in zip(("ImageNet", "iNaturalist"), (1001, 5089), parameters, strict=True):
            target = _target(name, ClassificationHead(), 224, num_classes)
            label = f"{name.replace('spinenet', 'SpineNet')}, {data}"
            rows.append(_row(label, name, (number, multiply_adds), ZOO, target=target))
    return rows + [_efficient_classification(size, side) for size, side in (("d0", 224), ("d1", 240), ("d2", 256))]


def _efficient_classification(size: str, image_size: int) -> PublishedRow:
    """Without space-to-depth, features of 256, 1,000 classes."""
    name = f"eff-spinenet-{size}"
    full = replace(reference(name), endpoint_channels=256)
    plain = replace(full, resampling=Resampling.DEPTHWISE)
    target = _target(name, ClassificationHead(), image_size, 1000)
    label = f"Eff-SpineNet-{size.upper()}, ImageNet"
    if size != "d0":
        return _row(label, name, None, COUNTED, spec=plain, target=target)
    note = (
        "Its parameters are those of depthwise resampling. The size of the input is not in the text that was read: of "
        "the multiples of 16, 224 comes nearest."
    )
    others = (
        Reading("space-to-depth", full, target),
        Reading("input of 208", plain, replace(target, image_size=208)),
    )
    return _row(label, name, ("3.57", "0.38"), EFFICIENT, spec=plain, target=target, note=note, others=others)


def _segmentation_rows() -> list[PublishedRow]:
    """PASCAL VOC with 21 classes; the paper gives accuracy only."""
    rows = []
    for size in ("d0", "d2"):
        name = f"eff-spinenet-{size}"
        head = SegmentationHead(channels=reference(name).endpoint_channels, num_convs=3, separable=True)
        target = _target(name, head, 512, num_classes=21)
        rows.append(_row(f"Eff-SpineNet-{size.upper()}, VOC", name, None, COUNTED, target=target))
    return rows


def published_rows() -> list[PublishedRow]:
    """All rows: RetinaNet, Mask R-CNN, classification, segmentation."""
    return [
        *_retinanet_rows(),
        *_mobile_rows(),
        *_efficient_rows(),
        *_efficientnet_rows(),
        *_mask_rcnn_rows(),
        *_classification_rows(),
        *_segmentation_rows(),
    ]
