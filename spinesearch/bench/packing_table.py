"""The table of `bench packing`, and the lines for a search document below it."""

import yaml
from rich.console import Console
from rich.table import Table

from spinesearch.bench.packing import PackingReport, PackingResult


def print_packing(report: PackingReport, console: Console) -> None:
    """Prints what each packing reached, those that do not fit, and the recommended workers as YAML."""
    task, machine = report.task, report.machine
    length = f"{task['steps']} steps" if task["steps"] else f"{task['epochs']:g} epochs"
    num_rounds = len(report.results[0].rounds)
    rounds = "one round" if num_rounds == 1 else f"each of {num_rounds} rounds"
    table = Table(
        title=f"{report.architecture}, {task['image_size']} px, batch {task['batch_size']}, {length}; "
        f"{machine.device}, {machine.cores} cores; {report.num_trials} trials in {rounds}"
    )
    table.add_column("workers x threads")
    for heading in ("GPU each", "trials an hour", "against one at a time", "seconds a trial", "peak memory, MB"):
        table.add_column(heading, justify="right")
    for result in report.results:
        table.add_row(*_cells(result))
    console.print(table)
    if any(result.oversubscribes for result in report.results):
        console.print("* more threads than cores: shows what that costs, and is not recommended")
    for packing, reason in report.left_out:
        console.print(f"{packing.name}: left out: {reason}", markup=False)
    console.print("for a search document:")
    lines = yaml.safe_dump({"workers": list(report.workers)}, sort_keys=False)
    console.print(lines.rstrip(), markup=False, highlight=False)


def _cells(result: PackingResult) -> list[str]:
    packing = result.packing
    return [
        packing.name + (" *" if result.oversubscribes else ""),
        f"{packing.gpus:g}" if packing.gpus else "-",
        f"{result.trials_per_hour:,.0f}",
        f"{result.ratio:.2f}",
        f"{result.trial_seconds:.1f}",
        f"{result.peak_memory_bytes / 1e6:,.0f}",
    ]
