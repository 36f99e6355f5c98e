"""What a search would take, from random architectures and from the history of this service; nothing is trained."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from api.comparison import student_t_95
from api.past_trainings import past_trainings
from api.planning_schemas import CostSpread, Estimate, Forecast, PastTrainings, Share, SpaceCount, Spread
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from search_space.budget import decode_within
from search_space.cost import NetworkCostReport, cost
from search_space.decisions import random_genotype
from search_space.intervals import wilson_interval
from search_space.plan import resolve
from search_space.spaces import find_space

MAX_DRAWS = 300
MAX_SECONDS = 1.5
SECONDS_IN_AN_HOUR = 3600.0
NO_HISTORY = "no training of this proxy task on this data set, by this evaluator and such workers, has completed here"


@dataclass(frozen=True, slots=True)
class Draws:
    """Random architectures of a search.

    Args:
        count: of all that were drawn.
        at_target, at_proxy: what those inside the budget cost.
    """

    count: int
    at_target: Sequence[NetworkCostReport]
    at_proxy: Sequence[NetworkCostReport]


def estimate(config: SearchConfig, store: Store, clock: Callable[[], float]) -> Estimate:
    """What the search would take. Takes under two seconds, whatever the space.

    Args:
        clock: seconds, from wherever they count; drawing ends by it.
    """
    size = find_space(config.space).size()
    drawn = draw(config, clock)
    low, high = wilson_interval(len(drawn.at_target), drawn.count)
    history = past_trainings(store, config.to_document())
    trainings = num_trainings(config)
    concurrent = num_concurrent(config, trainings)
    worker_hours = None if history is None else forecast_hours(history, trainings)
    per_hour = None if config.price is None else price_of_worker_hour(config)
    return Estimate(
        space=SpaceCount(formula=float(size.formula), architectures=float(size.architectures)),
        inside_budget=Share(value=len(drawn.at_target) / drawn.count, low=low, high=high, draws=drawn.count),
        target_cost=_spread(drawn.at_target),
        proxy_cost=_spread(drawn.at_proxy),
        trainings=trainings,
        timings=0 if config.latency is None else config.limits.trials,
        concurrent=concurrent,
        history=history,
        no_history=NO_HISTORY if history is None else "",
        hours=_times(worker_hours, 1 / concurrent),
        worker_hours=worker_hours,
        cost=_times(worker_hours, per_hour),
        currency=None if config.price is None else config.price.currency,
    )


def draw(config: SearchConfig, clock: Callable[[], float]) -> Draws:
    """Up to `MAX_DRAWS` uniform architectures, fewer where `MAX_SECONDS` are over; always the same ones first."""
    space, budget, target = find_space(config.space), config.flops_budget(), config.target_network()
    proxy = config.task().network(target.num_classes)
    rng, end, count = Random(0), clock() + MAX_SECONDS, 0
    at_target, at_proxy = [], []
    while count < MAX_DRAWS and (count == 0 or clock() < end):
        settled_at = budget if config.front is None else config.front.budget_for(count)
        spec = decode_within(space, random_genotype(space, rng), target, settled_at)
        report = cost(resolve(spec, target))
        count += 1
        if budget.contains(report.backbone.multiply_adds):
            at_target.append(report)
            at_proxy.append(cost(resolve(spec, proxy)))
    return Draws(count, at_target, at_proxy)


def num_trainings(config: SearchConfig) -> int:
    """Of the candidates, and of the best and the references with fresh seeds; of a front those under each target."""
    again, trials = config.reevaluate, config.limits.trials
    if again.top == 0:
        return trials
    best = again.top * (1 if config.front is None else config.front.points)
    return trials + (min(best, trials) + len(again.references)) * again.seeds


def num_concurrent(config: SearchConfig, trainings: int) -> int:
    """Trainings at the same time, when all workers have been placed."""
    workers = sum(pool.count for pool in config.workers)
    return min(workers, config.limits.concurrent_trials or workers, trainings)


def forecast_hours(history: PastTrainings, trainings: int) -> Forecast:
    """Hours of all workers, with the 95 % prediction interval for a sum of N draws after n: t s sqrt(N + N²/n)."""
    total = trainings * history.seconds / SECONDS_IN_AN_HOUR
    if history.deviation is None:
        return Forecast(value=total, low=None, high=None)
    spread = history.deviation * math.sqrt(trainings + trainings**2 / history.count)
    half = student_t_95(history.count - 1) * spread / SECONDS_IN_AN_HOUR
    return Forecast(value=total, low=max(0.0, total - half), high=total + half)


def price_of_worker_hour(config: SearchConfig) -> float:
    """Mean over the workers, each by what it has; 0 without a price."""
    price = config.price
    if price is None:
        return 0.0
    each = [
        (p.count, p.gpus * price.gpu_hour + p.tpus * price.tpu_hour + p.cpus * price.cpu_hour) for p in config.workers
    ]
    return sum(count * hourly for count, hourly in each) / sum(count for count, _ in each)


def _times(forecast: Forecast | None, factor: float | None) -> Forecast | None:
    if forecast is None or factor is None:
        return None
    low, high = (None if bound is None else bound * factor for bound in (forecast.low, forecast.high))
    return Forecast(value=forecast.value * factor, low=low, high=high)


def _spread(reports: Sequence[NetworkCostReport]) -> CostSpread | None:
    if not reports:
        return None
    return CostSpread(
        backbone_parameters=_over([report.backbone.parameters for report in reports]),
        backbone_multiply_adds=_over([report.backbone.multiply_adds for report in reports]),
        detector_parameters=_over([report.parameters for report in reports]),
        detector_multiply_adds=_over([report.multiply_adds for report in reports]),
    )


def _over(numbers: Sequence[int]) -> Spread:
    return Spread(mean=sum(numbers) / len(numbers), smallest=min(numbers), largest=max(numbers))
