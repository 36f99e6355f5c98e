"""Many searches of a benchmark: run side by side, and what their numbers say together."""

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.stats import ttest_1samp

from spinesearch.processes import end_with_parent_on_one_core

NUM_PROCESSES = 2

Array = NDArray[np.float64]
T = TypeVar("T")
R = TypeVar("R")
Asked = TypeVar("Asked", contravariant=True)


class Kept(Protocol[Asked, R]):
    """Results of earlier runs."""

    def get(self, task: Asked) -> R | None:
        """What a task gave; None if it was not run."""

    def add(self, task: Asked, result: R) -> None:
        """Keeps what it gave."""


def run_searches(
    tasks: Sequence[T], run: Callable[[T], R], kept: Kept[T, R] | None = None, console: Console | None = None
) -> dict[T, R]:
    """What each task gives, a few run at the same time.

    Args:
        run: runs one task; a function of a module, called in another process.
        kept: what is there is not run again, and what is run is added.
        console: where progress is shown; None for nowhere.
    """
    results = {task: result for task in tasks if kept and (result := kept.get(task))}
    missing = [task for task in tasks if task not in results]
    ended = _ended(missing, run)
    for task, result in track(ended, "searching", len(missing), console=console or Console(quiet=True)):
        results[task] = result
        if kept:
            kept.add(task, result)
    return results


def _ended(tasks: Sequence[T], run: Callable[[T], R]) -> Iterator[tuple[T, R]]:
    """Each task when it ends."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(NUM_PROCESSES, mp_context=context, initializer=end_with_parent_on_one_core) as workers:
        running = {workers.submit(run, task): task for task in tasks}
        for done in as_completed(running):
            yield running[done], done.result()


def means(by_seed: Array) -> tuple[float, ...]:
    """Over the instances.

    Args:
        by_seed: of shape (instances, budgets), as in `standard_errors`.
    """
    return tuple(map(float, by_seed.mean(0)))


def standard_errors(by_seed: Array) -> tuple[float, ...]:
    """Of the means; nan for one instance."""
    if len(by_seed) == 1:
        return tuple(math.nan for _ in by_seed[0])
    return tuple(map(float, by_seed.std(0, ddof=1) / len(by_seed) ** 0.5))


def chance(gains: Array) -> float:
    """That paired differences are none but for their spread (t-test); 1 where they are too few, or all nothing."""
    return float(ttest_1samp(gains, 0).pvalue) if len(gains) > 1 and gains.any() else 1.0
