"""How many trainings each algorithm needs: searches without training, on instances that nobody tuned on.

Every search is whole: the service's loop, many simulated workers, noise, failures (`simulated_search`). The same
instances and seeds go to each contender. What counts is the true value of the trial that looked best, in standard
deviations of random architectures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console

from nas_controller.insight.many_tests import adjusted
from spinesearch.bench.algorithm_tasks import DRAWS, RANDOM, Plan, Result, run_task
from spinesearch.bench.kept_results import KeptResults
from spinesearch.bench.many_searches import chance, means, run_searches, standard_errors

Values = float | tuple[float, ...]
POLICY, PAPERS = "reinforce", "the papers' controller"
"""One estimator with two policies, which are compared with each other too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A contender on one kind of objective of one space; by budget, as far as it was run.

    Args:
        means, errors: of the incumbents' true values over the seeds, with the standard error.
        differences: chance (Holm's, over the whole table) that the paired difference to the plan's `base` at this
            budget is none, on the seeds that both ran; below 0 where the base is better. 1 for the base itself.
        reaches: trials until the mean curve reaches what random has at the largest budget; None where it does not.
        reaches_draws: the same of the best of the plan's random draws.
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
    reaches_draws: int | None
    area: float | None
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyGain:
    """What `POLICY` is above `PAPERS` at a budget: mean of the paired differences, its standard error, and the chance
    that they are none, by Holm over all of these."""

    space: str
    kind: str
    budget: int
    gain: float
    error: float
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmsReport:
    """What was measured; `policies` is empty where one of the two did not run."""

    budgets: tuple[int, ...]
    num_seeds: int
    num_workers: int
    base: str
    num_draws: int
    rows: tuple[Row, ...]
    policies: tuple[PolicyGain, ...] = ()


def run_algorithms(plan: Plan, kept: KeptResults | None = None, console: Console | None = None) -> AlgorithmsReport:
    """Runs all searches of the plan, a few at the same time.

    Args:
        kept: results of earlier runs; what is there is not run again, and what is run is added.
        console: where progress is shown; None for nowhere.
    """
    tasks = [*plan.tasks(), *plan.draws()]
    results = run_searches(tasks, run_task, kept, console)
    found: dict[tuple[str, str, str], list[Result]] = {}
    for task in tasks:
        found.setdefault((task.space, task.kind, task.contender.name), []).append(results[task])
    return AlgorithmsReport(
        budgets=plan.budgets,
        num_seeds=len(plan.seeds),
        num_workers=plan.num_workers,
        base=plan.base,
        num_draws=plan.num_draws,
        rows=tuple(_rows(plan, found)),
        policies=tuple(_policies(plan, found)),
    )


def _rows(plan: Plan, found: dict[tuple[str, str, str], list[Result]]) -> list[Row]:
    chances = _differences(plan, found)
    rows = []
    for space, kind in plan.groups():
        points = plan.points(kind)
        random_curve = _mean_curve(found.get((space, kind, RANDOM), []))
        draws = [result.incumbents[0] for result in found.get((space, kind, DRAWS.name), [])]
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
                    means=means(by_seed),
                    errors=standard_errors(by_seed),
                    differences=tuple(chances[(*key, index)] for index in range(by_seed.shape[1])),
                    reaches=_reaches(points, curve, random_curve[-1]) if len(random_curve) else None,
                    reaches_draws=_reaches(points, curve, float(np.mean(draws))) if draws else None,
                    area=float(curve.mean()) if len(curve) == len(points) else None,
                    milliseconds=float(np.mean([result.milliseconds for result in found[key]])),
                )
            )
    return rows


def _mean_curve(results: Sequence[Result]) -> np.ndarray:
    return np.array([result.curve for result in results]).mean(0) if results else np.array([])


def _reaches(points: Sequence[int], curve: np.ndarray, level: float) -> int | None:
    """After how many trials the mean curve is as high as a level; None where it never is."""
    high = [point for point, value in zip(points, curve, strict=False) if value >= level]
    return high[0] if high else None


def _differences(plan: Plan, found: dict[tuple[str, str, str], list[Result]]) -> dict[tuple[str, str, str, int], float]:
    """For each row and budget a paired t-test against the base on the seeds of both, Holm-corrected over all of them;
    the sign says who is better."""
    keys, chances, signs, same = [], [], [], {}
    for (space, kind, name), results in found.items():
        if name == DRAWS.name:
            continue
        base = found.get((space, kind, plan.base), [])
        for index in range(len(results[0].incumbents)):
            key = (space, kind, name, index)
            if name == plan.base or not base or index >= len(base[0].incumbents):
                same[key] = 1.0
                continue
            gains = _paired([one.incumbents[index] for one in results], [one.incumbents[index] for one in base])
            keys.append(key)
            chances.append(chance(gains))
            signs.append(1.0 if gains.mean() >= 0 else -1.0)
    tested = zip(keys, signs, adjusted(chances), strict=True)
    return same | {key: sign * rate for key, sign, rate in tested}


def _policies(plan: Plan, found: dict[tuple[str, str, str], list[Result]]) -> list[PolicyGain]:
    compared: list[PolicyGain] = []
    for space, kind in plan.groups():
        ours, papers = found.get((space, kind, POLICY), []), found.get((space, kind, PAPERS), [])
        if not ours or not papers:
            continue
        gains = _paired([one.incumbents for one in ours], [one.incumbents for one in papers])
        columns = zip(plan.budgets, means(gains), standard_errors(gains), gains.T, strict=False)
        compared += [
            PolicyGain(space=space, kind=kind, budget=budget, gain=gain, error=error, chance=chance(by_seed))
            for budget, gain, error, by_seed in columns
        ]
    rates = adjusted([one.chance for one in compared])
    return [replace(one, chance=rate) for one, rate in zip(compared, rates, strict=True)]


def _paired(own: Sequence[Values], rival: Sequence[Values]) -> np.ndarray:
    """What one is above the other, on the seeds of both: each ran the first ones; of each one or all budgets."""
    both = min(len(own), len(rival))
    gains: np.ndarray = np.array(own[:both]) - np.array(rival[:both])
    return gains
