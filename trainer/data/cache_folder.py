"""The folder of the image cache as a whole: which splits are there, how long ago each was used, what goes first.

A split is removed while trainings read it: what they have mapped stays readable until they end. Who comes later makes
it anew. The time of last use is that of the manifest, which whoever opens a split touches.

Locks are taken in this order: of a split by who makes, verifies or removes it; `cache.lock` by who makes room, so that
two do not remove twice what one has to. Who makes room takes no lock of a split that is not free.
"""

import contextlib
import fcntl
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainer.task import ImageForm

RESERVE_BYTES = 2**30  # of the disk, left to others
PART = ".part"
_SPLIT_NAME = re.compile(r"(raw|jpeg)-([0-9]+)-[0-9a-f]{32}")

_logger = logging.getLogger(__name__)


class CacheUnavailable(OSError):  # noqa: N818
    """The cache's folder cannot be made or written; nothing was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSplit:
    """A split that is in the cache.

    Args:
        name: of its folder.
        annotations: the file that it was made for first.
        num_bytes: of its images.
        used_at: when a process opened it last, in UTC.
    """

    name: str
    annotations: str
    form: ImageForm
    image_size: int
    num_images: int
    num_bytes: int
    used_at: datetime


def list_splits(folder: Path) -> list[StoredSplit]:
    """What is in the cache, used longest ago first; [] where there is no folder."""
    if not folder.is_dir():
        return []
    found = [split for path in folder.iterdir() if (split := _stored_split(path)) is not None]
    return sorted(found, key=lambda split: (split.used_at, split.name))


def mark_used(folder: Path, name: str) -> None:
    """The split is in use now. Where the cache may only be read, that is not known."""
    with contextlib.suppress(OSError):
        os.utime(folder / name / "manifest.json")


def make_room(folder: Path, needed_bytes: int, total_bytes: int) -> list[StoredSplit]:
    """Removes leftovers, then what was used longest ago, until `needed_bytes` more fit; the splits removed.

    They fit where all splits together take at most `total_bytes` and `RESERVE_BYTES` of the disk stay free. Where an
    empty cache would not do, no split is removed. What another process makes or verifies, or does not let us remove,
    is left alone: the caller looks again at what is free.
    """
    if not folder.is_dir():
        return []
    removed = []
    with (folder / "cache.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_leftovers(folder)
        splits = list_splits(folder)
        held_bytes = sum(split.num_bytes for split in splits)
        excess_bytes = max(held_bytes + needed_bytes - total_bytes, needed_bytes - free_bytes(folder))
        if excess_bytes > held_bytes:
            return []
        for split in splits:
            if excess_bytes <= 0:
                break
            if _remove_if_free(folder, split.name):
                _logger.info("%s: removed to make room: not used since %s", folder / split.name, split.used_at)
                excess_bytes -= split.num_bytes
                removed.append(split)
    return removed


def free_bytes(folder: Path) -> int:
    """What the disk has for the cache; below 0 where others took of the reserve."""
    return shutil.disk_usage(folder).free - RESERVE_BYTES


@contextlib.contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Holds the lock of a split; waits for who holds it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / f"{name}.lock").open("ab")
    except OSError as error:
        raise CacheUnavailable(error.errno, error.strerror, str(folder)) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _logger.info("%s: waiting for the process that makes it", folder / name)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_split(folder: Path, name: str) -> None:
    """Removes a split and what a killed builder left of it; its lock is held.

    It loses its name first: a kill half-way leaves what the next who makes room removes.
    """
    part = folder / f"{name}{PART}"
    shutil.rmtree(part, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        (folder / name).rename(part)
    shutil.rmtree(part, ignore_errors=True)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What a split's folder says that it holds; None where that cannot be read."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def describe_bytes(num_bytes: int) -> str:
    """A size for people.

    >>> describe_bytes(22_425_600), describe_bytes(93_000_000_000)
    ('22.4 MB', '93.0 GB')
    """
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:,.1f} MB"


def _stored_split(path: Path) -> StoredSplit | None:
    """The split in a folder of the cache; None for anything else, what is not whole included."""
    match, manifest = _SPLIT_NAME.fullmatch(path.name), read_manifest(path)
    if match is None or manifest is None:
        return None
    try:
        return StoredSplit(
            name=path.name,
            annotations=str(manifest["annotations"]),
            form=ImageForm(match[1]),
            image_size=int(match[2]),
            num_images=int(manifest["num_images"]),
            num_bytes=(path / "images.bin").stat().st_size,
            used_at=datetime.fromtimestamp((path / "manifest.json").stat().st_mtime, UTC),
        )
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _remove_leftovers(folder: Path) -> None:
    """Removes what killed processes left and what is not whole, unless somebody is just making it."""
    for path in list(folder.iterdir()):
        name = path.name.removesuffix(PART)
        if _SPLIT_NAME.fullmatch(name) and _stored_split(path) is None:
            _remove_if_free(folder, name)


def _remove_if_free(folder: Path, name: str) -> bool:
    """Whether the split is gone: not where its lock is held, or where it may not be removed."""
    try:
        with (folder / f"{name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_split(folder, name)
    except OSError:
        return False
    return True
