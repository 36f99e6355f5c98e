"""How many trainings each algorithm needs: searches without training, on instances that nobody tuned on.

Every search is whole: the service's loop, many simulated workers, noise, failures (`simulated_search`). The same
instances and seeds go to each contender. What counts is the true value of the trial that looked best, in standard
deviations of random architectures.

What takes long is run on fewer seeds, the first ones, and for fewer trials, and compared with others on what both ran.
"""

import json
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.stats import ttest_1samp

from nas_controller.insight.many_tests import adjusted
from search_space.spaces import find_space
from spinesearch.bench.objectives.synthetic import SYNTHETIC
from spinesearch.bench.objectives.training_free import TrainingFree
from spinesearch.bench.simulated_search import Workload, run_simulated
from spinesearch.processes import end_with_parent_on_one_core

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
class Limit:
    """How far something is run that takes long: seeds, and trials of each search."""

    num_seeds: int = sys.maxsize
    num_trials: int = sys.maxsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """An algorithm with settings, by a name for the table."""

    name: str
    algorithm: str
    settings: dict[str, float] = field(default_factory=dict)
    limit: Limit = Limit()


KINDS = {kind.kind: kind for kind in (*SYNTHETIC, TrainingFree)}
KIND_LIMITS = {TrainingFree.kind: Limit(num_seeds=5, num_trials=1000)}
QUICK_KIND_LIMITS = {TrainingFree.kind: Limit(num_seeds=2, num_trials=100)}
"""A real network is built for each trial."""
CONTENDERS = (
    Contender(name=RANDOM, algorithm="random"),
    Contender(name="evolution, 50 and 10", algorithm="evolution"),
    Contender(name="evolution, 100 and 25", algorithm="evolution", settings={"population": 100, "sample": 25}),
    Contender(name="local search", algorithm="local_search"),
    Contender(name="local search, 10 parents", algorithm="local_search", settings={"parents": 10}),
    Contender(name="reinforce", algorithm="reinforce"),
    Contender(name="guided", algorithm="guided"),
    Contender(name="mixed", algorithm="mixed"),
    Contender(name="Optuna TPE", algorithm="optuna_tpe", limit=Limit(num_trials=1000)),
    Contender(name="Optuna NSGA-II", algorithm="optuna_nsga2"),
    Contender(name="Optuna CMA-ES", algorithm="optuna_cmaes", limit=Limit(num_seeds=5)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run: every contender on every kind of objective of every space, once a seed, as far as limits go."""

    spaces: tuple[str, ...] = ("spinenet-49", "joint")
    kinds: tuple[str, ...] = tuple(KINDS)
    contenders: tuple[Contender, ...] = CONTENDERS
    seeds: tuple[int, ...] = tuple(range(FIRST_TEST_SEED, FIRST_TEST_SEED + NUM_SEEDS))
    budgets: tuple[int, ...] = BUDGETS
    num_workers: int = NUM_WORKERS
    kind_limits: Mapping[str, Limit] = field(default_factory=lambda: KIND_LIMITS)

    def tasks(self) -> "list[Task]":
        """All searches, in the order of the table."""
        return [
            self._task(space, kind, contender, seed)
            for space in self.spaces
            for kind in self.kinds
            for contender in self.contenders
            for seed in self.seeds[: min(contender.limit.num_seeds, self._limit(kind).num_seeds)]
        ]

    def _task(self, space: str, kind: str, contender: Contender, seed: int) -> "Task":
        budgets = self._within(self._within(self.budgets, self._limit(kind)), contender.limit)
        return Task(
            space=space,
            kind=kind,
            contender=contender,
            seed=seed,
            budgets=budgets,
            points=tuple(point for point in self.points(kind) if point <= budgets[-1]),
            num_workers=self.num_workers,
        )

    def points(self, kind: str) -> list[int]:
        """Trials at which the curves of a kind are taken, up to the kind's largest budget."""
        return curve_points(self._within(self.budgets, self._limit(kind))[-1])

    def _limit(self, kind: str) -> Limit:
        return self.kind_limits.get(kind, Limit())

    @staticmethod
    def _within(budgets: tuple[int, ...], limit: Limit) -> tuple[int, ...]:
        """The budgets that the limit allows; the smallest in any case."""
        return tuple(budget for budget in budgets if budget <= max(limit.num_trials, budgets[0]))


QUICK_PLAN = Plan(
    spaces=("spinenet-49",),
    seeds=tuple(range(FIRST_TEST_SEED, FIRST_TEST_SEED + QUICK_SEEDS)),
    budgets=QUICK_BUDGETS,
    num_workers=QUICK_WORKERS,
    kind_limits=QUICK_KIND_LIMITS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One search."""

    space: str
    kind: str
    contender: Contender
    seed: int
    budgets: tuple[int, ...]
    points: tuple[int, ...]
    num_workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one search.

    Args:
        incumbents: true value of the trial that looked best, at each budget.
        curve: the same at each point.
        milliseconds: of the controller for each trial: asking and telling.
    """

    incumbents: tuple[float, ...]
    curve: tuple[float, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A contender on one kind of objective of one space; by budget, as far as it was run.

    Args:
        means, errors: of the incumbents' true values over the seeds, with the standard error.
        differences: chance (Holm's, over the whole table) that a paired difference to the best other one at this
            budget is none, on the seeds that both ran; the sign is that of the difference.
        reaches: trials until the mean curve reaches what random has at the largest budget; None where it does not.
        area: mean of the curve; None where it was not run to its end.
    """

    space: str
    kind: str
    contender: str
    num_seeds: int
    means: tuple[float, ...]
    errors: tuple[float, ...]
    differences: tuple[float, ...]
    reaches: int | None
    area: float | None
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
    tasks = plan.tasks()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(NUM_PROCESSES, mp_context=context, initializer=end_with_parent_on_one_core) as workers:
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
    objective = KINDS[task.kind](find_space(task.space), task.seed).standardise()
    course = run_simulated(
        Workload(
            objective=objective,
            algorithm=task.contender.algorithm,
            settings=task.contender.settings,
            seed=task.seed,
            num_trials=task.budgets[-1],
            num_workers=task.num_workers,
        )
    )
    return Result(
        incumbents=tuple(course.incumbent_at(budget) for budget in task.budgets),
        curve=tuple(course.incumbent_at(point) for point in task.points),
        milliseconds=1000 * course.controller_seconds / len(course.true),
    )


def curve_points(num_trials: int) -> list[int]:
    """Numbers of trials, evenly spread over the logarithm.

    >>> curve_points(2000)[:3], curve_points(2000)[-1]
    ([20, 25, 32], 2000)
    """
    return [int(point) for point in np.geomspace(FIRST_POINT, num_trials, NUM_POINTS).round()]


def _rows(plan: Plan, found: dict[tuple[str, str, str], list[Result]]) -> list[Row]:
    chances = _differences(found)
    rows = []
    for space in plan.spaces:
        for kind in plan.kinds:
            points = plan.points(kind)
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
                        num_seeds=len(by_seed),
                        means=tuple(map(float, by_seed.mean(0))),
                        errors=tuple(map(float, _standard_errors(by_seed))),
                        differences=tuple(chances[(*key, index)] for index in range(by_seed.shape[1])),
                        reaches=_reaches(points, curve, level),
                        area=float(curve.mean()) if len(curve) == len(points) else None,
                        milliseconds=float(np.mean([result.milliseconds for result in found[key]])),
                    )
                )
    return rows


def _mean_curve(results: Sequence[Result]) -> np.ndarray:
    return np.array([result.curve for result in results]).mean(0) if results else np.array([])


def _standard_errors(by_seed: np.ndarray) -> np.ndarray:
    return by_seed.std(0, ddof=1) / len(by_seed) ** 0.5 if len(by_seed) > 1 else np.full(by_seed.shape[1], np.nan)


def _reaches(points: Sequence[int], curve: np.ndarray, random_curve: np.ndarray) -> int | None:
    """After how many trials the mean curve is as high as that of random search ends; None where it never is."""
    if not len(random_curve):
        return None
    high = [point for point, value in zip(points, curve, strict=False) if value >= random_curve[-1]]
    return high[0] if high else None


def _differences(found: dict[tuple[str, str, str], list[Result]]) -> dict[tuple[str, str, str, int], float]:
    """For each row and budget a paired t-test against the other contender that is furthest above it (or least below) on
    the seeds of both, Holm-corrected over all of them; the sign says who is better."""
    keys, chances, signs = [], [], []
    for (space, kind, name), results in found.items():
        others = [found[key] for key in found if key[:2] == (space, kind) and key[2] != name]
        for index in range(len(results[0].incumbents)):
            own = [result.incumbents[index] for result in results]
            rivals = [
                [result.incumbents[index] for result in other if index < len(result.incumbents)] for other in others
            ]
            gains = min((_paired(own, rival) for rival in rivals if rival), key=np.mean, default=np.zeros(1))
            keys.append((space, kind, name, index))
            chances.append(float(ttest_1samp(gains, 0).pvalue) if len(gains) > 1 and gains.any() else 1.0)
            signs.append(1.0 if gains.mean() >= 0 else -1.0)
    return dict(zip(keys, [sign * rate for sign, rate in zip(signs, adjusted(chances), strict=True)], strict=True))


def _paired(own: Sequence[float], rival: Sequence[float]) -> np.ndarray:
    """What one is above the other, on the seeds of both: each ran the first ones."""
    both = min(len(own), len(rival))
    gains: np.ndarray = np.array(own[:both]) - np.array(rival[:both])
    return gains
