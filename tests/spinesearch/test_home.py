from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from spinesearch.composition import open_home_artifacts
from spinesearch.home import Home
from trainer.task import DEFAULT_CACHE_BYTES, ImageForm


def test_the_cache_is_in_the_home_unless_the_environment_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINESEARCH_HOME", str(tmp_path / "home"))
    for name in ("SPINESEARCH_CACHE", "SPINESEARCH_CACHE_LIMIT", "SPINESEARCH_CACHE_TOTAL"):
        monkeypatch.delenv(name, raising=False)
    cache = Home.from_environment().image_cache(ImageForm.JPEG)
    assert (cache.folder, cache.form, cache.limit_bytes) == (
        tmp_path / "home" / "cache",
        ImageForm.JPEG,
        DEFAULT_CACHE_BYTES,
    )
    monkeypatch.setenv("SPINESEARCH_CACHE", str(tmp_path / "scratch"))
    monkeypatch.setenv("SPINESEARCH_CACHE_LIMIT", "200G")
    cache = Home.from_environment().image_cache(ImageForm.RAW)
    assert (cache.folder, cache.limit_bytes) == (tmp_path / "scratch", 200_000_000_000)
    assert not (tmp_path / "home").exists()


def test_artifacts_are_kept_as_long_as_their_searches_unless_the_environment_says_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINESEARCH_HOME", str(tmp_path))
    monkeypatch.delenv("SPINESEARCH_KEEP_ARTIFACTS_DAYS", raising=False)
    assert open_home_artifacts(Home.from_environment()).kept_for is None
    monkeypatch.setenv("SPINESEARCH_KEEP_ARTIFACTS_DAYS", "30")
    assert open_home_artifacts(Home.from_environment()).kept_for == timedelta(days=30)
    monkeypatch.setenv("SPINESEARCH_KEEP_ARTIFACTS_DAYS", "0")
    with pytest.raises(ValueError, match="SPINESEARCH_KEEP_ARTIFACTS_DAYS: '0': must be an integer of at least 1"):
        Home.from_environment()


GIB = 2**30


@pytest.mark.parametrize(
    ("limit", "total", "expected"),
    [
        ("", "", (64 * GIB, 256 * GIB)),
        ("300G", "", (300_000_000_000, 300_000_000_000)),
        ("", "500G", (64 * GIB, 500_000_000_000)),
        ("", "50G", (50_000_000_000, 50_000_000_000)),
        ("60G", "50G", (50_000_000_000, 50_000_000_000)),
        ("60G", "0", (0, 0)),
    ],
)
def test_one_split_never_may_take_more_than_all(
    limit: str, total: str, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINESEARCH_CACHE_LIMIT", limit)
    monkeypatch.setenv("SPINESEARCH_CACHE_TOTAL", total)
    cache = Home.from_environment().image_cache(ImageForm.RAW)
    assert (cache.limit_bytes, cache.total_bytes) == expected
    with pytest.raises(ValueError, match="for one split"):
        replace(cache, limit_bytes=cache.total_bytes + 1)


@pytest.mark.parametrize("name", ["SPINESEARCH_CACHE_LIMIT", "SPINESEARCH_CACHE_TOTAL"])
def test_a_limit_that_is_no_number_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "much")
    with pytest.raises(ValueError, match=f"{name}: 'much'"):
        Home.from_environment()
