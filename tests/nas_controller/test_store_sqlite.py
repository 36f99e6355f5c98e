"""The store in SQLite: the contract, and what only a file has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from tests.conformance.store_suite import StoreSuite


class TestSqliteStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = open_store(f"sqlite:///{tmp_path / 'searches.sqlite'}")
        yield store
        store.close()
