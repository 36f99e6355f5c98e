"""The image cache as a whole: what is there, what goes first, and what that does to who reads or makes it."""

import hashlib
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainer.test_data_cache import content_of, next_line, process, split_of
from trainer.data import cache as cache_module
from trainer.data import cache_folder
from trainer.data.cache import CachedSplit, find_cached, open_cache, verify_cache
from trainer.data.cache_folder import StoredSplit, list_splits, locked, make_room
from trainer.task import CocoSource, DataSource, ImageCache, ImageForm, TaskError

# 20 images of the source, raw: 20 x 3 x size x size bytes.
BYTES = {32: 61_440, 48: 138_240, 64: 245_760}
LARGE = 10**9


@pytest.fixture
def source(small_data: DataSource) -> CocoSource:
    """20 images."""
    return small_data.train


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    """An empty cache."""
    return ImageCache(folder=tmp_path / "cache")


def made(cache: ImageCache, source: CocoSource, *sizes: int) -> list[CachedSplit]:
    """Splits of these image sizes, the first used on 1 January 2026, each following one a day later."""
    splits = [split_of(source, image_size=size) for size in sizes]
    for day, split in enumerate(splits):
        open_cache(cache, split)
        used_at = datetime(2026, 1, 1 + day, tzinfo=UTC).timestamp()
        os.utime(cache.folder / split.name / "manifest.json", (used_at, used_at))
    return splits


def sizes_in(cache: ImageCache) -> list[int]:
    """Image sizes of what is there, used longest ago first."""
    return [split.image_size for split in list_splits(cache.folder)]


# The list


def test_the_list_says_what_is_there_used_longest_ago_first(source: CocoSource, cache: ImageCache) -> None:
    raw = made(cache, source, 64, 32)
    jpeg = split_of(source, ImageForm.JPEG, 48)
    open_cache(cache, jpeg)
    first, second, third = list_splits(cache.folder)
    assert (first.name, first.form, first.image_size) == (raw[0].name, ImageForm.RAW, 64)
    assert (first.num_images, first.num_bytes, first.annotations) == (20, BYTES[64], str(source.annotations))
    assert first.used_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert (second.name, second.num_bytes, second.used_at) == (raw[1].name, BYTES[32], datetime(2026, 1, 2, tzinfo=UTC))
    assert (third.name, third.form, third.image_size) == (jpeg.name, ImageForm.JPEG, 48)
    assert third.num_bytes == (cache.folder / jpeg.name / "images.bin").stat().st_size


def test_opening_is_use(source: CocoSource, cache: ImageCache) -> None:
    first = made(cache, source, 32, 48)[0]
    find_cached(cache, first)
    assert sizes_in(cache) == [32, 48]
    open_cache(cache, first)
    assert sizes_in(cache) == [48, 32]
    with process(cache, source, "read", 48) as reader:
        assert next_line(reader).startswith("found")
    assert sizes_in(cache) == [32, 48]


def test_only_whole_splits_are_listed(source: CocoSource, cache: ImageCache) -> None:
    assert list_splits(cache.folder) == []
    assert make_room(cache.folder, 0, LARGE) == []
    assert not cache.folder.exists()
    lost, spoilt, whole = made(cache, source, 32, 48, 64)
    (cache.folder / lost.name / "images.bin").unlink()
    (cache.folder / spoilt.name / "manifest.json").write_text('{"num_images": "many", "annotations": ""}')
    (cache.folder / f"{split_of(source, image_size=40).name}.part").mkdir()
    (cache.folder / "notes.txt").touch()
    assert [split.name for split in list_splits(cache.folder)] == [whole.name]
    assert make_room(cache.folder, 0, LARGE) == []
    kept = {path.name for path in cache.folder.iterdir() if path.suffix != ".lock"}
    assert kept == {whole.name, "notes.txt"}


# What goes


@pytest.mark.parametrize(
    ("needed", "total", "left"),
    [
        (0, sum(BYTES.values()), [64, 32, 48]),
        (1, sum(BYTES.values()), [32, 48]),  # 64 was used longest ago
        (BYTES[64], sum(BYTES.values()), [32, 48]),
        (BYTES[64] + 1, sum(BYTES.values()), [48]),
        (0, BYTES[48], [48]),
        (0, BYTES[48] - 1, []),
        (0, 0, []),
    ],
)
def test_what_was_used_longest_ago_makes_room(
    source: CocoSource, cache: ImageCache, needed: int, total: int, left: list[int]
) -> None:
    made(cache, source, 64, 32, 48)
    removed = make_room(cache.folder, needed, total)
    assert [split.image_size for split in removed] + left == [64, 32, 48]
    assert sizes_in(cache) == left
    assert make_room(cache.folder, needed, total) == []


def test_a_new_split_takes_the_place_of_old_ones(source: CocoSource, cache: ImageCache) -> None:
    made(cache, source, 64, 32)
    total = BYTES[64] + BYTES[32] + BYTES[48] - 1
    small = replace(cache, total_bytes=total, limit_bytes=total)
    verify_cache(small, made(small, source, 48)[0])
    assert sizes_in(cache) == [48, 32]
    # What fits is made without a loss; what exceeds the limit of one split is refused without one.
    verify_cache(small, made(small, source, 40)[0])
    assert sizes_in(cache) == [40, 48, 32]
    with pytest.raises(TaskError, match="the limit of the cache"):
        open_cache(small, split_of(source, image_size=128))
    assert sizes_in(cache) == [40, 48, 32]


def test_a_full_disk_is_a_limit_too(source: CocoSource, cache: ImageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    made(cache, source, 64, 32)
    free = shutil.disk_usage(cache.folder).free
    missing = 2**40  # more than others write or remove meanwhile
    monkeypatch.setattr(cache_folder, "RESERVE_BYTES", free + missing)
    assert make_room(cache.folder, 0, LARGE) == [], "an empty cache would not do"
    assert sizes_in(cache) == [64, 32]
    monkeypatch.setattr(cache_folder, "free_bytes", lambda folder: 100_000)
    assert [split.image_size for split in make_room(cache.folder, 100_001, LARGE)] == [64]


def test_what_is_being_made_or_verified_is_left_alone(source: CocoSource, cache: ImageCache) -> None:
    verified, _ = made(cache, source, 64, 32)
    with process(cache, source, "hold", 48) as builder:
        assert next_line(builder) == "holding"
        with locked(cache.folder, verified.name):
            assert [split.image_size for split in make_room(cache.folder, 0, 0)] == [32]
        assert [path.name for path in cache.folder.glob("*.part")] == [f"{split_of(source, image_size=48).name}.part"]
        (cache.folder / "go").touch()
        assert next_line(builder).startswith("made")
    assert sizes_in(cache) == [64, 48]


def test_what_may_not_be_removed_stays(source: CocoSource, cache: ImageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    made(cache, source, 64, 32)

    def refuse(path: Path, target: Path) -> None:
        if "-64-" in path.name:
            raise PermissionError(1, "Operation not permitted")
        os.rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    assert [split.image_size for split in make_room(cache.folder, 0, 0)] == [32]
    assert sizes_in(cache) == [64]


# Readers and builders at the same time


def test_what_is_mapped_stays_readable(source: CocoSource, cache: ImageCache) -> None:
    content = content_of(cache, split_of(source))
    with process(cache, source, "map") as reader:
        assert next_line(reader) == "mapped"
        assert len(make_room(cache.folder, 0, 0)) == 1
        (cache.folder / "go").touch()
        assert next_line(reader) == f"found {hashlib.sha256(content).hexdigest()}"
    assert sizes_in(cache) == []


@pytest.mark.parametrize("name", ["read_manifest", "CachedPixels"])
def test_what_goes_while_it_is_opened_is_made_anew(
    source: CocoSource, cache: ImageCache, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removed after the manifest was read, and after the size of the images was."""
    content, split = content_of(cache, split_of(source)), split_of(source)
    original: Callable[..., Any] = getattr(cache_module, name)
    removed: list[StoredSplit] = []

    def remove_and_go_on(*arguments: Any) -> Any:
        before = original(*arguments) if name == "read_manifest" else None
        if not removed:
            removed.extend(make_room(cache.folder, 0, 0))
        return before or original(*arguments)

    monkeypatch.setattr(cache_module, name, remove_and_go_on)
    calls: list[int] = []
    pixels = open_cache(cache, split, progress=lambda done, _total: calls.append(done))
    assert [other.name for other in removed] == [split.name]
    assert calls[-1] == 20
    assert pixels.read(np.arange(20)).tobytes() == content


def test_a_removal_that_is_killed_is_finished_by_the_next(source: CocoSource, cache: ImageCache) -> None:
    made(cache, source, 32)
    with process(cache, source, "die") as remover:
        remover.wait(60)
    assert remover.returncode == -signal.SIGKILL
    assert sizes_in(cache) == []
    assert len(list(cache.folder.glob("*.part/images.bin"))) == 1
    open_cache(cache, split_of(source, image_size=48))
    assert list(cache.folder.glob("*.part")) == []
    assert sizes_in(cache) == [48]


def test_readers_go_on_while_their_split_is_removed_again_and_again(source: CocoSource, cache: ImageCache) -> None:
    content = content_of(cache, split_of(source))
    readers = [process(cache, source, "often") for _ in range(2)]
    removed = 0
    while removed < 30:
        assert [reader.poll() for reader in readers] == [None, None]
        removed += len(make_room(cache.folder, 0, 0))
    (cache.folder / "go").touch()
    for reader in readers:
        output, errors = reader.communicate(timeout=60)
        assert output.splitlines()[-1].split()[1] == hashlib.sha256(content).hexdigest(), errors


def test_builders_that_end_at_the_same_time_leave_no_more_than_the_limit(source: CocoSource, cache: ImageCache) -> None:
    """Neither sees the other's split before: who ends last makes room again, and keeps its own."""
    total = BYTES[48] + BYTES[32] - 1
    with process(cache, source, "hold", 48) as other:
        assert next_line(other) == "holding"
        small = replace(cache, total_bytes=total, limit_bytes=total)

        def wait_for_the_other(done: int, _total: int) -> None:
            if done == 1:
                (cache.folder / "go").touch()
                other.wait(60)
                assert sizes_in(cache) == [48]

        open_cache(small, split_of(source, image_size=32), progress=wait_for_the_other)
    assert sizes_in(cache) == [32]
