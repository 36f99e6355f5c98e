"""The table of trainings that `bench algorithms` searches: taken from a search of ours, and judged.

How well the surrogate ranks is Kendall's tau between what was measured and what the other trainings predict, each being
left out in turn. A single training has noise, so tau stays below 1 whatever the model.
"""

from dataclasses import dataclass

import numpy as np
from rich.console import Console
from scipy.stats import bootstrap, kendalltau

from nas_controller.algorithms.versions import versions_here
from nas_controller.records import TrialState
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from search_space.spaces import find_space
from spinesearch.bench.objectives.surrogate import Surrogate
from spinesearch.bench.objectives.trained import TrainedTable
from trainer.task import TRAINER_VERSION

LEAST_TRAININGS = 10
BEST_SHARE = 0.1
PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How well trainings are predicted from the others.

    Args:
        tau, interval: Kendall's tau of all, with a 95 % bootstrap interval.
        best_tau: of the tenth that is best, by what was measured.
        deviation: root of the mean square of what the prediction misses, AP.
        spread: standard deviation of AP.
    """

    tau: float
    interval: tuple[float, float]
    best_tau: float
    deviation: float
    spread: float


def collect(store: Store, search_id: str) -> TrainedTable:
    """All trainings of a search that came to their end, with the surrogate fitted to them.

    Raises:
        NotFoundError: no such search.
        ValueError: it has fewer than ten.
    """
    search = store.get_search(search_id)
    space_name = SearchConfig.from_document(search.config).space
    genotypes, values, after = [], [], 0
    while trials := store.list_trials(search_id, PAGE, after, [TrialState.COMPLETED]):
        after = trials[-1].number
        for trial in trials:
            if trial.draft.genotype and trial.reward is not None:
                genotypes.append(trial.draft.genotype)
                values.append(round(trial.reward, 5))
    if len(values) < LEAST_TRAININGS:
        raise ValueError(f"{search_id}: {len(values)} trainings: at least {LEAST_TRAININGS} are needed")
    space = find_space(space_name)
    return TrainedTable(
        search=search.config,
        versions=versions_here(),
        trainer_version=TRAINER_VERSION,
        genotypes=tuple(genotypes),
        average_precisions=tuple(values),
        kernel=Surrogate([space.decode(genotype) for genotype in genotypes], values).kernel,
    )


def ranking(table: TrainedTable) -> Ranking:
    """How well the table's surrogate ranks what it did not see."""
    measured, predicted = np.array(table.average_precisions), table.surrogate().left_out()
    interval = bootstrap(
        (measured, predicted), _tau, paired=True, vectorized=False, n_resamples=500, method="percentile", rng=0
    ).confidence_interval
    best = measured >= np.quantile(measured, 1 - BEST_SHARE)
    return Ranking(
        tau=_tau(measured, predicted),
        interval=(float(interval.low), float(interval.high)),
        best_tau=_tau(measured[best], predicted[best]),
        deviation=float(np.sqrt(((measured - predicted) ** 2).mean())),
        spread=float(measured.std()),
    )


def _tau(one: np.ndarray, other: np.ndarray) -> float:
    return float(kendalltau(one, other).statistic)


def print_ranking(table: TrainedTable, found: Ranking, console: Console) -> None:
    """Prints what the table is and how well its surrogate ranks."""
    values = np.array(table.average_precisions)
    console.print(f"trainings        {len(values):,} of {table.space.name}")
    console.print(f"AP               {values.min():.3f} to {values.max():.3f}, deviation {found.spread:.3f}")
    console.print(f"left out, tau    {found.tau:.3f}  (95 %: {found.interval[0]:.3f} to {found.interval[1]:.3f})")
    console.print(f"of the best 10 % {found.best_tau:.3f}")
    console.print(f"missed by        {found.deviation:.4f} AP")
