"""Images on their way into the square, and results that come in order."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from trainer.data.coco import ImageRecord
from trainer.data.images import PADDING_RGB
from trainer.data.pixels import encoded, put_in_square, resized_size, results_in_order
from trainer.task import ImageForm


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(80, 40, (16, 32)), (40, 80, (32, 16)), (32, 32, (32, 32)), (1000, 3, (1, 32))],
)
def test_the_longer_side_fits_the_square(width: int, height: int, expected: tuple[int, int]) -> None:
    assert resized_size(ImageRecord(id=1, file_name="a", width=width, height=height), 32) == expected


@pytest.mark.parametrize(("width", "height"), [(5, 8), (8, 5), (8, 8), (3, 2)])
def test_a_square_holds_image_and_padding(width: int, height: int) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))
    square_SS3 = np.zeros((8, 8, 3), dtype=np.uint8)
    put_in_square(image, square_SS3)
    for y in range(8):
        for x in range(8):
            is_inside = x < width and y < height
            assert tuple(square_SS3[y, x]) == (image.getpixel((x, y)) if is_inside else PADDING_RGB)
    assert encoded(image, 8, ImageForm.RAW) == square_SS3.tobytes()


@pytest.mark.parametrize("num_threads", [1, 3])
def test_results_come_in_order_and_not_too_far_ahead(num_threads: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(40):
            taken += 1
            yield item

    for number, result in enumerate(results_in_order(lambda item: item * item, items(), num_threads)):
        assert result == number * number
        assert taken <= number + 2 * num_threads + 1
    assert taken == 40


def test_an_error_comes_in_its_turn_and_ends_the_threads() -> None:
    before = threading.active_count()
    results = results_in_order(lambda item: 10 // item, [2, 5, 0, 1], 2)
    assert [next(results), next(results)] == [5, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)
    abandoned = results_in_order(lambda item: item, range(100), 2)
    next(abandoned)
    abandoned.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
