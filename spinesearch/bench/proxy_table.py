"""The table of `bench proxy`."""

from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from spinesearch.bench.proxy import (
    ALLOWED_OVERHEAD,
    ALLOWED_SECONDS,
    CONTENDERS,
    OURS,
    ContenderReport,
    ProxyReport,
    Ratio,
)

_CONTENDER_ROWS: tuple[tuple[str, Callable[[ContenderReport], str]], ...] = (
    ("precision", lambda one: "bf16" if one.uses_bf16 else "fp32"),
    ("multiply-adds of an image", lambda one: f"{one.multiply_adds:,}"),
    ("training, images/s", lambda one: f"{one.train_images_per_second:.1f}"),
    ("evaluation, images/s", lambda one: f"{one.eval_images_per_second:.1f}"),
    ("whole trial, s", lambda one: f"{one.trial_seconds:.1f}"),
    ("of it outside steps, s", lambda one: f"{one.outside_seconds:.1f}"),
    ("share of matrix peak", lambda one: f"{100 * one.peak_share:.1f}%"),
    ("peak memory, MB", lambda one: f"{one.peak_memory_bytes / 1e6:,.0f}"),
    ("AP by seed", lambda one: " ".join(f"{value:.3f}" for value in one.average_precision)),
    ("mean AP ± standard error", lambda one: f"{one.mean:.3f} ± {one.standard_error:.3f}"),
)


def print_proxy(report: ProxyReport, console: Console) -> None:
    """Prints the contenders side by side, ours against each peer, and ours against the machine."""
    task = report.task
    table = Table(
        title=f"{report.architecture}, {task['image_size']} px, batch {task['batch_size']}, {report.steps} steps; "
        f"{report.device}, {report.threads} threads"
    )
    table.add_column("")
    for name in CONTENDERS:
        table.add_column(name, justify="right")
    for heading, cell in _CONTENDER_ROWS:
        table.add_row(heading, *(cell(contender) for contender in report.contenders))
    console.print(table)
    for ratio in report.ratios:
        console.print(_sentence(ratio))
    limits = report.limits
    console.print(
        f"matrix product: {limits.bf16_flops / 1e9:,.0f} Gflop/s in bf16, {limits.fp32_flops / 1e9:,.0f} in fp32"
    )
    console.print(_overhead(report))


def _sentence(ratio: Ratio) -> str:
    verdict = "reached" if ratio.trial >= ratio.target else "missed"
    precise = "not below" if ratio.is_as_precise else "below"
    return (
        f"{OURS} against {ratio.peer}: {ratio.trial:.2f} times as fast in a whole trial (target {ratio.target:g}: "
        f"{verdict}), {ratio.training:.2f} in training, {ratio.evaluation:.2f} in evaluation; mean AP {precise} "
        "the peer's less a standard error"
    )


def _overhead(report: ProxyReport) -> str:
    seconds = report.contenders[0].trial_seconds
    verdict = "reached" if seconds <= report.allowed_seconds else "missed"
    return (
        f"bare network: {1000 * report.limits.bare_step_seconds:.1f} ms a step, {report.bare_seconds:.1f} s for "
        f"{report.steps}; a whole trial takes {100 * (seconds / report.bare_seconds - 1):+.0f}%, {seconds:.1f} s "
        f"(target: at most {100 * ALLOWED_OVERHEAD:.0f}% and {ALLOWED_SECONDS:g} s more, "
        f"{report.allowed_seconds:.1f} s: {verdict})"
    )
