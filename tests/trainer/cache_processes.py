"""Processes that use a cache of images: run as ``python -m tests.trainer.cache_processes FOLDER ROOT SIZE WHAT``.

FOLDER is the cache, ROOT a data set with a split `train`. WHAT: ``read`` at once; ``hold`` after two images until a
file FOLDER/go is there; ``map``: open, then wait for that file; ``often``: open and read until it is there; ``burst``
with files limited to 8,000 bytes; ``die``: remove all, killed at the first. At the end: "made" or "found", and a
hash of all pixels.
"""

import hashlib
import logging
import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from trainer.data.cache import CachedPixels, CachedSplit, open_cache
from trainer.data.cache_folder import make_room
from trainer.data.coco import find_splits, read_coco
from trainer.task import ImageCache, ImageForm

HELD_AT = 2


def main(folder: Path, root: Path, image_size: int, what: str) -> None:
    """Opens the cache and prints what it came to."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    if what == "burst":
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
    if what == "die":
        Path.rename = rename_and_die  # type: ignore[assignment]
        make_room(folder, 0, 0)
    source = find_splits(root)["train"]
    split = CachedSplit(source, read_coco(source).images, image_size, ImageForm.RAW)
    done = 0

    def progress(number: int, _total: int) -> None:
        nonlocal done
        done = number
        if what == "hold" and number == HELD_AT:
            print("holding", flush=True)
            wait(folder)

    pixels = open_cache(ImageCache(folder=folder), split, progress=progress)
    if what == "map":
        print("mapped", flush=True)
        wait(folder)
    found = read(pixels)
    while what == "often" and not (folder / "go").exists():
        assert read(open_cache(ImageCache(folder=folder), split)) == found
    print("made" if done else "found", found, flush=True)


def rename_and_die(path: Path, target: Path) -> None:
    """Is killed when the folder has its other name."""
    os.rename(path, target)
    os.kill(os.getpid(), signal.SIGKILL)


def wait(folder: Path) -> None:
    """Until the test says so."""
    while not (folder / "go").exists():
        time.sleep(0.01)


def read(pixels: CachedPixels) -> str:
    """A hash of all pixels."""
    return hashlib.sha256(pixels.read(np.arange(pixels.num_images)).tobytes()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
