"""The cache of resized images: one builder, whole or not there, never stale, never damaged unnoticed when asked."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.data import cache_folder
from trainer.data.cache import CachedSplit, choose_form, find_cached, open_cache, raw_bytes, verify_cache
from trainer.data.coco import read_coco
from trainer.task import CocoSource, DataSource, ImageCache, ImageForm, TaskError

ROOT = Path(__file__).parents[2]
SIZE = 32


@pytest.fixture
def source(small_data: DataSource, tmp_path: Path) -> CocoSource:
    """A copy of 20 images that the test may change."""
    root = tmp_path / "own"
    shutil.copytree(small_data.train.images.parent, root)
    return CocoSource(images=root / "train", annotations=root / "annotations" / "instances_train.json")


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    """An empty cache."""
    return ImageCache(folder=tmp_path / "cache")


def split_of(source: CocoSource, form: ImageForm = ImageForm.RAW, image_size: int = SIZE) -> CachedSplit:
    return CachedSplit(source, read_coco(source).images, image_size, form)


def content_of(cache: ImageCache, split: CachedSplit) -> bytes:
    pixels = open_cache(cache, split, num_threads=2)
    return pixels.read(np.arange(pixels.num_images)).tobytes()


def images_file(cache: ImageCache, split: CachedSplit) -> Path:
    return cache.folder / split.name / "images.bin"


def process(cache: ImageCache, source: CocoSource, what: str, image_size: int = SIZE) -> "subprocess.Popen[str]":
    line = [sys.executable, "-m", "tests.trainer.cache_processes"]
    line += [str(cache.folder), str(source.images.parent), str(image_size), what]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def next_line(running: "subprocess.Popen[str]") -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


@pytest.mark.parametrize("form", ImageForm)
def test_the_manifest_says_what_is_there(source: CocoSource, cache: ImageCache, form: ImageForm) -> None:
    split = split_of(source, form)
    calls: list[tuple[int, int]] = []
    open_cache(cache, split, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(number, 20) for number in range(21)]
    manifest = json.loads((cache.folder / split.name / "manifest.json").read_text())
    content = images_file(cache, split).read_bytes()
    assert (manifest["num_bytes"], manifest["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert manifest["encoding"] == {"raw": "rgb", "jpeg": "jpeg quality 95 4:4:4"}[form]
    assert (manifest["num_images"], manifest["image_size"], manifest["key"]) == (20, SIZE, split.key)
    verify_cache(cache, split)


def test_the_size_is_known_before(source: CocoSource, cache: ImageCache) -> None:
    raw, jpeg = split_of(source), split_of(source, ImageForm.JPEG)
    assert raw.estimated_bytes() == raw_bytes(20, SIZE) == 20 * 32 * 32 * 3
    open_cache(cache, jpeg)
    # All 20 images are in the sample; its margin is a tenth of the images' bytes.
    written = images_file(cache, jpeg).stat().st_size
    assert jpeg.estimated_bytes() == round((written - 20 * 8) * 1.1) + 20 * 8


def test_raw_is_chosen_while_it_is_within_the_limit() -> None:
    # COCO train2017: 118,287 images; at 384 pixels 52.3 GB, at 512 pixels 93.0 GB.
    assert choose_form(118_287, 384, 64 * 2**30) is ImageForm.RAW
    assert choose_form(118_287, 512, 64 * 2**30) is ImageForm.JPEG
    assert choose_form(10, 100, 300_000) is ImageForm.RAW
    assert choose_form(10, 100, 299_999) is ImageForm.JPEG


def test_of_two_processes_one_builds_and_both_read(source: CocoSource, cache: ImageCache) -> None:
    with process(cache, source, "hold") as builder:
        assert next_line(builder) == "holding"
        with process(cache, source, "read") as other:
            assert next_line(other).endswith("waiting for the process that makes it")
            (cache.folder / "go").touch()
            made, found = next_line(builder).split(), next_line(other).split()
    assert (made[0], found[0]) == ("made", "found")
    assert made[1] == found[1] == hashlib.sha256(content_of(cache, split_of(source))).hexdigest()


@pytest.mark.parametrize("next_size", [SIZE, 48])
def test_what_a_killed_builder_left_is_never_used(source: CocoSource, cache: ImageCache, next_size: int) -> None:
    killed, following = split_of(source), split_of(source, image_size=next_size)
    with process(cache, source, "hold") as builder:
        assert next_line(builder) == "holding"
        builder.kill()
    assert [path.name for path in cache.folder.glob("*.part")] == [f"{killed.name}.part"]
    assert find_cached(cache, killed) is None
    # Whoever builds next removes it, be it for the same images or for others.
    assert content_of(cache, following) == content_of(replace(cache, folder=cache.folder / "other"), following)
    assert not list(cache.folder.glob("*.part"))
    verify_cache(cache, following)


def test_leftovers_of_a_running_builder_are_left_alone(source: CocoSource, cache: ImageCache) -> None:
    with process(cache, source, "hold", 48) as builder:
        assert next_line(builder) == "holding"
        open_cache(cache, split_of(source))
        assert len(list(cache.folder.glob("*.part"))) == 1
        (cache.folder / "go").touch()
        assert next_line(builder).startswith("made")


def test_another_process_reads_without_the_image_files(source: CocoSource, cache: ImageCache) -> None:
    content = content_of(cache, split_of(source))
    for path in source.images.iterdir():
        before = path.stat()
        path.write_bytes(b"\0" * before.st_size)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with process(cache, source, "read") as reader:
        assert next_line(reader) == f"found {hashlib.sha256(content).hexdigest()}"


def test_changed_images_are_other_images(source: CocoSource, cache: ImageCache) -> None:
    key, content = split_of(source).key, content_of(cache, split_of(source))
    path = source.images / "000001.jpg"
    Image.new("RGB", (64, 64), (1, 2, 3)).save(path)
    assert split_of(source).key != key
    assert content_of(cache, split_of(source)) != content
    # Of the same number of bytes, only the time tells.
    key = split_of(source).key
    os.utime(path, (1, 1))
    assert split_of(source).key != key
    path.unlink()
    with pytest.raises(TaskError, match=r"000001\.jpg: no such image"):
        _ = split_of(source).key


def test_a_flipped_byte_is_found_and_removed(source: CocoSource, cache: ImageCache) -> None:
    split = split_of(source)
    content = content_of(cache, split)
    with images_file(cache, split).open("r+b") as file:
        file.seek(1000)
        file.write(bytes([content[1000] ^ 1]))
    with pytest.raises(TaskError, match="damaged"):
        verify_cache(cache, split)
    assert find_cached(cache, split) is None
    assert content_of(cache, split) == content
    verify_cache(cache, split)


def _cut(folder: Path) -> None:
    os.truncate(folder / "images.bin", 1000)


def _spoil(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def _lose(folder: Path) -> None:
    (folder / "images.bin").unlink()


def _age(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format_version": 0}))


@pytest.mark.parametrize("damage", [_cut, _spoil, _lose, _age])
@pytest.mark.parametrize("form", ImageForm)
def test_what_does_not_match_its_manifest_is_made_anew(
    source: CocoSource, cache: ImageCache, form: ImageForm, damage: Callable[[Path], None]
) -> None:
    split = split_of(source, form)
    content = content_of(cache, split)
    damage(cache.folder / split.name)
    assert find_cached(cache, split) is None
    assert content_of(cache, split) == content
    verify_cache(cache, split)


def test_an_encoded_image_that_cannot_be_decoded_is_an_error(source: CocoSource, cache: ImageCache) -> None:
    split = split_of(source, ImageForm.JPEG)
    open_cache(cache, split)
    with images_file(cache, split).open("r+b") as file:
        file.write(b"\0" * 200)
    pixels = open_cache(cache, split)
    with pytest.raises(TaskError, match=r"images\.bin: image 0: .*remove the folder"):
        pixels.read(np.array([0]))
    pixels.read(np.array([19]))


@pytest.mark.parametrize("form", ImageForm)
def test_too_small_a_limit_is_refused_before_anything_is_written(
    source: CocoSource, cache: ImageCache, form: ImageForm
) -> None:
    with pytest.raises(TaskError, match=r"20 images at 32 pixels take .* as \w+: the limit of the cache is 0\.0 MB"):
        open_cache(replace(cache, limit_bytes=1000), split_of(source, form))
    assert {path.stat().st_size for path in cache.folder.iterdir()} == {0}  # the lock


def test_a_disk_without_room_is_refused_before_anything_is_written(
    source: CocoSource, cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_folder, "RESERVE_BYTES", 2**60)
    with pytest.raises(TaskError, match=r"20 images at 32 pixels take 0\.1 MB as raw: .*/cache has .* free"):
        open_cache(cache, split_of(source))
    assert {path.stat().st_size for path in cache.folder.iterdir()} == {0}


def test_a_disk_that_fills_up_leaves_nothing(source: CocoSource, cache: ImageCache) -> None:
    with process(cache, source, "burst") as builder:
        _, errors = builder.communicate(timeout=60)
    assert builder.returncode == 1
    assert "OSError: [Errno 27] File too large" in errors
    assert {path.suffix for path in cache.folder.iterdir()} == {".lock"}


def test_a_broken_image_is_named_and_nothing_is_left(source: CocoSource, cache: ImageCache) -> None:
    path = source.images / "000007.jpg"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TaskError, match=r"train/000007\.jpg: broken image"):
        open_cache(cache, split_of(source), num_threads=3)
    assert {path.suffix for path in cache.folder.iterdir()} == {".lock"}


def test_nothing_cached_cannot_be_verified(source: CocoSource, cache: ImageCache) -> None:
    with pytest.raises(TaskError, match="nothing is cached"):
        verify_cache(cache, split_of(source))
