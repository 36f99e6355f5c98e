"""Which images are shown, and what is on them."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.data.dataset import load_split
from trainer.data.generated import generate
from trainer.data.shown import LARGEST_SIDE, MIN_SCORE, NUM_PICTURES, shown_pictures, shown_positions
from trainer.data.tensors import PADDING_LABEL, DetectionTensors
from trainer.task import DataSource

NOTHING = np.zeros((0, 7))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return generate(tmp_path_factory.mktemp("shown") / "data", num_train=4, num_val=20, image_size=96)


@pytest.fixture(scope="module")
def val(data: DataSource) -> DetectionTensors:
    return load_split(data, "val", 48)


def test_the_same_images_are_shown_whatever_their_order(val: DetectionTensors) -> None:
    positions = shown_positions(val, 20, seed=3)
    assert len(set(positions)) == NUM_PICTURES
    assert positions == sorted(positions) == shown_positions(val, 20, seed=3)
    backwards = torch.arange(19, -1, -1)
    turned = replace(val, image_ids_N=val.image_ids_N[backwards], labels_NM=val.labels_NM[backwards])
    ids = {int(val.image_ids_N[position]) for position in positions}
    assert {int(turned.image_ids_N[position]) for position in shown_positions(turned, 20, seed=3)} == ids
    assert shown_positions(val, 20, seed=4) != positions


def test_only_measured_images_are_shown_and_those_with_objects_first(val: DetectionTensors) -> None:
    assert shown_positions(val, 3, seed=3) == [0, 1, 2]
    labels_NM = val.labels_NM.clone()
    labels_NM[5:] = PADDING_LABEL
    assert set(range(5)) <= set(shown_positions(replace(val, labels_NM=labels_NM), 20, seed=3))


def test_a_picture_has_the_image_and_both_kinds_of_boxes_in_its_own_pixels(val: DetectionTensors) -> None:
    position = shown_positions(val, 20, seed=3)[0]
    image_id = float(val.image_ids_N[position])
    # In pixels of the original, which has twice as many on a side.
    rows_D7 = np.array(
        [
            [image_id, 10, 20, 30, 40, 0.5, val.category_ids[1]],
            [image_id, 10, 20, 30, 40, 0.9, val.category_ids[2]],
            [image_id, 0, 0, 9, 9, MIN_SCORE / 2, val.category_ids[0]],
            [-1, 0, 0, 9, 9, 0.9, val.category_ids[0]],
        ]
    )
    picture = shown_pictures(val, 20, rows_D7, seed=3)[0]
    assert [(box.label, box.score) for box in picture.found] == [(2, 0.9), (1, 0.5)]
    assert (picture.found[0].x, picture.found[0].y) == (5, 10)
    assert (picture.found[0].width, picture.found[0].height) == (15, 20)
    labels = val.labels_NM[position]
    assert [box.label for box in picture.truth] == labels[labels != PADDING_LABEL].tolist()
    x0, y0, x1, y1 = val.boxes_NM4[position, 0].tolist()
    first = picture.truth[0]
    assert (first.x, first.y, first.width, first.height) == (x0, y0, x1 - x0, y1 - y0)
    image = Image.open(io.BytesIO(picture.content))
    assert (image.format, image.size) == ("WEBP", (picture.width, picture.height))
    height, width = val.valid_sizes_N2[position].tolist()
    assert image.size == (width, height)
    pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float()
    difference = (pixels - val.images_NCHW[torch.tensor([position])][0, :, :height, :width]).abs().mean()
    assert difference < 12, "WebP loses a little, a wrong image is far off"


def test_equal_pictures_are_equal_bytes(val: DetectionTensors) -> None:
    first, second = (shown_pictures(val, 20, NOTHING, seed=3) for _ in range(2))
    assert [picture.content for picture in first] == [picture.content for picture in second]


def test_a_large_image_is_shown_smaller(tmp_path: Path) -> None:
    data = generate(tmp_path / "large", num_train=2, num_val=1, image_size=64)
    size = 2 * LARGEST_SIDE
    images = load_split(data, "val", size)
    (picture,) = shown_pictures(images, 1, NOTHING, seed=0)
    assert max(picture.width, picture.height) == LARGEST_SIDE
    assert picture.truth[0].x == float(images.boxes_NM4[0, 0, 0]) / 2
