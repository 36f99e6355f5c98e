"""Some images of a split, with their true boxes and those that a network found, as pictures.

Legend: N images, M boxes at most in an image, D detections, 7 = image id, x, y, width, height, score, category id.
"""

import io
import random

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from trainer.data.tensors import PADDING_LABEL, DetectionTensors
from trainer.pictures import MAX_BOXES, Picture, PictureBox

NUM_PICTURES = 6
MIN_SCORE = 0.05
LARGEST_SIDE = 640
QUALITY = 80


def shown_positions(images: DetectionTensors, num_images: int, seed: int) -> list[int]:
    """Positions of the images that are shown, rising: drawn by the seed from the ids of the first `num_images`, those
    with objects first, so that everybody who asks for the same split shows the same ones."""
    has_objects_N = (images.labels_NM[:num_images] != PADDING_LABEL).any(dim=1).tolist()
    ids_N = images.image_ids_N[:num_images].tolist()
    order = sorted(range(num_images), key=lambda position: ids_N[position])
    random.Random(seed).shuffle(order)
    order.sort(key=lambda position: not has_objects_N[position])
    return sorted(order[:NUM_PICTURES])


def shown_pictures(
    images: DetectionTensors, num_images: int, rows_D7: NDArray[np.float64], seed: int
) -> tuple[Picture, ...]:
    """The pictures of `shown_positions`, with the detections of which the score is `MIN_SCORE` at least.

    Args:
        rows_D7: in pixels of the original images.
    """
    return tuple(_picture(images, position, rows_D7) for position in shown_positions(images, num_images, seed))


def _picture(images: DetectionTensors, position: int, rows_D7: NDArray[np.float64]) -> Picture:
    height, width = images.valid_sizes_N2[position].tolist()
    pixels_HW3 = images.images_NCHW[torch.tensor([position])][0, :, :height, :width].permute(1, 2, 0).numpy()
    image = Image.fromarray(np.ascontiguousarray(pixels_HW3))
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    shrink = image.width / width
    content = io.BytesIO()
    image.save(content, "WEBP", quality=QUALITY)
    image_id = int(images.image_ids_N[position])
    return Picture(
        name=f"image {image_id}",
        content=content.getvalue(),
        media_type="image/webp",
        width=image.width,
        height=image.height,
        truth=_true_boxes(images, position, shrink),
        found=_found_boxes(images, position, rows_D7[rows_D7[:, 0] == image_id], shrink),
    )


def _true_boxes(images: DetectionTensors, position: int, shrink: float) -> tuple[PictureBox, ...]:
    """Objects and crowd regions, on the picture."""
    labels_M = images.labels_NM[position]
    boxes_M4 = images.boxes_NM4[position][labels_M != PADDING_LABEL] * shrink
    labels = labels_M[labels_M != PADDING_LABEL].tolist()
    return tuple(
        PictureBox(x=x0, y=y0, width=x1 - x0, height=y1 - y0, label=label)
        for (x0, y0, x1, y1), label in zip(boxes_M4.tolist(), labels, strict=True)
    )


def _found_boxes(
    images: DetectionTensors, position: int, rows_D7: NDArray[np.float64], shrink: float
) -> tuple[PictureBox, ...]:
    scale_y, scale_x = (scale * shrink for scale in images.scales_N2[position].tolist())
    label_of = {category_id: label for label, category_id in enumerate(images.category_ids)}
    best_D7 = rows_D7[rows_D7[:, 5] >= MIN_SCORE]
    best_D7 = best_D7[np.argsort(-best_D7[:, 5], kind="stable")][:MAX_BOXES]
    return tuple(
        PictureBox(
            x=x * scale_x,
            y=y * scale_y,
            width=width * scale_x,
            height=height * scale_y,
            label=label_of[int(category)],
            score=score,
        )
        for _, x, y, width, height, score, category in best_D7.tolist()
    )
