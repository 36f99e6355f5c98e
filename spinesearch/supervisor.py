"""The processes of an embedded service: the supervisor (`up`), the API, the controller, one for each search."""

import logging
import os
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from api.settings import ApiSettings, hash_token
from nas_controller.log_ids import log_ids
from spinesearch import environment
from spinesearch.home import Home
from spinesearch.logs import logged
from spinesearch.processes import StopFlag, Supervisor, child_command, end_with_parent

if TYPE_CHECKING:
    from nas_controller.pulse import Stopwatch
    from nas_controller.store.base import Store

STEP_SECONDS = 0.5
NICENESS = 10
"""Of processes of operations: trainings go first."""

_log = logging.getLogger(__name__)


def run_service(port: int) -> None:
    """Runs API and controller on this home until SIGINT or SIGTERM, starting again what dies.

    Raises:
        ValueError: the port is taken; nothing was started.
    """
    from api.auth import Auth

    console = Console(stderr=True)
    home = Home.from_environment()
    environment.check_ray(os.environ)
    check_port_is_free(port)
    _migrate(home)
    stop = StopFlag()
    stop.listen()
    url = f"http://127.0.0.1:{port}"
    supervisor = Supervisor(
        {"api": child_command("api", "--port", str(port)), "controller": child_command("controller")},
        report=console.print,
    )
    home.url_file.write_text(url, encoding="ascii")
    try:
        supervisor.step()
        code = Auth(api_settings(home)).issue_login_code()
        console.print(f"spinesearch is at [bold]{url}[/]; sign in once with\n  {url}/login?code={code}", soft_wrap=True)
        console.print(f"API token: the file {home.path / 'token'}", soft_wrap=True)
        console.print("Ctrl-C ends the service; searches go on at the next start.")
        while not stop.is_set:
            time.sleep(STEP_SECONDS)
            supervisor.step()
    finally:
        supervisor.close()
        home.url_file.unlink(missing_ok=True)


def check_port_is_free(port: int) -> None:
    """Raises ValueError when something listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ValueError(f"port {port} on 127.0.0.1: {error.strerror}; choose another with --port") from error


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def api_settings(home: Home) -> ApiSettings:
    """The settings of this home's API.

    Raises:
        ValueError: a variable of the environment says what cannot be.
    """
    settings = ApiSettings(
        token_sha256=hash_token(home.token()),
        session_secret=home.session_secret(),
        secure_cookie=environment.secure_cookie(os.environ),
    )
    return replace(
        settings,
        allowed_hosts=settings.allowed_hosts + environment.allowed_hosts(os.environ),
        webhook_hosts=environment.webhook_hosts(os.environ),
    )


def _migrate(home: Home) -> None:
    from spinesearch.composition import open_home_store

    open_home_store(home).close()


def serve_api(host: str, port: int) -> None:
    """Serves the API until SIGTERM; any number of processes may do so on one database.

    Raises:
        ValueError: the environment does not allow it; the message names the variable.
    """
    import uvicorn

    from api.app import create_app, keep_for_good
    from api.metrics import ApiMetrics
    from spinesearch.admission import Admission
    from spinesearch.composition import now, open_home_artifacts, open_home_store, process_name
    from spinesearch.validation import check_rest_search

    environment.check_listening(host, os.environ)
    home = Home.from_environment()
    admission = Admission.from_environment(os.environ, home.path, Path.cwd())
    metrics = ApiMetrics()
    app = create_app(
        open_home_store(home, metrics.observe_transaction),
        open_home_artifacts(home),
        api_settings(home),
        check_search=lambda config: check_rest_search(config, home, admission),
        clock=now,
        api_metrics=metrics,
        process_name=process_name(),
    )
    keep_for_good()
    # uvicorn ends on a signal, then raises it once more: it must find somebody who does not die of it.
    StopFlag().listen()
    # An open event stream must not hold up the end: three seconds, then connections are cut.
    # No access log: the address of a sign-in holds its code.
    with logged("api"):
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
            server_header=False,
        )


def run_daemon(joins_ray: bool = False) -> None:
    """Keeps one process for each search that should run, until SIGTERM.

    Args:
        joins_ray: whether this machine becomes a node of the home's Ray cluster first, one that has nothing to give:
            Ray lets searches in only from its own nodes.

    Raises:
        ValueError: the environment does not allow it; the message names the variable.
    """
    import subprocess

    from nas_controller.daemon import Daemon
    from nas_controller.dispatch.results import ResultSpool
    from nas_controller.operations.records import OperationLease
    from nas_controller.operations.runner import OperationRunner
    from nas_controller.resources import Devices
    from nas_controller.store.patience import patient
    from spinesearch.composition import lease_owner, now, open_home_artifacts, open_home_store, telling_webhooks
    from spinesearch.machine import device_variables, machine_of

    environment.check_ray(os.environ)
    home, name = Home.from_environment(), lease_owner()
    machine = machine_of(os.environ, os.cpu_count() or 1, Path("/dev"), home.ray_address)
    commands: dict[str, Sequence[str]] = {"the Ray node": ray_node_command(home)} if joins_ray else {}
    node = Supervisor(commands, report=_log.warning)
    stop = StopFlag()
    stop.listen()

    def start(search_id: str, devices: Devices) -> "subprocess.Popen[bytes]":
        own = device_variables(devices) if home.ray_address is None else {}
        return subprocess.Popen(child_command("search", search_id, "--owner", name), env={**os.environ, **own})

    def start_operation(lease: OperationLease) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(child_command("operation", lease.operation_id, "--lease", str(lease.token)))

    store, artifacts, results = patient(open_home_store(home)), open_home_artifacts(home), ResultSpool(home.artifacts)
    daemon = Daemon(store, artifacts, start, machine, now, name, results)
    operations = OperationRunner(store, start_operation, now, name)
    with logged("daemon"), telling_webhooks(home, environment.webhook_hosts(os.environ), name):
        try:
            while not stop.is_set:
                node.step()
                daemon.step()
                operations.step()
                time.sleep(STEP_SECONDS)
        finally:
            operations.close()
            daemon.close()
            node.close()
            store.close()


def ray_node_command(home: Home) -> list[str]:
    """The command that makes this machine a node of the home's cluster, without CPUs or GPUs to give.

    Raises:
        ValueError: the home names no cluster by host and port.
    """
    from nas_controller.dispatch.ray_cluster import OBJECT_STORE_BYTES

    if not re.fullmatch(r"[^/\s]+:\d+", home.ray_address or ""):
        raise ValueError(f"--join-ray: set {environment.RAY_ADDRESS} to the HOST:PORT of the cluster's head")
    nothing = ["--num-cpus=0", "--num-gpus=0", f"--object-store-memory={OBJECT_STORE_BYTES}"]
    return ["ray", "start", f"--address={home.ray_address}", *nothing, "--disable-usage-stats", "--block"]


def run_operation_process(operation_id: str, token: int, parent: int | None) -> None:
    """Carries out an operation that a controller on this machine claimed, behind whatever else runs here.

    Args:
        token: of the lease, which that controller keeps.
        parent: its process id.
    """
    from nas_controller.operations.records import OperationLease
    from nas_controller.store.patience import patient
    from spinesearch.composition import now, open_home_artifacts, open_home_store
    from spinesearch.operations import carry_out, keep_to_free_memory

    end_with_parent(parent)
    os.nice(NICENESS)
    home = Home.from_environment()
    store = patient(open_home_store(home))
    with logged("operation"):
        keep_to_free_memory()
        lease = OperationLease(operation_id=operation_id, owner="", token=token, expires_at=now())
        try:
            carry_out(store, open_home_artifacts(home), lease, home.path / "operations" / operation_id, now)
        finally:
            store.close()


def run_search_process(search_id: str, owner: str, parent: int | None) -> None:
    """Claims a search and runs it; leaves it alone when another controller holds it, or takes it over meanwhile.

    Args:
        owner: of the lease. Who starts this process gives it, once the last that had it has ended: so it need not wait
            for that one's lease.
        parent: its process id.
    """
    from nas_controller.pulse import Stopwatch
    from nas_controller.store.patience import patient
    from spinesearch.composition import open_home_store

    end_with_parent(parent)
    stop = StopFlag()
    stop.listen()
    home = Home.from_environment()
    stopwatch = Stopwatch()
    store = patient(open_home_store(home, lambda _access, seconds: stopwatch.add("transaction", seconds)))
    with logged("search", search_id):
        try:
            _run_claimed(home, store, search_id, owner, stopwatch, stop)
        finally:
            store.close()


def _run_claimed(
    home: Home, store: "Store", search_id: str, owner: str, stopwatch: "Stopwatch", stop: StopFlag
) -> None:
    from nas_controller.search_loop import run_search
    from nas_controller.store.base import LeaseLostError
    from spinesearch.composition import claim, running_search

    lease = claim(store, search_id, owner)
    if lease is None:
        _log.info("another controller holds the search", extra=log_ids(search_id))
        return
    try:
        with running_search(home, store, lease, stopwatch) as search:
            for _state in run_search(search):
                if stop.is_set:
                    break
    except LeaseLostError as error:
        _log.warning("the lease is lost, another controller goes on: %s", error, extra=log_ids(search_id))
