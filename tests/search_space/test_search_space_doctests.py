"""The examples in the docstrings of `search_space` hold."""

import doctest
from types import ModuleType

import pytest

from search_space import budget, intervals, plan, published, reference, spec


@pytest.mark.parametrize(
    "module", [budget, intervals, plan, published, reference, spec], ids=lambda module: module.__name__
)
def test_examples(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
