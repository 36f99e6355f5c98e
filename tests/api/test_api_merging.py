from typing import Any

import pytest

from api.merging import cloned_document, merge_patch
from nas_controller.search_config import SearchConfig


@pytest.mark.parametrize(
    ("document", "patch", "merged"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_its_rfc_says(document: Any, patch: Any, merged: Any) -> None:
    assert merge_patch(document, patch) == merged


def clone(patch: dict[str, Any], **document: Any) -> SearchConfig:
    config = SearchConfig.from_document({"space": "spinenet-49", "data": "generated", **document}).to_document()
    return SearchConfig.from_document(cloned_document(config, patch))


def test_a_clone_without_a_patch_is_the_same_document() -> None:
    stopping = {"rule": "median", "at": [0.5]}
    for document in ({}, {"early_stopping": stopping, "limits": {"trials": 7}}):
        original = SearchConfig.from_document({"space": "spinenet-49", "data": "generated", **document}).to_document()
        assert clone({}, **document).to_document() == original


def test_what_follows_from_something_that_is_patched_follows_again() -> None:
    assert clone({"limits": {"trials": 7}}).to_document()["algorithm"]["settings"]["horizon"] == 7
    kept = {"name": "reinforce", "settings": {"horizon": 50}}
    assert clone({"limits": {"trials": 7}}, algorithm=kept).algorithm.settings["horizon"] == 50
    assert clone({"algorithm": {"name": "random"}}).to_document()["algorithm"]["settings"] == {}
    stopping = {"rule": "median", "at": [0.5]}
    patched = clone({"early_stopping": {"at": [0.25, 0.75]}}, early_stopping=stopping)
    assert patched.task().measure_at == (0.25, 0.75)
    assert clone({"proxy": {"preset": "gpu-small"}}).task() == clone({}, proxy={"preset": "gpu-small"}).task()
    mobile = clone({"space": "eff-spinenet-b0"}, budget={"relative_to": "spinenet-49"})
    assert (mobile.budget, mobile.target) == (None, clone({}, space="eff-spinenet-b0").target)
    front = {"low": "20G", "high": "40G"}
    assert clone({"space": "r0-sp53"}, front=front).front is None
    assert clone({"limits": {"trials": 7}}, front=front).front == clone({}, front=front).front is not None
    budget = {"budget": {"multiply_adds": 10**10}}
    assert clone({"space": "r0-sp53", **budget}).flops_budget().centre == 10**10
