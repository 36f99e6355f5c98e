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
from trainer.data.images import PADDING_RGB
from trainer.data.tensors import PADDING_LABEL, DetectionTensors, pixel_batches
from trainer.task import CocoSource, DataSource, ImageCache, ImageForm, TaskError


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
    pixels_NCHW = loaded.images_NCHW[:]
    assert pixels_NCHW.dtype == torch.uint8
    # 80x40 with the longer side 32: 32x16, scale 0.4.
    assert loaded.valid_sizes_N2.tolist() == [[16, 32], [16, 32]]
    assert loaded.scales_N2.tolist() == pytest.approx(np.full((2, 2), 0.4))
    assert pixels_NCHW[1, :, 8, 4].tolist() == [255, 0, 0]
    assert pixels_NCHW[1, :, 8, 28].tolist() == [0, 0, 255]
    assert pixels_NCHW[1, :, 16, 28].tolist() == list(PADDING_RGB)
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


def test_cached_tensors_are_those_in_memory(small_data: DataSource, tmp_path: Path) -> None:
    """At 48 pixels the images of 64 are resized; what is resized and padded is in the next test."""
    cache = ImageCache(folder=tmp_path / "cache")
    for part in ("train", "reward", "val"):
        require_equal(load_split(small_data, part, 48, cache), load_split(small_data, part, 48))
    # Train and reward are selections from one file.
    assert sorted(path.parent.name[:7] for path in cache.folder.glob("*/images.bin")) == ["raw-48-"] * 2
    sizes = sorted(path.stat().st_size for path in cache.folder.glob("*/images.bin"))
    assert sizes == [6 * 3 * 48**2, 20 * 3 * 48**2]


def test_a_padded_image_is_cached_as_it_is_in_memory(tmp_path: Path) -> None:
    data = write_wide_image(tmp_path)
    require_equal(load_split(data, "val", 32, ImageCache(folder=tmp_path / "cache")), load_split(data, "val", 32))


def require_equal(one: DetectionTensors, other: DetectionTensors) -> None:
    assert torch.equal(one.images_NCHW[:], other.images_NCHW[:])
    some_B = torch.tensor([one.num_images - 1, 0, 0])
    assert torch.equal(one.images_NCHW[some_B], other.images_NCHW[some_B])
    for name in ("boxes_NM4", "labels_NM", "crowd_NM", "valid_sizes_N2", "scales_N2", "image_ids_N"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert (one.category_ids, one.category_names) == (other.category_ids, other.category_names)


def test_a_folder_that_cannot_be_written_leaves_images_in_memory(
    small_data: DataSource, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = ImageCache(folder=tmp_path / "file" / "cache")
    loaded = load_split(small_data, "val", 32, cache)
    assert torch.equal(loaded.images_NCHW[:], load_split(small_data, "val", 32).images_NCHW[:])
    assert "images are decoded into memory" in caplog.text
    # Other pixels than those asked for are never used instead.
    with pytest.raises(OSError, match="file/cache"):
        load_split(small_data, "val", 32, replace(cache, form=ImageForm.JPEG))


def test_images_that_are_encoded_again_are_nearly_the_same(small_data: DataSource, tmp_path: Path) -> None:
    raw = load_split(small_data, "reward", 48)
    encoded = load_split(small_data, "reward", 48, ImageCache(folder=tmp_path, form=ImageForm.JPEG))
    difference = (encoded.images_NCHW[:].float() - raw.images_NCHW[:].float()).abs()
    assert 0 < difference.mean() < 3
    assert torch.equal(encoded.boxes_NM4, raw.boxes_NM4)


def test_padding_is_exact_where_images_are_encoded_again(tmp_path: Path) -> None:
    data = write_wide_image(tmp_path)
    loaded = load_split(data, "val", 32, ImageCache(folder=tmp_path / "cache", form=ImageForm.JPEG))
    pixels_NCHW = loaded.images_NCHW[:]
    assert (pixels_NCHW[:, :, 16:] == torch.tensor(PADDING_RGB)[:, None, None]).all()
    assert pixels_NCHW[1, :, 8, 4].float().sub(torch.tensor([255.0, 0, 0])).abs().max() < 4


def test_batches_read_ahead_are_those_read_one_by_one(small_data: DataSource, tmp_path: Path) -> None:
    images = load_split(small_data, "train", 32, ImageCache(folder=tmp_path, form=ImageForm.JPEG)).images_NCHW
    order_SB = torch.randint(16, (9, 4), generator=torch.Generator().manual_seed(0))
    ahead = list(pixel_batches(images, order_SB, torch.device("cpu")))
    assert len(ahead) == 9
    assert all(torch.equal(batch, images[index_B]) for batch, index_B in zip(ahead, order_SB, strict=True))
    slices = [slice(0, 10), slice(10, 16)]
    assert torch.equal(torch.cat(list(pixel_batches(images, slices, torch.device("cpu")))), images[:])


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
    with pytest.raises(TaskError, match=r"val/000002\.jpg: 60x64 pixels, but the annotations say 64x64"):
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
    assert data_hash(own_data, ImageForm.JPEG) != data_hash(own_data, ImageForm.RAW) == data_hash(own_data)
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
