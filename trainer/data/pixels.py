"""One image on its way from a file to the square that is trained on. Needs no torch.

Legend: H and W pixels of a resized image, S pixels of the square's side.
"""

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.data.coco import ImageRecord
from trainer.data.images import PADDING_RGB, decode_image, image_path
from trainer.task import CocoSource, ImageForm

Pixels = NDArray[np.uint8]
Item = TypeVar("Item")
Result = TypeVar("Result")

JPEG_QUALITY = 95
JPEG_SUBSAMPLING = 0  # 4:4:4: colour is as sharp as brightness
ENCODINGS = {ImageForm.RAW: "rgb", ImageForm.JPEG: f"jpeg quality {JPEG_QUALITY} 4:4:4"}


def resized_size(image: ImageRecord, image_size: int) -> tuple[int, int]:
    """Height and width of the image with its longer side at `image_size`, at least 1."""
    scale = image_size / max(image.width, image.height)
    return max(1, round(image.height * scale)), max(1, round(image.width * scale))


def resized_image(source: CocoSource, image: ImageRecord, image_size: int) -> Image.Image:
    """The image with its longer side resized to `image_size`.

    Raises:
        TaskError: a file that is broken or of another size than `image` says; the message names it.
    """
    decoded = decode_image(image_path(source, image.file_name), (image.width, image.height))
    height, width = resized_size(image, image_size)
    return decoded if decoded.size == (width, height) else decoded.resize((width, height), Image.Resampling.BILINEAR)


def put_in_square(image: Image.Image, square_SS3: Pixels) -> None:
    """Fills the square with the image, top-left, and the padding colour."""
    padding_S3 = np.tile(np.array(PADDING_RGB, dtype=np.uint8), (square_SS3.shape[0], 1))
    square_SS3[: image.height, : image.width] = np.asarray(image)
    square_SS3[: image.height, image.width :] = padding_S3[image.width :]
    square_SS3[image.height :] = padding_S3


def encoded(image: Image.Image, image_size: int, form: ImageForm) -> bytes:
    """A resized image as a cache keeps it: RAW in its square, JPEG without padding."""
    if form is ImageForm.RAW:
        square_SS3 = np.empty((image_size, image_size, 3), dtype=np.uint8)
        put_in_square(image, square_SS3)
        return square_SS3.tobytes()
    content = io.BytesIO()
    image.save(content, "JPEG", quality=JPEG_QUALITY, subsampling=JPEG_SUBSAMPLING)
    return content.getvalue()


def results_in_order(function: Callable[[Item], Result], items: Iterable[Item], num_threads: int) -> Iterator[Result]:
    """The function's results for the items in turn, worked out by threads a few items ahead of the caller.

    Threads suffice where the function leaves the interpreter's lock, as reading, decoding and resizing do.
    An exception comes when its item's turn does.
    """
    pool = ThreadPoolExecutor(num_threads)
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * num_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
