"""Schemathesis sends what the OpenAPI document allows, and what it does not, and holds each answer against it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import allow_header_conformance, positive_data_acceptance, unsupported_method

from api.app import create_app
from nas_controller.records import SearchState
from nas_controller.store.memory import MemoryStore
from tests.api.searches import write_small_search
from tests.api.serving import BEARER, make_settings, serve

SEARCH_ID = "blood-cells-000001"
# `GET /searches/{id}:pause` is `GET /searches/{id}` of a search that cannot exist: 404, not 405.
# A search document and a page token obey rules that a JSON schema cannot say.
EXCLUDED = [unsupported_method, allow_header_conformance, positive_data_acceptance]
schema = schemathesis.openapi.from_dict(create_app(MemoryStore(), None, make_settings()).openapi())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    store = MemoryStore()
    write_small_search(store).finish(SearchState.SUCCEEDED, "")  # final, so that event streams end
    with serve(create_app(store, None, make_settings())) as url:  # type: ignore[arg-type]
        yield url


@schema.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_service_keeps_its_published_interface(case: schemathesis.Case[Any], url: str) -> None:
    search_id = case.path_parameters.get("search_id")
    if isinstance(search_id, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", search_id):
        case.path_parameters["search_id"] = SEARCH_ID
    case.call_and_validate(base_url=url, headers=BEARER, excluded_checks=EXCLUDED)
