"""Algorithms by name, and their settings."""

from typing import get_args

import pytest

from nas_controller.algorithms.controlled import Controlled
from nas_controller.algorithms.decomposed import Decomposed
from nas_controller.algorithms.evolution import RegularizedEvolution
from nas_controller.algorithms.guided import Guided
from nas_controller.algorithms.local_search import LocalSearch
from nas_controller.algorithms.mixed import Mixed
from nas_controller.algorithms.optuna_search import OptunaCmaEs, OptunaNsga2, OptunaTpe
from nas_controller.algorithms.random_search import RandomSearch
from nas_controller.algorithms.reinforce import Reinforce
from nas_controller.algorithms.reinforce_recurrent import ReinforceRecurrent
from nas_controller.algorithms.table import ALGORITHM_NAMES, configured_algorithm, make_algorithm
from nas_controller.search_config import Algorithm, SearchConfig
from search_space.spaces import R35_SP18


def test_every_name_that_a_search_may_give_is_made() -> None:
    assert set(get_args(Algorithm.model_fields["name"].annotation)) == set(ALGORITHM_NAMES)
    assert isinstance(make_algorithm("random", R35_SP18, 1, {}), RandomSearch)
    assert isinstance(make_algorithm("reinforce", R35_SP18, 1, {"learning_rate": 0.01, "horizon": 50}), Reinforce)
    recurrent = make_algorithm("reinforce_recurrent", R35_SP18, 1, {"ratio_clip": 0.2})
    assert isinstance(recurrent, ReinforceRecurrent)
    assert isinstance(make_algorithm("evolution", R35_SP18, 1, {"population": 20}), RegularizedEvolution)
    assert isinstance(make_algorithm("local_search", R35_SP18, 1, {"parents": 3}), LocalSearch)
    assert isinstance(make_algorithm("guided", R35_SP18, 1, {"initial": 10}), Guided)
    assert isinstance(make_algorithm("optuna_tpe", R35_SP18, 1, {"initial": 10}), OptunaTpe)
    assert isinstance(make_algorithm("optuna_nsga2", R35_SP18, 1, {"population": 20}), OptunaNsga2)
    assert isinstance(make_algorithm("optuna_cmaes", R35_SP18, 1, {}), OptunaCmaEs)
    assert isinstance(make_algorithm("mixed", R35_SP18, 1, {"initial": 10, "horizon": 50}), Mixed)


def test_a_document_may_want_controls_and_a_front() -> None:
    wanted = {"space": "r35-sp18", "data": "generated", "algorithm": {"name": "random", "control_share": 0.1}}
    assert isinstance(configured_algorithm(SearchConfig.from_document(wanted), R35_SP18), Controlled)
    wanted = {"space": "r35-sp18", "data": "generated", "front": {"low": "20G", "high": "30G"}}
    assert isinstance(configured_algorithm(SearchConfig.from_document(wanted), R35_SP18), Decomposed)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("tpe", {}, "algorithm.name: 'tpe': must be one of random, evolution, local_search, guided, reinforce"),
        ("local_search", {"parents": 0}, "algorithm.settings.parents: 0: must be 1 to 200"),
        ("mixed", {"initial": 5.5}, "algorithm.settings.initial: 5.5: must be a whole number"),
        ("optuna_nsga2", {"population": 1}, "algorithm.settings.population: 1: must be 2 to 1000"),
        ("random", {"learning_rate": 0.1}, "algorithm.settings.learning_rate: unknown; random has no settings"),
        ("reinforce", {"lr": 0.1}, "algorithm.settings.lr: unknown; known are learning_rate, horizon"),
        ("reinforce", {"learning_rate": 2.0}, "algorithm.settings.learning_rate: 2.0: must be 1e-06 to 1"),
        ("reinforce", {"importance": 0.5}, "algorithm.settings.importance: 0.5: must be 0, 1 or 2"),
        ("reinforce_recurrent", {"memory": 0.1}, "algorithm.settings.memory: unknown; known are learning_rate"),
        ("reinforce", {"horizon": float("nan")}, "algorithm.settings.horizon: nan: must be 1 to 1e+07"),
    ],
)
def test_what_is_wrong_is_named(name: str, settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is compared below
        make_algorithm(name, R35_SP18, 1, settings)
    assert str(error.value).startswith(message)
