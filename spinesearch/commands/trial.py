"""`trial ...`: the trials of a search, through the service's REST API."""

import json
from typing import Annotated, Any, Literal

import typer

from nas_controller.records import TrialState
from nas_controller.trial_summaries import Objective
from spinesearch.client import Client

app = typer.Typer(no_args_is_help=True)

SearchId = Annotated[str, typer.Argument(metavar="SEARCH", help="id of the search")]
Number = Annotated[int, typer.Argument(metavar="TRIAL", help="number of the trial")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Constraints = Annotated[
    list[str] | None,
    typer.Option(metavar="COST<=NUMBER", help="multiply_adds<=2G, parameters<=30M; may be repeated, and all hold"),
]
FrontCost = Literal["multiply_adds", "parameters", "latency_ms"]


@app.command("list")
def list_trials(
    search: SearchId,
    state: Annotated[list[TrialState] | None, typer.Option(help="in these states only; may be repeated")] = None,
    as_json: AsJson = False,
) -> None:
    """List trials by number."""
    with Client() as client:
        _print_list(list(client.list_trials(search, state=[each.value for each in state or ()])), as_json)


@app.command()
def best(
    search: SearchId,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 10,
    objective: Annotated[Objective, typer.Option(help="what they are the best in")] = Objective.REWARD,
    constraint: Constraints = None,
    as_json: AsJson = False,
) -> None:
    """Show the best architectures beside the references."""
    from spinesearch.progress import make_console, print_best

    with Client() as client:
        found = client.best_trials(search, limit, objective.value, constraint or ())
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_best(make_console(), found)


@app.command()
def front(
    search: SearchId,
    cost: Annotated[FrontCost, typer.Option(help="what average precision is held against")] = "multiply_adds",
    as_json: AsJson = False,
) -> None:
    """Show the trials that no other is better than in both AP and cost."""
    from spinesearch.progress import make_console, print_front

    with Client() as client:
        found = client.pareto(search, cost)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_front(make_console(), found)


@app.command()
def show(search: SearchId, trial: Number) -> None:
    """Print all that is known of a trial, as JSON."""
    with Client() as client:
        print(json.dumps(client.get_trial(search, trial), indent=2))


@app.command()
def children(search: SearchId, trial: Number, as_json: AsJson = False) -> None:
    """List the trials that were made from one."""
    with Client() as client:
        _print_list(list(client.list_children(search, trial)), as_json)


@app.command()
def stop(search: SearchId, trial: Number) -> None:
    """End a trial with what it measured last."""
    with Client() as client:
        _print_asked(search, client.stop_trial(search, trial))


@app.command()
def retry(search: SearchId, trial: Number) -> None:
    """Try a failed architecture again."""
    with Client() as client:
        _print_asked(search, client.retry_trial(search, trial))


def _print_list(trials: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(trials, indent=2))
        return
    for trial in trials:
        reward = "" if trial["reward"] is None else f"{trial['reward']:.3f}"
        cost = f"{trial['target_cost']['backbone_multiply_adds'] / 1e9:.1f} B"
        named = trial["name"] or trial["failure"]
        print(
            f"{trial['number']:>6}  {trial['state']:<13}  {trial['arm']:<10}  {reward:>5}  {cost:>8}  {named}".rstrip()
        )


def _print_asked(search: str, asked: dict[str, Any]) -> None:
    print(f"request {asked['number']} of {search} is {asked['state']}")
