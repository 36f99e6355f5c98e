"""What a measurement prints: for a terminal, as JSON, or as the table of a page of docs."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Quick = Annotated[bool, typer.Option("--quick", help="a small run, to see that it works")]


class Report(Protocol):
    """What a measurement says."""

    def to_document(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""


R = TypeVar("R", bound=Report)


def show(
    report: R,
    print_report: "Callable[[R, Console], None]",
    *,
    as_json: bool,
    as_markdown: Callable[[R], str] | None = None,
) -> None:
    """Prints a report as JSON, as Markdown, or for a terminal."""
    from spinesearch.progress import make_console

    if as_json:
        print(json.dumps(report.to_document(), indent=2))
    elif as_markdown is not None:
        print(as_markdown(report))
    else:
        print_report(report, make_console())
