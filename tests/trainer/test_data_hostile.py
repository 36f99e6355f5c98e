"""Data sets that are made to hurt: each is one clear error, without the memory, the time or the file it is after."""

import copy
import io
import json
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from tests.trainer.test_data_coco import DOCUMENT, change, write_split
from trainer.data import document as bounds
from trainer.data.coco import check_split, read_coco
from trainer.data.images import MAX_PIXELS, decode_image, image_path
from trainer.task import CocoSource, TaskError

MEGABYTE = 1_000_000


def peak_of(call: Callable[[], object]) -> int:
    """The most bytes of Python's memory that a call held at once."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(call: Callable[[], object], message: str) -> Callable[[], None]:
    def check() -> None:
        with pytest.raises(TaskError, match=message):
            call()

    return check


# File names: whatever the annotations call an image, nothing outside the images folder is opened.


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "../../etc/passwd",
        "/etc/passwd",
        "a/../../x",
        "sub/../../train-too/x",
        "..",
        "\0",
        "~/x/../../..",
    ],
)
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    source = write_split(tmp_path, DOCUMENT)
    (tmp_path / "train-too").mkdir()
    with pytest.raises(TaskError, match=r"leads out of|not a path"):
        decode_image(image_path(source, name))


def test_a_folder_that_is_a_link_out_is_refused(tmp_path: Path) -> None:
    source = write_split(tmp_path / "data", DOCUMENT)
    Image.new("RGB", (4, 3)).save(tmp_path / "outside.png")
    (source.images / "up").symlink_to(tmp_path)
    with pytest.raises(TaskError, match="leads out of"):
        image_path(source, "up/outside.png")


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    source = write_split(tmp_path, DOCUMENT)
    odd = source.images / "odd"
    if kind == "pipe":
        os.mkfifo(odd)  # opening it would wait for a writer
    elif kind == "folder":
        odd.mkdir()
    else:
        odd = Path("/dev/zero")
    with pytest.raises(TaskError, match="not a regular file"):
        decode_image(odd)
    with pytest.raises(TaskError, match="not a regular file"):
        read_coco(CocoSource(images=source.images, annotations=odd))


# Images: what a header claims is held against what is allowed, before anything is decoded.


def png(width: int, height: int, data: bytes) -> bytes:
    """A grayscale PNG that claims a size, with compressed lines that may be fewer."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"), [(31_623, 31_623), (1_000_000_000, 1), (9_434, 9_434), (2**31 - 1, 2**31 - 1)]
)
def test_a_pixel_that_claims_to_be_a_billion_is_refused(tmp_path: Path, width: int, height: int) -> None:
    assert width * height > MAX_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, zlib.compress(b"\0\0")))
    with pytest.raises(TaskError, match=r"bomb\.png: .*(at most 89,000,000 pixels|decompression bomb)"):
        decode_image(path)


def test_another_size_than_declared_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(9_000, 9_000, b"nothing that could be decoded"))
    with pytest.raises(TaskError, match="9000x9000 pixels, but the annotations say 40x30"):
        decode_image(path, (40, 30))


def test_too_few_pixels_are_a_broken_image(tmp_path: Path) -> None:
    path = tmp_path / "short.png"
    path.write_bytes(png(40, 30, zlib.compress(b"\0\0")))
    with pytest.raises(TaskError, match=r"short\.png: broken image"):
        decode_image(path)


def test_text_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    path, text = tmp_path / "text.png", PngImagePlugin.PngInfo()
    text.add_text("comment", "a" * 50 * MEGABYTE, zip=True)
    Image.new("L", (4, 3)).save(path, pnginfo=text)
    assert path.stat().st_size < MEGABYTE
    with pytest.raises(TaskError, match=r"text\.png: not a readable image"):
        decode_image(path)


@pytest.mark.parametrize("name", ["EPS", "PDF", "ICO", "PCX"])
def test_formats_that_no_data_set_has_are_not_read(tmp_path: Path, name: str) -> None:
    """Pillow gives PostScript to another program."""
    content = io.BytesIO()
    Image.new("RGB", (40, 30)).save(content, format=name)
    (tmp_path / "a.jpg").write_bytes(content.getvalue())
    with pytest.raises(TaskError, match=r"a\.jpg: not a readable image"):
        decode_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
def test_formats_of_data_sets_are_read(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (40, 30), (90, 90, 90)).save(tmp_path / "image", format=name)
    assert decode_image(tmp_path / "image").size == (40, 30)


# Annotations.


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    source = write_split(tmp_path, DOCUMENT)
    os.truncate(source.annotations, bounds.MAX_BYTES + 1)  # a hole: it takes no room on disk
    check = refused(lambda: read_coco(source), "1,000,000,001 bytes: at most 1,000,000,000 are read")
    assert peak_of(check) < MEGABYTE


@pytest.mark.parametrize("part", ["{},", "[],", "[[],{}],"])
def test_many_small_things_are_counted_before_they_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(bounds, "MAX_CONTAINERS", 100_000)
    source = write_split(tmp_path, '{"images": [' + part * 100_000 + "0]}")
    size = source.annotations.stat().st_size
    check = refused(lambda: read_coco(source), "lists and objects: at most 100,000")
    assert peak_of(check) < size + MEGABYTE


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 200_000, "[" * 100_000 + "]" * 100_000])
def test_deep_nesting_is_no_crash(tmp_path: Path, text: str) -> None:
    with pytest.raises(TaskError, match="not JSON"):
        read_coco(write_split(tmp_path, text))


LONG = "x" * 100_000
MANY = [[0] * 100_000]
BOMBS: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (change("categories", to=[{"id": n, "name": str(n)} for n in range(10_001)]), "10,001 categories: at most 10,000"),
    (change("images", 0, "width", to=10**9), r"1000000000x30: at most 89,000,000 pixels"),
    (change("images", 0, "id", to=10**400), r"images\[0\]\.id: .*must be an integer up to 2\^53"),
    (change("images", 0, "file_name", to=LONG), "file_name 'xxx.*must be a text, not too long"),
    (change("categories", 0, "name", to=LONG), "name 'xxx.*must be a text, not too long"),
    (change("annotations", 0, "bbox", to=MANY), "bbox .*must be"),
    (change("annotations", 0, "image_id", to=MANY), "image_id .*no such image"),
    (change("annotations", 0, "category_id", to=LONG), "category_id .*no such category"),
    (change("annotations", 0, "area", to=MANY), "area .*must be a number"),
    (change("annotations", 0, "iscrowd", to=LONG), "iscrowd .*must be 0 or 1"),
    (change("annotations", 0, "bbox", to=[0, 0, 1e308, 1e308]), "outside its image"),
]


@pytest.mark.parametrize(("edit", "message"), BOMBS, ids=[message for _, message in BOMBS])
def test_a_value_that_is_too_much_is_a_short_error(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], message: str
) -> None:
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    with pytest.raises(TaskError, match=message) as caught:
        check_split(write_split(tmp_path, document))
    assert len(str(caught.value)) < len(str(tmp_path)) + 300


def test_a_number_with_too_many_digits_is_not_json(tmp_path: Path) -> None:
    text = json.dumps(DOCUMENT).replace('"id": 7', '"id": ' + "7" * 100_000, 1)
    with pytest.raises(TaskError, match="not JSON"):
        read_coco(write_split(tmp_path, text))
