"""Resized images on disk, made once and shared by every training on a machine. Needs no torch.

`open_cache(cache, split)` gives the pixels of one split at one image size; who comes first makes them, others wait.
A folder of the cache holds one split:

    <form>-<image size>-<key>/images.bin       RAW: N x S x S x 3 bytes. JPEG: N files, then where each ends (N uint64).
                              manifest.json    what it holds, with the sha256 of images.bin
    <form>-<image size>-<key>.part/            being made or removed, or left by a process that was killed
    <form>-<image size>-<key>.lock             held by its builder; the kernel frees it when that dies; never removed

The key is a hash of the names, sizes and times of the image files and of how they are encoded; boxes are not in it:
they come from the annotations each time. A folder gets its name when it is whole and on disk, never before. What was
used longest ago is removed when a new split needs its room (`cache_folder`).

Legend: N images of the split, B of a batch, S pixels of the square's side.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
from PIL import Image

from trainer.data.cache_folder import (
    PART,
    RESERVE_BYTES,
    describe_bytes,
    free_bytes,
    locked,
    make_room,
    mark_used,
    read_manifest,
    remove_split,
)
from trainer.data.coco import ImageRecord
from trainer.data.images import image_path
from trainer.data.pixels import ENCODINGS, Pixels, encoded, put_in_square, resized_image, results_in_order
from trainer.task import CocoSource, ImageCache, ImageForm, TaskError

FORMAT_VERSION = 1
SAMPLE_IMAGES = 32  # encoded to estimate the size of all
SAMPLE_MARGIN = 1.1
END_BYTES = 8
HASH_BLOCK_BYTES = 2**24

Progress = Callable[[int, int], None]
"""Called with the number of images done and of all, from the thread that opened the cache."""


@dataclass(frozen=True)
class CachedSplit:
    """What a folder of the cache holds: all images of an annotations file at one size."""

    source: CocoSource
    images: tuple[ImageRecord, ...]
    image_size: int
    form: ImageForm

    @cached_property
    def key(self) -> str:
        """64 hexadecimal digits that tell these pixels from others.

        Raises:
            TaskError: an image is missing.
        """
        digest = hashlib.sha256(f"{FORMAT_VERSION}/{self.image_size}/{ENCODINGS[self.form]}\n".encode())
        for image in self.images:
            path = image_path(self.source, image.file_name)
            try:
                file = path.stat()
            except OSError as error:
                raise TaskError(f"{path}: no such image") from error
            parts = (image.file_name, image.width, image.height, file.st_size, int(file.st_mtime))
            digest.update(json.dumps(parts).encode())
        return digest.hexdigest()

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.form.value}-{self.image_size}-{self.key[:32]}"

    def estimated_bytes(self) -> int:
        """What it takes on disk: exact for RAW, from a sample of images for JPEG.

        Raises:
            TaskError: a broken image in the sample.
        """
        if self.form is ImageForm.RAW:
            return raw_bytes(len(self.images), self.image_size)
        sample = self.images[:: -(-len(self.images) // SAMPLE_IMAGES)]
        total = sum(len(self.encode(image)) for image in sample)
        return round(total / len(sample) * len(self.images) * SAMPLE_MARGIN) + END_BYTES * len(self.images)

    def encode(self, image: ImageRecord) -> bytes:
        """One image as it is kept."""
        return encoded(resized_image(self.source, image, self.image_size), self.image_size, self.form)


class CachedPixels:
    """The images of a split, read from the cache; the kernel shares what was read among all processes.

    Args:
        path: of the image file, which is mapped, not read.
    """

    def __init__(self, path: Path, split: CachedSplit) -> None:
        self.num_images, self.image_size, self.form = len(split.images), split.image_size, split.form
        self._path = path
        if self.form is ImageForm.RAW:
            shape = (self.num_images, self.image_size, self.image_size, 3)
            self._pixels_NSS3 = np.asarray(np.memmap(path, np.uint8, "r", shape=shape))
            return
        self._content = np.asarray(np.memmap(path, np.uint8, "r"))
        self._ends_N = self._content[-END_BYTES * self.num_images :].view("<u8").astype(np.int64)
        stops = np.concatenate([[0], self._ends_N, [self._content.size - END_BYTES * self.num_images]])
        if (np.diff(stops) < 0).any() or stops[-1] != stops[-2]:
            raise ValueError(f"{path}: its table of images is damaged")

    def read(self, rows_B: np.ndarray[Any, Any]) -> Pixels:
        """The images of those rows (B, S, S, 3), in memory of the caller's own. Called from any thread.

        Raises:
            TaskError: an image of the JPEG form that cannot be decoded: the cache is damaged.
        """
        if self.form is ImageForm.RAW:
            return self._pixels_NSS3.take(rows_B, axis=0)
        pixels_BSS3 = np.empty((len(rows_B), self.image_size, self.image_size, 3), dtype=np.uint8)
        for row, square_SS3 in zip(rows_B.tolist(), pixels_BSS3, strict=True):
            self._decode(row, square_SS3)
        return pixels_BSS3

    def _decode(self, row: int, square_SS3: Pixels) -> None:
        first = int(self._ends_N[row - 1]) if row else 0
        try:
            with Image.open(io.BytesIO(self._content[first : int(self._ends_N[row])].tobytes())) as image:
                put_in_square(image, square_SS3)
        except (OSError, SyntaxError, ValueError) as error:
            raise TaskError(f"{self._path}: image {row}: {error}; remove the folder {self._path.parent}") from error


def raw_bytes(num_images: int, image_size: int) -> int:
    """What so many images take as pixels."""
    return num_images * 3 * image_size**2


def choose_form(num_images: int, image_size: int, limit_bytes: int) -> ImageForm:
    """RAW where the largest split of a data set is within the limit, else JPEG; free space plays no part.

    So all machines of a search, and all runs of it, choose alike.

    Args:
        num_images: of the largest split.
    """
    return ImageForm.RAW if raw_bytes(num_images, image_size) <= limit_bytes else ImageForm.JPEG


def open_cache(
    cache: ImageCache, split: CachedSplit, *, num_threads: int = 1, progress: Progress | None = None
) -> CachedPixels:
    """The pixels of a split, made now if they are not there; while another process makes them, this one waits.

    What was used longest ago is removed where the cache would take more than `cache.total_bytes` or than the disk has.
    Also this split may be removed by another process at any time: what was opened stays readable.

    Raises:
        TaskError: a broken image, by its name; or more than `cache.limit_bytes` or than the disk has room for, in
            which case nothing was written.
        CacheUnavailable: the folder cannot be written, and the pixels are not there.
        OSError: writing failed half-way; what was written is removed.
    """
    found = find_cached(cache, split)
    if found is not None:
        mark_used(cache.folder, split.name)
        return found
    with locked(cache.folder, split.name):
        found = find_cached(cache, split)
        if found is not None:
            return found
        remove_split(cache.folder, split.name)
        _require_room(cache, split)
        _build(cache.folder, split, num_threads, progress or _silent)
        found = find_cached(cache, split)
        assert found is not None, "a folder that was just made is whole"
        make_room(cache.folder, 0, cache.total_bytes)  # others may have made theirs at the same time
    return found


def find_cached(cache: ImageCache, split: CachedSplit) -> CachedPixels | None:
    """The pixels of a split where they are there: manifest and file size are as they must be; None otherwise."""
    folder = cache.folder / split.name
    manifest = read_manifest(folder)
    expected = _expected(split)
    if manifest is None or {name: manifest.get(name) for name in expected} != expected:
        return None
    with contextlib.suppress(OSError, ValueError):
        if (folder / "images.bin").stat().st_size == manifest.get("num_bytes"):
            return CachedPixels(folder / "images.bin", split)
    return None


def verify_cache(cache: ImageCache, split: CachedSplit) -> None:
    """Reads a split of the cache completely.

    Raises:
        TaskError: nothing is there; or its bytes are not those that were written: it is then removed, so that its
            next user makes it anew.
    """
    folder = cache.folder / split.name
    if find_cached(cache, split) is None:
        raise TaskError(f"{folder}: nothing is cached, or it is not whole")
    with locked(cache.folder, split.name):
        manifest = read_manifest(folder)
        if manifest is not None and manifest.get("sha256") == _file_hash(folder / "images.bin"):
            return
        remove_split(cache.folder, split.name)
    raise TaskError(f"{folder}: damaged: not what was written; removed, to be made anew when it is needed")


def _expected(split: CachedSplit) -> dict[str, Any]:
    """What a manifest must say."""
    return {
        "format_version": FORMAT_VERSION,
        "key": split.key,
        "encoding": ENCODINGS[split.form],
        "image_size": split.image_size,
        "num_images": len(split.images),
    }


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _require_room(cache: ImageCache, split: CachedSplit) -> None:
    """Makes room for a split, or raises TaskError; its lock is held."""
    needed = split.estimated_bytes()
    what = (
        f"{split.source.images}: {len(split.images):,} images at {split.image_size} pixels take "
        f"{describe_bytes(needed)} as {split.form.value}"
    )
    ways = "choose a smaller image size, the jpeg form or another folder"
    if needed > cache.limit_bytes:
        raise TaskError(f"{what}: the limit of the cache is {describe_bytes(cache.limit_bytes)}: raise it, or {ways}")
    make_room(cache.folder, needed, cache.total_bytes)
    free = free_bytes(cache.folder)
    if needed > free:
        room = f"{describe_bytes(max(0, free))} free besides {describe_bytes(RESERVE_BYTES)} for others"
        raise TaskError(f"{what}: {cache.folder} has {room}: {ways}")


def _build(folder: Path, split: CachedSplit, num_threads: int, progress: Progress) -> None:
    """Writes a split aside and renames it when it is whole and on disk."""
    part = folder / f"{split.name}{PART}"
    part.mkdir()
    try:
        num_bytes, sha256 = _write_images(part / "images.bin", split, num_threads, progress)
        manifest = {**_expected(split), "num_bytes": num_bytes, "sha256": sha256, "pillow": PIL.__version__}
        with (part / "manifest.json").open("w") as file:
            json.dump({**manifest, "annotations": str(split.source.annotations)}, file, indent=2)
            _sync(file)
        _sync_folder(part)
        part.rename(folder / split.name)
        _sync_folder(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _write_images(path: Path, split: CachedSplit, num_threads: int, progress: Progress) -> tuple[int, str]:
    """Writes every image in order, and where each ends; the number of bytes and their sha256."""
    digest, ends = hashlib.sha256(), []
    with path.open("wb") as file:
        progress(0, len(split.images))
        for content in results_in_order(split.encode, split.images, num_threads):
            file.write(content)
            digest.update(content)
            ends.append(file.tell())
            progress(len(ends), len(split.images))
        if split.form is ImageForm.JPEG:
            table = np.array(ends, dtype="<u8").tobytes()
            file.write(table)
            digest.update(table)
        num_bytes = file.tell()
        _sync(file)
    return num_bytes, digest.hexdigest()


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _silent(_done: int, _total: int) -> None:
    """Reports nothing."""
