"""`tune-proxy` from its search document to its report."""

import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from search_space.spec import ArchitectureSpec
from spinesearch.proxy_tuning.ranking import Interval
from spinesearch.proxy_tuning.trainings import Judges
from spinesearch.proxy_tuning.tuning import (
    Confirmed,
    Plan,
    Tried,
    cheapest_that_ranks,
    confirm,
    try_recipes,
    with_reference,
    worth_confirming,
)
from trainer.task import ProxyTask

QUIET = {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
"""Tune says on the standard output what it does, and writes each result in three formats, unless told before import."""
TUNED = ("image_size", "width_scale", "steps", "learning_rate", "scale_jitter", "flip")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningReport:
    """What came of it.

    Args:
        tried: all recipes, in the order in which they were proposed.
        confirmed: the given recipe, then those that were worth it.
        chosen: None where none has the wanted tau.
    """

    wanted_tau: float
    num_judges: int
    tried: tuple[Tried, ...]
    confirmed: tuple[Confirmed, ...]
    chosen: Confirmed | None


def tune_proxy(
    specs: Sequence[ArchitectureSpec], judges: Judges, plan: Plan, console: Console | None = None
) -> TuningReport:
    """Tunes the recipe on the first half of the architectures, and confirms on the other; Ray must run.

    Args:
        judges: what all trainings share; its own architectures are not looked at.
        console: where progress is shown; None for nowhere.

    Raises:
        ValueError: fewer than four architectures.
        RuntimeError: a training failed for the sake of the data or of the machine.
    """
    if len(specs) < 4:
        raise ValueError(f"{len(specs)} architectures: must be at least 4, two for tuning and two to confirm")
    shown = console or Console(quiet=True)
    half = len(specs) // 2
    everyone = with_reference(replace(judges, specs=tuple(specs)), plan, _counter(shown, "reference trainings"))
    first = replace(everyone, specs=everyone.specs[:half], reference=everyone.reference[:half])
    fresh = replace(everyone, specs=everyone.specs[half:], reference=everyone.reference[half:])
    shown.print(f"{plan.num_recipes} recipes, each judged by at most {half} architectures")
    with tempfile.TemporaryDirectory() as folder:
        tried = try_recipes(first, plan, folder)
    tasks = [plan.base, *(one.task for one in worth_confirming(tried, plan.wanted_tau))]
    confirmed = confirm(tasks, fresh, plan, _counter(shown, "trainings to confirm a recipe"))
    return TuningReport(
        wanted_tau=plan.wanted_tau,
        num_judges=len(fresh.specs),
        tried=tuple(tried),
        confirmed=tuple(confirmed),
        chosen=cheapest_that_ranks(confirmed, plan.wanted_tau),
    )


def _counter(console: Console, what: str) -> Callable[[int, int], None]:
    said = [-1]

    def report(num_ended: int, num_all: int) -> None:
        if num_ended != said[-1] and (num_ended % 5 == 0 or num_ended == num_all):
            said.append(num_ended)
            console.print(f"{num_ended} of {num_all} {what}")

    return report


@contextmanager
def ray_for(plan: Plan, address: str | None) -> Iterator[None]:
    """Ray while the block runs: the cluster at the address, or one of our own on loopback with as many CPUs as the plan
    wants."""
    from nas_controller.dispatch.ray_cluster import ask_for_a_token, loopback_only

    os.environ |= QUIET
    if address is None:
        ask_for_a_token()
    import ray

    try:
        if address is None:
            with loopback_only():
                num_cpus = int(plan.num_workers * max(plan.cpus, 1))
                ray.init("local", num_cpus=num_cpus, include_dashboard=False, logging_level=logging.ERROR)
        else:
            ray.init(address, logging_level=logging.ERROR)
        yield
    finally:
        ray.shutdown()


def print_tuning(report: TuningReport, console: Console) -> None:
    """Prints the recipes that were confirmed, with their intervals, and the one to take."""
    title = f"judged by {report.num_judges} fresh architectures; intervals of 95 %, over architectures"
    table = Table("", title=title)
    for heading in (*TUNED, "seconds", "tau", "of the better half", "ICC", "regret", "behind the best"):
        table.add_column(heading, justify="right")
    for number, one in enumerate(report.confirmed):
        name = "as given" if number == 0 else f"recipe {number}"
        table.add_row(name, *_parts(one.task), *_judgement(one))
    console.print(table)
    given_up = sum(one.num_judges < max(each.num_judges for each in report.tried) for one in report.tried)
    console.print(f"{len(report.tried)} recipes were tried, {given_up} of them given up before the last architecture")
    if report.chosen is None:
        console.print(f"none has tau {report.wanted_tau:g}: train longer, or ask for less")
    else:
        parts = ", ".join(f"{name}: {text}" for name, text in zip(TUNED, _parts(report.chosen.task), strict=True))
        console.print(f"the cheapest that ranks: {{{parts}}}")


def _parts(task: ProxyTask) -> list[str]:
    values = [getattr(task, name) for name in TUNED]
    return [json.dumps(value) if not isinstance(value, float) else f"{value:.3g}" for value in values]


def _judgement(one: Confirmed) -> list[str]:
    intervals = [_text(each) for each in (one.tau, one.tau_upper_half, one.icc)]
    return [f"{one.seconds:.1f}", *intervals, f"{one.regret:.3f}", _text(one.behind)]


def _text(interval: Interval) -> str:
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
