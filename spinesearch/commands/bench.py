"""`bench ...`: measurements that print their table."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Quick = Annotated[bool, typer.Option("--quick", help="a small run, to see that it works")]
