"""`spinesearch data cache` as a user types it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.spinesearch.conftest import Said, Typed
from trainer.data.generated import generate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "small"
    generate(root, num_train=6, num_val=3, image_size=64)
    return root


DataCache = Callable[..., Said]


@pytest.fixture
def data_cache(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> DataCache:
    """Runs the command on a cache with limits."""

    def run(cache: Path, *arguments: str, limit: str = "64G", total: str = "") -> Said:
        names = {"SPINESEARCH_CACHE": str(cache), "SPINESEARCH_CACHE_LIMIT": limit, "SPINESEARCH_CACHE_TOTAL": total}
        for name, value in names.items():
            monkeypatch.setenv(name, value)
        return typed("data", "cache", *arguments)

    return run


def test_the_splits_of_a_folder_are_made_once(folder: Path, tmp_path: Path, data_cache: DataCache) -> None:
    first = data_cache(tmp_path, str(folder), "--image-size", "64", "--verify")
    assert first.status == 0, first.err
    assert "instances_train.json: 6 images at 64 pixels, about 0.1 MB" in first.out
    assert (
        len(re.findall(r"decoded, resized and written in [\d.]+ s with \d+ threads: [\d,]+ images/s", first.out)) == 2
    )
    assert len(re.findall(r"read in batches: [\d,]+ images/s", first.out)) == 2
    assert first.out.count("verified") == 2
    assert sorted(path.stat().st_size for path in tmp_path.glob("*/images.bin")) == [3 * 3 * 64**2, 6 * 3 * 64**2]
    second = data_cache(tmp_path, str(folder), "--image-size", "64")
    assert second.out.count("was there; opened in") == 2
    assert "written" not in second.out


def test_a_search_file_says_the_size_and_the_limit_the_form(
    folder: Path, tmp_path: Path, data_cache: DataCache
) -> None:
    splits = {name: {"images": name, "annotations": f"annotations/instances_{name}.json"} for name in ("train", "val")}
    file = tmp_path / "search.yaml"
    proxy = {"preset": "cpu-small", "image_size": 96}
    file.write_text(yaml.safe_dump({"space": "spinenet-49", "data": {"root": str(folder), **splits}, "proxy": proxy}))
    assert data_cache(tmp_path / "cache", str(file)).status == 0
    # 6 images of 96 x 96 x 3 are 165,888 bytes.
    assert data_cache(tmp_path / "cache", str(file), limit="165K").status == 0
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
def test_a_mistake_is_one_line(
    folder: Path, tmp_path: Path, data_cache: DataCache, arguments: tuple[str, ...], message: str
) -> None:
    arguments = tuple(str(folder) if argument == "DIR" else argument for argument in arguments)
    result = data_cache(tmp_path, *arguments, limit="50K")
    assert result.status == 2
    assert message in result.err
    assert "Traceback" not in result.err


def test_damage_is_reported_and_mended_by_the_next(folder: Path, tmp_path: Path, data_cache: DataCache) -> None:
    arguments = (str(folder), "--image-size", "64", "--verify")
    assert data_cache(tmp_path, *arguments).status == 0
    path = next(tmp_path.glob("*/images.bin"))
    content = bytearray(path.read_bytes())
    content[99] ^= 4
    path.write_bytes(content)
    damaged = data_cache(tmp_path, *arguments)
    assert damaged.status == 2
    assert f"{path.parent}: damaged" in damaged.err
    assert data_cache(tmp_path, *arguments).status == 0


def test_what_is_there_is_listed_and_pruned(folder: Path, tmp_path: Path, data_cache: DataCache) -> None:
    # Raw: train 6 x 3 x 64 x 64 = 73,728 bytes; val 3 x 3 x 64 x 64 = 36,864, made after it.
    assert data_cache(tmp_path, str(folder), "--image-size", "64").status == 0
    lines = data_cache(tmp_path, "--list", total="120K").out.splitlines()
    assert re.fullmatch(
        r"raw    64 px         6 images     0\.1 MB  used 20\d\d-\d\d-\d\d \d\d:\d\d UTC  .*/instances_train\.json",
        lines[0],
    )
    assert lines[1].endswith("/instances_val.json")
    assert lines[2:] == [f"{tmp_path}: 0.1 MB of at most 0.1 MB"]
    pruned = data_cache(tmp_path, "--prune", "--json", total="110K").out
    removed, _, document = pruned.partition("\n")
    assert re.fullmatch(r"removed raw-64-[0-9a-f]{32}: 0\.1 MB, used .* UTC", removed)
    listed = json.loads(document)
    assert (listed["folder"], listed["total_bytes"]) == (str(tmp_path), 110_000)
    (left,) = listed["splits"]
    assert (left["form"], left["image_size"], left["num_images"], left["num_bytes"]) == ("raw", 64, 3, 36_864)
    assert data_cache(tmp_path, "--prune", total="0").out.count("removed raw-64-") == 1
    assert json.loads(data_cache(tmp_path, "--list", "--json").out)["splits"] == []
