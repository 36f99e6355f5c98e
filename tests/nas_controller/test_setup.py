"""Feasible shares of the examples, seeds, and what a reward depends on."""

from pathlib import Path
from typing import Any

import pytest

from nas_controller.search_config import SearchConfig, load_search_file
from nas_controller.setup import derive_seed, measurement_key
from search_space.budget import feasible_share
from search_space.spaces import find_space
from trainer.task import TRAINER_VERSION

DOCUMENT: dict[str, Any] = {"space": "spinenet-49", "data": "generated", "proxy": {"preset": "cpu-demo"}}
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_at_least_a_twentieth_of_an_examples_space_is_inside_its_budget(example: Path) -> None:
    config = load_search_file(example)
    share = feasible_share(find_space(config.space), config.flops_budget(), config.target_network(), draws=300, seed=1)
    assert share.interval[0] >= 0.05


def test_seeds_differ_by_purpose_and_repeat_by_value() -> None:
    seeds = [derive_seed(7, purpose, number) for purpose in ("proxy", "reevaluate") for number in range(1000)]
    assert len(set(seeds)) == 2000
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert derive_seed(7, "proxy", 3) == seeds[3]


def key_of(data_hash: str = "data", **changes: Any) -> str:
    return measurement_key(SearchConfig.from_document({**DOCUMENT, **changes}), data_hash)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "another"},
        {"space": "r0-sp53"},
        {"budget": {"multiply_adds": "28G"}},
        {"algorithm": {"name": "random", "seed": 9}},
        {"limits": {"trials": 7}},
        {"workers": [{"count": 9}]},
        {"reevaluate": {"top": 0}},
        {"duplicates": {"policy": "reuse"}},
        {"proxy": SearchConfig.from_document(DOCUMENT).task().to_document()},
    ],
)
def test_what_does_not_change_a_networks_reward_is_not_in_its_key(changes: dict[str, Any]) -> None:
    assert key_of(**changes) == key_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"data_hash": "other data"},
        {"proxy": {"preset": "cpu-demo", "steps": 141}},
        {"proxy": {"preset": "cpu-demo", "precision": "fp32"}},
        {"evaluator": "mine:evaluate"},
        {"reward": {"metric": "ap50"}},
        {"target": {"width_scale": 0.5}},
    ],
)
def test_what_changes_a_networks_reward_is_in_its_key(changes: dict[str, Any]) -> None:
    assert key_of(**changes) != key_of()


def test_a_new_trainer_measures_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of()
    monkeypatch.setattr("nas_controller.setup.TRAINER_VERSION", TRAINER_VERSION + 1)
    assert key_of() != before


def test_the_stored_document_has_the_key_of_the_one_that_was_written() -> None:
    stored = SearchConfig.from_document(DOCUMENT).to_document()
    assert measurement_key(SearchConfig.from_document(stored), "data") == key_of()
