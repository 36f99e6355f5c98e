"""Feasible shares of the examples, seeds, and what a reward depends on."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nas_controller.records import Job, JobKind, JobState
from nas_controller.search_config import SearchConfig, load_search_file
from nas_controller.setup import SearchSetup, derive_seed, measurement_key
from search_space.budget import feasible_share
from search_space.spaces import find_space
from trainer.session import Checkpoint
from trainer.task import TRAINER_VERSION, CocoSource, DataSource, Split

DOCUMENT: dict[str, Any] = {"space": "spinenet-49", "data": "generated", "proxy": {"preset": "cpu-tiny"}}
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
        {"workers": [{"count": 9, "gpus": 0.25}]},
        {"reevaluate": {"top": 0}},
        {"duplicates": {"policy": "reuse"}},
        {"early_stopping": {"rule": "median", "at": [0.1, 0.3]}},
        {"attempts": {"checkpoint_seconds": 5, "time_limit_minutes": 9}},
        {"proxy": {"preset": "cpu-tiny", "measure_at": [0.5]}},
        {"proxy": SearchConfig.from_document(DOCUMENT).task().to_document()},
    ],
)
def test_what_does_not_change_a_networks_reward_is_not_in_its_key(changes: dict[str, Any]) -> None:
    assert key_of(**changes) == key_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"data_hash": "other data"},
        {"proxy": {"preset": "cpu-tiny", "steps": 141}},
        {"proxy": {"preset": "cpu-tiny", "precision": "fp32"}},
        {"evaluator": "mine:evaluate"},
        {"reward": {"metric": "ap50"}},
        {"reward": {"targets": [{"cost": "parameters", "target": "20M"}]}},
        {"target": {"width_scale": 0.5}},
    ],
)
def test_what_changes_a_networks_reward_is_in_its_key(changes: dict[str, Any]) -> None:
    assert key_of(**changes) != key_of()


def test_a_new_trainer_measures_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of()
    monkeypatch.setattr("nas_controller.setup.TRAINER_VERSION", TRAINER_VERSION + 1)
    assert key_of() != before


def make_setup(**changes: Any) -> SearchSetup:
    config = SearchConfig.from_document({**DOCUMENT, **changes})
    nowhere = CocoSource(images=Path("images"), annotations=Path("a.json"))
    return SearchSetup(
        search_id="s1",
        config=config,
        space=find_space(config.space),
        budget=config.flops_budget(),
        target=config.target_network(),
        task=config.task(),
        data=DataSource(train=nowhere, val=nowhere),
        num_classes=3,
        measurement_key="key",
        artifact_dir=Path("artifacts"),
    )


def make_job(kind: JobKind, checkpoint: Checkpoint | None = None) -> Job:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    job = Job(
        id="j", search_id="s1", trial_number=1, kind=kind, seed=9, state=JobState.QUEUED, num_attempts=0, created_at=at
    )
    return replace(job, checkpoint=checkpoint)


def test_a_request_says_what_its_job_needs() -> None:
    setup = make_setup(
        early_stopping={"rule": "median", "at": [0.5]}, attempts={"checkpoint_seconds": 5, "time_limit_minutes": 2}
    )
    draft = setup.draft_reference("spinenet-49", 1)
    proxy = setup.request(draft, make_job(JobKind.PROXY, Checkpoint(step=3, key="ab" * 32, num_bytes=1)))
    assert (proxy.seed, proxy.split, proxy.task) == (9, Split.REWARD, setup.task)
    assert proxy.task.measure_at == (0.5,)
    assert (proxy.resume_from, proxy.artifact_dir) == ("ab" * 32, Path("artifacts"))
    assert (proxy.checkpoint_seconds, proxy.time_limit_seconds) == (5.0, 120.0)
    on_val = setup.request(draft, make_job(JobKind.REEVALUATE))
    assert (on_val.split, on_val.task, on_val.resume_from) == (Split.VAL, replace(setup.task, measure_at=()), "")
    assert make_setup().request(draft, make_job(JobKind.PROXY)).time_limit_seconds is None


def test_the_stored_document_has_the_key_of_the_one_that_was_written() -> None:
    stored = SearchConfig.from_document(DOCUMENT).to_document()
    assert measurement_key(SearchConfig.from_document(stored), "data") == key_of()
