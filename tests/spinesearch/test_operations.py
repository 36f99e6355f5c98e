"""What the process of an operation does, and the daemon with a real one."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import onnxruntime
import psutil
import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.sweep import SAFE_SECONDS, sweep_artifacts
from nas_controller.operations.records import (
    KEPT_FOR,
    OnnxExport,
    Operation,
    OperationKind,
    OperationLease,
    OperationResult,
    OperationState,
    Work,
)
from nas_controller.store.base import NotFoundError, Store
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import open_store
from search_space.plan import TargetNetwork
from search_space.reference import REFERENCES
from spinesearch.composition import now
from spinesearch.operations import Make, carry_out
from tests.conformance.store_cases import at
from tests.conformance.store_operation_suite import asked, begun
from tests.search_space.test_export_pytorch import RESIDUAL_FPN
from tests.spinesearch.test_cli import environment

TINY = OnnxExport.of(RESIDUAL_FPN, TargetNetwork(image_size=(64, 96), width_scale=0.1, endpoint_channels=8))
"""The smallest network of the tests, at a small size."""
WAIT_SECONDS = 240


@pytest.fixture
def store() -> Store:
    return MemoryStore()


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifactStore:
    return DirectoryArtifactStore(tmp_path / "artifacts")


def carried_out(
    store: Store, artifacts: DirectoryArtifactStore, folder: Path, make: Make, lease: OperationLease | None = None
) -> Operation:
    """An operation after its process."""
    operation = asked(store)
    lease = lease or begun(store, 10)
    carry_out(store, artifacts, lease, folder, lambda: at(20), {OperationKind.EXPORT_ONNX: make})
    assert not folder.exists()
    return store.get_operation(operation.id)


def test_the_file_is_kept_and_nothing_else(store: Store, artifacts: DirectoryArtifactStore, tmp_path: Path) -> None:
    def write(_work: Work, path: Path) -> None:
        assert [file.name for file in path.parent.iterdir()] == [], "what was left by another process is gone"
        path.write_bytes(b"content")

    folder = tmp_path / "operations" / "a"
    folder.mkdir(parents=True)
    (folder / "left").write_text("by a process that was killed")
    done = carried_out(store, artifacts, folder, write)
    assert done.result is not None
    assert (done.state, done.result.num_bytes) == (OperationState.SUCCEEDED, 7)
    assert artifacts.open(done.result.key).read() == b"content"


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (
            ValueError("ONNX needs the extra: pip install 'spinesearch[onnx]'"),
            "ONNX needs the extra: pip install 'spin",
        ),
        (MemoryError(), "the controller has not enough memory to make it"),
        (KeyError("a defect"), "KeyError: 'a defect'"),
        (RuntimeError("first\nsecond"), "RuntimeError: first"),
    ],
)
def test_what_goes_wrong_is_said(
    store: Store, artifacts: DirectoryArtifactStore, tmp_path: Path, error: Exception, problem: str
) -> None:
    def fail(_work: Work, _path: Path) -> None:
        raise error

    failed = carried_out(store, artifacts, tmp_path / "a", fail)
    assert failed.state is OperationState.FAILED
    assert failed.problem.startswith(problem)
    assert artifacts.list() == []


def test_no_path_of_the_machine_is_told(store: Store, artifacts: DirectoryArtifactStore, tmp_path: Path) -> None:
    def refuse(_work: Work, path: Path) -> None:
        raise ValueError(f"{path}: differs from torch")

    assert carried_out(store, artifacts, tmp_path / "a", refuse).problem == "made: differs from torch"


def test_who_lost_the_lease_meanwhile_changes_nothing(
    store: Store, artifacts: DirectoryArtifactStore, tmp_path: Path
) -> None:
    asked(store)
    lost = begun(store, 10)
    begun(store, 80, "another")
    left = carried_out(store, artifacts, tmp_path / "a", lambda _work, path: path.touch(), lost)
    assert (left.state, left.num_attempts) == (OperationState.RUNNING, 2)


def test_a_sweep_leaves_the_file_for_a_week(store: Store, artifacts: DirectoryArtifactStore) -> None:
    operation = asked(store)
    key = artifacts.put(b"content")
    finished_at = now()
    store.finish_operation(begun(store, 10), OperationResult(key=key, num_bytes=7), finished_at)
    for seconds in (SAFE_SECONDS + 60, KEPT_FOR.total_seconds() - 60):
        sweep_artifacts(store, artifacts, finished_at + timedelta(seconds=seconds))
        assert artifacts.exists(key)
    sweep_artifacts(store, artifacts, finished_at + KEPT_FOR + timedelta(seconds=60))
    assert not artifacts.exists(key)
    with pytest.raises(NotFoundError):
        store.get_operation(operation.id)


@contextmanager
def controller(home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The controller of a home, until the end of the block."""
    line = [sys.executable, "-m", "spinesearch", "controller"]
    process = subprocess.Popen(line, env={**environment(home), "OMP_NUM_THREADS": "1"})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def waited_for(store: Store, operation_id: str, *states: OperationState) -> Operation:
    """The operation in one of these states."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (operation := store.get_operation(operation_id)).state not in states:
        assert time.monotonic() < deadline, f"it is {operation.state}: {operation.problem}"
        time.sleep(0.1)
    return operation


def test_the_daemon_makes_a_file_that_onnx_runtime_runs(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'spinesearch.sqlite'}")
    operation = store.ask_operation(TINY.work(), now())
    with controller(tmp_path):
        done = waited_for(store, operation.id, OperationState.SUCCEEDED, OperationState.FAILED)
    assert done.result is not None, done.problem
    content = DirectoryArtifactStore(tmp_path / "artifacts").open(done.result.key).read()
    assert len(content) == done.result.num_bytes
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape[1:] == [3, 64, 96]
    assert [output.name for output in session.get_outputs()] == ["p3", "p4", "p5", "p6", "p7"]
    assert list((tmp_path / "operations").iterdir()) == []
    store.close()


@pytest.mark.slow
def test_a_process_that_is_killed_is_followed_by_another_when_its_lease_has_expired(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'spinesearch.sqlite'}")
    operation = store.ask_operation(TINY.work(), now())
    with controller(tmp_path) as process:
        waited_for(store, operation.id, OperationState.RUNNING)
        deadline = time.monotonic() + WAIT_SECONDS
        while not (children := psutil.Process(process.pid).children()):
            assert time.monotonic() < deadline
        children[0].kill()
        done = waited_for(store, operation.id, OperationState.SUCCEEDED, OperationState.FAILED)
    assert (done.state, done.num_attempts) == (OperationState.SUCCEEDED, 2)
    store.close()


@pytest.mark.slow
def test_what_does_not_fit_in_memory_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """SpineNet-190 at 1280 pixels, in a process that may have 1.5 GB."""
    store = open_store(f"sqlite:///{tmp_path / 'spinesearch.sqlite'}")
    large = OnnxExport.of(REFERENCES["spinenet-190"].spec, REFERENCES["spinenet-190"].target)
    store.ask_operation(large.work(), now())
    lease = store.claim_operation("daemon", now(), WAIT_SECONDS)
    assert lease is not None
    line = [sys.executable, "-m", "spinesearch", "internal", "operation", lease.operation_id, "--lease", "1"]
    limited = ["bash", "-c", 'ulimit -d 1500000; exec "$@"', "bash", *line]
    subprocess.run(limited, env={**environment(tmp_path), "OMP_NUM_THREADS": "1"}, check=True, timeout=WAIT_SECONDS)
    failed = store.get_operation(lease.operation_id)
    assert (failed.state, failed.problem) == (
        OperationState.FAILED,
        "the controller has not enough memory to make it",
    )
    store.close()
