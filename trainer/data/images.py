"""Image files of a COCO-format data set: found, opened and decoded safely. Needs no torch.

EXIF orientation is ignored, as COCO's annotations do.
"""

import stat
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.task import CocoSource, TaskError

MAX_PIXELS = 89_000_000  # larger images are refused as decompression bombs
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
"""Pillow knows many more, among them some that start other programs."""
END_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
TAIL_BYTES = 64
PADDING_RGB = (124, 116, 104)  # the usual mean colour: close to zero after normalisation


def image_path(source: CocoSource, file_name: str) -> Path:
    """The file of an image, inside the images folder after following links.

    Raises:
        TaskError: the name is absolute or leads out of the folder, by `..` or by a symbolic link.
    """
    root = source.images.resolve()
    place = f"{source.annotations}: file_name {file_name!r}"
    try:
        path = (root / file_name).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise TaskError(f"{place}: not a path: {error}") from error
    if Path(file_name).is_absolute() or not path.is_relative_to(root):
        raise TaskError(f"{place}: leads out of the images folder {source.images}")
    return path


def open_image(path: Path) -> Image.Image:
    """The image with its header read and its pixels not yet decoded.

    Raises:
        TaskError: no such file, not a regular file, not an image in one of `FORMATS`, or more than `MAX_PIXELS`.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a device has no end, a pipe may never begin
            raise TaskError(f"{path}: not a regular file")
        image = Image.open(path, formats=FORMATS)
    except FileNotFoundError as error:
        raise TaskError(f"{path}: no such image") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TaskError(f"{path}: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise TaskError(f"{path}: not a readable image: {error}") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise TaskError(f"{path}: {image.width}x{image.height}: at most {MAX_PIXELS:,} pixels are read")
    return image


def decode_image(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """The image as RGB; grayscale, palette and CMYK are converted, alpha is dropped, EXIF is ignored.

    Args:
        size: width and height that it must have; another is refused before a pixel is decoded.

    Raises:
        TaskError: as `open_image`, another size, or the pixels cannot be decoded (a truncated file).
    """
    with open_image(path) as image:
        if size is not None:
            _require_size(path, image, size)
        try:
            image.load()
            return _to_rgb(image)
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise TaskError(f"{path}: broken image: {error}") from error


def _require_size(path: Path, image: Image.Image, size: tuple[int, int]) -> None:
    if image.size != size:
        raise TaskError(f"{path}: {image.width}x{image.height} pixels, but the annotations say {size[0]}x{size[1]}")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grayscale; plain conversion would clip it to 255
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def check_image(path: Path, size: tuple[int, int], *, decode: bool) -> None:
    """Refuses a file that is not a whole image of `size` (width, height).

    Args:
        decode: decode every pixel. Else only a file without its format's end mark is decoded.

    Raises:
        TaskError: as `decode_image`, or another size.
    """
    with open_image(path) as image:
        _require_size(path, image, size)
        end_mark = END_MARKS.get(image.format or "")
    if decode or end_mark is None or end_mark not in _tail(path):
        decode_image(path)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read()
