"""What is done to a search that is there: `search edit`, `enqueue`, `clone`, `delete` and `archive`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from spinesearch.client import Client

SearchId = Annotated[str, typer.Argument(metavar="ID")]


def edit(
    search: SearchId,
    name: Annotated[str | None, typer.Option(help="what it is called from now on")] = None,
    notes: Annotated[str | None, typer.Option(help="for people")] = None,
    limit: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="trials=300, hours=none, ...; may be repeated")
    ] = None,
) -> None:
    """Change the name, notes or limits of a search."""
    patch: dict[str, Any] = {"name": name, "notes": notes, "limits": dict(map(_limit, limit or [])) or None}
    with Client() as client:
        edited = client.edit_search(search, {key: value for key, value in patch.items() if value is not None})
    print(f"{edited['id']}  {edited['state']}  {edited['name']}")


def _limit(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--limit {text!r}: must be NAME=VALUE")
    return name, None if value == "none" else value


def enqueue(
    search: SearchId,
    reference: Annotated[str | None, typer.Option(metavar="NAME", help="a published architecture")] = None,
    spec: Annotated[Path | None, typer.Option(metavar="FILE", help="an architecture spec, JSON")] = None,
    trial: Annotated[int | None, typer.Option(metavar="N", help="a trial of this search, or of --of")] = None,
    genotype: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="the option taken at each decision; of --trial, a variant")
    ] = None,
    of: Annotated[str | None, typer.Option(metavar="ID", help="the search that has the trial")] = None,
    force: Annotated[bool, typer.Option("--force", help="also off budget, or not in the space")] = False,
) -> None:
    """Have an architecture of your own trained before the algorithm is asked again."""
    document = None if spec is None else json.loads(spec.read_text(encoding="utf-8"))
    taken = None if genotype is None else _genotype(genotype)
    wanted = {"reference": reference, "spec": document, "trial": trial, "genotype": taken, "search": of}
    given = {name: value for name, value in wanted.items() if value is not None}
    with Client() as client:
        asked = client.enqueue(search, {**given, "force": force})
    print(f"request {asked['number']} of {search} is {asked['state']}")


def _genotype(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"--genotype {text!r}: must be numbers with commas")
    return [int(part) for part in parts]


def promote(
    search: SearchId,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="number of the trial")],
    steps: Annotated[int | None, typer.Option(help="of each training; by default four times the proxy's")] = None,
    seeds: Annotated[int, typer.Option(help="trainings, each with a seed of its own")] = 1,
) -> None:
    """Train a trial's architecture for longer, on all of train, and keep its weights."""
    with Client() as client:
        asked = client.promote_trial(search, trial, steps, seeds)
    print(f"request {asked['number']} of {search} is {asked['state']}")


def clone(
    search: SearchId,
    patch: Annotated[Path | None, typer.Option(metavar="FILE", help="what is other: YAML or JSON")] = None,
) -> None:
    """Start a search of the same document, but for what a file says."""
    import yaml

    changes = {} if patch is None else yaml.safe_load(patch.read_text(encoding="utf-8"))
    with Client() as client:
        made = client.clone_search(search, changes)
    print(f"{made['id']}  {made['state']}  {made['name']}")


def delete(search: SearchId, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Delete a search that has ended, with all that it found."""
    if not yes:
        typer.confirm(f"delete search {search} and all its trials?", abort=True)
    with Client() as client:
        client.delete_search(search)


def archive(search: SearchId, undo: Annotated[bool, typer.Option("--undo", help="list it again")] = False) -> None:
    """Leave a search that has ended out of lists."""
    with Client() as client:
        shown = client.unarchive(search) if undo else client.archive(search)
    print(f"{shown['id']}  {shown['state']}  {shown['name']}")
