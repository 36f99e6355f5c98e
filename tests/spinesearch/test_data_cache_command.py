"""`spinesearch data cache` as a user types it."""

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


def data_cache(cache: Path, *arguments: str, limit: str = "64G") -> "subprocess.CompletedProcess[str]":
    names = {"SPINESEARCH_CACHE": str(cache), "SPINESEARCH_CACHE_LIMIT": limit, "PYTHONPATH": str(ROOT)}
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
        ((), "a folder does not say the size of images: give --image-size"),
        (("--image-size", "64", "--form", "raw"), "the limit of the cache is 0.1 MB"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = data_cache(tmp_path, str(folder), *arguments, limit="50K")
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
