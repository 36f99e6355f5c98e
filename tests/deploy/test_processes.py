"""What `docker-compose.yml` says works: its commands, environments and health checks, without a container."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from spinesearch.client import FINAL_STATES, Client
from spinesearch.supervisor import free_port
from tests.deploy.compose import ROOT, Service, read_services
from tests.deploy.postgresql import running_postgresql
from tests.deploy.stack import Stack

SEARCH = {
    "name": "deployed",
    "space": "spinenet-49",
    "data": "generated",
    "budget": {"relative_to": "spinenet-49", "tolerance": 0.2},
    "algorithm": {"name": "random", "seed": 1},
    "limits": {"trials": 4},
    "workers": [{"count": 2, "cpus": 1}],
    "reevaluate": {"top": 1, "seeds": 2, "references": []},
    "evaluator": "examples.own_evaluator:closed_form",
}
SEARCH_SECONDS = 240.0


@dataclass(frozen=True)
class Deployment:
    """A stack that runs, with two API processes."""

    stack: Stack
    services: dict[str, Service]
    urls: tuple[str, str]
    secrets: dict[str, str]


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """PostgreSQL, a Ray head, a worker, a controller and two APIs, all healthy; at the end nothing is left."""
    folder = Path(tempfile.mkdtemp(prefix="stack-", dir="/tmp"))
    subprocess.run([str(ROOT / "deploy" / "make-secrets"), str(folder / "secrets")], check=True)
    secrets = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    write_ray(folder / "bin")
    for name in ("home", "cache", "data", "database"):
        (folder / name).mkdir()
    services = read_services()
    said = services["postgres"].environment
    assert said["POSTGRES_PASSWORD_FILE"] == "/run/secrets/database_password"
    account = (said["POSTGRES_USER"], said["POSTGRES_DB"], secrets["database_password"])
    with running_postgresql(folder / "database", *account) as (port, programs):
        stack = Stack(folder, local_names(folder, port), programs)
        try:
            yield start(stack, services, secrets)
            stack.stop()
            assert psutil.wait_procs(stack.left(), timeout=30)[1] == []
        finally:
            stack.kill()
    shutil.rmtree(folder)


def write_ray(folder: Path) -> None:
    """The command `ray` that keeps every node on loopback."""
    folder.mkdir()
    script = folder / "ray"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/deploy/loopback_ray.py" "$@"\n')
    script.chmod(0o755)


def local_names(folder: Path, database_port: int) -> dict[str, str]:
    """How the names of containers, of what is mounted there and of their ports are said on this machine."""
    ray_port = free_port()
    return {
        r"postgres:5432": f"127.0.0.1:{database_port}",
        r"(ray-head|127\.0\.0\.1):6379": f"127.0.0.1:{ray_port}",
        r"^--port=6379$": f"--port={ray_port}",
        r"^0\.0\.0\.0$": "127.0.0.1",
        r"^/run/secrets": str(folder / "secrets"),
        r"^/var/lib/spinesearch": str(folder / "home"),
        r"^/var/cache/spinesearch": str(folder / "cache"),
        r"^/data$": str(folder / "data"),
        r"^/opt/spinesearch": str(ROOT),
        r"^/tmp$": str(folder),
        r"^--dbname=spinesearch$": f"--dbname=host=127.0.0.1 port={database_port} dbname=spinesearch",
    }


def start(stack: Stack, services: dict[str, Service], secrets: dict[str, str]) -> Deployment:
    """Starts every service when what it depends on is healthy."""
    stack.await_health(services["postgres"])
    stack.start(services["ray-head"])
    ports = [free_port(), free_port()]
    for number, port in enumerate(ports):
        stack.start(services["api"], f"api-{number}", **api_port(port))
    stack.await_health(services["ray-head"])
    stack.start(services["controller"])
    stack.start(services["ray-worker"])
    for port in ports:
        stack.await_health(services["api"], **api_port(port))
    stack.await_health(services["ray-worker"])
    stack.await_health(services["controller"])
    first, second = (f"http://127.0.0.1:{port}" for port in ports)
    return Deployment(stack, services, (first, second), secrets)


def api_port(port: int) -> dict[str, str]:
    return {r"(^|:)8080\b": rf"\g<1>{port}"}


def listening_at(process: psutil.Process) -> set[str]:
    """Addresses; none of a process that ended since it was listed, as some of Ray's do."""
    try:
        connections = process.net_connections(kind="inet")
    except psutil.NoSuchProcess:
        return set()
    return {
        connection.laddr.ip.removeprefix("::ffff:")
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
    }


def what_it_was_told(process: psutil.Process) -> str:
    """Its command line and environment; nothing of a process that ended since it was listed."""
    try:
        return " ".join([*process.cmdline(), *process.environ().values()])
    except psutil.NoSuchProcess:
        return ""


def test_a_search_asked_of_one_api_runs_on_the_cluster_and_is_read_from_the_other(deployment: Deployment) -> None:
    first, second = (Client(url, deployment.secrets["token"]) for url in deployment.urls)
    with first, second:
        search_id = first.create_search(SEARCH)["id"]
        deadline = time.monotonic() + SEARCH_SECONDS
        while (search := second.get_search(search_id))["state"] not in FINAL_STATES:
            assert time.monotonic() < deadline, (search, deployment.stack.logs())
            deployment.stack.restart_ended()
            time.sleep(0.5)
        assert search["state"] == "succeeded", (search, deployment.stack.logs())
        trials = list(second.list_trials(search_id))
        assert sum(trial["state"] == "completed" for trial in trials) >= 1
        assert {trial["state"] for trial in trials} <= {"completed", "infeasible"}
        assert second.best_trials(search_id)["trials"][0]["reward"] > 0


def test_who_has_no_token_or_asks_for_another_host_is_refused(deployment: Deployment) -> None:
    url = f"{deployment.urls[0]}/v1/searches"
    token = {"Authorization": f"Bearer {deployment.secrets['token']}"}
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers=token).status_code == 200
    assert httpx.get(url, headers={**token, "Host": "api:8080"}).status_code == 200
    assert httpx.get(url, headers={**token, "Host": "elsewhere"}).status_code == 400


def test_prometheus_is_told_that_the_controller_lives(deployment: Deployment) -> None:
    token = {"Authorization": f"Bearer {deployment.secrets['token']}"}
    for url in deployment.urls:
        assert 'nas_processes{role="daemon"} 1.0' in httpx.get(f"{url}/metrics", headers=token).text.splitlines()


def test_a_browser_that_signed_in_at_one_api_is_known_to_the_other(deployment: Deployment) -> None:
    first, second = deployment.urls
    link = deployment.stack.run(deployment.services["api"], "spinesearch", "sign-in", first).stdout.strip()
    assert link.startswith(f"{first}/login?code=")
    with httpx.Client() as browser:
        assert browser.get(link).status_code == 303
        assert browser.get(f"{second}/", headers={"Accept": "text/html"}).status_code == 200


def test_every_process_listens_on_loopback_only(deployment: Deployment) -> None:
    processes = deployment.stack.left()
    assert {"gcs_server", "raylet"} <= {process.name() for process in processes}
    assert set().union(*map(listening_at, processes)) == {"127.0.0.1"}


def test_no_secret_is_in_a_command_line_an_environment_or_a_log(deployment: Deployment) -> None:
    processes = deployment.stack.left()
    said = [what_it_was_told(process) for process in processes]
    said += [path.read_text(errors="replace") for path in deployment.stack.folder.glob("*.log")]
    said += [path.read_text(errors="replace") for path in deployment.stack.folder.glob("ray/session_*/logs/*.*")]
    assert len(said) > len(processes) + 5
    found = {name for name, secret in deployment.secrets.items() for text in said if secret in text}
    assert found == set()
