"""The command line. Commands live in `spinesearch.commands`; each imports what it needs when it runs."""

import sys

import typer

from spinesearch.commands import (
    architecture,
    bench,
    data,
    evaluator,
    export,
    latency,
    logs,
    replay,
    search,
    service,
    token,
    trial,
    tune_proxy,
    webhook,
)

app = typer.Typer(
    name="spinesearch",
    help="Neural architecture search for detection backbones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(service.up)
app.command("demo")(service.demo)
app.command("api")(service.api)
app.command("controller")(service.controller)
app.command("health")(service.health)
app.command("sign-in")(service.sign_in)
app.add_typer(search.app, name="search", help="Start, watch and steer searches.")
app.add_typer(trial.app, name="trial", help="The trials of a search.")
app.command("logs")(logs.logs)
app.add_typer(token.app, name="token", help="Tokens for others, and what each may do.")
app.add_typer(webhook.app, name="webhook", help="Who is told what happens in searches.")
app.command("replay")(replay.replay)
app.command("export")(export.export)
app.command("cost")(architecture.cost)
app.command("draw")(architecture.draw)
app.command("latency")(latency.latency)
app.add_typer(data.app, name="data", help="Make and check COCO-format data sets.")
app.add_typer(evaluator.app, name="evaluator", help="Functions of your own that measure architectures.")
app.add_typer(bench.app, name="bench", help="Measurements; each prints its table.")
app.command("tune-proxy")(tune_proxy.tune_proxy)
app.add_typer(service.internal, name="internal", hidden=True)


def main() -> None:
    """Runs one command; an expected error is one line on standard error and exit status 2."""
    try:
        app()
    except Exception as error:
        if not _is_expected(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _is_expected(error: Exception) -> bool:
    """Whether the message says all: a wrong input, not a defect of ours."""
    import httpx

    from nas_controller.store.base import StoreError
    from spinesearch.client import ApiError

    return isinstance(error, ValueError | OSError | StoreError | ApiError | httpx.TransportError)
