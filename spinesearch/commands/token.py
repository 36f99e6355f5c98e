"""`token ...`: tokens for others, through the service's REST API."""

import json
import sys
from typing import Annotated, Any

import typer

from nas_controller.access_tokens import Scope
from spinesearch.client import Client

app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="who has it, or what it is for")],
    scope: Annotated[Scope, typer.Option(help="read; write: start and steer too; admin: tokens and webhooks too")],
    days: Annotated[int | None, typer.Option(min=1, help="it opens nothing after so many; left out: for ever")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token; its secret, and nothing else, is printed on standard output, this once."""
    with Client() as client:
        token = client.create_token(name, scope, days)
    if as_json:
        print(json.dumps(token, indent=2))
        return
    print(f"token {token['id']}, scope {token['scope']}, {_until(token)}; nobody can show it again:", file=sys.stderr)
    print(token["secret"])


@app.command("list")
def list_tokens(as_json: AsJson = False) -> None:
    """List tokens, newest first, with those that expired or were revoked."""
    with Client() as client:
        tokens = list(client.list_tokens())
    if as_json:
        print(json.dumps(tokens, indent=2))
        return
    for token in tokens:
        used = f"used on {token['last_used_on']}" if token["last_used_on"] else "never used"
        print(
            f"{token['id']}  {token['state']:<8}  {token['scope']:<6}  {_until(token):<17}  {used:<18}  {token['name']}"
        )


@app.command()
def revoke(token: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Let a token open nothing from now on."""
    with Client() as client:
        client.revoke_token(token)


def _until(token: dict[str, Any]) -> str:
    return f"until {token['expires_at'][:10]}" if token["expires_at"] else "without an end"
