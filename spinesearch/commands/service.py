"""`up` and `demo`, and the processes that `up` starts."""

from typing import Annotated

import typer

from nas_controller.access_tokens import Scope

internal = typer.Typer(no_args_is_help=True)

Port = Annotated[int, typer.Option(help="port on 127.0.0.1")]
Parent = Annotated[int | None, typer.Option(help="process id of who starts it, with whom it ends")]


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


def api(
    host: Annotated[
        str, typer.Option(help="address to listen on; one beyond loopback wants SPINESEARCH_ALLOWED_HOSTS and secrets")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 8080,
) -> None:
    """Serve API and dashboard, and nothing else: a part of a service that is deployed (deploy/README.md)."""
    from spinesearch.supervisor import serve_api

    serve_api(host, port)


def controller(
    join_ray: Annotated[
        bool, typer.Option("--join-ray", help="make this machine a node of the Ray cluster first, with nothing to give")
    ] = False,
) -> None:
    """Run searches, and nothing else: a part of a service that is deployed (deploy/README.md)."""
    from spinesearch.supervisor import run_daemon

    run_daemon(join_ray)


def sign_in(
    url: Annotated[str, typer.Argument(help="address of the service as the browser sees it")] = "http://127.0.0.1:8080",
    scope: Annotated[Scope, typer.Option(help="what the browser may do then")] = Scope.ADMIN,
) -> None:
    """Print a link that signs a browser in, once, within a few minutes."""
    from api.auth import Auth, Grant
    from spinesearch.home import Home
    from spinesearch.supervisor import api_settings

    code = Auth(api_settings(Home.from_environment())).issue_login_code(Grant(scope=scope))
    print(f"{url.rstrip('/')}/login?code={code}")


def health() -> None:
    """Say which processes of the service live; exit status 1 where no controller is among them."""
    from nas_controller.tallies import ProcessRole
    from spinesearch.composition import now, open_home_store
    from spinesearch.home import Home

    store = open_home_store(Home.from_environment())
    try:
        living = [heartbeat for heartbeat in store.list_heartbeats() if heartbeat.is_alive(now())]
    finally:
        store.close()
    for heartbeat in living:
        print(f"{heartbeat.role:8}{heartbeat.name}")
    raise typer.Exit(0 if any(heartbeat.role is ProcessRole.DAEMON for heartbeat in living) else 1)


@internal.command("api")
def run_api(port: Port, parent: Parent = None) -> None:
    """Serve the API and the dashboard on 127.0.0.1 while the parent lives."""
    from spinesearch.processes import end_with_parent
    from spinesearch.supervisor import serve_api

    end_with_parent(parent)
    serve_api("127.0.0.1", port)


@internal.command("controller")
def run_controller(parent: Parent = None) -> None:
    """Give every search that should run a process of its own while the parent lives."""
    from spinesearch.processes import end_with_parent
    from spinesearch.supervisor import run_daemon

    end_with_parent(parent)
    run_daemon()


@internal.command("operation")
def run_operation(
    operation_id: str,
    lease: Annotated[int, typer.Option(help="token of the lease under which it is carried out")],
    parent: Parent = None,
) -> None:
    """Carry out one operation that a controller claimed."""
    from spinesearch.supervisor import run_operation_process

    run_operation_process(operation_id, lease, parent)


@internal.command("search")
def run_search(
    search_id: str,
    owner: Annotated[str, typer.Option(help="of the search's lease; one process at a time has it")],
    parent: Parent = None,
) -> None:
    """Run one search until it is final or paused, or until told to end."""
    from spinesearch.supervisor import run_search_process

    run_search_process(search_id, owner, parent)
