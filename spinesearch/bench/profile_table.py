"""The tables of `bench profile`."""

from rich.console import Console
from rich.table import Table

from spinesearch.bench.profile import ProfileReport


def print_profile(report: ProfileReport, console: Console) -> None:
    """Prints the parts of the trial, the operators of its steps, and how far the steps are from the limits."""
    task = report.task
    title = (
        f"{report.architecture}, {task['image_size']} px, batch {task['batch_size']}, {report.steps} steps; "
        f"{report.device}, {report.threads} threads"
    )
    phases = Table("part of a trial", title=title)
    for heading in ("seconds", "ms a step", "share"):
        phases.add_column(heading, justify="right")
    total = sum(phase.seconds for phase in report.phases)
    for phase in report.phases:
        in_a_step = f"{1000 * phase.seconds / report.steps:.1f}" if phase.is_step else ""
        phases.add_row(phase.name, f"{phase.seconds:.2f}", in_a_step, f"{100 * phase.seconds / total:.1f}%")
    console.print(phases)
    operators = Table("operators of a step", title="under the profiler, which slows small ones")
    for heading in ("calls", "share"):
        operators.add_column(heading, justify="right")
    for kind in report.operators:
        operators.add_row(kind.name, f"{kind.calls:,.0f}", f"{100 * kind.share:.1f}%")
    console.print(operators)
    console.print(f"the parts add up to {total:.1f} s; a trial in one piece took {report.trial_seconds:.1f} s")
    steps = sum(phase.seconds for phase in report.phases if phase.is_step)
    console.print(
        f"steps: {steps:.1f} s, {steps / report.bare_seconds:.2f} times the bare network "
        f"({report.bare_seconds:.1f} s), {steps / report.arithmetic_seconds:.1f} times the arithmetic alone at the "
        f"speed of the machine's matrix product ({report.arithmetic_seconds:.2f} s)"
    )
