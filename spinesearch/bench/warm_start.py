"""What a warm start is worth: the default algorithm cold, and after what another search has found.

The same instances and seeds go to each start. An earlier search runs in the same store before: it is the service's own
way from its trials to what the search is told and trains first. What counts is the true value of the trial that looked
best, of those that this search trained itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console

from nas_controller.insight.many_tests import adjusted
from nas_controller.store.memory import MemoryStore
from search_space.spaces import find_space
from spinesearch.bench.algorithm_tasks import DEFAULT, KINDS, NUM_SEEDS, Contender, Result, Task, held_out, result_of
from spinesearch.bench.kept_results import KeptResults
from spinesearch.bench.many_searches import chance, means, run_searches, standard_errors
from spinesearch.bench.simulated_search import Workload, run_simulated

SPACE, KIND = "spinenet-49", "relational"
"""Relations mean the same in other spaces: so an instance is one objective, whatever the space."""
BUDGETS, QUICK_BUDGETS = (50, 100, 250), (20, 40)
NUM_WORKERS = 10
EARLIER_TRIALS, QUICK_EARLIER_TRIALS = 200, 40
EARLIER = "earlier"
_ANOTHER_SEED, _ANOTHER_INSTANCE = 100_000, 200_000
"""What is added to the seed: for noise, failures and proposals of the earlier search; for an unrelated objective."""
OTHER_TASK = {"proxy": {"preset": "cpu-small", "steps": 100}}
"""Of an earlier search whose rewards are measured otherwise, for all that the controller knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a search begins with.

    Args:
        name: for the table.
        space: of the earlier search; "" for none.
        is_related: whether that had the same objective.
        is_same_task: whether it says that it was measured alike: then it is told, and not only its best are trained.
        references: that are trained first.
    """

    name: str
    space: str = ""
    is_related: bool = True
    is_same_task: bool = True
    references: tuple[str, ...] = ()

    def section(self) -> dict[str, Any]:
        """Of the search document."""
        if not self.space and not self.references:
            return {}
        searches = [EARLIER] if self.space else []
        return {"warm_start": {"searches": searches, "references": self.references, "tell": EARLIER_TRIALS}}


COLD = Start(name="cold")
STARTS = (
    COLD,
    Start(name="told and its best", space=SPACE),
    Start(name="its best alone", space=SPACE, is_same_task=False),
    Start(name="of r0-sp53: told and its best", space="r0-sp53"),
    Start(name="unrelated: its best alone", space=SPACE, is_related=False, is_same_task=False),
    Start(name="unrelated, and told as if it were not", space=SPACE, is_related=False),
    Start(name="references alone", references=("spinenet-49", "r0-sp53")),
)


@dataclass(frozen=True, kw_only=True)
class StartTask(Task):
    """One search with its start; the kept results of `bench algorithms` have no such."""

    start: Start
    num_earlier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStartPlan:
    """What is run: every start on every instance."""

    seeds: tuple[int, ...] = held_out(NUM_SEEDS)
    budgets: tuple[int, ...] = BUDGETS
    starts: tuple[Start, ...] = STARTS
    num_earlier: int = EARLIER_TRIALS

    def tasks(self) -> list[StartTask]:
        """All searches, instance by instance."""
        return [
            StartTask(
                space=SPACE,
                kind=KIND,
                contender=Contender(name=start.name, algorithm=DEFAULT),
                seed=seed,
                budgets=self.budgets,
                points=(),
                num_workers=NUM_WORKERS,
                start=start,
                num_earlier=self.num_earlier,
            )
            for seed in self.seeds
            for start in self.starts
        ]


QUICK_PLAN = WarmStartPlan(seeds=held_out(2), budgets=QUICK_BUDGETS, num_earlier=QUICK_EARLIER_TRIALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRow:
    """A start; by budget.

    Args:
        means, errors: of the incumbents' true values, with the standard error.
        gains, gain_errors: of the paired differences to the cold start.
        chances: that these are none, by Holm over the whole table; 1 for the cold start itself.
    """

    start: str
    means: tuple[float, ...]
    errors: tuple[float, ...]
    gains: tuple[float, ...]
    gain_errors: tuple[float, ...]
    chances: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStartReport:
    """What was measured."""

    budgets: tuple[int, ...]
    num_seeds: int
    num_earlier: int
    rows: tuple[StartRow, ...] = field(default=())


def run_warm_start(
    plan: WarmStartPlan, kept: KeptResults | None = None, console: Console | None = None
) -> WarmStartReport:
    """Runs all searches of the plan, a few at the same time; arguments as those of `algorithms.run_algorithms`."""
    tasks = plan.tasks()
    results = run_searches(tasks, run_start, kept, console)
    found: dict[str, list[Result]] = {}
    for task in tasks:
        found.setdefault(task.start.name, []).append(results[task])
    values = {name: np.array([result.incumbents for result in each]) for name, each in found.items()}
    return WarmStartReport(
        budgets=plan.budgets, num_seeds=len(plan.seeds), num_earlier=plan.num_earlier, rows=tuple(rows_of(values))
    )


def run_start(task: StartTask) -> Result:
    """Runs the earlier search and the one that counts, in this process."""
    start, store = task.start, MemoryStore()
    make = KINDS[task.kind]
    objective = make(find_space(task.space), task.seed).standardise()
    if start.space:
        instance = task.seed if start.is_related else task.seed + _ANOTHER_INSTANCE
        earlier = Workload(
            objective=objective.in_its_units(make(find_space(start.space), instance)),
            algorithm=task.contender.algorithm,
            seed=task.seed + _ANOTHER_SEED,
            num_trials=task.num_earlier,
            num_workers=task.num_workers,
            name=EARLIER,
            more={} if start.is_same_task else OTHER_TASK,
        )
        run_simulated(earlier, store=store)
    work = Workload(
        objective=objective,
        algorithm=task.contender.algorithm,
        seed=task.seed,
        num_trials=task.budgets[-1],
        num_workers=task.num_workers,
        more=start.section(),
    )
    course = run_simulated(work, store=store)
    return result_of(task, course)


def rows_of(values: Mapping[str, np.ndarray]) -> list[StartRow]:
    """The table.

    Args:
        values: of each start, instances by budgets; the instances are the same.
    """
    gains = {name: each - values[COLD.name] for name, each in values.items()}
    tested = [(name, place) for name in values if name != COLD.name for place in range(values[name].shape[1])]
    rates = dict(zip(tested, adjusted([chance(gains[name][:, place]) for name, place in tested]), strict=True))
    return [
        StartRow(
            start=name,
            means=means(each),
            errors=standard_errors(each),
            gains=means(gains[name]),
            gain_errors=standard_errors(gains[name]),
            chances=tuple(rates.get((name, place), 1.0) for place in range(each.shape[1])),
        )
        for name, each in values.items()
    ]
