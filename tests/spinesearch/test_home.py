from pathlib import Path

import pytest

from spinesearch.home import Home
from trainer.task import DEFAULT_CACHE_BYTES, ImageForm


def test_the_cache_is_in_the_home_unless_the_environment_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINESEARCH_HOME", str(tmp_path / "home"))
    for name in ("SPINESEARCH_CACHE", "SPINESEARCH_CACHE_LIMIT"):
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


def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINESEARCH_CACHE_LIMIT", "much")
    with pytest.raises(ValueError, match="SPINESEARCH_CACHE_LIMIT: 'much'"):
        Home.from_environment()
