import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.base import AttemptKey, Dispatcher, WorkerPool
from nas_controller.dispatch.ray_cluster import RayDispatcher
from nas_controller.dispatch.standing import START_SECONDS
from nas_controller.records import FailureReason
from tests.conformance.dispatch_evaluators import make_request
from tests.conformance.dispatcher_suite import LEASE_SECONDS, DispatcherSuite, next_outcomes, until_free
from tests.conformance.log_suite import LogSuite

EVALUATOR = "tests.conformance.dispatch_evaluators:evaluate"
REPOSITORY = Path(__file__).parents[2]

DRIVER = f"""
import sys
from nas_controller.dispatch.base import AttemptKey, WorkerPool
from nas_controller.dispatch.ray_cluster import RayDispatcher
from tests.conformance.dispatch_evaluators import make_request
from tests.conformance.dispatcher_suite import next_outcomes, until_free
address, behaviour = sys.argv[1] or None, sys.argv[2]
dispatcher = RayDispatcher([WorkerPool(count=1)], "{EVALUATOR}", address=address, namespace="test")
(worker,) = until_free(dispatcher, 1)
dispatcher.submit(worker, AttemptKey("a", 1), make_request(behaviour, 125))
print("up", flush=True)
print(next_outcomes(dispatcher)[0].evaluation.average_precision, flush=True)
dispatcher.close()
"""


SUCCESSOR = f"""
import os, sys
from pathlib import Path
from nas_controller.dispatch.base import AttemptKey, WorkerPool
from nas_controller.dispatch.ray_cluster import RayDispatcher
from tests.conformance.dispatch_evaluators import make_request
from tests.conformance.dispatcher_suite import next_outcomes, next_reports, until_free, watch
address, end, artifact_dir = sys.argv[1], sys.argv[2], Path(sys.argv[3])
pools = [WorkerPool(count=1)]
dispatcher = RayDispatcher(pools, "{EVALUATOR}", address, namespace="handed over", artifact_dir=artifact_dir)
key = AttemptKey("a", 1)
print(len(dispatcher.adopt([AttemptKey("a", 2), key if end == "leave" else AttemptKey("a", 3)])))
if end == "kill":
    (worker,) = until_free(dispatcher, 1)
    dispatcher.submit(worker, key, make_request("steps:60:0.1", 125))
    print(next_reports(dispatcher)[0][1].step, flush=True)
    os.kill(os.getpid(), 9)
if end == "leave":
    events, outcome = watch(dispatcher, key)
    print([event.step for event in events] == list(range(1, 61)), outcome.evaluation.provenance["pid"])
    dispatcher.leave()
if end == "close":
    (worker,) = until_free(dispatcher, 1)
    dispatcher.submit(worker, AttemptKey("b", 1), make_request("ok", 125))
    print(next_outcomes(dispatcher)[0].evaluation.provenance["pid"])
    dispatcher.close()
if end == "placement":
    while "could not start" not in dispatcher.placement():
        dispatcher.wait(1.0)
    print(dispatcher.placement())
    dispatcher.close()
"""


class TestRayDispatcher(DispatcherSuite, LogSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def dispatcher(cls) -> Iterator[Dispatcher]:
        dispatcher = RayDispatcher([WorkerPool(count=2, cpus=2)], EVALUATOR, lease_seconds=LEASE_SECONDS)
        yield dispatcher
        dispatcher.close()


def free_address() -> str:
    """A loopback address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def offspring() -> list[psutil.Process]:
    """The processes below this one that belong to Ray."""
    below = psutil.Process().children(recursive=True)
    lines = [(process, " ".join(process.cmdline())) for process in below]
    # A server of multiprocessing, which other tests started, has the whole path of imports in its line.
    return [process for process, line in lines if "ray" in line and "multiprocessing" not in line]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayDispatcher]:
    """One worker that can be placed and one that cannot, with an evaluator that only this process's path has."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "users_module.py").write_text("from tests.conformance.dispatch_evaluators import evaluate_alone\n")
    pools = [WorkerPool(count=1, cpus=1), WorkerPool(count=1, cpus=1, gpus=64)]
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # commands that other tests ran in this process have set their own
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        dispatcher = RayDispatcher(pools, "users_module:evaluate_alone")
    yield dispatcher
    dispatcher.close()


def test_a_user_module_on_the_path_serves_with_its_pools_threads(mixed: RayDispatcher) -> None:
    (worker,) = until_free(mixed, 1)
    mixed.submit(worker, AttemptKey("a", 1), make_request("ok", 125))
    (outcome,) = next_outcomes(mixed)
    assert outcome.evaluation is not None
    assert outcome.evaluation.average_precision == 0.125
    seen = outcome.evaluation.provenance
    assert (seen["threads"], seen["OMP_NUM_THREADS"]) == ("1", "1")


def test_a_pool_that_cannot_be_placed_says_what_is_missing(mixed: RayDispatcher) -> None:
    until_free(mixed, 1)
    assert mixed.free_workers() == ["worker-1"]
    assert mixed.placement().startswith("waiting for 1 of 1 workers: each needs 64 GPU, the cluster has ")


def test_a_worker_that_waits_for_room_is_not_given_up(mixed: RayDispatcher) -> None:
    until_free(mixed, 1)
    placed, waiting = mixed._slots
    assert not mixed._has_no_place(placed)
    actor, waiting.silent_seconds = mixed._actors[waiting.name], START_SECONDS + 1
    assert mixed.free_workers() == [placed.name]
    assert mixed._actors[waiting.name] is actor
    assert waiting.silent_seconds < START_SECONDS


def test_every_process_of_our_ray_listens_on_loopback_only(mixed: RayDispatcher) -> None:
    until_free(mixed, 1)
    processes = offspring()
    names = {process.name() for process in processes}
    assert {"gcs_server", "raylet"} <= names
    sockets = [
        connection.laddr.ip
        for process in [psutil.Process(), *processes]
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(sockets) >= 4
    assert {address.removeprefix("::ffff:") for address in sockets} == {"127.0.0.1"}


ASK = """
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, timeout=30)
print("answered")
"""


@pytest.mark.parametrize("token", [None, "8" * 64, ""], ids=["none", "wrong", "right"])
def test_our_ray_answers_nobody_without_its_token(mixed: RayDispatcher, token: str | None) -> None:
    until_free(mixed, 1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    if token is not None:
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token or os.environ["RAY_AUTH_TOKEN"]}
    address = mixed._ray.get_runtime_context().gcs_address
    command = [sys.executable, "-W", "error", "-c", ASK, address]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if token == "":
        assert result.stdout == "answered\n", result.stderr
    else:
        assert (result.stdout, result.returncode) == ("", 1)
        assert "Authentication token is missing or incorrect" in result.stderr


def test_nothing_of_our_ray_takes_jobs_over_http(mixed: RayDispatcher) -> None:
    """There is no dashboard, whose job server would run any command. Metrics may be read, from this machine."""
    until_free(mixed, 1)
    ports = {
        connection.laddr.port
        for process in [psutil.Process(), *offspring()]
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(ports) >= 4
    for port in ports:
        for path in ("/api/jobs/", "/get_or_create_runtime_env"):
            with suppress(httpx.RemoteProtocolError):  # it speaks gRPC
                answer = httpx.post(f"http://127.0.0.1:{port}{path}", json={"entrypoint": "true"})
                assert answer.status_code in (401, 403, 404, 405), (port, path, answer.text)


def test_its_files_are_in_a_private_folder(mixed: RayDispatcher) -> None:
    until_free(mixed, 1)
    (raylet,) = [process for process in offspring() if process.name() == "raylet"]
    (session,) = [part.split("=", 1)[1] for part in raylet.cmdline() if part.startswith("--session_dir=")]
    folder = Path(session).parents[1]
    assert folder.name.startswith("spinesearch-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_lost_worker_is_not_announced_on_stdout(mixed: RayDispatcher, capfd: pytest.CaptureFixture[str]) -> None:
    (worker,) = until_free(mixed, 1)
    mixed.submit(worker, AttemptKey("dies", 1), make_request("kill"))
    assert next_outcomes(mixed)[0].failure is not None
    until_free(mixed, 1)
    assert capfd.readouterr().out == ""


def test_one_process_has_one_dispatcher(mixed: RayDispatcher) -> None:
    with pytest.raises(RuntimeError, match="one dispatcher in one process"):
        RayDispatcher([WorkerPool(count=1)], EVALUATOR)


def test_a_missing_evaluator_is_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="no_such_module"):
        RayDispatcher([WorkerPool(count=1)], "no_such_module:evaluate")


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_told(scheme: str) -> None:
    address = scheme + free_address()
    with pytest.raises(ConnectionError, match=f"no Ray at {address}: Connection refused"):
        RayDispatcher([WorkerPool(count=1)], EVALUATOR, address=address, connect_seconds=0.5)


@pytest.mark.parametrize("name", ["raylet", pytest.param("gcs_server", marks=pytest.mark.slow)])
def test_a_killed_ray_is_replaced_and_its_attempts_are_given_back(mixed: RayDispatcher, name: str) -> None:
    (worker,) = until_free(mixed, 1)
    mixed.submit(worker, AttemptKey(name, 1), make_request("sleep:3600"))
    (victim,) = [process for process in offspring() if process.name() == name]
    victim.kill()
    (outcome,) = next_outcomes(mixed)
    assert outcome.failure is not None
    assert outcome.failure.reason is FailureReason.WORKER_LOST
    assert outcome.failure.message == f"{worker}: Ray died and was started again"
    assert until_free(mixed, 1) == [worker]
    mixed.submit(worker, AttemptKey(name, 2), make_request("ok"))
    assert next_outcomes(mixed)[0].evaluation is not None


def test_closing_leaves_no_process_no_file_and_the_signal_handler_as_it_was(mixed: RayDispatcher) -> None:
    until_free(mixed, 1)
    processes = offspring()
    assert len(processes) >= 4
    mixed.close()
    assert psutil.wait_procs(processes, timeout=30)[1] == []
    assert mixed._temp_dir is None
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def run_driver(address: str, behaviour: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", DRIVER, address, behaviour],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
    )


def test_a_killed_controller_leaves_no_worker_behind() -> None:
    folder = tempfile.TemporaryDirectory(prefix="t-", dir="/tmp", ignore_cleanup_errors=True)
    with folder as temp_dir, run_driver("", "sleep:3600", TMPDIR=temp_dir) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "up\n"
        below = psutil.Process(driver.pid).children(recursive=True)
        # Ray's two agents give up only when the dead head has not answered them for a minute.
        processes = [process for process in below if not process.name().endswith("Agent")]
        assert any(process.name().startswith("ray::Worker") for process in processes)
        driver.kill()
        assert psutil.wait_procs(processes, timeout=30)[1] == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a Ray that is not ours, on loopback, and the environment of those it lets in."""
    address = free_address()
    with tempfile.TemporaryDirectory(prefix="test-", dir="/tmp") as folder:
        environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "7" * 64,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "PYTHONPATH": str(REPOSITORY),
        }
        options = ["--head", "--block", "--num-cpus=1", "--include-dashboard=false", "--disable-usage-stats"]
        command = [str(Path(sys.executable).with_name("ray")), "start", *options, f"--port={address.split(':')[1]}"]
        head = subprocess.Popen(
            [*command, f"--temp-dir={folder}", "--object-store-memory=80000000"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        yield address, environment
        processes = psutil.Process(head.pid).children(recursive=True)
        head.terminate()
        head.wait(60)
        for process in psutil.wait_procs(processes, timeout=20)[1]:
            process.kill()


def test_a_cluster_at_an_address_is_used_and_left_running(cluster: tuple[str, dict[str, str]]) -> None:
    address, environment = cluster
    for _ in range(2):
        with run_driver(address, "ok", **environment) as driver:
            out, err = driver.communicate(timeout=120)
        assert (out, driver.returncode) == ("up\n0.125\n", 0), err


def run_successor(
    cluster: tuple[str, dict[str, str]], end: str, artifact_dir: Path, cwd: Path = REPOSITORY
) -> tuple[list[str], int]:
    """What a dispatcher on the cluster prints that ends so, and its exit status."""
    address, environment = cluster
    command = [sys.executable, "-W", "error", "-c", SUCCESSOR, address, end, str(artifact_dir)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env={**os.environ, **environment}, timeout=120
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.stdout.splitlines(), done.returncode


def test_an_attempt_on_a_cluster_outlives_its_killed_dispatcher_and_is_adopted_by_the_next(
    cluster: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    assert run_successor(cluster, "kill", tmp_path) == (["0", "1"], -signal.SIGKILL)
    (adopted, told), code = run_successor(cluster, "leave", tmp_path)
    all_steps, pid = told.split()
    assert (adopted, all_steps, code) == ("1", "True", 0)
    # The same process serves on after its second dispatcher left it, and ends with the third.
    assert run_successor(cluster, "close", tmp_path) == (["0", pid], 0)
    psutil.wait_procs([psutil.Process(int(pid))] if psutil.pid_exists(int(pid)) else [], timeout=30)
    assert not psutil.pid_exists(int(pid))
    assert DirectoryArtifactStore(tmp_path).list() == [], "probes are removed"


def test_a_node_that_does_not_reach_the_artifact_store_is_not_used(
    cluster: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    # To each process, this path is a folder of its own.
    (tmp_path / "of this process").mkdir()
    lines, _ = run_successor(cluster, "placement", Path("/proc/self/cwd/of this process"), cwd=tmp_path)
    assert "does not reach the artifact store /proc/self/cwd/of this process: there is no such folder" in lines[-1]
    assert lines[-1].startswith("waiting for 1 of 1 workers: worker-1 could not start: OSError: node ")


@pytest.mark.slow
def test_a_cluster_lets_nobody_in_without_its_token(cluster: tuple[str, dict[str, str]]) -> None:
    address, environment = cluster
    with run_driver(address, "ok", **{**environment, "RAY_AUTH_TOKEN": "8" * 64}) as driver:
        out, err = driver.communicate(timeout=300)
    assert (out, driver.returncode) == ("", 1)
    assert "token" in err
