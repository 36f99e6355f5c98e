"""What each choice about arithmetic and memory is worth: the bare network's step with it and without it.

Every variant leaves out one choice, in a process of its own; they take turns, so that a busy machine slows all alike,
and times are medians over the rounds.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from search_space.spec import ArchitectureSpec
from spinesearch.bench.proxy import in_fresh_process
from trainer.task import DataSource, EvaluationRequest, ProxyTask

AS_IT_IS = "as it is"
NUM_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A training step that leaves out one choice.

    Args:
        uses_bf16: convolutions in bfloat16, where the device computes it in hardware.
        channels_last: features and weights with their channels side by side in memory.
        rounds_at_once: all weights are rounded to bfloat16 by one operation, not by autocast one by one.
        flat: the optimizer works on two long vectors, not on each parameter.
        keeps_memory: freed memory stays with the process, in huge pages.
        records: on CUDA the step is recorded and launched in one piece, which an optimizer that is not made for it
            cannot be; elsewhere there is nothing to leave out.
        compiles: `torch.compile` of the whole network.
    """

    name: str
    uses_bf16: bool = True
    channels_last: bool = True
    rounds_at_once: bool = True
    flat: bool = True
    keeps_memory: bool = True
    records: bool = True
    compiles: bool = False


VARIANTS = (
    Variant(name=AS_IT_IS),
    Variant(name="weights rounded one by one", rounds_at_once=False),
    Variant(name="optimizer on each parameter", rounds_at_once=False, flat=False, records=False),
    Variant(name="freed memory given back", keeps_memory=False),
    Variant(name="channels first", channels_last=False),
    Variant(name="float32", uses_bf16=False),
    Variant(name="launched one by one", records=False),
    Variant(name="none of these", uses_bf16=False, channels_last=False, flat=False, keeps_memory=False, records=False),
)
COMPILED = Variant(name="torch.compile", rounds_at_once=False, flat=False, records=False, compiles=True)


@dataclass(frozen=True, slots=True)
class Timing:
    """Of a variant in one process: the first step, with all that is made for it once, and the median of later ones."""

    first_seconds: float
    step_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantReport:
    """A variant's medians over the rounds.

    Args:
        ratio: its step against the step as it is: above 1, the choice that it leaves out pays.
    """

    name: str
    first_seconds: float
    step_seconds: float
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicesReport:
    """What was measured."""

    architecture: str
    threads: int
    rounds: int
    task: dict[str, Any]
    variants: tuple[VariantReport, ...]


def run_choices(
    *,
    name: str,
    spec: ArchitectureSpec,
    task: ProxyTask,
    data: DataSource,
    threads: int = 1,
    device: str = "auto",
    num_rounds: int = NUM_ROUNDS,
    with_compiler: bool = False,
    console: Console | None = None,
) -> ChoicesReport:
    """Times the step of each variant.

    Args:
        name: of the architecture, for people.
        with_compiler: also `torch.compile`, once: on a CPU it takes minutes and a C++ compiler.
        console: where progress is shown; None for nowhere.
    """
    request = EvaluationRequest(spec=spec, task=task, data=data, seed=0, threads=threads, device=device)
    timings: dict[str, list[Timing]] = {variant.name: [] for variant in VARIANTS}
    with Progress(console=console or Console(quiet=True)) as progress:
        bar = progress.add_task("timing steps", total=num_rounds * len(VARIANTS) + with_compiler)
        for _ in range(num_rounds):
            for variant in VARIANTS:
                timings[variant.name].append(in_fresh_process(measure_variant, request, variant))
                progress.advance(bar)
        if with_compiler:
            timings[COMPILED.name] = [in_fresh_process(measure_variant, request, COMPILED)]
    return ChoicesReport(
        architecture=name,
        threads=threads,
        rounds=num_rounds,
        task=task.to_document(),
        variants=variant_reports(timings),
    )


def measure_variant(request: EvaluationRequest, variant: Variant) -> Timing:
    """The step of a variant, in this process."""
    from spinesearch.bench import choices_step

    return choices_step.measure(request, variant)


def variant_reports(timings: dict[str, list[Timing]]) -> tuple[VariantReport, ...]:
    """Medians of each variant, and its step against that of `AS_IT_IS`."""
    steps = {name: _median([one.step_seconds for one in each]) for name, each in timings.items()}
    return tuple(
        VariantReport(
            name=name,
            first_seconds=_median([one.first_seconds for one in each]),
            step_seconds=steps[name],
            ratio=steps[name] / steps[AS_IT_IS],
        )
        for name, each in timings.items()
    )


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def print_choices(report: ChoicesReport, console: Console) -> None:
    """Prints a row for each variant."""
    task = report.task
    title = (
        f"a step of the bare network: {report.architecture}, {task['image_size']} px, batch {task['batch_size']}, "
        f"{report.threads} threads, median of {report.rounds} rounds"
    )
    table = Table("without one choice", title=title)
    for heading in ("ms a step", "against as it is", "first step, s"):
        table.add_column(heading, justify="right")
    for variant in report.variants:
        milliseconds = f"{1000 * variant.step_seconds:.1f}"
        table.add_row(variant.name, milliseconds, f"{variant.ratio:.2f}", f"{variant.first_seconds:.2f}")
    console.print(table)
