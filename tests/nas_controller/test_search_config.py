"""The search document: what is accepted, what is filled in, and what each error says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas_controller.search_config import SearchConfig, SearchConfigError, load_search_file
from nas_controller.section import parse_number
from trainer.latency_task import LatencyProtocol

MINIMAL: dict[str, Any] = {"space": "spinenet-49", "data": "generated"}
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def test_only_space_and_data_have_no_default() -> None:
    config = SearchConfig.from_document(MINIMAL)
    assert (config.limits.trials, config.algorithm.name, config.reward.metric) == (100, "mixed", "ap")
    assert config.duplicates.policy == "remeasure"
    assert (config.early_stopping.rule, config.task().measure_at) == ("none", ())
    assert (config.attempts.checkpoint_seconds, config.attempts.time_limit_minutes) == (60, None)
    for name in MINIMAL:
        with pytest.raises(SearchConfigError, match=f"^{name}: Field required"):
            SearchConfig.from_document({key: value for key, value in MINIMAL.items() if key != name})


def test_a_document_with_defaults_filled_in_reads_back_equal() -> None:
    document = SearchConfig.from_document(MINIMAL).to_document()
    assert SearchConfig.from_document(json.loads(json.dumps(document))).to_document() == document


def test_early_stopping_says_where_ap_is_measured() -> None:
    rule = {"rule": "median", "at": [0.2, 0.6]}
    config = SearchConfig.from_document({**MINIMAL, "early_stopping": rule})
    assert config.task().measure_at == (0.2, 0.6)
    document = json.loads(json.dumps(config.to_document()))
    assert document["proxy"]["measure_at"] == [0.2, 0.6]
    assert SearchConfig.from_document(document) == SearchConfig.from_document({**document, "early_stopping": rule})
    alone = SearchConfig.from_document({**MINIMAL, "proxy": {"preset": "cpu-small", "measure_at": [0.9]}})
    assert alone.task().measure_at == (0.9,)


@pytest.mark.parametrize(
    ("text", "number"),
    [("350M", 350e6), ("3.5e9", 3.5e9), ("26.9 G", 26.9e9), ("1_000", 1000.0), ("14k", 14000.0), ("2B", 2e9)],
)
def test_numbers_in_the_spellings_that_people_use(text: str, number: float) -> None:
    assert parse_number(text) == pytest.approx(number, rel=1e-12)


def test_the_default_budget_is_that_of_the_space() -> None:
    budget = SearchConfig.from_document(MINIMAL).flops_budget()
    assert budget.centre == 28_261_990_400  # SpineNet-49 at 640 px, backbone with endpoints
    assert budget.tolerance == 0.05


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        ({"space": "spinenet-50"}, "space", "'spinenet-50': unknown; the spaces are r35-sp18"),
        ({"limits": {"trials": 0}}, "limits.trials", "greater than or equal to 1 (given: 0)"),
        ({"limits": {"trial": 5}}, "limits.trial", "Extra inputs are not permitted (given: 5)"),
        ({"budget": {"relative_to": "spinenet-51"}}, "budget.relative_to", "'spinenet-51'"),
        ({"budget": {"tolerance": 0.1}}, "budget", "give exactly one of relative_to and multiply_adds"),
        ({"proxy": {"preset": "huge"}}, "proxy.preset", "'huge': must be one of"),
        ({"proxy": {"preset": "paper", "batch_size": 1}}, "proxy.batch_size", "1: must be at least 2"),
        ({"proxy": {"preset": "paper", "batchsize": 8}}, "proxy.batchsize", "unknown"),
        (
            {"algorithm": {"name": "magic"}},
            "algorithm.name",
            "should be 'mixed', 'guided', 'reinforce'",
        ),
        ({"workers": []}, "workers", "at least 1 item"),
        ({"workers": [{"count": 0}]}, "workers.0.count", "greater than or equal to 1"),
        ({"reevaluate": {"references": ["resnet-51"]}}, "reevaluate.references.0", "'resnet-51'"),
        ({"evaluator": "no spaces allowed"}, "evaluator", "pattern"),
        ({"data": {"root": "x"}}, "data.train", "Field required"),
        ({"name": "a/b"}, "name", "pattern"),
        ({"reward": {"metric": "loss"}}, "reward.metric", "'ap' or 'ap50'"),
        ({"reward": {"targets": [{"cost": "watts", "target": 5}]}}, "reward.targets.0.cost", "'parameters' or"),
        ({"reward": {"targets": [{"cost": "parameters", "target": 0}]}}, "reward.targets.0.target", "greater than 0"),
        (
            {"reward": {"targets": [{"cost": "parameters", "target": n} for n in ("20M", "30M")]}},
            "reward.targets",
            "two targets of parameters: give one",
        ),
        (
            {"reward": {"targets": [{"cost": "latency_ms", "target": 20}]}},
            "reward.targets",
            "latency_ms is not measured: give latency too, e.g. latency: {}",
        ),
        ({"latency": {"rounds": 5}}, "latency.rounds", "greater than or equal to 6"),
        ({"latency": {"seconds": 5}}, "latency.seconds", "Extra inputs are not permitted"),
        ({"latency": {}, "workers": [{"cpus": 1}, {"cpus": 2}]}, "workers", "give all pools the same cpus"),
        ({"latency": {}, "workers": [{"gpus": 0.5}]}, "workers", "on a GPU that workers share: give whole gpus"),
        ({"early_stopping": {"rule": "hyperband"}}, "early_stopping.rule", "'none', 'median' or 'successive_halving'"),
        ({"early_stopping": {"rule": "median", "at": []}}, "early_stopping.at", "at least 1 item"),
        ({"early_stopping": {"rule": "median", "at": [0.5, 0.25]}}, "early_stopping.at", "must rise in (0, 1)"),
        ({"early_stopping": {"rule": "median", "at": [0.5, 1]}}, "early_stopping.at", "must rise in (0, 1)"),
        ({"early_stopping": {"eta": 1}}, "early_stopping.eta", "greater than 1 (given: 1)"),
        ({"early_stopping": {"min_trials": 0}}, "early_stopping.min_trials", "greater than or equal to 1"),
        (
            {"early_stopping": {"rule": "median"}, "proxy": {"preset": "cpu-small", "measure_at": [0.1]}},
            "proxy.measure_at",
            "leave it out: early_stopping.at says where AP is measured",
        ),
        ({"proxy": {"preset": "cpu-small", "measure_at": [2]}}, "proxy.measure_at", "must rise in (0, 1)"),
        ({"attempts": {"checkpoint_seconds": 0}}, "attempts.checkpoint_seconds", "greater than 0"),
        ({"attempts": {"time_limit_minutes": -1}}, "attempts.time_limit_minutes", "greater than 0"),
        ({"duplicates": {"policy": "skip"}}, "duplicates.policy", "'remeasure' or 'reuse' (given: 'skip')"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(change: dict[str, Any], place: str, message: str) -> None:
    with pytest.raises(SearchConfigError) as caught:
        SearchConfig.from_document({**MINIMAL, **change})
    assert caught.value.place == place
    assert message in str(caught.value)


def test_a_latency_is_asked_for_by_its_protocol_or_with_the_defaults_of_one() -> None:
    without = SearchConfig.from_document(MINIMAL).to_document()
    assert "latency" not in without, "documents that ask for none are what they were"
    asked = SearchConfig.from_document({**MINIMAL, "target": {"image_size": 320}, "latency": {}})
    document = asked.to_document()
    assert document["latency"]["image_size"] == 320
    assert SearchConfig.from_document(document).to_document() == document
    assert asked.latency is not None
    assert asked.latency.protocol() == LatencyProtocol()
    other = SearchConfig.from_document({**MINIMAL, "latency": {"image_size": 96, "rounds": 7, "slack": "0.5"}})
    assert other.latency is not None
    assert other.latency.protocol() == LatencyProtocol(rounds=7, slack=0.5)
    assert other.timed_network() == replace(other.target_network(), image_size=96)


def test_a_relative_data_root_is_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "searches" / "a.yaml"
    file.parent.mkdir()
    split = "{images: i, annotations: a.json}"
    file.write_text(f"space: spinenet-49\ndata: {{root: ../photos, train: {split}, val: {split}}}\n")
    config = load_search_file(file)
    assert config.data != "generated"
    assert config.data.root == tmp_path / "photos"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"space: [", "not YAML"),
        (b"- a\n- b\n", "a search is a mapping"),
        (b"space: !!python/object/apply:os.getcwd []\n", "not YAML"),
        (b"\xff\xfe\x00", "not YAML"),
    ],
)
def test_a_file_that_is_no_search_document_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "search.yaml"
    file.write_bytes(content)
    with pytest.raises(SearchConfigError, match=message):
        load_search_file(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SearchConfigError, match=r"nowhere\.yaml: No such file"):
        load_search_file(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_search_document(example: Path) -> None:
    load_search_file(example)


def test_there_are_examples() -> None:
    assert {path.stem for path in EXAMPLES} >= {"generated", "bccd", "coco-2017"}
