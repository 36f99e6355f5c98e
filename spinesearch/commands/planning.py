"""`search validate`, `estimate`, `requests` and `table`: what is said of a search before it is started, and after."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from spinesearch.client import Client

SearchFile = Annotated[Path, typer.Argument(metavar="FILE", help="a search document, YAML or JSON")]
SearchId = Annotated[str, typer.Argument(metavar="ID")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def validate(file: SearchFile) -> None:
    """Check a search document, data set and budget included; nothing is started."""
    from nas_controller.search_config import load_search_file

    document = load_search_file(file).to_document()
    with Client() as client:
        found = client.validate(document)
    for error in found["errors"]:
        print(f"{error['place']}: {error['message']}" if error["place"] else error["message"])
    if not found["valid"]:
        raise typer.Exit(1)
    print(f"{file}: a search that can be started")


def estimate(file: SearchFile, as_json: AsJson = False) -> None:
    """Say what a search would take: share within the budget, hours and cost."""
    from nas_controller.search_config import load_search_file

    document = load_search_file(file).to_document()
    with Client() as client:
        found = client.estimate(document)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    share = found["inside_budget"]
    print(
        f"inside the budget: {share['value']:.1%} of random architectures ({share['low']:.1%} to {share['high']:.1%})"
    )
    print(f"trainings: {found['trainings']}, {found['concurrent']} at a time")
    if found["timings"]:
        print(f"latencies: {found['timings']}, measured before the trainings; not in the time below")
    if found["no_history"]:
        print(f"hours and cost are not known: {found['no_history']}")
    for name, unit in (("hours", "h"), ("worker_hours", "h"), ("cost", found["currency"])):
        if found[name] is not None:
            print(f"{name.replace('_', ' ')}: {_forecast(found[name], unit)}")


def requests(search: SearchId, as_json: AsJson = False) -> None:
    """List what was asked of a search, and what became of it."""
    with Client() as client:
        asked = list(client.list_requests(search))
    if as_json:
        print(json.dumps(asked, indent=2))
        return
    for each in asked:
        became = f"trial {each['trial']}" if each["trial"] else each["reason"]
        print(f"{each['number']:>4}  {each['verb']:<10}  {each['state']:<9}  {became}".rstrip())


def table(
    search: SearchId,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="that ends with .csv or .parquet")],
) -> None:
    """Write all trials of a search, a row each, to a CSV or Parquet file."""
    with Client() as client:
        client.save_table(search, output)


def _forecast(forecast: dict[str, Any], unit: str) -> str:
    interval = "" if forecast["low"] is None else f" ({forecast['low']:.2f} to {forecast['high']:.2f})"
    return f"{forecast['value']:.2f}{interval} {unit}"
