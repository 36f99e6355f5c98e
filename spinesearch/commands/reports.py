"""What a measurement prints: for a terminal, as JSON, or as the table of a page of docs."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Quick = Annotated[bool, typer.Option("--quick", help="a small run, to see that it works")]
R = TypeVar("R", bound="DataclassInstance")


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
        print(json.dumps(asdict(report), indent=2))
    elif as_markdown is not None:
        print(as_markdown(report))
    else:
        print_report(report, make_console())
