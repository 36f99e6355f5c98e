"""What real searches find: one search document, run by several algorithms with several seeds, trainings and all.

Nothing is simulated. The searches are those of `search run`, stored like any other: a search of the same document that
is there already is not run again, and an interrupted one goes on. What counts is AP on val, of fresh trainings, of the
trial with the best reward: neither split nor seed has chosen it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from nas_controller.records import Search, SearchState, Trial, TrialState
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from spinesearch.bench.many_searches import chance, means, standard_errors
from spinesearch.foreground import is_interrupted, run_to_its_end, search_of
from spinesearch.home import Home

NUM_SEEDS, QUICK_SEEDS, QUICK_TRIALS = 3, 1, 4
MAX_TRIALS = 100_000  # of a search, the infeasible ones counted
SHARES = (0.25, 0.5, 1.0)
"""Of the trials of a search: how good the best reward is by then."""
LATER = 0.5
"""From here on an algorithm has learned something, if it learns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One search.

    Args:
        search: its id in the store.
        val_ap, val_error: of the trial with the best reward: mean and standard error of fresh trainings, on val.
        top_val_ap: mean over all trials that were measured again.
        best_rewards: AP on the reward split, the best so far at `SHARES` of the trials.
        later_reward: mean over the trials in the later half; nothing chose among them.
        num_trained, num_failed: trials with a reward, and those that raised.
    """

    algorithm: str
    seed: int
    search: str
    val_ap: float
    val_error: float | None
    top_val_ap: float
    best_rewards: tuple[float, ...]
    later_reward: float
    num_trained: int
    num_failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmRow:
    """An algorithm over all seeds; pairs of mean and standard error.

    Args:
        val_ap, top_val_ap, later_reward: as in `Found`.
        best_rewards: a pair for each of `SHARES`.
        gain: of the first algorithm over this one in `val_ap`, by seed; nothing for the first.
        gain_chance: that it is none (paired t-test); 1 for the first.
    """

    algorithm: str
    val_ap: tuple[float, float]
    top_val_ap: tuple[float, float]
    best_rewards: tuple[tuple[float, float], ...]
    later_reward: tuple[float, float]
    gain: tuple[float, float]
    gain_chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """A known network, trained as often and measured on val."""

    name: str
    val_ap: float
    val_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeSearchesReport:
    """What was measured; `found` in the order in which it was run."""

    document: str
    num_trials: int
    num_seeds: int
    num_evaluations: int
    rows: tuple[AlgorithmRow, ...]
    references: tuple[ReferenceRow, ...]
    found: tuple[Found, ...]


def run_whole_searches(
    config: SearchConfig, algorithms: Sequence[str], num_seeds: int, store: Store, home: Home, console: Console
) -> WholeSearchesReport:
    """Runs the document with each algorithm and seed, seed by seed.

    Args:
        config: checked; its own seed is the first, and its references are measured once, by the first search.
        algorithms: the first is the one that the others are compared with.
        console: where the progress of each search is shown.

    Raises:
        ValueError: a search paused itself, failed or was interrupted, or another controller runs it; what was run is
            stored.
    """
    configs = documents(config, algorithms, num_seeds)
    searches = [_ended(each, store, home, console) for each in configs]
    found = [found_by(search, store.list_trials(search.id, MAX_TRIALS)) for search in searches]
    return WholeSearchesReport(
        document=config.name,
        num_trials=config.limits.trials,
        num_seeds=num_seeds,
        num_evaluations=config.reevaluate.seeds,
        rows=rows_of(found),
        references=tuple(_reference_row(trial) for trial in store.reference_trials(searches[0].id)),
        found=tuple(found),
    )


def shortened(config: SearchConfig) -> SearchConfig:
    """The same search of a few trials, of which one is measured again, and no reference."""
    document = config.to_document()
    document["algorithm"]["settings"].pop("horizon", None)
    document["limits"]["trials"] = QUICK_TRIALS
    document["reevaluate"] = {"top": 1, "seeds": 1, "references": []}
    return SearchConfig.from_document(document)


def documents(config: SearchConfig, algorithms: Sequence[str], num_seeds: int) -> list[SearchConfig]:
    """Of all searches: every algorithm with a seed, then with the next."""
    made: list[SearchConfig] = []
    for number in range(num_seeds):
        for name in algorithms:
            document = config.to_document()
            document["name"] = f"{config.name} {name} {config.algorithm.seed + number}"
            document["algorithm"] |= {"name": name, "seed": config.algorithm.seed + number}
            if name != config.algorithm.name:
                document["algorithm"]["settings"] = {}
            if made:
                document["reevaluate"]["references"] = []
            made.append(SearchConfig.from_document(document))
    return made


def _ended(config: SearchConfig, store: Store, home: Home, console: Console) -> Search:
    """The search of a document, which is run unless it has been."""
    search = search_of(store, config, [SearchState.SUCCEEDED]) or run_to_its_end(store, home, config, console)
    if is_interrupted(search):
        raise ValueError(f"search {search.id} was interrupted; the same command goes on from here")
    if search.state is not SearchState.SUCCEEDED:
        raise ValueError(f"search {search.id} {search.state}: {search.reason}")
    return search


def found_by(search: Search, trials: Sequence[Trial]) -> Found:
    """What a search that has ended found, by its trials.

    Raises:
        ValueError: none was measured again on val.
    """
    algorithm = SearchConfig.from_document(search.config).algorithm
    trained = [trial for trial in trials if trial.reward is not None]
    rewards = np.array([trial.reward for trial in trained], dtype=np.float64)
    measured = [trial for trial in trained if trial.val_average_precision is not None]
    if not measured:
        raise ValueError(f"search {search.id}: no trial was measured on val; `reevaluate.top` must be at least 1")
    best = max(measured, key=lambda trial: trial.reward or 0.0)
    ends = [max(round(share * len(rewards)), 1) for share in SHARES]
    return Found(
        algorithm=algorithm.name,
        seed=algorithm.seed,
        search=search.id,
        val_ap=best.val_average_precision or 0.0,
        val_error=best.val_standard_error,
        top_val_ap=float(np.mean([trial.val_average_precision for trial in measured])),
        best_rewards=tuple(float(rewards[:end].max()) for end in ends),
        later_reward=float(rewards[int(LATER * len(rewards)) :].mean()),
        num_trained=len(trained),
        num_failed=sum(trial.state is TrialState.FAILED for trial in trials),
    )


def rows_of(found: Sequence[Found]) -> tuple[AlgorithmRow, ...]:
    """The table; each algorithm has the same seeds."""
    by_name: dict[str, list[Found]] = {}
    for each in found:
        by_name.setdefault(each.algorithm, []).append(each)
    first = np.array([each.val_ap for each in next(iter(by_name.values()))])
    return tuple(_row(name, each, first) for name, each in by_name.items())


def _row(name: str, found: Sequence[Found], first: np.ndarray) -> AlgorithmRow:
    gains = first - np.array([each.val_ap for each in found])
    values = np.array(
        [
            [each.val_ap, each.top_val_ap, each.later_reward, gain, *each.best_rewards]
            for each, gain in zip(found, gains, strict=True)
        ]
    )
    val_ap, top_val_ap, later_reward, gain, *best_rewards = zip(means(values), standard_errors(values), strict=True)
    return AlgorithmRow(
        algorithm=name,
        val_ap=val_ap,
        top_val_ap=top_val_ap,
        best_rewards=tuple(best_rewards),
        later_reward=later_reward,
        gain=gain,
        gain_chance=chance(gains),
    )


def _reference_row(trial: Trial) -> ReferenceRow:
    return ReferenceRow(
        name=trial.draft.name, val_ap=trial.val_average_precision or 0.0, val_error=trial.val_standard_error
    )
