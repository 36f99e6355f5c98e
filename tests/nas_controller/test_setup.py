"""Feasible shares of the examples, and seeds."""

from pathlib import Path

import pytest

from nas_controller.search_config import load_search_file
from nas_controller.setup import derive_seed
from search_space.budget import feasible_share
from search_space.spaces import find_space

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_at_least_a_twentieth_of_an_examples_space_is_inside_its_budget(example: Path) -> None:
    config = load_search_file(example)
    share = feasible_share(find_space(config.space), config.flops_budget(), config.target.network(), draws=300, seed=1)
    assert share.interval[0] >= 0.05


def test_seeds_differ_by_purpose_and_repeat_by_value() -> None:
    seeds = [derive_seed(7, purpose, number) for purpose in ("proxy", "reevaluate") for number in range(1000)]
    assert len(set(seeds)) == 2000
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert derive_seed(7, "proxy", 3) == seeds[3]
