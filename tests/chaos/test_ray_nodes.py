"""Nodes of a Ray cluster are killed under a search, and then the whole cluster: workers are detached there, and outlive
their controller."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import psutil
import pytest

from nas_controller.dispatch.surroundings import await_listener
from nas_controller.records import AttemptState, SearchState
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from spinesearch.processes import command
from spinesearch.supervisor import free_port
from tests.chaos.service_oracle import what_is_wrong
from tests.integration.service import descendants, kill, wait_until
from tests.integration.test_service_search import SEARCH

ROOT = Path(__file__).parents[2]
NODES, KILLS, MEAN_SECONDS = 3, 12, 4.0
MANY_TRIALS = 10_000
HEAD_DIES_SECONDS = 10
"""After so long without their head, nodes and drivers end themselves; by default after a minute."""
COMES_BACK_SECONDS = 240.0
RETURNS_SECONDS = 60.0

RETURNED = """
import sys, time, ray
ray.init(sys.argv[1], logging_level="ERROR")
deadline = time.monotonic() + float(sys.argv[2])
while ray.available_resources().get("CPU", 0.0) != ray.cluster_resources().get("CPU", 0.0):
    assert time.monotonic() < deadline, (ray.available_resources(), ray.cluster_resources())
    time.sleep(0.5)
print(ray.cluster_resources()["CPU"])
"""


@dataclass
class Cluster:
    """A head without CPUs and some nodes with one each, all on loopback; nobody gets in without the token."""

    folder: Path
    port: int = field(default_factory=free_port)
    head: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    nodes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "7" * 64,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": str(HEAD_DIES_SECONDS),
            "RAY_health_check_period_ms": "1000",
        }

    def start(self) -> None:
        """Head and nodes."""
        head = ["--head", f"--port={self.port}", "--num-cpus=0", "--include-dashboard=false"]
        self.head.append(self._ray_start(*head, f"--temp-dir={self.folder}", "--disable-usage-stats"))
        await_listener(self.address, COMES_BACK_SECONDS)  # nodes do not wait for their head
        for _ in range(NODES):
            self.start_node()

    def start_node(self) -> None:
        self.nodes.append(self._ray_start(f"--address={self.address}", "--num-cpus=1"))

    def _ray_start(self, *options: str) -> "subprocess.Popen[bytes]":
        line = [sys.executable, str(ROOT / "tests/deploy/loopback_ray.py"), "start", "--block", *options]
        line.append("--object-store-memory=80000000")
        return subprocess.Popen(
            line, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def kill_node(self, random: Random) -> None:
        """SIGKILL for the raylet of a node that is up, as soon as there are two of them."""
        wait_until(lambda: len(self._raylets()) >= 2, COMES_BACK_SECONDS)
        node, raylet = random.choice(self._raylets())
        kill(raylet)
        self.nodes.remove(node)
        end(node)

    def _raylets(self) -> "list[tuple[subprocess.Popen[bytes], psutil.Process]]":
        found = []
        for node in self.nodes:
            found += [(node, child) for child in descendants(node.pid) if child.name() == "raylet"]
        return found

    def kill(self) -> None:
        """All of it, and its files: as when the machines are gone."""
        for process in [*self.nodes, *self.head]:
            end(process)
        self.nodes.clear()
        self.head.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


def end(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL for the process and all below it."""
    for each in [*descendants(process.pid), psutil.Process(process.pid)]:
        kill(each)
    process.wait()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="n-", dir="/tmp")))
    cluster.start()
    yield cluster
    cluster.kill()


@contextmanager
def controller(home: Path, cluster: Cluster, trials: int) -> Iterator[Store]:
    """A controller that works on a search, ``s1``; the store that it is in."""
    store = open_store(f"sqlite:///{home / 'spinesearch.sqlite'}")
    document = {
        **SEARCH,
        "limits": {"trials": trials},
        "workers": [{"count": NODES}],
        "evaluator": "tests.chaos.evaluators:closed_form",
    }
    store.create_search("s1", "nodes", SearchConfig.from_document(document).to_document(), datetime.now(UTC))
    settings = {"SPINESEARCH_HOME": str(home), "SPINESEARCH_RAY_ADDRESS": cluster.address, "SPINESEARCH_CPUS": "8"}
    process = subprocess.Popen(command("controller"), env={**cluster.environment, **settings}, start_new_session=True)
    try:
        yield store
    finally:
        process.terminate()
        process.wait(60)
        store.close()


def num_trained(store: Store) -> int:
    """After a paused search was resumed: whoever kills its workers knows why it lost so many in a row."""
    search = store.get_search("s1")
    if search.state is SearchState.PAUSED:
        store.request_state("s1", SearchState.PENDING, "", datetime.now(UTC))
    return store.count_trials("s1").trained


def wait_for_more(store: Store) -> None:
    before = num_trained(store)
    wait_until(lambda: num_trained(store) > before, COMES_BACK_SECONDS)


def finish(store: Store, home: Path, cluster: Cluster) -> None:
    """Stops the search, and holds it and the cluster against what must be."""
    store.request_state("s1", SearchState.STOPPING, "", datetime.now(UTC))
    wait_until(lambda: store.get_search("s1").state.is_final, COMES_BACK_SECONDS)
    assert what_is_wrong(store, "s1", home / "artifacts") == []
    line = [sys.executable, "-W", "ignore", "-c", RETURNED, cluster.address, str(RETURNS_SECONDS)]
    returned = subprocess.run(line, env=cluster.environment, capture_output=True, text=True, check=False)
    assert returned.returncode == 0, returned.stderr


@pytest.mark.chaos
def test_a_search_loses_nothing_when_nodes_of_its_cluster_are_killed(cluster: Cluster, tmp_path: Path) -> None:
    random = Random(1)
    with controller(tmp_path, cluster, MANY_TRIALS) as store:
        wait_for_more(store)
        for _ in range(KILLS):
            time.sleep(random.expovariate(1 / MEAN_SECONDS))
            cluster.kill_node(random)
            cluster.start_node()
        wait_for_more(store)
        finish(store, tmp_path, cluster)
        attempts = [attempt for job in store.list_jobs("s1") for attempt in store.list_attempts(job.id)]
        failed = [attempt for attempt in attempts if attempt.state is AttemptState.FAILED]
        assert len(failed) >= KILLS / 2, "most kills cost a training"


@pytest.mark.chaos
def test_a_search_goes_on_on_a_new_cluster_when_the_head_of_its_own_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    with controller(tmp_path, cluster, MANY_TRIALS) as store:
        for _ in range(3):
            wait_for_more(store)
            cluster.kill()
            cluster.start()
        wait_for_more(store)
        finish(store, tmp_path, cluster)
