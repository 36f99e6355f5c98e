"""The table of `bench dispatch`."""

from rich.console import Console
from rich.table import Table

from spinesearch.bench.dispatch import TARGET_BUSY_SHARE, TARGET_BYTES, TARGET_MILLISECONDS, DispatchReport


def print_dispatch(report: DispatchReport, console: Console) -> None:
    """Prints the contenders side by side, ours against the targets, and the share of busy time."""
    ours = report.contenders[0]
    table = Table("a trial without training", title="beside its training, a trial costs")
    for heading in ("trials", "ms a trial", "first tenth", "last tenth", "bytes a trial", "ours is faster"):
        table.add_column(heading, justify="right")
    for one in report.contenders:
        table.add_row(
            one.name,
            f"{one.num_trials:,}",
            f"{one.milliseconds:.2f}",
            f"{one.first_milliseconds:.2f}",
            f"{one.last_milliseconds:.2f}",
            f"{one.bytes_a_trial:,.0f}",
            "" if one is ours else f"{one.milliseconds / ours.milliseconds:.1f} times",
        )
    console.print(table)
    console.print(
        f"target: at most {TARGET_MILLISECONDS:g} ms ({_verdict(ours.milliseconds <= TARGET_MILLISECONDS)}) and "
        f"{TARGET_BYTES:,.0f} bytes a trial ({_verdict(ours.bytes_a_trial <= TARGET_BYTES)})"
    )
    console.print(
        f"{report.busy_workers} simulated workers with trials of {report.busy_trial_seconds:g} s are busy "
        f"{100 * report.busy_share:.2f}% of the time (target: {100 * TARGET_BUSY_SHARE:g}%: "
        f"{_verdict(report.busy_share >= TARGET_BUSY_SHARE)})"
    )
    for number, seconds in report.resume_seconds.items():
        console.print(f"a search that was cut off after {number:,} trials goes on after {seconds:.2f} s")


def _verdict(is_reached: bool) -> str:
    return "reached" if is_reached else "missed"
