"""One search for a whole front, against a search for each target, random search, and Optuna's NSGA-II.

Searches are whole, without training (`simulated_search`), on relational objectives that grow with cost: the value of an
architecture is the objective's, and `GROWTH` for each doubling of its multiply-adds. What counts is the front of what
looks best, by true values: its hypervolume over costs between the ends of the front, above a random network of the cost
in the middle. That is the mean, over these costs, of the best value within the cost.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from nas_controller.insight.front import Front, Joined, hypervolume
from nas_controller.wanted_front import WantedFront
from search_space.budget import EXACT_TOLERANCE, backbone_multiply_adds
from search_space.decisions import Rounding
from search_space.spaces import find_space
from search_space.spec import ArchitectureSpec
from spinesearch.bench.algorithm_tasks import held_out
from spinesearch.bench.front_peer import TwoObjectiveNsga2
from spinesearch.bench.many_searches import means, run_searches, standard_errors
from spinesearch.bench.objectives.base import Standardised
from spinesearch.bench.objectives.synthetic import Relational
from spinesearch.bench.simulated_search import Course, Workload, run_simulated

GROWTH = 0.5
"""Of a value when the cost is doubled: 0.015 AP of 0.3, the 5 % that MnasNet's exponent (-0.07) takes that for."""
FRONTS = {
    "spinenet-49": WantedFront(low=20e9, high=36e9),  # nine in ten random ones cost 22.6 to 34.3
    "joint": WantedFront(low=15e9, high=60e9),
}
BUDGETS: tuple[int, ...] = (250, 500, 1000)
QUICK_BUDGETS: tuple[int, ...] = (50, 100)
NUM_SEEDS, QUICK_SEEDS = 4, 2
NUM_WORKERS = 10
BUDGET_SLACK = 0.05
"""Of the budgets of separate searches, where widths are not settled: as far below the target as a budget may be off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A way to a front.

    Args:
        algorithm: "" for Optuna's NSGA-II with two objectives.
        is_divided: whether each target has a search of its own, with its share of trials and workers.
    """

    name: str
    algorithm: str
    is_divided: bool = False


BASE = Contender(name="one search for the front", algorithm="mixed")
NSGA2 = Contender(name="Optuna NSGA-II, two objectives", algorithm="")
CONTENDERS = (
    BASE,
    Contender(name="a search for each target", algorithm="mixed", is_divided=True),
    Contender(name="evolution, one search for the front", algorithm="evolution"),
    Contender(name="evolution, a search for each target", algorithm="evolution", is_divided=True),
    NSGA2,
    Contender(name="random", algorithm="random"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontTask:
    """One way to one front, on one instance."""

    space: str
    contender: Contender
    seed: int
    budgets: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontResult:
    """What came of it.

    Args:
        hypervolumes: after each budget.
        under: true value of what looks best under each target, after the last budget; None where there is nothing.
        milliseconds: of the controller's CPU for each trial.
    """

    hypervolumes: tuple[float, ...]
    under: tuple[float | None, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontRow:
    """A contender in a space, over the instances.

    Args:
        means, errors: of the hypervolumes after each budget.
        behind, behind_errors: how much less that is than the base's on the same instances; 0 for the base.
        under: means of the values under each target; None where an instance has nothing.
    """

    space: str
    contender: str
    means: tuple[float, ...]
    errors: tuple[float, ...]
    behind: tuple[float, ...]
    behind_errors: tuple[float, ...]
    under: tuple[float | None, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontReport:
    """What was measured."""

    budgets: tuple[int, ...]
    num_seeds: int
    num_workers: int
    growth: float
    rows: tuple[FrontRow, ...]


class Growing(Standardised):
    """A standardised objective that grows with the cost of the network, from that of the front's middle on."""

    def __init__(self, base: Standardised, front: WantedFront) -> None:
        self.objective = base.objective
        self._base = base
        self._middle = math.sqrt(front.low * front.high)

    def value(self, spec: ArchitectureSpec) -> float:
        """The true value of an architecture whose widths are settled."""
        multiply_adds = backbone_multiply_adds(spec, self.objective.space.target)
        return self._base.value(spec) + GROWTH * math.log2(multiply_adds / self._middle)


def run_front(
    spaces: Sequence[str] = tuple(FRONTS),
    budgets: tuple[int, ...] = BUDGETS,
    num_seeds: int = NUM_SEEDS,
    console: Console | None = None,
) -> FrontReport:
    """Runs all ways in all of these spaces, two at the same time.

    Args:
        console: where progress is shown; None for nowhere.

    Raises:
        ValueError: a space that is none of `FRONTS`.
    """
    for space in spaces:
        if space not in FRONTS:
            raise ValueError(f"space {space!r}: must be one of {', '.join(FRONTS)}")
    tasks = [
        FrontTask(space=space, contender=contender, seed=seed, budgets=budgets)
        for space in spaces
        for contender in CONTENDERS
        for seed in held_out(num_seeds)
        if contender is not NSGA2 or _has_costs(space)
    ]
    results = run_searches(tasks, run_task, console=console)
    return FrontReport(
        budgets=budgets,
        num_seeds=num_seeds,
        num_workers=NUM_WORKERS,
        growth=GROWTH,
        rows=tuple(_rows(tasks, results)),
    )


def _has_costs(space: str) -> bool:
    """Whether decisions say what a network costs; else NSGA-II would be told a cost that it did not choose."""
    return find_space(space).rounding is not Rounding.EXACT


def run_task(task: FrontTask) -> FrontResult:
    """Runs one way to one front, in this process."""
    front, space = FRONTS[task.space], find_space(task.space)
    objective = Growing(Relational(space, task.seed).standardise(), front)
    courses = [run_simulated(work, _peer(task)) for work in _workloads(task, objective)]
    budget = task.budgets[-1]
    return FrontResult(
        hypervolumes=tuple(front_volume(_seen(courses, number), front) for number in task.budgets),
        under=tuple(best_within(_seen(courses, budget), ceiling) for ceiling in front.ceilings),
        milliseconds=1000 * sum(course.controller_seconds for course in courses) / budget,
    )


def _peer(task: FrontTask) -> TwoObjectiveNsga2 | None:
    return None if task.contender.algorithm else TwoObjectiveNsga2(find_space(task.space), task.seed)


def _workloads(task: FrontTask, objective: Standardised) -> list[Workload]:
    """The searches of a contender: one, or one for each target."""
    front, parts = FRONTS[task.space], 1
    sections: list[dict[str, Any]] = [{"budget": None, "front": front.model_dump()}]
    if task.contender.is_divided:
        sections, parts = [{"budget": _budget(task.space, target)} for target in front.targets], front.points
    return [
        Workload(
            objective=objective,
            algorithm=task.contender.algorithm or "random",
            seed=task.seed,
            num_trials=task.budgets[-1] // parts,
            num_workers=NUM_WORKERS // parts,
            more=section,
        )
        for section in sections
    ]


def _budget(space: str, target: int) -> dict[str, float]:
    """That of a search for one target: what lies just below it, or widths settled at it."""
    if find_space(space).rounding is Rounding.EXACT:
        return {"multiply_adds": target, "tolerance": EXACT_TOLERANCE}
    return {"multiply_adds": target * (1 - BUDGET_SLACK), "tolerance": BUDGET_SLACK}


@dataclass(frozen=True, slots=True)
class Seen:
    """A trained network: what it costs, and its observed and its true value."""

    multiply_adds: int
    observed: float
    true: float


def _seen(courses: Sequence[Course], num_trials: int) -> list[Seen]:
    """What was trained in so many trials, evenly spread over the searches; failed ones left out."""
    each = num_trials // len(courses)
    return [
        Seen(cost, observed, true)
        for course in courses
        for cost, observed, true in zip(
            course.multiply_adds[:each], course.observed[:each], course.true[:each], strict=True
        )
        if observed is not None and true is not None
    ]


def front_volume(seen: Sequence[Seen], front: WantedFront) -> float:
    """The hypervolume of what looks best, by true values."""
    looks_best = _members([(each.multiply_adds, each.observed) for each in seen])
    are_best = _members([(seen[place].multiply_adds, seen[place].true) for place in looks_best])
    best = [seen[looks_best[place]] for place in are_best]
    points = [(max(0, round(one.multiply_adds - front.low)), one.true) for one in best if one.true > 0]
    return hypervolume(points, front.high - front.low)


def _members(points: Iterable[tuple[int, float]]) -> list[int]:
    """Places of the points that no other one is better than in both, by rising cost."""
    front = Front()
    for place, (cost, value) in enumerate(points):
        front.offer(Joined(place + 1, place, cost, value))
    return [member.number for member in front.members()]


def best_within(seen: Sequence[Seen], ceiling: int) -> float | None:
    """The true value of what looks best within a cost."""
    within = [each for each in seen if each.multiply_adds <= ceiling]
    return max(within, key=lambda each: each.observed).true if within else None


def _rows(tasks: Sequence[FrontTask], results: dict[FrontTask, FrontResult]) -> list[FrontRow]:
    found: dict[tuple[str, str], list[FrontResult]] = {}
    for task in tasks:
        found.setdefault((task.space, task.contender.name), []).append(results[task])
    return [_row(space, name, own, found[space, BASE.name]) for (space, name), own in found.items()]


def _row(space: str, name: str, own: Sequence[FrontResult], base: Sequence[FrontResult]) -> FrontRow:
    volumes = np.array([result.hypervolumes for result in own])
    behind = np.array([result.hypervolumes for result in base]) - volumes
    under = [[result.under[place] for result in own] for place in range(len(own[0].under))]
    return FrontRow(
        space=space,
        contender=name,
        means=means(volumes),
        errors=standard_errors(volumes),
        behind=means(behind),
        behind_errors=standard_errors(behind),
        under=tuple(_mean_of_all(values) for values in under),
        milliseconds=float(np.mean([result.milliseconds for result in own])),
    )


def _mean_of_all(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
