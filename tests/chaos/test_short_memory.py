"""Some architectures take memory until they are killed, by Ray, by the kernel, or by a limit of their own: they are
tried as often as the rule says, and their neighbours live."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from nas_controller.dispatch.memory_kills import GROUPS, MEMBERSHIP
from nas_controller.records import FAILURE_RULES, FailureReason, TrialState
from nas_controller.store.open import open_store
from search_space.spec import ArchitectureSpec
from spinesearch.client import FINAL_STATES
from tests.chaos.evaluators import HUNGRY_BELOW
from tests.chaos.service_oracle import what_is_wrong
from tests.integration.evaluators import expected_average_precision
from tests.integration.service import descendants, running_service, wait_until
from tests.integration.test_service_search import SEARCH
from trainer.task import Split

TRIALS = 16
SEARCH_SECONDS = 400.0
SPARE_BYTES = 2**31
"""What one service, its Ray and workers need, and some more."""


def group_of_memory() -> Path | None:
    """Where a control group with a limit of memory can be made below ours; None where the system does not let us."""
    lines = [line.split(":", 2) for line in MEMBERSHIP.read_text().splitlines()]
    for _, controllers, path in lines:
        if controllers == "memory" and os.access(group := GROUPS / "memory" / path.strip("/"), os.W_OK):
            return group
    return None


WAYS = ["limit", "Ray", *(["kernel"] if group_of_memory() else [])]


def settings_of(way: str) -> Mapping[str, str]:
    """Ray's monitor looks at the whole machine, on which others work too; of two that kill, one must not."""
    if way != "Ray":
        return {"RAY_memory_monitor_refresh_ms": "0"}
    memory = psutil.virtual_memory()
    threshold = (memory.total - memory.available + SPARE_BYTES) / memory.total
    return {"RAY_memory_monitor_refresh_ms": "100", "RAY_memory_usage_threshold": f"{threshold:.4f}"}


@contextmanager
def limited(pid: int, way: str) -> Iterator[None]:
    """All processes of the service are in a group of their own whose memory has a limit, where it is the kernel's."""
    parent = group_of_memory()
    if way != "kernel" or parent is None:
        yield
        return
    group = parent / f"chaos-{pid}"
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(SPARE_BYTES + 2**30))
    for member in [pid, *(child.pid for child in descendants(pid))]:
        (group / "cgroup.procs").write_text(str(member))
    yield
    for left in (group / "cgroup.procs").read_text().split():
        (parent / "cgroup.procs").write_text(left)
    group.rmdir()


@pytest.mark.chaos
@pytest.mark.parametrize("way", WAYS)
def test_who_takes_too_much_memory_fails_and_nobody_else_does(way: str, tmp_path: Path) -> None:
    name = "limited" if way == "limit" else "hungry"
    document = {
        **SEARCH,
        "limits": {"trials": TRIALS, "failures": 1.0},
        "algorithm": {"name": "random", "seed": 1},
        "evaluator": f"tests.chaos.evaluators:{name}",
    }
    settings = {"SPINESEARCH_EVALUATORS": "tests.chaos.evaluators", **settings_of(way)}
    with (
        (tmp_path / "log").open("wb") as log,
        running_service(tmp_path / "home", log, **settings) as (process, client),
        limited(process.pid, way),
    ):
        search_id = client.create_search(document)["id"]
        wait_until(lambda: client.get_search(search_id)["state"] in FINAL_STATES, SEARCH_SECONDS)
    store = open_store(f"sqlite:///{tmp_path / 'home' / 'spinesearch.sqlite'}")
    out_of_memory = FailureReason.OUT_OF_MEMORY
    assert what_is_wrong(store, search_id, tmp_path / "home" / "artifacts", may_fail=out_of_memory) == []
    sampled = [trial for trial in store.list_trials(search_id, 1000) if trial.draft.arm != "reference"]
    trained = [trial for trial in sampled if trial.state is not TrialState.INFEASIBLE]
    failed = {trial.number for trial in trained if trial.state is TrialState.FAILED}
    hungry = {
        trial.number
        for trial in trained
        if expected_average_precision(ArchitectureSpec.from_document(trial.draft.spec), Split.REWARD) < HUNGRY_BELOW
    }
    assert failed == hungry != set()
    reasons = [
        attempt.failure.reason
        for job in store.list_jobs(search_id)
        for attempt in store.list_attempts(job.id)
        if attempt.failure is not None and job.trial_number in hungry
    ]
    assert reasons == [out_of_memory] * (len(hungry) * FAILURE_RULES[out_of_memory].max_attempts)
    store.close()
