"""`up` and `demo`, and the processes that `up` starts."""

from typing import Annotated

import typer

internal = typer.Typer(no_args_is_help=True)

Port = Annotated[int, typer.Option(help="port on 127.0.0.1")]


def up(port: Port = 8080) -> None:
    """Start the service: API, dashboard and controller on 127.0.0.1, until Ctrl-C."""
    from spinesearch.supervisor import run_service

    run_service(port)


def demo(
    trials: Annotated[int, typer.Option(min=1, help="architectures to train")] = 20,
    port: Annotated[int, typer.Option(help="port on 127.0.0.1; 0 for a free one")] = 0,
) -> None:
    """Run one whole search on generated data, through the service, to the exported best architecture."""
    from spinesearch.demo import run_demo

    raise typer.Exit(run_demo(trials, port))


@internal.command("api")
def run_api(port: Port) -> None:
    """Serve the API and the dashboard."""
    from spinesearch.supervisor import serve_api

    serve_api(port)


@internal.command("controller")
def run_controller() -> None:
    """Give every search that should run a process of its own."""
    from spinesearch.supervisor import run_daemon

    run_daemon()


@internal.command("search")
def run_search(search_id: str) -> None:
    """Run one search until it is final or paused, or until told to end."""
    from spinesearch.supervisor import run_search_process

    run_search_process(search_id)
