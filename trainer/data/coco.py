"""COCO instances files and their images, read and checked. Needs no torch.

Format: https://cocodataset.org/#format-data. Boxes are x, y, width, height in pixels of the original image.
"""

import hashlib
import math
import reprlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

from trainer.data.document import read_document
from trainer.data.images import MAX_PIXELS, check_image, image_path
from trainer.task import CocoSource, DataSource, TaskError

BOX_TOLERANCE = 1.0  # pixels that a box may reach beyond its image
DECODED_IMAGES = 2_000  # a check decodes every pixel of splits up to this many images
MAX_CATEGORIES = 10_000  # the outputs of the head grow with them
MAX_TEXT = 1_024  # characters of a name
MAX_ID = 2**53  # ids travel through floats
ANNOTATIONS_PER_EMPTY_BOX = 10_000  # COCO train2017 has two boxes without area among 860,001; more is an error


@dataclass(frozen=True, slots=True)
class Category:
    """One class of objects."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image file, with the size that the JSON states."""

    id: int
    file_name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object, or a crowd region. `box` is x, y, width, height; `area` that of the segment, in pixels."""

    id: int
    image_id: int
    category_id: int
    box: tuple[float, float, float, float]
    area: float
    is_crowd: bool

    @property
    def is_empty(self) -> bool:
        """Whether the box has no area: kept for the evaluation, left out of training."""
        return self.box[2] == 0 or self.box[3] == 0


@dataclass(frozen=True)
class CocoIndex:
    """One instances file: images and categories in order of their ids, annotations in the file's order."""

    images: tuple[ImageRecord, ...]
    annotations: tuple[Annotation, ...]
    categories: tuple[Category, ...]

    @cached_property
    def annotations_by_image(self) -> Mapping[int, tuple[Annotation, ...]]:
        """Annotations of each image id; images without any have an empty tuple."""
        found: dict[int, list[Annotation]] = {image.id: [] for image in self.images}
        for annotation in self.annotations:
            found[annotation.image_id].append(annotation)
        return {image_id: tuple(annotations) for image_id, annotations in found.items()}


def read_coco(source: CocoSource) -> CocoIndex:
    """The index of one split; every record is checked, no image is opened.

    Raises:
        TaskError: a missing file or folder, not JSON, a missing or wrong value, a duplicate id, an unknown
            category or image id, a box outside its image or without size, no images or no annotations.
    """
    path = source.annotations
    if not source.images.is_dir():
        raise TaskError(f"{source.images}: no such folder of images")
    document = read_document(path)
    images = tuple(_image(path, record) for record in _records(path, document, "images"))
    categories = tuple(_category(path, record) for record in _records(path, document, "categories"))
    if len(categories) > MAX_CATEGORIES:
        raise TaskError(f"{path}: {len(categories):,} categories: at most {MAX_CATEGORIES:,}")
    _require_unique(path, "image", [image.id for image in images])
    _require_unique(path, "category", [category.id for category in categories])
    _require_unique(path, "category name", [category.name for category in categories])
    image_by_id = {image.id: image for image in images}
    category_ids = {category.id for category in categories}
    annotations = tuple(
        _annotation(path, record, image_by_id, category_ids) for record in _records(path, document, "annotations")
    )
    _require_unique(path, "annotation", [annotation.id for annotation in annotations])
    _require_few_empty(path, annotations)
    return CocoIndex(
        images=tuple(sorted(images, key=lambda image: image.id)),
        annotations=annotations,
        categories=tuple(sorted(categories, key=lambda category: category.id)),
    )


def split_train(
    image_ids: tuple[int, ...], *, reward_split: float, split_seed: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids to learn from and the ids held out for the reward, each in rising order.

    An image's place depends on its id and the seed alone, not on the order of the file.

    Args:
        reward_split: a share in (0, 1), or a whole number of images.

    Raises:
        TaskError: nothing would be left on one side.
    """
    is_share = 0 < reward_split < 1
    if not is_share and reward_split != int(reward_split):
        raise TaskError(f"data.reward_split: {reward_split}: must be in (0, 1) or a whole number of images")
    num_reward = round(reward_split * len(image_ids)) if is_share else int(reward_split)
    if not 0 < num_reward < len(image_ids):
        raise TaskError(
            f"data.reward_split: {reward_split}: holds out {num_reward} of {len(image_ids)} training images; "
            "at least one must be on each side"
        )

    def place(image_id: int) -> bytes:
        return hashlib.sha256(f"{split_seed}/{image_id}".encode()).digest()

    shuffled = sorted(image_ids, key=place)
    return tuple(sorted(shuffled[num_reward:])), tuple(sorted(shuffled[:num_reward]))


def shared_categories(data: DataSource, train: CocoIndex, val: CocoIndex) -> tuple[Category, ...]:
    """The categories of both splits, in the order of their ids.

    Raises:
        TaskError: the splits do not have the same categories.
    """
    if train.categories != val.categories:
        first = min(set(train.categories) ^ set(val.categories), key=lambda category: category.id)
        raise TaskError(
            f"{data.val.annotations}: category {first.id} ({first.name}): not the same as in {data.train.annotations}"
        )
    return train.categories


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport:
    """What is in a split that can be used.

    Args:
        num_annotations: crowd regions included.
        num_empty_images: images without an annotation.
        width_range, height_range: smallest and largest in pixels.
        objects_by_category: number of annotations by category name, those without any included.
        num_decoded: images of which every pixel was read; of the others size and end of file were.
    """

    source: CocoSource
    num_images: int
    num_annotations: int
    num_crowd: int
    num_empty_images: int
    width_range: tuple[int, int]
    height_range: tuple[int, int]
    objects_by_category: Mapping[str, int]
    num_decoded: int

    def __str__(self) -> str:
        used = sum(number > 0 for number in self.objects_by_category.values())
        return (
            f"{self.source.annotations}: {self.num_images:,} images ({self.num_empty_images:,} without objects, "
            f"{self.num_decoded:,} decoded), {self.width_range[0]} to {self.width_range[1]} pixels wide, "
            f"{self.height_range[0]} to {self.height_range[1]} high; {self.num_annotations:,} annotations "
            f"({self.num_crowd:,} crowds) of {used} of {len(self.objects_by_category)} categories"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReport:
    """What is in a data set that can be used: both splits, and how train is divided."""

    train: SplitReport
    val: SplitReport
    num_learning_images: int
    num_reward_images: int
    categories: tuple[Category, ...]


def check_split(source: CocoSource, *, decode: bool | None = None) -> SplitReport:
    """What is in a split, after every record and every image file was looked at; nothing is written.

    Args:
        decode: whether every image is decoded completely; None: up to `DECODED_IMAGES` images.

    Raises:
        TaskError: the first thing that is wrong, by file, annotation or image.
    """
    return _check_index(source, read_coco(source), decode)


def check_data(data: DataSource, *, decode: bool | None = None) -> DataReport:
    """What is in a data set that a search can use.

    Raises:
        TaskError: the first thing that is wrong in a split, or the splits do not fit each other.
    """
    train, val = read_coco(data.train), read_coco(data.val)
    ids = tuple(image.id for image in train.images)
    learning, reward = split_train(ids, reward_split=data.reward_split, split_seed=data.split_seed)
    return DataReport(
        categories=shared_categories(data, train, val),
        num_learning_images=len(learning),
        num_reward_images=len(reward),
        train=_check_index(data.train, train, decode),
        val=_check_index(data.val, val, decode),
    )


def find_splits(directory: Path) -> dict[str, CocoSource]:
    """The splits of a folder by name: `annotations/instances_<split>.json` with images in `<split>/`.

    Raises:
        TaskError: no such folder, or no such file in it.
    """
    prefix = "instances_"
    found = {
        path.stem.removeprefix(prefix): path for path in sorted((directory / "annotations").glob(f"{prefix}*.json"))
    }
    if not found:
        raise TaskError(f"{directory}: has no annotations/{prefix}<split>.json")
    return {name: CocoSource(images=directory / name, annotations=path) for name, path in found.items()}


def check_directory(directory: Path) -> tuple[SplitReport, ...]:
    """What is in each split of a folder.

    Raises:
        TaskError: as `find_splits` and `check_split`.
    """
    return tuple(check_split(source) for source in find_splits(directory).values())


def _check_index(source: CocoSource, index: CocoIndex, decode: bool | None) -> SplitReport:
    decode = len(index.images) <= DECODED_IMAGES if decode is None else decode
    for image in index.images:
        check_image(image_path(source, image.file_name), (image.width, image.height), decode=decode)
    counts = Counter(annotation.category_id for annotation in index.annotations)
    widths = [image.width for image in index.images]
    heights = [image.height for image in index.images]
    return SplitReport(
        source=source,
        num_images=len(index.images),
        num_annotations=len(index.annotations),
        num_crowd=sum(annotation.is_crowd for annotation in index.annotations),
        num_empty_images=sum(not found for found in index.annotations_by_image.values()),
        width_range=(min(widths), max(widths)),
        height_range=(min(heights), max(heights)),
        objects_by_category={category.name: counts[category.id] for category in index.categories},
        num_decoded=len(index.images) if decode else 0,
    )


def _records(path: Path, document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    records = document.get(key)
    if not isinstance(records, list):
        raise TaskError(f"{path}: {key}: missing, or not a list")
    if not records:
        raise TaskError(f"{path}: {key}: empty")
    for position, record in enumerate(records):
        if not isinstance(record, dict):
            raise TaskError(f"{path}: {key}[{position}]: must be an object")
        if type(record.get("id")) is not int or abs(record["id"]) > MAX_ID:
            raise TaskError(f"{path}: {key}[{position}].id: {_shown(record.get('id'))}: must be an integer up to 2^53")
    return records


def _require_unique(path: Path, kind: str, values: list[Any]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise TaskError(f"{path}: {kind} {_shown(value)}: more than once")
        seen.add(value)


def _category(path: Path, record: Mapping[str, Any]) -> Category:
    name = record.get("name")
    if not _is_text(name):
        raise TaskError(f"{path}: category {record['id']}: name {_shown(name)}: must be a text, not too long")
    return Category(id=record["id"], name=name)


def _image(path: Path, record: Mapping[str, Any]) -> ImageRecord:
    file_name, width, height = (record.get(key) for key in ("file_name", "width", "height"))
    place = f"{path}: image {record['id']}"
    if not _is_text(file_name):
        raise TaskError(f"{place}: file_name {_shown(file_name)}: must be a text, not too long")
    for key, value in (("width", width), ("height", height)):
        if type(value) is not int or value < 1:
            raise TaskError(f"{place} ({file_name}): {key} {_shown(value)}: must be a whole number of pixels above 0")
    image = ImageRecord(id=record["id"], file_name=file_name, width=int(width or 0), height=int(height or 0))
    if image.width * image.height > MAX_PIXELS:
        raise TaskError(f"{place} ({file_name}): {width}x{height}: at most {MAX_PIXELS:,} pixels are read")
    return image


def _annotation(
    path: Path, record: Mapping[str, Any], images: Mapping[int, ImageRecord], category_ids: set[int]
) -> Annotation:
    image_id, category_id = record.get("image_id"), record.get("category_id")
    place = f"{path}: annotation {record['id']}"
    if type(image_id) is not int or image_id not in images:
        raise TaskError(f"{place}: image_id {_shown(image_id)}: no such image")
    image = images[image_id]
    place = f"{place} of image {image_id} ({image.file_name})"
    if type(category_id) is not int or category_id not in category_ids:
        raise TaskError(f"{place}: category_id {_shown(category_id)}: no such category")
    if record.get("iscrowd", 0) not in (0, 1):
        raise TaskError(f"{place}: iscrowd {_shown(record['iscrowd'])}: must be 0 or 1")
    box = _box(place, record.get("bbox"), image)
    area = record.get("area", box[2] * box[3])
    if not _is_number(area) or area < 0:
        raise TaskError(f"{place}: area {_shown(area)}: must be a number, 0 or more")
    _require_segmentation(place, record.get("segmentation"))
    return Annotation(
        id=record["id"],
        image_id=image_id,
        category_id=category_id,
        box=box,
        area=float(area),
        is_crowd=record.get("iscrowd", 0) == 1,
    )


def _shown(value: object) -> str:
    """A wrong value for people, cut short: a file may have a gigabyte in its place."""
    return reprlib.repr(value)


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _box(place: str, value: object, image: ImageRecord) -> tuple[float, float, float, float]:
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(number) for number in value):
        raise TaskError(f"{place}: bbox {_shown(value)}: must be [x, y, width, height]")
    x, y, width, height = (float(number) for number in value)
    if width < 0 or height < 0:
        raise TaskError(f"{place}: bbox {value}: width and height must be above 0")
    low, right, bottom = -BOX_TOLERANCE, image.width + BOX_TOLERANCE, image.height + BOX_TOLERANCE
    if x < low or y < low or x + width > right or y + height > bottom:
        raise TaskError(f"{place}: bbox {value}: outside its image of {image.width}x{image.height}")
    return x, y, width, height


def _require_segmentation(place: str, value: object) -> None:
    """Refuses what is neither polygons of at least three points nor a run-length code."""
    if value is None:
        return
    if isinstance(value, dict):
        if not isinstance(value.get("size"), list) or not isinstance(value.get("counts"), (list, str)):
            raise TaskError(f"{place}: segmentation: a run-length code has size and counts")
        return
    if not isinstance(value, list):
        raise TaskError(f"{place}: segmentation: must be polygons or a run-length code")
    for polygon in value:
        if not isinstance(polygon, list) or len(polygon) % 2 or not all(map(_is_number, polygon)):
            raise TaskError(f"{place}: segmentation: a polygon is a list x, y, x, y, ... of numbers")


def _require_few_empty(path: Path, annotations: tuple[Annotation, ...]) -> None:
    empty = [annotation for annotation in annotations if annotation.is_empty]
    if len(empty) * ANNOTATIONS_PER_EMPTY_BOX > len(annotations):
        first = empty[0]
        raise TaskError(
            f"{path}: annotation {first.id} of image {first.image_id}: bbox {list(first.box)}: "
            "width and height must be above 0"
        )
