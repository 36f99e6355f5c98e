from dataclasses import replace
from pathlib import Path

import pytest

from trainer.data.coco import read_coco
from trainer.data.content import content_hash
from trainer.data.generated import generate
from trainer.task import DataSource, TaskError


def hash_of(data: DataSource) -> str:
    return content_hash(data, read_coco(data.train), read_coco(data.val))


def small(folder: Path) -> DataSource:
    return generate(folder, num_train=3, num_val=2, image_size=64)


def test_the_same_content_at_another_place_has_the_same_hash(tmp_path: Path) -> None:
    assert hash_of(small(tmp_path / "a")) == hash_of(small(tmp_path / "b"))


def test_the_division_and_both_splits_are_in_the_hash(tmp_path: Path) -> None:
    data = small(tmp_path / "a")
    before = hash_of(data)
    others = [replace(data, split_seed=1), replace(data, reward_split=0.5), replace(data, val=data.train)]
    assert len({before, *map(hash_of, others)}) == 4
    for source in (data.train, data.val):
        with source.annotations.open("a") as file:
            file.write(" ")
        assert hash_of(data) != before
        before = hash_of(data)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    data = small(tmp_path / "a")
    (data.val.images / "000001.jpg").unlink()
    with pytest.raises(TaskError, match=r"val/000001\.jpg: no such image"):
        hash_of(data)
