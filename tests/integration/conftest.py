"""One service for the tests that leave it as it is."""

from collections.abc import Iterator

import pytest

from spinesearch.client import Client
from tests.integration.service import running_service


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a service that starts without searches."""
    with running_service(tmp_path_factory.mktemp("home")) as (_, client):
        yield client
