"""What the tests of XLA share. They run in an environment of their own: `make test-xla`."""

import pytest

from tests.xla.compilations import NUM_TRAIN, NUM_VAL
from trainer.data.generated import generate
from trainer.task import DataSource


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    """Generated images of 64 pixels, 20 to learn from (4 of them held out), and 40. Tests only read it."""
    return generate(tmp_path_factory.mktemp("data") / "small", num_train=NUM_TRAIN, num_val=NUM_VAL, image_size=64)
