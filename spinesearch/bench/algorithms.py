"""How many trainings each algorithm needs: searches without training, on instances that nobody tuned on.

Every search is whole: the service's loop, many simulated workers, noise, failures (`simulated_search`). The same
instances and seeds go to each contender. What counts is the true value of the trial that looked best, in standard
deviations of random architectures.
"""

import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.stats import ttest_rel

from nas_controller.insight.many_tests import adjusted
from search_space.spaces import find_space
from spinesearch.bench.objectives.synthetic import SYNTHETIC
from spinesearch.bench.simulated_search import Workload, run_simulated
from spinesearch.processes import end_with_parent

FIRST_TEST_SEED = 1000
"""Instances below are for tuning."""
RANDOM = "random"
BUDGETS, QUICK_BUDGETS = (100, 250, 500, 1000, 2000), (100, 250)
NUM_SEEDS, QUICK_SEEDS = 12, 3
NUM_WORKERS, QUICK_WORKERS = 100, 10
NUM_PROCESSES = 2
FIRST_POINT, NUM_POINTS = 20, 20
"""Of the curve whose area is taken: trials of its first point, and points, evenly spread over the logarithm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """An algorithm with settings, by a name for the table."""

    name: str
    algorithm: str
    settings: dict[str, float] = field(default_factory=dict)


CONTENDERS = (
    Contender(name=RANDOM, algorithm="random"),
    Contender(name="evolution, 50 and 10", algorithm="evolution"),
    Contender(name="evolution, 100 and 25", algorithm="evolution", settings={"population": 100, "sample": 25}),
    Contender(name="local search", algorithm="local_search"),
    Contender(name="local search, 10 parents", algorithm="local_search", settings={"parents": 10}),
    Contender(name="reinforce", algorithm="reinforce"),
    Contender(name="guided", algorithm="guided"),
    Contender(name="mixed", algorithm="mixed"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run: every contender on every kind of objective of every space, once for each seed."""

    spaces: tuple[str, ...] = ("spinenet-49", "joint")
    kinds: tuple[str, ...] = tuple(kind.kind for kind in SYNTHETIC)
    contenders: tuple[Contender, ...] = CONTENDERS
    seeds: tuple[int, ...] = tuple(range(FIRST_TEST_SEED, FIRST_TEST_SEED + NUM_SEEDS))
    budgets: tuple[int, ...] = BUDGETS
    num_workers: int = NUM_WORKERS


QUICK_PLAN = Plan(
    spaces=("spinenet-49",),
    seeds=tuple(range(FIRST_TEST_SEED, FIRST_TEST_SEED + QUICK_SEEDS)),
    budgets=QUICK_BUDGETS,
    num_workers=QUICK_WORKERS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One search."""

    space: str
    kind: str
    contender: Contender
    seed: int
    budgets: tuple[int, ...]
    num_workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one search.

    Args:
        incumbents: true value of the trial that looked best, at each budget.
        curve: the same at `NUM_POINTS` trials, evenly spread over the logarithm.
        milliseconds: of the controller for each trial: asking and telling.
    """

    incumbents: tuple[float, ...]
    curve: tuple[float, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A contender on one kind of objective of one space; by budget.

    Args:
        means, errors: of the incumbents' true values over the seeds, with the standard error.
        differences: chance (Holm's, over the whole table) that a paired difference to the best other one at this
            budget is none; the sign is that of the difference.
        reaches: trials until the mean curve reaches what random has at the largest budget; None where it does not.
        area: mean of the curve.
    """

    space: str
    kind: str
    contender: str
    means: tuple[float, ...]
    errors: tuple[float, ...]
    differences: tuple[float, ...]
    reaches: int | None
    area: float
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmsReport:
    """What was measured."""

    budgets: tuple[int, ...]
    num_seeds: int
    num_workers: int
    rows: tuple[Row, ...]

    def to_document(self) -> dict[str, Any]:
        """The report as plain data, ready for JSON."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


def run_algorithms(plan: Plan, console: Console | None = None) -> AlgorithmsReport:
    """Runs all searches of the plan, a few at the same time.

    Args:
        console: where progress is shown; None for nowhere.
    """
    tasks = [
        Task(space=space, kind=kind, contender=one, seed=seed, budgets=plan.budgets, num_workers=plan.num_workers)
        for space in plan.spaces
        for kind in plan.kinds
        for one in plan.contenders
        for seed in plan.seeds
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(NUM_PROCESSES, mp_context=context, initializer=end_with_parent) as workers:
        shown = track(workers.map(run_task, tasks), "searching", len(tasks), console=console or Console(quiet=True))
        results = list(shown)
    found: dict[tuple[str, str, str], list[Result]] = {}
    for task, result in zip(tasks, results, strict=True):
        found.setdefault((task.space, task.kind, task.contender.name), []).append(result)
    return AlgorithmsReport(
        budgets=plan.budgets, num_seeds=len(plan.seeds), num_workers=plan.num_workers, rows=tuple(_rows(plan, found))
    )


def run_task(task: Task) -> Result:
    """Runs one search, in this process."""
    kind = next(kind for kind in SYNTHETIC if kind.kind == task.kind)
    objective = kind(find_space(task.space), task.seed).standardise()
    num_trials = task.budgets[-1]
    course = run_simulated(
        Workload(
            objective=objective,
            algorithm=task.contender.algorithm,
            settings=task.contender.settings,
            seed=task.seed,
            num_trials=num_trials,
            num_workers=task.num_workers,
        )
    )
    return Result(
        incumbents=tuple(course.incumbent_at(budget) for budget in task.budgets),
        curve=tuple(course.incumbent_at(point) for point in curve_points(num_trials)),
        milliseconds=1000 * course.controller_seconds / len(course.true),
    )


def curve_points(num_trials: int) -> list[int]:
    """Numbers of trials, evenly spread over the logarithm.

    >>> curve_points(2000)[:3], curve_points(2000)[-1]
    ([20, 25, 32], 2000)
    """
    return [int(point) for point in np.geomspace(FIRST_POINT, num_trials, NUM_POINTS).round()]


def _rows(plan: Plan, found: dict[tuple[str, str, str], list[Result]]) -> list[Row]:
    chances = _differences(plan, found)
    rows = []
    for space in plan.spaces:
        for kind in plan.kinds:
            level = _mean_curve(found.get((space, kind, RANDOM), []))
            for one in plan.contenders:
                key = (space, kind, one.name)
                by_seed = np.array([result.incumbents for result in found[key]])
                curve = _mean_curve(found[key])
                rows.append(
                    Row(
                        space=space,
                        kind=kind,
                        contender=one.name,
                        means=tuple(map(float, by_seed.mean(0))),
                        errors=tuple(map(float, _standard_errors(by_seed))),
                        differences=tuple(chances[(*key, budget)] for budget in plan.budgets),
                        reaches=_reaches(curve, level, plan.budgets[-1]),
                        area=float(curve.mean()),
                        milliseconds=float(np.mean([result.milliseconds for result in found[key]])),
                    )
                )
    return rows


def _mean_curve(results: Sequence[Result]) -> np.ndarray:
    return np.array([result.curve for result in results]).mean(0) if results else np.array([])


def _standard_errors(by_seed: np.ndarray) -> np.ndarray:
    return by_seed.std(0, ddof=1) / len(by_seed) ** 0.5 if len(by_seed) > 1 else np.full(by_seed.shape[1], np.nan)


def _reaches(curve: np.ndarray, random_curve: np.ndarray, num_trials: int) -> int | None:
    """After how many trials the mean curve is as high as that of random search ends; None where it never is."""
    if not len(random_curve):
        return None
    high = [point for point, value in zip(curve_points(num_trials), curve, strict=True) if value >= random_curve[-1]]
    return high[0] if high else None


def _differences(plan: Plan, found: dict[tuple[str, str, str], list[Result]]) -> dict[tuple[str, str, str, int], float]:
    """For each row and budget a paired t-test against the best other contender, Holm-corrected over all of them; the
    sign says who is better."""
    keys, chances, signs = [], [], []
    for (space, kind, name), results in found.items():
        for index, budget in enumerate(plan.budgets):
            values = {
                other.name: np.array([result.incumbents[index] for result in found[(space, kind, other.name)]])
                for other in plan.contenders
            }
            own = values.pop(name)
            keys.append((space, kind, name, budget))
            rival = max(values.values(), key=lambda each: float(each.mean())) if values else own
            chance = float(ttest_rel(own, rival).pvalue) if len(results) > 1 and (own != rival).any() else 1.0
            chances.append(chance)
            signs.append(1.0 if own.mean() >= rival.mean() else -1.0)
    return dict(zip(keys, [sign * rate for sign, rate in zip(signs, adjusted(chances), strict=True)], strict=True))
