import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.coco_eval import coco_scores
from trainer.data import dataset
from trainer.data.coco import find_splits, read_coco
from trainer.data.dataset import coco_ground_truth, data_hash, load_split
from trainer.data.tensors import PADDING_LABEL, PADDING_RGB
from trainer.task import CocoSource, DataSource, TaskError


@pytest.fixture
def own_data(small_data: DataSource, tmp_path: Path) -> DataSource:
    """A copy of the small data set that the test may change."""
    root = tmp_path / "own"
    shutil.copytree(small_data.train.images.parent, root)
    return replace(
        small_data,
        train=CocoSource(images=root / "train", annotations=root / "annotations" / "instances_train.json"),
        val=CocoSource(images=root / "val", annotations=root / "annotations" / "instances_val.json"),
    )


def write_wide_image(root: Path) -> DataSource:
    """One image of 80x40 twice, left half red and right half blue; a box on the blue half, and an empty image."""
    (root / "images").mkdir(parents=True)
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[:, :40, 0] = 255
    pixels[:, 40:, 2] = 255
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(root / "images" / name)
    document = {
        "images": [
            {"id": number, "file_name": name, "width": 80, "height": 40}
            for number, name in ((5, "a.png"), (9, "b.png"))
        ],
        "categories": [{"id": 40, "name": "blue"}, {"id": 3, "name": "red"}],
        "annotations": [{"id": 1, "image_id": 9, "category_id": 40, "bbox": [40, 0, 40, 40], "iscrowd": 1}],
    }
    (root / "a.json").write_text(json.dumps(document))
    source = CocoSource(images=root / "images", annotations=root / "a.json")
    return DataSource(train=source, val=source, reward_split=1)


def test_an_image_is_resized_with_its_box_and_padded(tmp_path: Path) -> None:
    loaded = load_split(write_wide_image(tmp_path), "val", 32)
    assert loaded.images_NCHW.shape == (2, 3, 32, 32)
    assert loaded.images_NCHW.dtype == torch.uint8
    # 80x40 with the longer side 32: 32x16, scale 0.4.
    assert loaded.valid_sizes_N2.tolist() == [[16, 32], [16, 32]]
    assert loaded.scales_N2.tolist() == pytest.approx(np.full((2, 2), 0.4))
    assert loaded.images_NCHW[1, :, 8, 4].tolist() == [255, 0, 0]
    assert loaded.images_NCHW[1, :, 8, 28].tolist() == [0, 0, 255]
    assert loaded.images_NCHW[1, :, 16, 28].tolist() == list(PADDING_RGB)
    assert loaded.boxes_NM4.tolist() == [[[0, 0, 0, 0]], [[16, 0, 32, 16]]]
    # Labels follow rising category ids: 3 is 0, 40 is 1.
    assert loaded.category_ids == (3, 40)
    assert loaded.category_names == ("red", "blue")
    assert loaded.labels_NM.tolist() == [[PADDING_LABEL], [1]]
    assert loaded.crowd_NM.tolist() == [[False], [True]]
    assert loaded.image_ids_N.tolist() == [5, 9]


def test_train_and_reward_are_apart_and_val_is_whole(small_data: DataSource) -> None:
    parts = {part: load_split(small_data, part, 32) for part in ("train", "reward", "val")}
    assert [parts[part].num_images for part in ("train", "reward", "val")] == [16, 4, 6]
    train, reward = (set(parts[part].image_ids_N.tolist()) for part in ("train", "reward"))
    assert not train & reward
    assert train | reward == {image.id for image in read_coco(small_data.train).images}


def test_the_second_load_is_the_first(small_data: DataSource) -> None:
    assert load_split(small_data, "train", 32) is load_split(replace(small_data), "train", 32)


def test_boxes_lie_in_their_images(small_data: DataSource) -> None:
    loaded = load_split(small_data, "train", 48)
    is_real = loaded.labels_NM != PADDING_LABEL
    assert is_real.sum() == len(coco_ground_truth(small_data, "train")["annotations"])
    boxes = loaded.boxes_NM4[is_real]
    assert (boxes >= 0).all()
    assert (boxes <= 48).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


@pytest.mark.parametrize("backend", ["faster", "pycocotools"])
def test_the_ground_truth_as_detections_scores_one(small_data: DataSource, backend: str) -> None:
    """Boxes are taken through the resized tensors, so that resizing and its inverse are tested as well."""
    loaded = load_split(small_data, "reward", 32)
    rows = []
    for n in range(loaded.num_images):
        scale_y, scale_x = loaded.scales_N2[n].double()
        for box, label in zip(loaded.boxes_NM4[n].double(), loaded.labels_NM[n], strict=True):
            if label != PADDING_LABEL:
                x0, y0, x1, y1 = (box / torch.stack([scale_x, scale_y, scale_x, scale_y])).tolist()
                category = loaded.category_ids[int(label)]
                rows.append([int(loaded.image_ids_N[n]), x0, y0, x1 - x0, y1 - y0, 1.0, category])
    scores = coco_scores(coco_ground_truth(small_data, "reward"), np.array(rows), backend)
    assert scores.metrics["ap"] == pytest.approx(1.0)


def test_a_broken_image_names_the_file(own_data: DataSource) -> None:
    path = own_data.val.images / "000003.jpg"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TaskError, match=r"val/000003\.jpg: broken image"):
        load_split(own_data, "val", 32)


def test_an_image_of_another_size_names_the_file(own_data: DataSource) -> None:
    Image.new("RGB", (60, 64)).save(own_data.val.images / "000002.jpg")
    with pytest.raises(TaskError, match=r"val/000002\.jpg: 60x64 pixels, but .*instances_val\.json says 64x64"):
        load_split(own_data, "val", 32)


def test_too_much_for_the_memory_is_refused(own_data: DataSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MAX_DECODED_BYTES", 1000)
    with pytest.raises(TaskError, match="6 images at 32 pixels"):
        load_split(own_data, "val", 32)


def test_an_unknown_part_is_refused(small_data: DataSource) -> None:
    with pytest.raises(ValueError, match="part 'test'"):
        load_split(small_data, "test", 32)


def test_the_hash_depends_on_content_and_division(own_data: DataSource, small_data: DataSource) -> None:
    assert data_hash(own_data) == data_hash(small_data)  # the same files at another place
    assert data_hash(replace(own_data, split_seed=1)) != data_hash(own_data)
    before = data_hash(own_data)
    data_hash.cache_clear()
    with (own_data.val.images / "000001.jpg").open("ab") as file:
        file.write(b"\0")
    assert data_hash(own_data) != before


def test_coco128_trains_with_crowds_and_empty_images(coco128: Path) -> None:
    source = find_splits(coco128)["train2017"]
    data = DataSource(train=source, val=source)
    loaded = load_split(data, "val", 64)
    assert loaded.images_NCHW.shape == (128, 3, 64, 64)
    assert loaded.num_classes == 80
    assert loaded.crowd_NM.sum() == 10
    assert ((loaded.labels_NM == PADDING_LABEL).all(dim=1)).sum() == 2  # two images without objects
