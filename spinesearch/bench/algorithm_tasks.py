"""The searches of `bench algorithms`: which algorithm on which objective, and how one of them is run.

What takes long is run on fewer seeds, the first ones, and for fewer trials, and compared with others on what both ran.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np

from search_space.spaces import find_space
from spinesearch.bench.objectives.base import Standardised
from spinesearch.bench.objectives.synthetic import SYNTHETIC, normal
from spinesearch.bench.objectives.trained import Trained
from spinesearch.bench.objectives.training_free import TrainingFree
from spinesearch.bench.simulated_search import NOISE, Course, Workload, run_simulated

FIRST_TEST_SEED = 1000
"""Instances below are for tuning."""
RANDOM, DEFAULT = "random", "mixed"
BUDGETS, QUICK_BUDGETS = (100, 250, 500, 1000, 2000), (100, 250)
NUM_SEEDS, QUICK_SEEDS = 12, 3
NUM_WORKERS, QUICK_WORKERS = 100, 10
NUM_DRAWS = 20_000
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
    settings: tuple[tuple[str, float], ...] = ()
    limit: Limit = Limit()


KINDS = {kind.kind: kind for kind in (*SYNTHETIC, TrainingFree, Trained)}
KIND_LIMITS = {TrainingFree.kind: Limit(num_seeds=5, num_trials=1000)}
QUICK_KIND_LIMITS = {TrainingFree.kind: Limit(num_seeds=2, num_trials=100)}
"""A real network is built for each trial."""
CONTENDERS = (
    Contender(name=RANDOM, algorithm="random"),
    Contender(name="evolution, 50 and 10", algorithm="evolution"),
    Contender(name="evolution, 100 and 25", algorithm="evolution", settings=(("population", 100), ("sample", 25))),
    Contender(name="local search", algorithm="local_search"),
    Contender(name="local search, 10 parents", algorithm="local_search", settings=(("parents", 10),)),
    Contender(name="the papers' controller", algorithm="reinforce_recurrent"),
    Contender(name="reinforce", algorithm="reinforce"),
    Contender(name="guided", algorithm="guided"),
    Contender(name=DEFAULT, algorithm="mixed"),
    Contender(name="Optuna TPE", algorithm="optuna_tpe", limit=Limit(num_trials=1000)),
    Contender(name="Optuna NSGA-II", algorithm="optuna_nsga2"),
    Contender(name="Optuna CMA-ES", algorithm="optuna_cmaes", limit=Limit(num_seeds=5)),
)


def held_out(count: int) -> tuple[int, ...]:
    """Seeds of the first instances that nobody tuned on."""
    return tuple(range(FIRST_TEST_SEED, FIRST_TEST_SEED + count))


def up_to(num_trials: int, budgets: tuple[int, ...]) -> tuple[int, ...]:
    """The budgets below so many trials, and these.

    >>> up_to(700, (100, 250, 500, 1000))
    (100, 250, 500, 700)
    """
    return (*(budget for budget in budgets if budget < num_trials), num_trials)


DRAWS = Contender(name="random draws", algorithm="none: draws")
"""No search: nothing is asked or told, so 20,000 take seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run: every contender on every kind of objective of every space, once a seed, as far as limits go.

    Args:
        base: the contender that the others are compared with.
        num_draws: random architectures whose best is a level to reach; 0 for none.
    """

    spaces: tuple[str, ...] = ("spinenet-49", "joint")
    kinds: tuple[str, ...] = tuple(KINDS)
    contenders: tuple[Contender, ...] = CONTENDERS
    seeds: tuple[int, ...] = held_out(NUM_SEEDS)
    budgets: tuple[int, ...] = BUDGETS
    num_workers: int = NUM_WORKERS
    base: str = DEFAULT
    num_draws: int = NUM_DRAWS
    kind_limits: Mapping[str, Limit] = field(default_factory=lambda: KIND_LIMITS)

    def narrowed(
        self, *, num_seeds: int | None = None, num_workers: int | None = None, num_trials: int | None = None
    ) -> "Plan":
        """The plan with other numbers: of the first instances, of workers, and of trials, the largest budget."""
        return replace(
            self,
            seeds=held_out(num_seeds) if num_seeds else self.seeds,
            num_workers=num_workers or self.num_workers,
            budgets=up_to(num_trials, self.budgets) if num_trials else self.budgets,
        )

    def only(self, *, contenders: Sequence[str] = (), kinds: Sequence[str] = (), spaces: Sequence[str] = ()) -> "Plan":
        """The part of the plan with these names; all where none are given.

        Raises:
            ValueError: a name that the plan does not have.
        """
        by_name = {one.name: one for one in self.contenders}
        names = _among("contender", contenders, tuple(by_name))
        return replace(
            self,
            contenders=tuple(by_name[name] for name in names),
            kinds=_among("kind", kinds, self.kinds),
            spaces=_among("space", spaces, self.spaces),
        )

    def groups(self) -> list[tuple[str, str]]:
        """Space and kind of objective of each table; some kinds are of some spaces only."""
        pairs = [(space, kind) for space in self.spaces for kind in self.kinds]
        return [(space, kind) for space, kind in pairs if (of := KINDS[kind].spaces) is None or space in of]

    def tasks(self) -> "list[Task]":
        """All searches, in the order of the table."""
        return [
            self._task(space, kind, contender, seed)
            for space, kind in self.groups()
            for contender in self.contenders
            for seed in self.seeds[: min(contender.limit.num_seeds, self._limit(kind).num_seeds)]
        ]

    def draws(self) -> "list[Task]":
        """For each instance how far `num_draws` random architectures come; none of kinds that take long."""
        groups = [(space, kind) for space, kind in self.groups() if self.num_draws and kind not in self.kind_limits]
        return [
            Task(
                space=space,
                kind=kind,
                contender=DRAWS,
                seed=seed,
                budgets=(self.num_draws,),
                points=(),
                num_workers=1,
            )
            for space, kind in groups
            for seed in self.seeds
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
    seeds=held_out(QUICK_SEEDS),
    budgets=QUICK_BUDGETS,
    num_workers=QUICK_WORKERS,
    num_draws=0,
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
        milliseconds: of the controller's CPU for each trial: asking and telling.
    """

    incumbents: tuple[float, ...]
    curve: tuple[float, ...]
    milliseconds: float

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Result":
        """What `asdict` gave, after JSON."""
        return cls(
            incumbents=tuple(document["incumbents"]),
            curve=tuple(document["curve"]),
            milliseconds=document["milliseconds"],
        )


def run_task(task: Task) -> Result:
    """Runs one search, in this process."""
    objective = KINDS[task.kind](find_space(task.space), task.seed).standardise()
    if task.contender == DRAWS:
        return Result(incumbents=(best_draw(objective, task.seed, task.budgets[-1]),), curve=(), milliseconds=0.0)
    course = run_simulated(
        Workload(
            objective=objective,
            algorithm=task.contender.algorithm,
            settings=dict(task.contender.settings),
            seed=task.seed,
            num_trials=task.budgets[-1],
            num_workers=task.num_workers,
        )
    )
    return result_of(task, course)


def result_of(task: Task, course: Course) -> Result:
    """What counts of a search."""
    return Result(
        incumbents=tuple(course.incumbent_at(budget) for budget in task.budgets),
        curve=tuple(course.incumbent_at(point) for point in task.points),
        milliseconds=1000 * course.controller_seconds / len(course.true),
    )


def best_draw(objective: Standardised, seed: int, num_draws: int) -> float:
    """The true value of the random architecture that looks best, each being trained once, with a search's noise."""
    rng = Random(f"draws {seed}")
    looks, best = -math.inf, -math.inf
    for number in range(num_draws):
        true = objective.value(objective.objective.random_architecture(rng))
        observed = true + NOISE * normal(seed, "draw", number)
        if observed > looks:
            looks, best = observed, true
    return best


def _among(what: str, chosen: Sequence[str], known: tuple[str, ...]) -> tuple[str, ...]:
    for name in chosen:
        if name not in known:
            raise ValueError(f"{what} {name!r}: must be one of {', '.join(known)}")
    return tuple(name for name in known if name in chosen) if chosen else known


def curve_points(num_trials: int) -> list[int]:
    """Numbers of trials, evenly spread over the logarithm.

    >>> curve_points(2000)[:3], curve_points(2000)[-1]
    ([20, 25, 32], 2000)
    """
    return [int(point) for point in np.geomspace(FIRST_POINT, num_trials, NUM_POINTS).round()]
