"""A served application over an empty memory store."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from tests.api.searches import START
from tests.api.serving import BEARER, make_settings, serve


@pytest.fixture
def store() -> Iterator[Store]:
    store = MemoryStore()
    yield store
    store.close()


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[httpx.Client]:
    """A signed-in client; the service's clock stands still at `START`."""
    app = create_app(store, DirectoryArtifactStore(tmp_path), make_settings(), clock=lambda: START)
    with serve(app) as url, httpx.Client(base_url=url, headers=BEARER) as client:
        yield client
