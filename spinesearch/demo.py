"""`spinesearch demo`: one whole, real search on generated data, through the service, to the exported best."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from spinesearch.client import FINAL_STATES, Client, TextFormat
from spinesearch.home import Home
from spinesearch.processes import command
from spinesearch.progress import duration, make_console, print_best, watch_search
from spinesearch.supervisor import free_port

LEAST_MEDIAN_AP = 0.05
START_SECONDS = 60.0
SUFFIXES: dict[TextFormat, str] = {"spec": ".json", "pytorch": ".py", "svg": ".svg"}


def demo_document(trials: int) -> dict[str, Any]:
    """The demo's search document: the embedded default, small enough for two CPU cores and five minutes."""
    return {
        "name": "demo",
        "space": "spinenet-49",
        "data": "generated",
        "algorithm": {"name": "mixed", "seed": 7},
        "proxy": {"preset": "cpu-tiny"},
        "limits": {"trials": trials},
        "workers": [{"count": 2, "cpus": 1}],
    }


def run_demo(trials: int, port: int) -> int:
    """Runs the demo and prints the time of each phase; the exit status, 1 when the trials did not learn."""
    console = make_console()
    home = Home.from_environment()
    phases: dict[str, float] = {}
    with _phase(phases, "generate the data set"):
        from trainer.data.generated import ensure_generated

        console.print(f"data set: {home.generated_data}", soft_wrap=True)
        ensure_generated(home.generated_data)
    with _service(home, port or free_port(), phases) as url, Client(url, home.token()) as client:
        console.print(f"service: {url} (dashboard link above)")
        search = _start_or_continue(client, demo_document(trials), console)
        with _phase(phases, "search and re-evaluation"):
            search = watch_search(client, search["id"], console)
        if search["state"] != "succeeded":
            console.print(f"the search {search['state']}: {search['reason']}")
            return 1
        best = client.best_trials(search["id"], search["config"]["reevaluate"]["top"])
        print_best(console, best)
        rewards = [t["average_precision"] for t in client.list_trials(search["id"]) if t["reward"] is not None]
        with _phase(phases, "export"):
            python_file = _export(client, search["id"], best["trials"][0]["number"], home, console)
        with _phase(phases, "run the exported file"):
            subprocess.run([sys.executable, str(python_file), "--image-size", "128"], check=True)
    _print_phases(phases, len(rewards), console)
    console.print("The dashboard shows this search again with [bold]make up[/] (or `spinesearch up`).")
    return _verdict(rewards, console)


@contextmanager
def _phase(phases: dict[str, float], name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    phases[name] = time.monotonic() - start


@contextmanager
def _service(home: Home, port: int, phases: dict[str, float]) -> Iterator[str]:
    """The embedded service as `spinesearch up` starts it, ready to answer; ended with the block."""
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command("up", "--port", str(port)), start_new_session=True) as process:
        try:
            with _phase(phases, "start the service"):
                _wait_until_healthy(url, process)
            yield url
        finally:
            process.terminate()
            process.wait()


def _wait_until_healthy(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise OSError(f"the service ended with code {process.returncode}")
        try:
            if httpx.get(f"{url}/healthz", timeout=1.0).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise OSError(f"the service did not answer at {url} within {START_SECONDS:.0f} s")


def _start_or_continue(client: Client, document: dict[str, Any], console: Console) -> dict[str, Any]:
    """An interrupted demo goes on; a finished one starts anew."""
    for search in client.list_searches():
        if search["name"] == "demo" and search["state"] not in FINAL_STATES:
            console.print(f"continuing search {search['id']}: {search['progress']['trained']} trials are done")
            return client.resume(search["id"]) if search["state"] == "paused" else search
    search = client.create_search(document)
    console.print(f"search {search['id']} started")
    return search


def _export(client: Client, search_id: str, number: int, home: Home, console: Console) -> Path:
    """Writes the best architecture in every format; the Python file."""
    folder = home.path / "exports" / search_id
    folder.mkdir(parents=True, exist_ok=True)
    for format_name, suffix in SUFFIXES.items():
        path = folder / f"trial-{number}{suffix}"
        path.write_text(client.export(search_id, number, format_name), encoding="utf-8")
        console.print(f"exported {path}", soft_wrap=True)
    return folder / f"trial-{number}.py"


def _print_phases(phases: dict[str, float], num_trials: int, console: Console) -> None:
    for name, seconds in phases.items():
        console.print(f"  {name}: {duration(seconds)}", style="dim")
    rate = num_trials / phases["search and re-evaluation"] * 60
    console.print(f"  {rate:.1f} trials a minute, re-evaluation included in the time", style="dim")


def _verdict(rewards: list[float], console: Console) -> int:
    median = statistics.median(rewards)
    if median < LEAST_MEDIAN_AP:
        console.print(
            f"[bold red]The trials did not learn: median AP {median:.3f}, at least {LEAST_MEDIAN_AP} expected.[/]"
        )
        return 1
    return 0
