"""The cheapest proxy recipe that ranks: Optuna proposes recipes, Ray Tune runs them, rankings judge them.

Recipes are judged by random architectures that were trained for longer, the reference. The best of many recipes looks
better than it is, so the cheapest good ones are judged again by other architectures, beside the recipe that was given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np

from spinesearch.bench.noise import intraclass_correlation
from spinesearch.proxy_tuning.ranking import Interval, regret, tau_difference, tau_interval
from spinesearch.proxy_tuning.recipe import recipe_of, recipe_space
from spinesearch.proxy_tuning.trainings import Judges, Trained, trained
from trainer.task import ProxyTask

LEAST_JUDGES = 8
"""Architectures before a recipe may be given up."""
NUM_CONFIRMED = 3
NUM_SEEDS = 2
"""Trainings of each architecture where a recipe is confirmed."""
NUM_TAKEN = 3
"""Architectures that a search would go on with: what the regret is about."""
NEVER_ENDED_SECONDS = 1e6
"""What counts for a recipe of which every training diverged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried.

    Args:
        base: the recipe that was given; what is not tuned is its own.
        wanted_tau: that a recipe must have to be worth its seconds.
        reference_factor: so many times the base's steps has the reference training.
        num_workers: trainings at the same time, each with these resources of Ray's.
    """

    base: ProxyTask
    num_recipes: int
    wanted_tau: float
    reference_factor: float
    num_workers: int
    cpus: float
    gpus: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A recipe and what its first judges say.

    Args:
        num_judges: fewer than there are where it was given up: surely too low a tau.
        seconds: mean of a training.
    """

    task: ProxyTask
    tau: Interval
    num_judges: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A recipe before fresh judges.

    Args:
        tau: of one training of each, with the interval.
        tau_upper_half: of the half that the reference puts first: what a search needs, and mostly lower.
        icc: share of the variance of AP that is between architectures.
        regret: AP of the reference that is lost by going on with the first `NUM_TAKEN`.
        behind: how much higher the best confirmed recipe's tau is, on the same judges.
    """

    task: ProxyTask
    tau: Interval
    tau_upper_half: Interval
    icc: Interval
    regret: float
    seconds: float
    behind: Interval


def with_reference(judges: Judges, plan: Plan, report: Callable[[int, int], None]) -> Judges:
    """The judges with what they get in the long training.

    Args:
        report: called with the number of trainings that ended, and of all.
    """
    task = plan.base.longer(plan.reference_factor)
    found = _all_trained(judges, task, [plan.seed], plan, report)
    return replace(judges, reference=tuple(one.average_precision for one in found[0]))


def try_recipes(judges: Judges, plan: Plan, folder: str) -> list[Tried]:
    """Tries recipes in Ray Tune, each on one architecture after the other.

    Args:
        folder: where Tune keeps its files.

    Raises:
        RuntimeError: a training failed for the sake of the data or of the machine.
    """
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    judge = tune.with_resources(
        tune.with_parameters(judged, judges=judges, plan=plan), {"cpu": plan.cpus, "gpu": plan.gpus}
    )
    tuner = tune.Tuner(
        judge,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(
                space=recipe_space(), metric=["tau", "seconds"], mode=["max", "min"], seed=plan.seed
            ),
            num_samples=plan.num_recipes,
            max_concurrent_trials=plan.num_workers,
        ),
        run_config=tune.RunConfig(storage_path=folder, name="recipes", verbose=0),
    )
    results = tuner.fit()
    if results.num_errors:
        raise RuntimeError(f"{results.num_errors} of {plan.num_recipes} recipes failed, the first: {results.errors[0]}")
    ended = [results[index] for index in range(len(results))]
    return [_tried(result.config or {}, result.metrics or {}, plan.base) for result in ended]


def _tried(config: dict[str, Any], metrics: dict[str, Any], base: ProxyTask) -> Tried:
    return Tried(
        task=recipe_of(config).task(base),
        tau=Interval(metrics["tau"], metrics["low"], metrics["high"]),
        num_judges=metrics["num_judges"],
        seconds=metrics["seconds"],
    )


def judged(config: dict[str, Any], judges: Judges, plan: Plan) -> dict[str, float]:
    """What the judges say of a recipe, one after the other; it is given up when its tau is surely too low."""
    task = recipe_of(config).task(plan.base)
    found: list[Trained] = []
    for spec in judges.specs:
        found.append(trained(spec, task, plan.seed, judges))
        if len(found) >= 2:
            values = [one.average_precision for one in found]
            tau = tau_interval(values, judges.reference[: len(found)], plan.seed)
            if len(found) >= LEAST_JUDGES and tau.high < plan.wanted_tau:
                break
    return {
        "tau": tau.value,
        "low": tau.low,
        "high": tau.high,
        "num_judges": len(found),
        "seconds": _mean_seconds(found),
    }


def worth_confirming(tried: Sequence[Tried], wanted_tau: float) -> list[Tried]:
    """The cheapest that have the wanted tau; where none has, those of the highest tau."""
    good = sorted((one for one in tried if one.tau.value >= wanted_tau), key=lambda one: one.seconds)
    others = sorted((one for one in tried if one.tau.value < wanted_tau), key=lambda one: -one.tau.value)
    return (good or others)[:NUM_CONFIRMED]


def confirm(
    tasks: Sequence[ProxyTask], judges: Judges, plan: Plan, report: Callable[[int, int], None]
) -> list[Confirmed]:
    """The recipes before fresh judges, each with several seeds."""
    seeds = [plan.seed + 1 + number for number in range(NUM_SEEDS)]
    found = [_all_trained(judges, task, seeds, plan, report) for task in tasks]
    values = [np.array([[one.average_precision for one in row] for row in rows]) for rows in found]  # seed, judge
    taus = [tau_interval(each[0], judges.reference, plan.seed) for each in values]
    best = max(range(len(tasks)), key=lambda index: taus[index].value)
    upper = np.argsort(-np.array(judges.reference), kind="stable")[: max(2, len(judges.specs) // 2)]
    reference_upper = [judges.reference[index] for index in upper]
    return [
        Confirmed(
            task=task,
            tau=tau,
            tau_upper_half=tau_interval(each[0][upper], reference_upper, plan.seed),
            icc=Interval(*intraclass_correlation(each.T)),
            regret=regret(each[0], judges.reference, NUM_TAKEN),
            seconds=_mean_seconds([one for row in rows for one in row]),
            behind=tau_difference(values[best][0], each[0], judges.reference, plan.seed),
        )
        for task, rows, each, tau in zip(tasks, found, values, taus, strict=True)
    ]


def cheapest_that_ranks(confirmed: Sequence[Confirmed], wanted_tau: float) -> Confirmed | None:
    """The cheapest of those that have the wanted tau and are not surely behind the best; None where there is none."""
    good = [one for one in confirmed if one.tau.value >= wanted_tau and one.behind.low <= 0]
    return min(good, key=lambda one: one.seconds, default=None)


def _all_trained(
    judges: Judges, task: ProxyTask, seeds: Sequence[int], plan: Plan, report: Callable[[int, int], None]
) -> list[list[Trained]]:
    """By seed, then by architecture; on Ray, so many at the same time as the plan allows."""
    import ray

    run = ray.remote(num_cpus=plan.cpus, num_gpus=plan.gpus, max_retries=3)(trained)
    waiting = [(spec, seed) for seed in seeds for spec in judges.specs]
    refs: list[Any] = []
    running: list[Any] = []
    for spec, seed in waiting:
        if len(running) >= plan.num_workers:
            _, running = ray.wait(running, num_returns=1)
        report(len(refs) - len(running), len(waiting))
        refs.append(run.remote(spec, task, seed, judges))
        running.append(refs[-1])
    found: list[Trained] = ray.get(refs)
    report(len(waiting), len(waiting))
    each = len(judges.specs)
    return [found[start : start + each] for start in range(0, len(found), each)]


def _mean_seconds(found: Sequence[Trained]) -> float:
    return fmean([one.seconds for one in found if one.seconds is not None] or [NEVER_ENDED_SECONDS])
