"""`spinesearch data cache` as a user types it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from trainer.data.generated import generate

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "small"
    generate(root, num_train=6, num_val=3, image_size=64)
    return root


def data_cache(cache: Path, *arguments: str, limit: str = "64G", total: str = "") -> "subprocess.CompletedProcess[str]":
    limits = {"SPINESEARCH_CACHE_LIMIT": limit, "SPINESEARCH_CACHE_TOTAL": total}
    names = {"SPINESEARCH_CACHE": str(cache), **limits, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "spinesearch", "data", "cache", *arguments]
    return subprocess.run(line, env={**os.environ, **names}, capture_output=True, text=True, check=False, timeout=120)


def test_the_splits_of_a_folder_are_made_once(folder: Path, tmp_path: Path) -> None:
    first = data_cache(tmp_path, str(folder), "--image-size", "64", "--verify")
    assert first.returncode == 0, first.stderr
    assert "instances_train.json: 6 images at 64 pixels, about 0.1 MB" in first.stdout
    assert (
        len(re.findall(r"decoded, resized and written in [\d.]+ s with \d+ threads: [\d,]+ images/s", first.stdout))
        == 2
    )
    assert len(re.findall(r"read in batches: [\d,]+ images/s", first.stdout)) == 2
    assert first.stdout.count("verified") == 2
    assert sorted(path.stat().st_size for path in tmp_path.glob("*/images.bin")) == [3 * 3 * 64**2, 6 * 3 * 64**2]
    second = data_cache(tmp_path, str(folder), "--image-size", "64")
    assert second.stdout.count("was there; opened in") == 2
    assert "written" not in second.stdout


def test_a_search_file_says_the_size_and_the_limit_the_form(folder: Path, tmp_path: Path) -> None:
    splits = {name: {"images": name, "annotations": f"annotations/instances_{name}.json"} for name in ("train", "val")}
    file = tmp_path / "search.yaml"
    proxy = {"preset": "cpu-small", "image_size": 96}
    file.write_text(yaml.safe_dump({"space": "spinenet-49", "data": {"root": str(folder), **splits}, "proxy": proxy}))
    assert data_cache(tmp_path / "cache", str(file)).returncode == 0
    # 6 images of 96 x 96 x 3 are 165,888 bytes.
    assert data_cache(tmp_path / "cache", str(file), limit="165K").returncode == 0
    names = sorted(path.parent.name.rpartition("-")[0] for path in (tmp_path / "cache").glob("*/images.bin"))
    assert names == ["jpeg-96", "jpeg-96", "raw-96", "raw-96"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("DIR",), "a folder does not say the size of images: give --image-size"),
        (("DIR", "--image-size", "64", "--form", "raw"), "the limit of the cache is 0.1 MB"),
        ((), "give a folder or a search file to make images ready, or --list, or --prune"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    arguments = tuple(str(folder) if argument == "DIR" else argument for argument in arguments)
    result = data_cache(tmp_path, *arguments, limit="50K")
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_damage_is_reported_and_mended_by_the_next(folder: Path, tmp_path: Path) -> None:
    arguments = (str(folder), "--image-size", "64", "--verify")
    assert data_cache(tmp_path, *arguments).returncode == 0
    path = next(tmp_path.glob("*/images.bin"))
    content = bytearray(path.read_bytes())
    content[99] ^= 4
    path.write_bytes(content)
    damaged = data_cache(tmp_path, *arguments)
    assert damaged.returncode == 2
    assert f"{path.parent}: damaged" in damaged.stderr
    assert data_cache(tmp_path, *arguments).returncode == 0


def test_what_is_there_is_listed_and_pruned(folder: Path, tmp_path: Path) -> None:
    # Raw: train 6 x 3 x 64 x 64 = 73,728 bytes; val 3 x 3 x 64 x 64 = 36,864, made after it.
    assert data_cache(tmp_path, str(folder), "--image-size", "64").returncode == 0
    lines = data_cache(tmp_path, "--list", total="120K").stdout.splitlines()
    assert re.fullmatch(
        r"raw    64 px         6 images     0\.1 MB  used 20\d\d-\d\d-\d\d \d\d:\d\d UTC  .*/instances_train\.json",
        lines[0],
    )
    assert lines[1].endswith("/instances_val.json")
    assert lines[2:] == [f"{tmp_path}: 0.1 MB of at most 0.1 MB"]
    pruned = data_cache(tmp_path, "--prune", "--json", total="110K").stdout
    removed, _, document = pruned.partition("\n")
    assert re.fullmatch(r"removed raw-64-[0-9a-f]{32}: 0\.1 MB, used .* UTC", removed)
    listed = json.loads(document)
    assert (listed["folder"], listed["total_bytes"]) == (str(tmp_path), 110_000)
    (left,) = listed["splits"]
    assert (left["form"], left["image_size"], left["num_images"], left["num_bytes"]) == ("raw", 64, 3, 36_864)
    assert data_cache(tmp_path, "--prune", total="0").stdout.count("removed raw-64-") == 1
    assert json.loads(data_cache(tmp_path, "--list", "--json").stdout)["splits"] == []
