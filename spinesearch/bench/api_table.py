"""The table of `bench api`."""

from rich.console import Console
from rich.table import Table

from spinesearch.bench.api import TARGET_MILLISECONDS, ApiReport, RouteReport


def print_api(report: ApiReport, console: Console) -> None:
    """Prints every route, and names those that miss the target."""
    title = f"{report.num_trials:,} trials, {report.num_entries:,} entries, {report.database_bytes / 1e6:,.0f} MB"
    table = Table("route", title=f"a request on a search of {title}: milliseconds")
    for heading in ("rows", "kB", "cold", "p50", "p95", "max", "p95, written to"):
        table.add_column(heading, justify="right")
    for route in report.routes:
        table.add_row(
            _name(route),
            f"{route.rows:,}",
            f"{route.bytes / 1000:,.1f}",
            f"{route.cold_ms:,.1f}",
            f"{route.p50_ms:,.1f}",
            f"{route.p95_ms:,.1f}",
            f"{route.max_ms:,.1f}",
            f"{route.writing_p95_ms:,.1f}",
            style="red" if route.is_slow else "",
        )
    console.print(table)
    console.print(
        f"{report.num_requests} requests of each, nobody writing; then as many while a controller commits "
        f"{report.trials_a_second:.0f} trials a second. Of a table, until its first part."
    )
    slow = [_name(route) for route in report.routes if route.is_slow]
    target = f"target: p95 of at most {TARGET_MILLISECONDS:g} ms"
    console.print(f"{target}: missed by {', '.join(slow)}" if slow else f"{target}: reached by every route")


def _name(route: RouteReport) -> str:
    query = "&".join(f"{name}={value}" for name, value in route.query.items())
    return f"{route.route}?{query}" if query else route.route
