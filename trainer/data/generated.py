"""A COCO-format detection data set drawn by the program: the default data of a search.

Four classes: a disc with a rim, a striped square, a triangle and a star. Objects are small to large, overlap in
painter's order, and lie on a background with gradients, noise, lines and shapes that belong to no class.
"""

import fcntl
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from trainer.data.outline import outlines
from trainer.task import CocoSource, DataSource, TaskError

VERSION = 1  # of the recipe; another version makes other pictures
NUM_TRAIN, NUM_VAL, IMAGE_SIZE = 500, 120, 192
MIN_VISIBLE = 0.4  # share of an object that must be seen for it to be annotated
MIN_OBJECTS, MAX_OBJECTS = 2, 5
MIN_SIDE, MAX_SIDE = 0.18, 0.7  # of an object, relative to the image
NUM_TRIES = 10  # places tried for an object; the one that hides least is taken
MAX_ASPECT = 1.3
MAX_TURN = 0.4  # radians
JPEG_QUALITY = 92

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """A class of objects: its outline around the origin with radius 1, its pattern and its usual hue.

    Args:
        outline_K2: corners x, y.
        is_light: from coordinates u, v (radius 1) to where the lighter colour is.
        hue: in [0, 1); an object's own is near it.
    """

    name: str
    outline_K2: Array
    is_light: Callable[[Array, Array], Array]
    hue: float


def _regular(num_corners: int, inner_radius: float = 1.0) -> Array:
    """A regular polygon, or a star where every second corner has `inner_radius`."""
    angles = 2 * np.pi * np.arange(num_corners) / num_corners
    radii = np.where(np.arange(num_corners) % 2, inner_radius, 1.0)
    return np.stack([radii * np.sin(angles), -radii * np.cos(angles)], axis=1)


SQUARE = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.85
SHAPES = (
    Shape("disc", _regular(28), lambda u, v: np.hypot(u, v) < 0.8, hue=0.02),
    Shape("stripes", SQUARE, lambda u, v: np.floor(v * 3) % 2 == 0, hue=0.27),
    Shape("triangle", _regular(3), lambda u, v: v > 0.1, hue=0.52),
    Shape("star", _regular(10, inner_radius=0.5), lambda u, v: np.hypot(u, v) < 0.45, hue=0.77),
)
HUE_SPREAD = 0.02  # standard deviation of an object's hue


def generate(
    directory: Path,
    *,
    seed: int = 0,
    num_train: int = NUM_TRAIN,
    num_val: int = NUM_VAL,
    image_size: int = IMAGE_SIZE,
) -> DataSource:
    """Writes the data set into `directory`, which appears complete or not at all.

    The files are the same, byte by byte, for the same arguments and the same versions of NumPy and Pillow.

    Args:
        directory: absent or empty.
        seed: decides every pixel.
        num_train, num_val: images of the two splits.
        image_size: side of the square images in pixels.

    Raises:
        TaskError: the folder holds something, or a number is out of range.
    """
    for name, value, least in (("num_train", num_train, 2), ("num_val", num_val, 1), ("image_size", image_size, 32)):
        if value < least:
            raise TaskError(f"{name} {value}: must be at least {least}")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise TaskError(f"{directory}: exists and is not an empty folder")
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for split, num_images in (("train", num_train), ("val", num_val)):
        _write_split(partial, split, seed, num_images, image_size)
    partial.rename(directory)
    return generated_source(directory)


def ensure_generated(
    directory: Path, *, num_train: int = NUM_TRAIN, num_val: int = NUM_VAL, image_size: int = IMAGE_SIZE
) -> DataSource:
    """The generated data set in `directory`, made first where it is missing; several processes may ask at once.

    Args:
        num_train, num_val, image_size: of a data set that has to be made; one that is there stays as it is.

    Raises:
        TaskError: the folder holds something else, or a data set of another version.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(f".{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file closes, also by a killed process
        source = generated_source(directory)
        if not source.train.annotations.is_file():
            return generate(directory, num_train=num_train, num_val=num_val, image_size=image_size)
        made_by = json.loads(source.train.annotations.read_bytes())["info"].get("version")
        if made_by != str(VERSION):
            raise TaskError(
                f"{directory}: made by version {made_by} of the generator, not {VERSION}: remove the folder"
            )
        return source


def generated_source(directory: Path) -> DataSource:
    """Where `generate` puts the two splits."""
    return DataSource(
        train=CocoSource(images=directory / "train", annotations=directory / "annotations" / "instances_train.json"),
        val=CocoSource(images=directory / "val", annotations=directory / "annotations" / "instances_val.json"),
    )


def _write_split(directory: Path, split: str, seed: int, num_images: int, image_size: int) -> None:
    (directory / split).mkdir(parents=True)
    (directory / "annotations").mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id in range(1, num_images + 1):
        file_name = f"{image_id:06d}.jpg"
        pixels_HWC, objects = draw_image(seed, split, image_id, image_size)
        Image.fromarray(pixels_HWC).save(directory / split / file_name, quality=JPEG_QUALITY)
        images.append({"id": image_id, "file_name": file_name, "width": image_size, "height": image_size})
        for found in objects:
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, "iscrowd": 0, **found})
    document = {
        "info": {"description": f"spinesearch generated data, seed {seed}", "version": str(VERSION)},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": shape.name} for number, shape in enumerate(SHAPES, start=1)],
    }
    path = directory / "annotations" / f"instances_{split}.json"
    path.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")


def draw_image(seed: int, split: str, image_id: int, size: int) -> tuple[Array, list[dict[str, Any]]]:
    """One picture, H x W x 3 uint8, and its objects: category_id, bbox, area and segmentation of what is seen."""
    rng = np.random.default_rng([seed, ("train", "val").index(split), image_id])
    canvas_HWC = _background(rng, size)
    owner_HW = np.full((size, size), -1, dtype=np.int16)
    placed = []
    sides = size * np.exp(
        rng.uniform(math.log(MIN_SIDE), math.log(MAX_SIDE), rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
    )
    for number, side in enumerate(sorted(sides.tolist(), reverse=True)):  # the large ones lie behind
        category = int(rng.integers(len(SHAPES)))
        corners_K2, frame, mask_HW = _least_hiding(rng, SHAPES[category], side, owner_HW)
        _paint(rng, canvas_HWC, mask_HW, SHAPES[category], frame)
        owner_HW[mask_HW] = number
        placed.append((category, corners_K2, int(mask_HW.sum())))
    noise_HWC = rng.normal(0, rng.uniform(2, 10), canvas_HWC.shape)
    pixels_HWC = (canvas_HWC + noise_HWC).clip(0, 255).astype(np.uint8)
    objects = []
    for number, (category, corners_K2, num_pixels) in enumerate(placed):
        seen_HW = owner_HW == number
        if seen_HW.sum() >= MIN_VISIBLE * num_pixels:
            objects.append(_annotation(category, corners_K2, seen_HW, num_pixels))
    return pixels_HWC, objects


@dataclass(frozen=True, slots=True)
class Frame:
    """Where an object is: centre, radii and angle of its own coordinates u, v."""

    x: float
    y: float
    radius_u: float
    radius_v: float
    angle: float


def _least_hiding(rng: np.random.Generator, shape: Shape, side: float, owner_HW: Array) -> tuple[Array, Frame, Array]:
    """Corners, frame and mask of a new object: of some places, the one that covers least of other objects."""
    size = len(owner_HW)
    candidates = []
    for _ in range(NUM_TRIES):
        corners_K2, frame = _place(rng, shape, side, size)
        mask_HW = _fill(corners_K2, size)
        candidates.append((int((owner_HW[mask_HW] >= 0).sum()), corners_K2, frame, mask_HW))
    return min(candidates, key=lambda candidate: candidate[0])[1:]


def _place(rng: np.random.Generator, shape: Shape, side: float, size: int) -> tuple[Array, Frame]:
    """Corners of a new object in pixels, inside the picture, and its frame."""
    stretch = math.exp(rng.uniform(-1, 1) * math.log(MAX_ASPECT) / 2)
    angle = rng.uniform(-MAX_TURN, MAX_TURN)
    radius_u, radius_v = side / 2 * stretch, side / 2 / stretch
    scaled_K2 = shape.outline_K2 * [radius_u, radius_v]
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    around_K2 = scaled_K2 @ turn
    low, high = -around_K2.min(axis=0), size - 1 - around_K2.max(axis=0)
    centre = low + (high - low) * rng.uniform(size=2)
    frame = Frame(x=float(centre[0]), y=float(centre[1]), radius_u=radius_u, radius_v=radius_v, angle=angle)
    return around_K2 + centre, frame


def _fill(corners_K2: Array, size: int) -> Array:
    mask = Image.new("1", (size, size))
    ImageDraw.Draw(mask).polygon([tuple(corner) for corner in corners_K2.tolist()], fill=1)
    return np.asarray(mask)


def _paint(rng: np.random.Generator, canvas_HWC: Array, mask_HW: Array, shape: Shape, frame: Frame) -> None:
    """Puts the object's pattern, in two colours of nearly its class's hue, where the mask is."""
    y_P, x_P = np.nonzero(mask_HW)
    dx_P, dy_P = x_P - frame.x, y_P - frame.y
    u_P = (dx_P * math.cos(frame.angle) + dy_P * math.sin(frame.angle)) / frame.radius_u
    v_P = (dy_P * math.cos(frame.angle) - dx_P * math.sin(frame.angle)) / frame.radius_v
    hue = shape.hue + rng.normal(0, HUE_SPREAD)
    light = _rgb(hue, rng.uniform(0.6, 1.0), rng.uniform(0.8, 1.0))
    dark = _rgb(hue, rng.uniform(0.7, 1.0), rng.uniform(0.4, 0.6))
    shade_P1 = 1 - 0.25 * rng.uniform() * (dx_P / (frame.radius_u + frame.radius_v))[:, None]
    canvas_HWC[y_P, x_P] = np.where(shape.is_light(u_P, v_P)[:, None], light, dark) * shade_P1


def _background(rng: np.random.Generator, size: int) -> Array:
    """A gradient between two dull colours with soft blotches, lines and outlines of no class."""
    ramp = np.linspace(0, 1, size)
    angle = rng.uniform(-math.pi, math.pi)
    mix_HW = (math.cos(angle) * ramp[None, :] + math.sin(angle) * ramp[:, None])[:, :, None]
    first, second = (_rgb(rng.uniform(), rng.uniform(0, 0.2), rng.uniform(0.2, 0.9)) for _ in range(2))
    coarse = rng.integers(0, 256, size=(rng.integers(2, 9), rng.integers(2, 9)), dtype=np.uint8)
    blotches_HW = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64)
    canvas_HWC = first + (second - first) * mix_HW + rng.uniform(0.05, 0.2) * (blotches_HW[:, :, None] - 128)
    picture = Image.fromarray(canvas_HWC.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(0, 6)):
        colour = tuple(int(part) for part in _rgb(rng.uniform(), rng.uniform(0, 0.5), rng.uniform(0.1, 1)))
        ends = [tuple(end) for end in rng.uniform(0, size, size=(2, 2)).tolist()]
        draw.line(ends, fill=colour, width=int(rng.integers(1, max(2, size // 40))))
    for _ in range(rng.integers(0, 4)):
        colour = tuple(int(part) for part in _rgb(rng.uniform(), rng.uniform(0, 0.5), rng.uniform(0.1, 1)))
        x, y, side = rng.uniform(0, size), rng.uniform(0, size), size * rng.uniform(0.03, 0.25)
        draw.arc([x, y, x + side, y + side * rng.uniform(0.4, 1)], 0, rng.uniform(90, 300), fill=colour, width=2)
    return np.asarray(picture, dtype=np.float64)


def _annotation(category: int, corners_K2: Array, seen_HW: Array, num_pixels: int) -> dict[str, Any]:
    """What COCO says of an object: box, area and outline of the part that is seen."""
    y_P, x_P = np.nonzero(seen_HW)
    x0, y0, x1, y1 = int(x_P.min()), int(y_P.min()), int(x_P.max()) + 1, int(y_P.max()) + 1
    if len(x_P) == num_pixels:  # nothing hides it: its own corners, from pixel centres to pixel borders
        corners_K2 = (corners_K2 + 0.5).clip([x0, y0], [x1, y1]).round(2)
        polygons = [corners_K2.ravel().tolist()]
    else:
        polygons = [
            [number + (x0, y0)[position % 2] for position, number in enumerate(polygon)]
            for polygon in outlines(seen_HW[y0:y1, x0:x1])
        ]
    return {
        "category_id": category + 1,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": len(x_P),
        "segmentation": polygons,
    }


def _rgb(hue: float, saturation: float, value: float) -> Array:
    """A colour of 0 to 255 from hue, saturation and value in [0, 1]; the hue wraps around."""
    distance = np.abs((hue * 6 - np.array([0, 2, 4]) + 3) % 6 - 3)
    return 255 * value * (1 - saturation * (distance - 1).clip(0, 1))
