"""One service for the tests that only ask."""

from collections.abc import Iterator

import pytest

from spinesearch.client import Client
from tests.integration.service import running_service


@pytest.fixture(scope="module")
def service_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a service without searches."""
    with running_service(tmp_path_factory.mktemp("home")) as (_, client):
        yield client
