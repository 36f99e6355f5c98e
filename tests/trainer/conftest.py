"""Data sets for the tests of the trainer: a small generated one, and real ones where they are at hand."""

from pathlib import Path

import pytest

from trainer.data.generated import generate
from trainer.task import DataSource

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    """A generated data set of 20 + 6 images of 64 pixels. Tests only read it."""
    return generate(tmp_path_factory.mktemp("data") / "small", num_train=20, num_val=6, image_size=64)


def _shared(name: str) -> Path:
    directory = SHARED_DATA / name
    if not directory.is_dir():
        pytest.skip(f"no real images at {directory}")
    return directory


@pytest.fixture
def coco128() -> Path:
    """128 images of COCO train2017."""
    return _shared("coco128")


@pytest.fixture
def bccd() -> Path:
    """Photos of blood cells, train and val."""
    return _shared("bccd")
