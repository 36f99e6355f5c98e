import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainer.data import images
from trainer.data.coco import check_data, check_directory, check_split, find_splits, read_coco, split_train
from trainer.data.images import decode_image
from trainer.task import CocoSource, DataSource, TaskError

Document = dict[str, Any]

# Two images of 40x30; one object and one crowd on the first, none on the second; category ids with a gap.
DOCUMENT: Document = {
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 40, "height": 30},
        {"id": 3, "file_name": "sub/b.png", "width": 40, "height": 30},
    ],
    "categories": [{"id": 9, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {
            "id": 1,
            "image_id": 7,
            "category_id": 9,
            "bbox": [1, 2, 10, 20],
            "area": 150.5,
            "iscrowd": 0,
            "segmentation": [[1, 2, 11, 2, 11, 22]],
        },
        {
            "id": 2,
            "image_id": 7,
            "category_id": 2,
            "bbox": [0, 0, 40, 30],
            "area": 900,
            "iscrowd": 1,
            "segmentation": {"size": [30, 40], "counts": [0, 1200]},
        },
    ],
}


def write_split(root: Path, document: object) -> CocoSource:
    folder = root / "train"
    (folder / "sub").mkdir(parents=True)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8))
    picture.save(folder / "a.jpg")
    picture.save(folder / "sub" / "b.png")
    path = root / "annotations" / "instances_train.json"
    path.parent.mkdir()
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return CocoSource(images=folder, annotations=path)


def test_a_split_is_read_in_order_of_ids(tmp_path: Path) -> None:
    index = read_coco(write_split(tmp_path, DOCUMENT))
    assert [image.id for image in index.images] == [3, 7]
    assert [(category.id, category.name) for category in index.categories] == [(2, "dog"), (9, "cat")]
    assert [annotation.is_crowd for annotation in index.annotations_by_image[7]] == [False, True]
    assert index.annotations_by_image[3] == ()
    assert index.annotations[0].box == (1.0, 2.0, 10.0, 20.0)
    assert index.annotations[0].area == 150.5


def test_the_report_counts(tmp_path: Path) -> None:
    report = check_split(write_split(tmp_path, DOCUMENT))
    assert (report.num_images, report.num_annotations, report.num_crowd, report.num_empty_images) == (2, 2, 1, 1)
    assert report.objects_by_category == {"dog": 1, "cat": 1}
    assert report.num_decoded == 2
    assert "2 images (1 without objects" in str(report)


def change(*path: Any, to: Any) -> Callable[[Document], None]:
    def edit(document: Document) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return edit


def without(*path: Any) -> Callable[[Document], None]:
    def edit(document: Document) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return edit


BAD_DOCUMENTS = [
    (without("images"), r"instances_train\.json: images: missing"),
    (without("annotations"), "annotations: missing"),
    (without("categories"), "categories: missing"),
    (change("images", to=[]), "images: empty"),
    (change("annotations", to=[]), "annotations: empty"),
    (change("images", 1, to=5), r"images\[1\]: must be an object"),
    (change("images", 1, "id", to="3"), r"images\[1\]\.id: '3': must be an integer"),
    (change("images", 1, "id", to=7), "image 7: more than once"),
    (change("annotations", 1, "id", to=1), "annotation 1: more than once"),
    (change("categories", 1, "id", to=9), "category 9: more than once"),
    (change("categories", 1, "name", to="cat"), "category name 'cat': more than once"),
    (without("categories", 0, "name"), "category 9: name None"),
    (without("images", 0, "file_name"), "image 7: file_name None"),
    (change("images", 0, "width", to=40.0), r"image 7 \(a\.jpg\): width 40\.0"),
    (change("images", 0, "height", to=0), "height 0"),
    (change("annotations", 0, "image_id", to=8), "annotation 1: image_id 8: no such image"),
    (change("annotations", 0, "category_id", to=1), r"annotation 1 of image 7 \(a\.jpg\): category_id 1: no such"),
    (without("annotations", 0, "bbox"), "annotation 1 .*bbox None"),
    (change("annotations", 0, "bbox", to=[1, 2, 3]), "annotation 1 .*must be"),
    (change("annotations", 0, "bbox", to=[1, 2, float("nan"), 4]), "annotation 1 .*must be"),
    (change("annotations", 0, "bbox", to=[1, 2, -1, 4]), "annotation 1 .*above 0"),
    (change("annotations", 0, "bbox", to=[1, 2, 0, 4]), "annotation 1 .*above 0"),
    (change("annotations", 0, "bbox", to=[1, 2, 40.5, 4]), "annotation 1 .*outside its image of 40x30"),
    (change("annotations", 0, "bbox", to=[-2, 2, 4, 4]), "annotation 1 .*outside its image"),
    (change("annotations", 0, "area", to=-1), "annotation 1 .*area -1"),
    (change("annotations", 0, "iscrowd", to=2), "annotation 1 .*iscrowd 2"),
    (change("annotations", 0, "segmentation", to=[[1, 2, 3]]), "annotation 1 .*segmentation"),
    (change("annotations", 1, "segmentation", to={"size": [30, 40]}), "annotation 2 .*segmentation"),
    (change("images", 0, "file_name", to="missing.jpg"), r"missing\.jpg: no such image"),
    (change("images", 0, "file_name", to="../secret.jpg"), r"'\.\./secret\.jpg': leads out of the images folder"),
    (change("images", 0, "file_name", to="/etc/hostname"), "'/etc/hostname': leads out of"),
    (change("images", 0, "file_name", to="a\0b"), "not a path"),
    (change("images", 0, "width", to=41), r"a\.jpg: 40x30 pixels, but the annotations say 41x30"),
]


@pytest.mark.parametrize(("edit", "message"), BAD_DOCUMENTS, ids=[message for _, message in BAD_DOCUMENTS])
def test_a_wrong_document_is_one_clear_error(tmp_path: Path, edit: Callable[[Document], None], message: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    source = write_split(tmp_path, document)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(TaskError, match=message):
        check_split(source)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_a_file_that_is_not_a_document(tmp_path: Path, text: str) -> None:
    with pytest.raises(TaskError, match=r"instances_train\.json: (not JSON|must be an object)"):
        check_split(write_split(tmp_path, text))


def test_a_missing_file_or_folder(tmp_path: Path) -> None:
    source = write_split(tmp_path, DOCUMENT)
    with pytest.raises(TaskError, match=r"other\.json: No such file"):
        check_split(CocoSource(images=source.images, annotations=tmp_path / "other.json"))
    with pytest.raises(TaskError, match="nowhere: no such folder of images"):
        check_split(CocoSource(images=tmp_path / "nowhere", annotations=source.annotations))
    with pytest.raises(TaskError, match="has no annotations/instances_"):
        find_splits(tmp_path / "nowhere")


def test_a_box_may_reach_one_pixel_beyond_its_image(tmp_path: Path) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["annotations"][0]["bbox"] = [-0.5, 2, 41, 4]
    check_split(write_split(tmp_path, document))


def test_one_box_without_area_in_ten_thousand_is_accepted(tmp_path: Path) -> None:
    document = copy.deepcopy(DOCUMENT)
    first = document["annotations"][0]
    document["annotations"] = [{**first, "id": number} for number in range(10_000)]
    document["annotations"][5] = {**first, "id": 5, "bbox": [1, 2, 5, 0]}
    source = write_split(tmp_path, document)
    assert sum(annotation.is_empty for annotation in read_coco(source).annotations) == 1
    document["annotations"][6] = {**first, "id": 6, "bbox": [1, 2, 5, 0]}
    source.annotations.write_text(json.dumps(document))
    with pytest.raises(TaskError, match=r"annotation 5 .*above 0"):
        read_coco(source)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    source = write_split(tmp_path, DOCUMENT)
    outside = tmp_path / "outside.jpg"
    (source.images / "a.jpg").rename(outside)
    (source.images / "a.jpg").symlink_to(outside)
    with pytest.raises(TaskError, match=r"'a\.jpg': leads out of"):
        check_split(source)


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    source = write_split(tmp_path, DOCUMENT)
    (source.images / "a.jpg").rename(source.images / "real.jpg")
    (source.images / "a.jpg").symlink_to("real.jpg")
    check_split(source)


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("name", ["a.jpg", "sub/b.png"])
def test_a_truncated_image_names_the_file(tmp_path: Path, name: str, decode: bool) -> None:
    source = write_split(tmp_path, DOCUMENT)
    path = source.images / name
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(TaskError, match=rf"{name}: broken image"):
        check_split(source, decode=decode)


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    source = write_split(tmp_path, DOCUMENT)
    (source.images / "a.jpg").write_bytes(b"text")
    with pytest.raises(TaskError, match=r"a\.jpg: not a readable image"):
        check_split(source)


def test_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with pytest.raises(TaskError, match=r"a\.jpg: 40x30: at most 1,000 pixels"):
        decode_image(write_split(tmp_path, DOCUMENT).images / "a.jpg")


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(TaskError, match=r"a\.jpg: .*decompression bomb"):
        decode_image(write_split(tmp_path, DOCUMENT).images / "a.jpg")


@pytest.mark.parametrize(
    ("mode", "file_format", "colour", "expected"),
    [
        ("RGB", "PNG", (200, 100, 50), (200, 100, 50)),
        ("L", "JPEG", 90, (90, 90, 90)),
        ("L", "PNG", 90, (90, 90, 90)),
        ("1", "PNG", 1, (255, 255, 255)),
        ("RGBA", "PNG", (200, 100, 50, 30), (200, 100, 50)),
        ("LA", "PNG", (90, 30), (90, 90, 90)),
        # CMYK to RGB: 255 - ink, times what the black ink leaves: (255 - 55) * 1, ...
        ("CMYK", "JPEG", (55, 155, 205, 0), (200, 100, 50)),
        ("I;16", "PNG", 90 * 256, (90, 90, 90)),
    ],
)
def test_every_kind_of_image_becomes_rgb(
    tmp_path: Path, mode: str, file_format: str, colour: Any, expected: tuple[int, int, int]
) -> None:
    path = tmp_path / "image"
    Image.new(mode, (8, 6), colour).save(path, format=file_format)
    decoded = decode_image(path)
    assert (decoded.mode, decoded.size) == ("RGB", (8, 6))
    assert np.abs(np.asarray(decoded).astype(int) - expected).max() <= 3


def test_a_palette_with_transparency_keeps_its_colours(tmp_path: Path) -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 200, 100, 50])
    picture.save(tmp_path / "p.png", transparency=b"\x80\x40")
    assert decode_image(tmp_path / "p.png").getpixel((0, 0)) == (200, 100, 50)


def test_exif_orientation_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by a quarter to show
    content = io.BytesIO()
    Image.new("RGB", (8, 6)).save(content, format="JPEG", exif=exif)
    (tmp_path / "turned.jpg").write_bytes(content.getvalue())
    assert decode_image(tmp_path / "turned.jpg").size == (8, 6)


def test_both_splits_must_have_the_same_categories(tmp_path: Path) -> None:
    train = write_split(tmp_path / "one", DOCUMENT)
    document = copy.deepcopy(DOCUMENT)
    document["categories"][0]["name"] = "lion"
    val = write_split(tmp_path / "two", document)
    with pytest.raises(TaskError, match=r"two.*category 9 \((cat|lion)\): not the same"):
        check_data(DataSource(train=train, val=val, reward_split=1))


def test_a_data_set_is_divided(small_data: DataSource) -> None:
    report = check_data(small_data)
    assert (report.num_learning_images, report.num_reward_images, report.val.num_images) == (16, 4, 6)  # 20 % of 20


def test_the_split_takes_a_share_or_a_number() -> None:
    ids = tuple(range(100))
    learning, reward = split_train(ids, reward_split=0.2, split_seed=0)
    assert len(reward) == 20
    assert sorted(learning + reward) == list(ids)
    assert len(split_train(ids, reward_split=37, split_seed=0)[1]) == 37
    assert split_train(ids, reward_split=0.2, split_seed=1)[1] != reward
    assert split_train(ids[::-1], reward_split=0.2, split_seed=0) == (learning, reward)


@pytest.mark.parametrize("reward_split", [0.0, -1, 0.001, 100, 1.5, 1000])
def test_a_split_that_leaves_nothing_is_refused(reward_split: float) -> None:
    with pytest.raises(TaskError, match=r"data\.reward_split"):
        split_train(tuple(range(100)), reward_split=reward_split, split_seed=0)


def test_coco128_is_read_completely(coco128: Path) -> None:
    (report,) = check_directory(coco128)
    # The folder's README: 128 images, 10 crowd regions, 80 categories.
    assert (report.num_images, report.num_crowd, len(report.objects_by_category)) == (128, 10, 80)


def test_bccd_is_read_completely(bccd: Path) -> None:
    train, val = check_directory(bccd)
    # The folder's README: 292 images with 3,943 boxes, 72 with 945.
    assert (train.num_images, train.num_annotations) == (292, 3943)
    assert (val.num_images, val.num_annotations) == (72, 945)
