"""The published surface of the references has not changed by accident."""

import json

import pytest

from search_space.reference import REFERENCES
from tests.golden.references import PATH, current

GOLDEN = json.loads(PATH.read_text(encoding="utf-8"))
CURRENT = current()


@pytest.mark.parametrize("name", sorted(GOLDEN | dict(REFERENCES)))
def test_reference_is_as_recorded(name: str) -> None:
    hint = "a change that is meant to be seen is recorded by `python -m tests.golden.references`"
    assert CURRENT.get(name) == GOLDEN.get(name), hint
