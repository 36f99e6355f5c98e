"""`search ...`: through the service's REST API, or in the foreground with `search run`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from spinesearch.client import Client
from spinesearch.commands import planning, steering

app = typer.Typer(no_args_is_help=True)
app.command("validate")(planning.validate)
app.command("estimate")(planning.estimate)
app.command("requests")(planning.requests)
app.command("table")(planning.table)
app.command("edit")(steering.edit)
app.command("enqueue")(steering.enqueue)
app.command("promote")(steering.promote)
app.command("clone")(steering.clone)
app.command("archive")(steering.archive)
app.command("delete")(steering.delete)

SearchFile = Annotated[Path, typer.Argument(metavar="FILE", help="a search document, YAML or JSON")]
SearchId = Annotated[str, typer.Argument(metavar="ID")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command()
def run(file: SearchFile, as_json: AsJson = False) -> None:
    """Run a search here, without the service; the same file again continues what was interrupted."""
    from spinesearch.foreground import run_file
    from spinesearch.logs import set_up_logging

    set_up_logging("foreground", "warning")
    raise typer.Exit(run_file(file, as_json=as_json))


@app.command()
def start(file: SearchFile, as_json: AsJson = False) -> None:
    """Start a search on the service."""
    from nas_controller.search_config import load_search_file

    document = load_search_file(file).to_document()
    with Client() as client:
        _show(client.create_search(document), as_json)


@app.command("list")
def list_searches(as_json: AsJson = False) -> None:
    """List searches, newest first."""
    with Client() as client:
        searches = list(client.list_searches())
    if as_json:
        print(json.dumps(searches, indent=2))
        return
    for search in searches:
        print(f"{search['id']}  {search['state']:<10}  {search['name']}")


@app.command()
def show(search: SearchId, as_json: AsJson = False) -> None:
    """Show one search, and whether it beats random."""
    from spinesearch.progress import improvement_text

    with Client() as client:
        found = client.get_search(search)
        improvement = client.controller(search)["improvement"]
    _show(found | {"improvement": improvement}, as_json)
    if improvement is not None and not as_json:
        print(f"a searched trial is {improvement_text(improvement)}")


@app.command()
def watch(search: SearchId) -> None:
    """Follow a search until it ends."""
    from spinesearch.progress import watch_search

    with Client() as client:
        watch_search(client, search)


@app.command()
def pause(search: SearchId) -> None:
    """Let running trials finish and start nothing new."""
    with Client() as client:
        _show(client.pause(search), as_json=False)


@app.command()
def resume(search: SearchId) -> None:
    """Let a paused search go on."""
    with Client() as client:
        _show(client.resume(search), as_json=False)


@app.command()
def stop(search: SearchId) -> None:
    """Let running trials finish, then end with what is there."""
    with Client() as client:
        _show(client.stop(search), as_json=False)


@app.command()
def cancel(search: SearchId) -> None:
    """End a search and its running trials now."""
    with Client() as client:
        _show(client.cancel(search), as_json=False)


def _show(search: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(search, indent=2))
        return
    reason = f" ({search['reason']})" if search.get("reason") else ""
    print(f"{search['id']}  {search['state']}{reason}  {search['name']}")
