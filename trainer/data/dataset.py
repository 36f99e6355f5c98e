"""The parts of a data set as tensors: opened once in a process, then shared by every training in it."""

import logging
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from trainer.data.cache import CachedSplit, open_cache, raw_bytes
from trainer.data.cache_folder import CacheUnavailable
from trainer.data.coco import Annotation, CocoIndex, ImageRecord, read_coco, shared_categories, split_train
from trainer.data.content import content_hash
from trainer.data.pixels import Pixels, put_in_square, resized_image, resized_size, results_in_order
from trainer.data.tensors import PADDING_LABEL, DetectionTensors, StoredImages
from trainer.task import CocoSource, DataSource, ImageCache, ImageForm, TaskError

MAX_DECODED_BYTES = 64 * 2**30

_logger = logging.getLogger(__name__)
_read = lru_cache(maxsize=4)(read_coco)


@lru_cache(maxsize=6)
def load_split(data: DataSource, part: str, image_size: int, cache: ImageCache | None = None) -> DetectionTensors:
    """The images of ``train``, ``reward``, both as ``whole``, or ``val``, decoded and resized to `image_size` pixels.

    The last six results are kept for the whole process; the files are taken to stay as they are.

    Args:
        cache: where the pixels are kept on disk, train and reward together; made now if they are not there. None, or
            a folder that cannot be written: they are decoded into memory.

    Raises:
        TaskError: a data set that cannot be read; for a broken image it names the file. Or more pixels than the cache
            or the memory may take.
        OSError: the cache could not be written to the end.
    """
    source, index = _source(data, part), _index(data, part)
    categories = _categories(data)
    images = _images(data, part, index)
    sizes_N2 = np.array([resized_size(image, image_size) for image in images], dtype=np.int64)
    original_N2 = np.array([(image.height, image.width) for image in images], dtype=np.float64)
    scales_N2 = sizes_N2 / original_N2
    boxes_NM4, labels_NM, crowd_NM = _targets(index, images, categories, scales_N2, sizes_N2)
    return DetectionTensors(
        images_NCHW=_stored(source, index, images, image_size, cache),
        boxes_NM4=torch.from_numpy(boxes_NM4),
        labels_NM=torch.from_numpy(labels_NM),
        crowd_NM=torch.from_numpy(crowd_NM),
        valid_sizes_N2=torch.from_numpy(sizes_N2),
        scales_N2=torch.from_numpy(scales_N2.astype(np.float32)),
        image_ids_N=torch.tensor([image.id for image in images], dtype=torch.int64),
        category_ids=tuple(categories),
        category_names=tuple(categories.values()),
    )


def coco_ground_truth(data: DataSource, part: str) -> dict[str, Any]:
    """The COCO document of a part for box evaluation, crowd regions included, segments left out.

    Raises:
        TaskError: a data set that cannot be read.
    """
    index = _index(data, part)
    images = _images(data, part, index)
    by_image = index.annotations_by_image
    return {
        "info": {},
        "images": [
            {"id": image.id, "file_name": image.file_name, "width": image.width, "height": image.height}
            for image in images
        ],
        "categories": [{"id": number, "name": name} for number, name in _categories(data).items()],
        "annotations": [
            {
                "id": annotation.id,
                "image_id": image.id,
                "category_id": annotation.category_id,
                "bbox": list(annotation.box),
                "area": annotation.area,
                "iscrowd": int(annotation.is_crowd),
            }
            for image in images
            for annotation in by_image[image.id]
        ],
    }


@lru_cache(maxsize=16)
def data_hash(data: DataSource, form: ImageForm = ImageForm.RAW) -> str:
    """The data set's `content_hash`.

    Raises:
        TaskError: a data set that cannot be read.
    """
    return content_hash(data, _read(data.train), _read(data.val), form)


def _source(data: DataSource, part: str) -> CocoSource:
    if part not in ("train", "reward", "whole", "val"):
        raise ValueError(f"part {part!r}: must be train, reward, whole or val")
    return data.val if part == "val" else data.train


def _index(data: DataSource, part: str) -> CocoIndex:
    return _read(_source(data, part))


def _categories(data: DataSource) -> dict[int, str]:
    """Category names by id, in rising order."""
    categories = shared_categories(data, _read(data.train), _read(data.val))
    return {category.id: category.name for category in categories}


def _images(data: DataSource, part: str, index: CocoIndex) -> tuple[ImageRecord, ...]:
    if part in ("whole", "val"):
        return index.images
    ids = tuple(image.id for image in index.images)
    train, reward = split_train(ids, reward_split=data.reward_split, split_seed=data.split_seed)
    wanted = set(train if part == "train" else reward)
    return tuple(image for image in index.images if image.id in wanted)


def _stored(
    source: CocoSource, index: CocoIndex, images: tuple[ImageRecord, ...], image_size: int, cache: ImageCache | None
) -> StoredImages:
    """The pixels of `images`, which are some of the index: from the cache, or decoded into memory."""
    if cache is not None:
        split = CachedSplit(source, index.images, image_size, cache.form)
        try:
            pixels = open_cache(cache, split, num_threads=torch.get_num_threads())
        except CacheUnavailable as error:
            if cache.form is not ImageForm.RAW:
                raise
            _logger.warning("%s: images are decoded into memory", error)
        else:
            row_of = {image.id: row for row, image in enumerate(index.images)}
            rows_N = np.array([row_of[image.id] for image in images])
            is_encoded = cache.form is not ImageForm.RAW
            return StoredImages(rows_N=rows_N, image_size=image_size, read=pixels.read, is_encoded=is_encoded)
    pixels_NHWC = _decoded(source, images, image_size)
    return StoredImages(
        rows_N=np.arange(len(images)),
        image_size=image_size,
        read=lambda rows_B: pixels_NHWC.take(rows_B, axis=0),
        is_encoded=False,
    )


def _decoded(source: CocoSource, images: tuple[ImageRecord, ...], image_size: int) -> Pixels:
    """The images in memory (N, H, W, 3)."""
    num_bytes = raw_bytes(len(images), image_size)
    if num_bytes > MAX_DECODED_BYTES:
        raise TaskError(
            f"{source.images}: {len(images):,} images at {image_size} pixels take {num_bytes / 2**30:,.0f} GiB of "
            f"memory, at most {MAX_DECODED_BYTES / 2**30:,.0f} are used: choose a smaller image_size or fewer images"
        )
    pixels_NHWC = np.empty((len(images), image_size, image_size, 3), dtype=np.uint8)

    def resize(image: ImageRecord) -> Image.Image:
        return resized_image(source, image, image_size)

    for row, image in enumerate(results_in_order(resize, images, torch.get_num_threads())):
        put_in_square(image, pixels_NHWC[row])
    return pixels_NHWC


def _targets(
    index: CocoIndex,
    images: tuple[ImageRecord, ...],
    categories: dict[int, str],
    scales_N2: np.ndarray[Any, Any],
    sizes_N2: np.ndarray[Any, Any],
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Boxes, labels and crowd flags of the images, padded to the largest number of boxes."""
    label_of = {category_id: label for label, category_id in enumerate(categories)}
    kept: list[list[Annotation]] = [
        [annotation for annotation in index.annotations_by_image[image.id] if not annotation.is_empty]
        for image in images
    ]
    num_boxes = max(1, max(len(annotations) for annotations in kept))
    boxes_NM4 = np.zeros((len(images), num_boxes, 4), dtype=np.float32)
    labels_NM = np.full((len(images), num_boxes), PADDING_LABEL, dtype=np.int64)
    crowd_NM = np.zeros((len(images), num_boxes), dtype=bool)
    for n, annotations in enumerate(kept):
        if not annotations:
            continue
        xywh_M4 = np.array([annotation.box for annotation in annotations])
        xyxy_M4 = np.concatenate([xywh_M4[:, :2], xywh_M4[:, :2] + xywh_M4[:, 2:]], axis=1)
        scale_y, scale_x = scales_N2[n]
        height, width = sizes_N2[n]
        xyxy_M4 = (xyxy_M4 * [scale_x, scale_y, scale_x, scale_y]).clip(0, [width, height, width, height])
        boxes_NM4[n, : len(annotations)] = xyxy_M4
        labels_NM[n, : len(annotations)] = [label_of[annotation.category_id] for annotation in annotations]
        crowd_NM[n, : len(annotations)] = [annotation.is_crowd for annotation in annotations]
    return boxes_NM4, labels_NM, crowd_NM
