"""The store in memory keeps every promise but durability."""

import pytest

from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import open_store
from tests.conformance.store_suite import StoreSuite


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


def test_its_url() -> None:
    assert isinstance(open_store("memory:"), MemoryStore)
