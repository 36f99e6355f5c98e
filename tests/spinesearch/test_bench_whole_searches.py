"""`bench searches`: its searches in virtual time, what is not run twice, and the tables by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from nas_controller.dispatch.simulated import SimulatedDispatcher, VirtualClock
from nas_controller.records import Search, SearchState
from nas_controller.search_config import SearchConfig, SearchConfigError
from nas_controller.search_loop import run_search
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from spinesearch.bench import whole_searches
from spinesearch.bench.claimed_search import claimed_search
from spinesearch.bench.whole_searches import Found, documents, rows_of, run_whole_searches, shortened
from spinesearch.bench.whole_searches_table import as_markdown
from spinesearch.home import Home
from tests.nas_controller.test_search_loop import measured, seconds

CONFIG = SearchConfig.from_document(
    {
        "name": "cells",
        "space": "r0-sp53",
        "data": "generated",
        "algorithm": {"name": "evolution", "seed": 5, "settings": {"population": 10, "sample": 3}},
        "limits": {"trials": 12},
        "reevaluate": {"top": 2, "seeds": 3, "references": ["r0-sp53"]},
    }
)
HOME = Home(path=Path("nowhere"), database_url="sqlite://", ray_address=None)
QUIET = Console(quiet=True)
Run = Callable[[Store, Home, SearchConfig, Console], Search]


def ended_at_once(store: Store, home: Home, config: SearchConfig, console: Console) -> Search:
    """Runs the search with simulated workers, in no time."""
    clock = VirtualClock()
    search = claimed_search(store, config, SimulatedDispatcher(3, seconds, measured, clock), clock.now)
    for _state in run_search(search):
        pass
    return store.get_search(search.search_id)


def never(store: Store, home: Home, config: SearchConfig, console: Console) -> Search:
    raise AssertionError(f"{config.name} is run again")


def run_with(monkeypatch: pytest.MonkeyPatch, run: Run, store: Store) -> whole_searches.WholeSearchesReport:
    monkeypatch.setattr(whole_searches, "run_to_its_end", run)
    return run_whole_searches(CONFIG, ["evolution", "random"], 2, store, HOME, QUIET)


def test_each_algorithm_gets_each_seed_and_nothing_is_run_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    report = run_with(monkeypatch, ended_at_once, store)
    run = [(found.algorithm, found.seed) for found in report.found]
    assert run == [("evolution", 5), ("random", 5), ("evolution", 6), ("random", 6)]
    assert [row.algorithm for row in report.rows] == ["evolution", "random"]
    assert [(row.name, row.val_ap > 0) for row in report.references] == [("r0-sp53", True)]
    assert run_with(monkeypatch, never, store) == report


def test_what_counts_is_the_trial_with_the_best_reward_measured_on_val(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    for found in run_with(monkeypatch, ended_at_once, store).found:
        trials = [trial for trial in store.list_trials(found.search, 1000) if trial.reward is not None]
        best = max(trials, key=lambda trial: trial.reward or 0.0)
        assert found.val_ap == best.val_average_precision
        assert found.val_error == best.val_standard_error is not None
        rewards = [trial.reward or 0.0 for trial in trials]
        assert found.best_rewards == (max(rewards[:3]), max(rewards[:6]), max(rewards))
        assert found.later_reward == pytest.approx(sum(rewards[6:]) / 6)
        assert (found.num_trained, found.num_failed) == (12, 0)


def test_settings_are_those_of_the_documents_own_algorithm() -> None:
    first, other, second, _ = documents(CONFIG, ["evolution", "random"], 2)
    assert first.algorithm.settings == second.algorithm.settings == {"population": 10, "sample": 3}
    assert other.algorithm.settings == {}
    assert [each.reevaluate.references for each in (first, other, second)] == [("r0-sp53",), (), ()]
    assert [each.name for each in (first, other)] == ["cells evolution 5", "cells random 5"]


def test_an_unknown_algorithm_is_refused_before_anything_runs() -> None:
    with pytest.raises(SearchConfigError, match=r"algorithm\.name"):
        documents(CONFIG, ["evolution", "magic"], 1)


@pytest.mark.parametrize(
    ("state", "message"),
    [(SearchState.RUNNING, "was interrupted; the same command"), (SearchState.PAUSED, "paused: too many failed")],
)
def test_a_search_that_did_not_end_is_no_result(
    state: SearchState, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends_there(store: Store, home: Home, config: SearchConfig, console: Console) -> Search:
        return replace(ended_at_once(store, home, config, console), state=state, reason="too many failed")

    with pytest.raises(ValueError, match=message):
        run_with(monkeypatch, ends_there, MemoryStore())


def test_a_search_without_reevaluation_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_searches, "run_to_its_end", ended_at_once)
    document = CONFIG.to_document() | {"reevaluate": {"top": 0}}
    with pytest.raises(ValueError, match=r"no trial was measured on val; `reevaluate\.top` must be at least 1"):
        run_whole_searches(SearchConfig.from_document(document), ["random"], 1, MemoryStore(), HOME, QUIET)


def found_with(algorithm: str, seed: int, val_ap: float) -> Found:
    return Found(
        algorithm=algorithm,
        seed=seed,
        search=f"{algorithm}-{seed}",
        val_ap=val_ap,
        val_error=0.01,
        top_val_ap=val_ap - 0.1,
        best_rewards=(0.1, 0.2, 0.3),
        later_reward=0.15,
        num_trained=40,
        num_failed=1,
    )


def test_the_table_is_of_paired_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"mixed": (0.5, 0.6, 0.7), "random": (0.4, 0.49, 0.61)}
    found = [found_with(name, seed, each[seed]) for seed in range(3) for name, each in values.items()]
    mixed, random = rows_of(found)
    assert mixed.val_ap == pytest.approx((0.6, 0.1 / 3**0.5))
    # Gains 0.10, 0.11 and 0.09: t is 17.3 with two degrees of freedom.
    assert random.gain == pytest.approx((0.1, 0.01 / 3**0.5))
    assert random.gain_chance == pytest.approx(0.00332, abs=1e-4)
    report = replace(run_with(monkeypatch, ended_at_once, MemoryStore()), rows=(mixed, random), found=tuple(found))
    lines = as_markdown(report).splitlines()
    assert lines[2].startswith("| mixed | 0.600 ± 0.058 | 0.500 ± 0.058 | 0.100 ± 0.000 |")
    assert lines[3].endswith("| +0.100 ± 0.006 (p = 0.003) |")
    assert "| mixed, seed 0 | 0.500 ± 0.010 | 0.400 | 0.300 | 0.150 | 40 | 1 | mixed-0 |" in lines


def test_a_quick_run_is_a_few_trials_of_the_same_search() -> None:
    quick = shortened(CONFIG)
    assert (quick.limits.trials, quick.reevaluate.references) == (whole_searches.QUICK_TRIALS, ())
    assert quick.algorithm == CONFIG.algorithm
