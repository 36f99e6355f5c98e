"""`data ...`: the generated data set, whether a data set can be used, and its images made ready for training."""

import json
import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from spinesearch.home import Home
    from trainer.data.cache import CachedPixels, CachedSplit
    from trainer.task import CocoSource, ImageCache

app = typer.Typer(no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR")]
FolderOrSearch = Annotated[Path | None, typer.Argument(metavar="DIR|SEARCH.yaml")]
READ_IMAGES, READ_BATCH = 512, 16


class FormOption(StrEnum):
    """How images are kept: AUTO is what a search does."""

    AUTO = "auto"
    RAW = "raw"
    JPEG = "jpeg"


@app.command()
def generate(directory: Folder, seed: Annotated[int, typer.Option(help="decides every pixel")] = 0) -> None:
    """Write a small COCO-format detection data set."""
    from trainer.data.generated import generate as generate_data

    generate_data(directory, seed=seed)
    print(f"wrote {directory}")


@app.command()
def check(directory: Folder) -> None:
    """Read a data set completely and say what is in it, or what is wrong with it."""
    from trainer.data.coco import check_directory

    for report in check_directory(directory):
        print(report)


@app.command()
def cache(
    path: FolderOrSearch = None,
    image_size: Annotated[int | None, typer.Option(min=64, max=4096, help="pixels; default: of the search")] = None,
    form: Annotated[FormOption, typer.Option(help="raw pixels, or jpeg where they are too large")] = FormOption.AUTO,
    verify: Annotated[bool, typer.Option("--verify", help="read all of it and compare checksums")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="remove what $SPINESEARCH_CACHE_TOTAL has no room for")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="say what is there, used longest ago first")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the list as JSON")] = False,
) -> None:
    """Decode and resize the images of a data set once, for all trainings on this machine; list and prune what is there.

    Before a split is made, those used longest ago are removed until all together stay within $SPINESEARCH_CACHE_TOTAL.
    """
    from spinesearch.home import Home

    home = Home.from_environment()
    if path is None and not (prune or list_ or as_json):
        raise ValueError("data cache: give a folder or a search file to make images ready, or --list, or --prune")
    if path is not None:
        _make_all(path, image_size, form, verify, home)
    if prune:
        _prune(home)
    if list_ or as_json:
        _list(home, as_json)


def _make_all(path: Path, image_size: int | None, form: FormOption, verify: bool, home: "Home") -> None:
    """Every split of a folder or of a search file."""
    from trainer.data.cache import CachedSplit, choose_form, verify_cache
    from trainer.data.coco import read_coco
    from trainer.task import ImageForm

    sources, size = _sources(path, image_size, home)
    indices = [read_coco(source) for source in sources]
    num_images = max(len(index.images) for index in indices)
    chosen = choose_form(num_images, size, home.cache_limit_bytes) if form is FormOption.AUTO else ImageForm(form.value)
    images = home.image_cache(chosen)
    print(f"{images.folder}, {chosen.value}")
    for source, index in zip(sources, indices, strict=True):
        split = CachedSplit(source, index.images, size, chosen)
        _make(images, split)
        if verify:
            verify_cache(images, split)
            print("  verified: every byte is what was written")


def _prune(home: "Home") -> None:
    """Removes leftovers and what is over the limit; prints each split removed."""
    from trainer.data.cache_folder import describe_bytes, make_room
    from trainer.task import ImageForm

    images = home.image_cache(ImageForm.RAW)
    for split in make_room(images.folder, 0, images.total_bytes):
        print(f"removed {split.name}: {describe_bytes(split.num_bytes)}, used {split.used_at:%Y-%m-%d %H:%M} UTC")


def _list(home: "Home", as_json: bool) -> None:
    from trainer.data.cache_folder import describe_bytes, list_splits
    from trainer.task import ImageForm

    images = home.image_cache(ImageForm.RAW)
    splits = list_splits(images.folder)
    if as_json:
        rows = [{**asdict(split), "used_at": split.used_at.isoformat()} for split in splits]
        print(json.dumps({"folder": str(images.folder), "total_bytes": images.total_bytes, "splits": rows}, indent=2))
        return
    for split in splits:
        what = f"{split.form.value:<4} {split.image_size:>4} px {split.num_images:>9,} images"
        size = describe_bytes(split.num_bytes)
        print(f"{what} {size:>10}  used {split.used_at:%Y-%m-%d %H:%M} UTC  {split.annotations}")
    held = describe_bytes(sum(split.num_bytes for split in splits))
    print(f"{images.folder}: {held} of at most {describe_bytes(images.total_bytes)}")


def _sources(path: Path, image_size: int | None, home: "Home") -> tuple[list["CocoSource"], int]:
    """The splits of a folder or of a search file, and the image size."""
    from nas_controller.search_config import load_search_file
    from spinesearch.composition import data_source
    from trainer.data.coco import find_splits

    if path.is_dir():
        if image_size is None:
            raise ValueError(f"{path}: a folder does not say the size of images: give --image-size")
        return list(find_splits(path).values()), image_size
    config = load_search_file(path)
    data = data_source(config, home)
    return [data.train, data.val], image_size or config.task().image_size


def _make(images: "ImageCache", split: "CachedSplit") -> None:
    """Opens one split, made where it is missing, and prints what that took."""
    import os

    from rich.progress import Progress

    from spinesearch.progress import make_console
    from trainer.data.cache import find_cached, open_cache
    from trainer.data.cache_folder import describe_bytes

    size = describe_bytes(split.estimated_bytes())
    print(f"{split.source.annotations}: {len(split.images):,} images at {split.image_size} pixels, about {size}")
    started = time.perf_counter()
    is_there = find_cached(images, split) is not None
    num_threads = len(os.sched_getaffinity(0))
    console = make_console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("decoding", total=None)
        pixels = open_cache(
            images,
            split,
            num_threads=num_threads,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    seconds = time.perf_counter() - started
    if is_there:
        print(f"  was there; opened in {seconds:.3f} s")
    else:
        rate = len(split.images) / seconds
        print(f"  decoded, resized and written in {seconds:.2f} s with {num_threads} threads: {rate:,.0f} images/s")
    print(f"  read in batches: {_read_rate(pixels):,.0f} images/s")


def _read_rate(pixels: "CachedPixels") -> float:
    """Images a second that one thread reads, in random order."""
    import numpy as np

    rows = np.random.default_rng(0).permutation(pixels.num_images)[:READ_IMAGES]
    started = time.perf_counter()
    for first in range(0, len(rows), READ_BATCH):
        pixels.read(rows[first : first + READ_BATCH])
    return len(rows) / (time.perf_counter() - started)
