"""The variants of REINFORCE that `bench algorithms --ablations` compares."""

import json
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from nas_controller.algorithms.policy_gradient import PolicyGradientSettings
from nas_controller.algorithms.table import make_algorithm
from search_space.spaces import R35_SP18
from spinesearch.bench import ablations, algorithm_tasks, many_searches
from spinesearch.bench.ablations import ABLATIONS
from spinesearch.bench.algorithm_tasks import QUICK_PLAN
from spinesearch.cli import app


def test_each_variant_is_made_and_differs_from_the_default_in_what_it_names() -> None:
    assert len({one.name for one in ABLATIONS}) == len(ABLATIONS)
    default = asdict(PolicyGradientSettings())
    for one in ABLATIONS:
        make_algorithm(one.algorithm, R35_SP18, 1, dict(one.settings))
        assert all(default[name] != value for name, value in one.settings), one.name


def test_the_command_compares_the_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = replace(QUICK_PLAN, spaces=("r35-sp18",), kinds=("additive",), budgets=(20, 30))
    monkeypatch.setattr(algorithm_tasks, "QUICK_PLAN", tiny)
    monkeypatch.setattr(many_searches, "NUM_PROCESSES", 1)  # each begins with an import of torch
    monkeypatch.setattr(ablations, "ABLATIONS", ABLATIONS[-1:])
    done = CliRunner().invoke(app, ["bench", "algorithms", "--quick", "--ablations", "--seeds", "1", "--json"])
    assert done.exit_code == 0, done.output
    assert [row["contender"] for row in json.loads(done.stdout)["rows"]] == ["the papers' controller"]
