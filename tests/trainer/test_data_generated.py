import functools
import json
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from trainer.data import generated
from trainer.data.coco import check_data, read_coco
from trainer.data.generated import SHAPES, draw_image, ensure_generated, generate, generated_source
from trainer.data.outline import outlines
from trainer.task import DataSource, TaskError


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def small(directory: Path, seed: int = 0) -> DataSource:
    return generate(directory, seed=seed, num_train=4, num_val=2, image_size=64)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        small(tmp_path / name, seed)
    assert len(contents(tmp_path / "one")) == 4 + 2 + 2  # images and two annotation files
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one") != contents(tmp_path / "three")


def test_a_picture_does_not_depend_on_how_many_there_are() -> None:
    first, _ = draw_image(0, "train", 5, 64)
    again, _ = draw_image(0, "train", 5, 64)
    other_split, _ = draw_image(0, "val", 5, 64)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other_split)


def test_it_is_a_data_set_that_a_search_can_use(small_data: DataSource) -> None:
    report = check_data(small_data)
    assert (report.train.num_images, report.val.num_images) == (20, 6)
    assert [category.name for category in report.categories] == [shape.name for shape in SHAPES]


def test_all_classes_and_sizes_occur(tmp_path: Path) -> None:
    index = read_coco(generate(tmp_path / "data", num_train=60, num_val=1, image_size=64).train)
    assert {annotation.category_id for annotation in index.annotations} == set(range(1, len(SHAPES) + 1))
    sides = np.array([max(annotation.box[2:]) for annotation in index.annotations]) / 64
    # Sides are drawn evenly on a logarithmic scale: a tenth or more is under a quarter, and over 0.45.
    assert np.mean(sides < 0.25) > 0.1
    assert np.mean(sides > 0.45) > 0.1


def test_polygons_lie_in_their_boxes_and_cover_the_area(small_data: DataSource) -> None:
    annotations = json.loads(small_data.train.annotations.read_bytes())["annotations"]
    area_of_image: Counter[int] = Counter()
    for annotation in annotations:
        area_of_image[annotation["image_id"]] += annotation["area"]
    for annotation in annotations:
        x, y, width, height = annotation["bbox"]
        for polygon in annotation["segmentation"]:
            corners = np.array(polygon).reshape(-1, 2)
            assert (corners >= [x, y]).all()
            assert (corners <= [x + width, y + height]).all()
        codes = coco_mask.frPyObjects(annotation["segmentation"], 64, 64)
        covered, area = int(coco_mask.area(coco_mask.merge(codes))), annotation["area"]
        # An outline runs through pixels, which count or not: a border's length either way. An object in front
        # may make a hole, and holes are filled.
        border = 2 * (width + height)
        assert area - border <= covered <= area_of_image[annotation["image_id"]] + border


def test_only_what_is_seen_well_enough_is_annotated(monkeypatch: pytest.MonkeyPatch) -> None:
    def boxes(min_visible: float) -> list[list[int]]:
        monkeypatch.setattr(generated, "MIN_VISIBLE", min_visible)
        return [[n, *found["bbox"]] for n in range(1, 40) for found in draw_image(0, "train", n, 64)[1]]

    usual_share = generated.MIN_VISIBLE
    whole, usual, almost_all = boxes(1.0), boxes(usual_share), boxes(0.01)
    assert len(whole) < len(usual) < len(almost_all)
    assert all(box in usual for box in whole)
    assert all(box in almost_all for box in usual)


def test_no_pixel_belongs_to_two_objects() -> None:
    for image_id in range(1, 30):
        pixels, objects = draw_image(0, "train", image_id, 64)
        assert pixels.shape == (64, 64, 3)
        assert 0 < sum(found["area"] for found in objects) <= 64 * 64


def test_an_outline_follows_pixel_borders_and_fills_holes() -> None:
    mask = np.array(
        [
            [1, 1, 1, 0, 0],
            [1, 0, 1, 0, 0],
            [1, 1, 1, 0, 0],
            [0, 0, 0, 1, 0],
        ],
        dtype=bool,
    )
    polygons = {tuple(polygon) for polygon in outlines(mask)}
    # The ring's outer border, and the pixel that touches it in a corner as a part of its own.
    assert polygons == {(0, 0, 3, 0, 3, 3, 0, 3), (3, 3, 4, 3, 4, 4, 3, 4)}


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").write_text("x")
    with pytest.raises(TaskError, match="data: exists and is not an empty folder"):
        small(tmp_path / "data")
    assert contents(tmp_path) == {"data/mine": b"x"}


@pytest.mark.parametrize("wrong", [{"num_train": 1}, {"num_val": 0}, {"image_size": 31}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(TaskError, match=next(iter(wrong))):
        generate(tmp_path / "data", **wrong)
    assert not list(tmp_path.iterdir())


def test_what_an_interrupted_run_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".data.partial" / "train").mkdir(parents=True)
    (tmp_path / ".data.partial" / "train" / "stray.jpg").write_bytes(b"half")
    small(tmp_path / "data")
    assert "train/stray.jpg" not in contents(tmp_path / "data")
    assert not (tmp_path / ".data.partial").exists()


def test_a_data_set_of_another_version_is_refused(tmp_path: Path) -> None:
    source = small(tmp_path / "data")
    assert ensure_generated(tmp_path / "data") == source
    document = json.loads(source.train.annotations.read_bytes())
    document["info"]["version"] = "0"
    source.train.annotations.write_text(json.dumps(document))
    with pytest.raises(TaskError, match="made by version 0"):
        ensure_generated(tmp_path / "data")


def test_several_processes_make_it_once(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "data"
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        ensure = functools.partial(ensure_generated, num_train=8, num_val=2, image_size=64)
        sources = list(processes.map(ensure, [directory] * 2))
    assert sources == [generated_source(directory)] * 2
    assert not list(directory.parent.glob("*.partial"))
