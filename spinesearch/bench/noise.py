"""How well a proxy task ranks: random architectures, each trained with several seeds.

AP differs between architectures and between seeds of one architecture. The intraclass correlation ICC(1) is the
share of the variance that is between architectures: 1 where one training tells them apart, 0 where none can.
"""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import f as f_distribution

from search_space.budget import FlopsBudget, backbone_multiply_adds, decode_within
from search_space.decisions import SearchSpace, random_genotype
from search_space.plan import TargetNetwork
from search_space.spec import ArchitectureSpec
from spinesearch.processes import end_with_parent
from trainer.task import DataSource, EvaluationRequest, ProxyTask, Split, TrainingDiverged

NUM_ARCHITECTURES, NUM_SEEDS, NUM_WORKERS = 20, 3, 2
QUICK_ARCHITECTURES, QUICK_SEEDS = 4, 2
MAX_DRAWS = 10_000  # for each architecture inside the budget


@dataclass(frozen=True, slots=True)
class Measurement:
    """One training: AP (0 where it diverged), seconds of wall time and of the CPU."""

    average_precision: float
    wall_seconds: float
    cpu_seconds: float
    has_diverged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReport:
    """What the trainings say about a proxy task.

    Args:
        average_precision: by architecture, then by seed.
        seed_deviation: standard deviation of AP between seeds of one architecture.
        architecture_deviation: standard deviation of AP between architectures, the seeds' share taken out.
        icc, icc_low, icc_high: ICC(1) of a single training, with its 95 % interval.
        wall_seconds, cpu_seconds: mean of a training, with everything around it.
        num_diverged: trainings that diverged; they count as AP 0.
    """

    space: str
    budget: str
    task: dict[str, Any]
    split: str
    num_eval_images: int
    average_precision: tuple[tuple[float, ...], ...]
    mean: float
    lowest: float
    highest: float
    seed_deviation: float
    architecture_deviation: float
    icc: float
    icc_low: float
    icc_high: float
    wall_seconds: float
    cpu_seconds: float
    num_diverged: int


def run_noise(
    *,
    space: SearchSpace,
    budget: FlopsBudget,
    target: TargetNetwork,
    task: ProxyTask,
    data: DataSource,
    num_architectures: int = NUM_ARCHITECTURES,
    num_seeds: int = NUM_SEEDS,
    num_workers: int = NUM_WORKERS,
    seed: int = 0,
    split: Split = Split.REWARD,
    console: Console | None = None,
) -> NoiseReport:
    """Trains `num_architectures` random architectures inside the budget, each with `num_seeds` seeds.

    Args:
        num_workers: processes, one thread each.
        seed: decides the architectures and all seeds of the trainings.
        console: where progress is shown; None for nowhere.

    Raises:
        ValueError: fewer than 2 architectures, seeds, or 1 worker, or no architecture meets the budget.
        TaskError: a data set that cannot be used.
    """
    if num_architectures < 2 or num_seeds < 2 or num_workers < 1:
        raise ValueError(
            f"{num_architectures} architectures, {num_seeds} seeds, {num_workers} workers: must be at least 2, 2 and 1"
        )
    specs = random_architectures(space, budget, target, num_architectures, seed)
    requests = [
        EvaluationRequest(spec=spec, task=task, data=data, seed=seed + number * num_seeds + repeat, split=split)
        for number, spec in enumerate(specs)
        for repeat in range(num_seeds)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, mp_context=context, initializer=end_with_parent) as workers:
        results = workers.map(measure, requests)
        shown = track(results, "training", len(requests), console=console or Console(quiet=True))
        measurements = list(shown)
    return _report(measurements, num_seeds, space=space, budget=budget, task=task, split=split, data=data)


def random_architectures(
    space: SearchSpace, budget: FlopsBudget, target: TargetNetwork, number: int, seed: int
) -> list[ArchitectureSpec]:
    """The first `number` uniform draws of the space that are inside the budget.

    Raises:
        ValueError: none was found in `MAX_DRAWS` draws in a row.
    """
    rng = Random(seed)
    return [random_within(space, budget, target, rng) for _ in range(number)]


def random_within(space: SearchSpace, budget: FlopsBudget, target: TargetNetwork, rng: Random) -> ArchitectureSpec:
    """The next uniform draw of the space that is inside the budget.

    Raises:
        ValueError: none was found in `MAX_DRAWS` draws.
    """
    for _ in range(MAX_DRAWS):
        spec = decode_within(space, random_genotype(space, rng), target, budget)
        if budget.contains(backbone_multiply_adds(spec, target)):
            return spec
    raise ValueError(f"{space.name}: none of {MAX_DRAWS:,} random architectures costs {budget.describe()}")


def measure(request: EvaluationRequest) -> Measurement:
    """One training, in a worker process."""
    from trainer.evaluate import evaluate_architecture

    wall, cpu = time.perf_counter(), time.process_time()
    try:
        average_precision, has_diverged = evaluate_architecture(request).average_precision, False
    except TrainingDiverged:
        average_precision, has_diverged = 0.0, True
    return Measurement(average_precision, time.perf_counter() - wall, time.process_time() - cpu, has_diverged)


def intraclass_correlation(values: np.ndarray[Any, Any], confidence: float = 0.95) -> tuple[float, float, float]:
    """ICC(1) of single measurements with its interval: one-way random effects (Shrout & Fleiss 1979).

    Args:
        values: N objects, each measured S times.

    Raises:
        ValueError: fewer than two objects or measurements.

    >>> icc, low, high = intraclass_correlation(np.array([[1.0, 2.0], [5.0, 6.0], [9.0, 10.0]]))
    >>> round(icc, 4)
    0.9692
    """
    objects, repeats = values.shape
    if objects < 2 or repeats < 2:
        raise ValueError(f"{objects} objects measured {repeats} times: both must be at least 2")
    between, within = mean_squares(values)
    if within == 0:
        return (1.0, 1.0, 1.0) if between > 0 else (0.0, 0.0, 0.0)
    free_between, free_within = objects - 1, objects * (repeats - 1)
    quantile = (1 + confidence) / 2
    ratio = between / within
    low = ratio / float(f_distribution.ppf(quantile, free_between, free_within))
    high = ratio * float(f_distribution.ppf(quantile, free_within, free_between))
    icc, icc_low, icc_high = ((value - 1) / (value + repeats - 1) for value in (ratio, low, high))
    return icc, icc_low, icc_high


def mean_squares(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Mean squares between and within the N objects of a one-way analysis of variance."""
    between = values.shape[1] * values.mean(axis=1).var(ddof=1)
    return float(between), float(values.var(axis=1, ddof=1).mean())


def _report(
    measurements: list[Measurement],
    num_seeds: int,
    *,
    space: SearchSpace,
    budget: FlopsBudget,
    task: ProxyTask,
    split: Split,
    data: DataSource,
) -> NoiseReport:
    from trainer.data.dataset import coco_ground_truth

    values = np.array([measured.average_precision for measured in measurements]).reshape(-1, num_seeds)
    between, within = mean_squares(values)
    icc, icc_low, icc_high = intraclass_correlation(values)
    num_images = len(coco_ground_truth(data, split.value)["images"])
    return NoiseReport(
        space=space.name,
        budget=budget.describe(),
        task=task.to_document(),
        split=split.value,
        num_eval_images=min(num_images, task.max_eval_images or num_images),
        average_precision=tuple(tuple(row) for row in values.tolist()),
        mean=float(values.mean()),
        lowest=float(values.min()),
        highest=float(values.max()),
        seed_deviation=within**0.5,
        architecture_deviation=max(0.0, (between - within) / num_seeds) ** 0.5,
        icc=icc,
        icc_low=icc_low,
        icc_high=icc_high,
        wall_seconds=float(np.mean([measured.wall_seconds for measured in measurements])),
        cpu_seconds=float(np.mean([measured.cpu_seconds for measured in measurements])),
        num_diverged=sum(measured.has_diverged for measured in measurements),
    )


def print_noise(report: NoiseReport, console: Console | None = None) -> None:
    """Prints the AP of each architecture and the summary below it."""
    console = console or Console()
    table = Table(title=f"{report.space}, {report.budget}; AP on {report.num_eval_images} {report.split} images")
    table.add_column("architecture", justify="right")
    for number in range(len(report.average_precision[0])):
        table.add_column(f"seed {number + 1}", justify="right")
    table.add_column("mean", justify="right")
    for number, row in enumerate(report.average_precision, start=1):
        table.add_row(str(number), *(f"{value:.3f}" for value in row), f"{np.mean(row):.3f}")
    console.print(table)
    console.print(f"AP                        mean {report.mean:.3f}, {report.lowest:.3f} to {report.highest:.3f}")
    console.print(f"deviation between seeds   {report.seed_deviation:.4f}")
    console.print(f"between architectures     {report.architecture_deviation:.4f}")
    console.print(f"ICC(1)                    {report.icc:.3f}  (95 %: {report.icc_low:.3f} to {report.icc_high:.3f})")
    console.print(f"seconds a training        {report.wall_seconds:.1f} wall, {report.cpu_seconds:.1f} CPU")
    if report.num_diverged:
        console.print(f"diverged                  {report.num_diverged}, counted as AP 0")
