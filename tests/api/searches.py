"""Searches as a controller would leave them in a store, written through the store's own methods."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nas_controller.artifacts.base import ArtifactStore
from nas_controller.artifacts.log_parts import pack
from nas_controller.records import (
    Failure,
    FailureReason,
    JobKind,
    NetworkCost,
    SearchLease,
    SearchState,
    Trial,
    TrialDraft,
)
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from search_space.cost import cost
from search_space.fingerprint import fingerprint
from search_space.plan import TargetNetwork, resolve
from search_space.reference import reference
from search_space.spaces import SPINENET_49
from search_space.spec import ArchitectureSpec
from trainer.session import LogPart, Measurement
from trainer.task import Evaluation

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
DOCUMENT: dict[str, Any] = {
    "name": "blood cells",
    "space": "spinenet-49",
    "data": "generated",
    "limits": {"trials": 40},
    "algorithm": {"seed": 7},
}
MEASUREMENT_KEY = "a1" * 32
_TARGET = TargetNetwork(image_size=640)
_PROXY = TargetNetwork(image_size=128, width_scale=0.25, endpoint_channels=32)


def network_cost(spec: ArchitectureSpec) -> NetworkCost:
    """Counted cost at 640 pixels."""
    report = cost(resolve(spec, _TARGET))
    return NetworkCost(
        backbone_parameters=report.backbone.parameters,
        backbone_multiply_adds=report.backbone.multiply_adds,
        detector_parameters=report.parameters,
        detector_multiply_adds=report.multiply_adds,
    )


def random_genotype(rng: random.Random) -> tuple[int, ...]:
    """Every option with equal probability."""
    return tuple(rng.randrange(count) for count in SPINENET_49.option_counts)


class SearchWriter:
    """One search and a clock that moves by `step_seconds` with each thing that happens."""

    def __init__(
        self,
        store: Store,
        search_id: str,
        document: dict[str, Any] = DOCUMENT,
        start: datetime = START,
        step_seconds: float = 5.0,
    ) -> None:
        self.store = store
        self.search_id = search_id
        self.now = start
        self._step = timedelta(seconds=step_seconds)
        config = SearchConfig.from_document(document)
        store.create_search(search_id, config.name, config.to_document(), start)
        self._next = 1

    def tick(self) -> datetime:
        """The time of the next thing."""
        self.now += self._step
        return self.now

    def run(self) -> SearchLease:
        """A controller claims the search and runs it."""
        lease = self.store.claim_search(self.search_id, "controller", self.tick(), seconds=1e9)
        assert lease is not None
        self.lease = lease
        self.store.set_search_state(lease, SearchState.RUNNING, "", self.now)
        return lease

    def add(
        self, spec: ArchitectureSpec, *, arm: str = "policy", name: str = "", infeasible: str = "", **more: Any
    ) -> int:
        """A new trial; its number. References get no job."""
        draft = TrialDraft(
            number=self._next,
            arm=arm,
            name=name,
            spec=spec.to_document(),
            infeasible_reason=infeasible,
            measurement_key=None if arm == "reference" else MEASUREMENT_KEY,
            **{**self._counted(spec), **more},
        )
        self.store.add_trial(self.lease, draft, None if arm == "reference" else self._next, self.tick())
        self._next += 1
        return draft.number

    def reuse(self, measured: Trial) -> int:
        """The network of a trial is proposed again and takes its reward; the new trial's number."""
        draft = replace(measured.draft, number=self._next)
        self.store.add_reused_trial(self.lease, draft, measured, self.tick())
        self._next += 1
        return draft.number

    def _counted(self, spec: ArchitectureSpec) -> dict[str, Any]:
        plan = resolve(spec, _TARGET)
        return {
            "fingerprint": fingerprint(plan),
            "target_cost": network_cost(spec),
            "proxy_cost": network_cost(spec),
            "num_dead_blocks": plan.num_dead_blocks,
        }

    def start(self, number: int) -> str:
        """A worker starts the trial's open job; the job's id."""
        job = self.store.list_jobs(self.search_id, number, open_only=True)[-1]
        self.store.start_attempt(self.lease, job.id, f"worker-{number % 2 + 1}", self.tick())
        return job.id

    def complete(self, number: int, reward: float) -> None:
        """The trial is trained with this AP as its reward."""
        job_id = self.start(number)
        self.store.complete_attempt(self.lease, job_id, 1, evaluation(reward), reward, self.tick())

    def measure(self, number: int, step: int, value: float) -> None:
        """The trial, which runs, has come to this one of its 300 steps."""
        job = self.store.list_jobs(self.search_id, number, open_only=True)[-1]
        point = Measurement(step=step, num_steps=300, loss=300 / step, average_precision=value, seconds=step / 4)
        self.store.record_progress(self.lease, job.id, 1, point, self.tick())

    def log(self, artifacts: ArtifactStore, number: int, start: int, text: str) -> None:
        """The newest attempt of the trial's open job has said a part of its log."""
        job = self.store.list_jobs(self.search_id, number, open_only=True)[-1]
        content, attempt = text.encode(), job.num_attempts
        key = artifacts.put(pack(content, f"{job.id}.{attempt}.{start}"))
        part = LogPart(start=start, num_bytes=len(content), key=key)
        self.store.record_progress(self.lease, job.id, attempt, part, self.tick())

    def stop(self, number: int, step: int, value: float) -> None:
        """The trial, which runs, is stopped early where it is measured."""
        self.measure(number, step, value)
        job = self.store.list_jobs(self.search_id, number, open_only=True)[-1]
        document = {**evaluation(value), "stopped_at_step": step}
        self.store.complete_attempt(self.lease, job.id, 1, document, value, self.tick())

    def fail(self, number: int, message: str) -> None:
        """The trial's training raises."""
        job_id = self.start(number)
        failure = Failure(reason=FailureReason.DIVERGED, message=message, traceback="Traceback: " + message)
        self.store.fail_attempt(self.lease, job_id, 1, failure, False, self.tick())

    def reevaluate(self, number: int, values: list[float]) -> None:
        """The trial is measured on val, once for each value."""
        for seed, value in enumerate(values, start=1000):
            job = self.store.add_job(self.lease, number, JobKind.REEVALUATE, seed, self.tick())
            self.store.start_attempt(self.lease, job.id, "worker-1", self.tick())
            self.store.complete_attempt(self.lease, job.id, 1, evaluation(value), None, self.tick())

    def finish(self, state: SearchState, reason: str) -> None:
        """The controller ends the search."""
        self.store.set_search_state(self.lease, state, reason, self.tick())


def evaluation(value: float) -> dict[str, Any]:
    """What a worker measured."""
    return Evaluation(
        average_precision=value,
        num_images=72,
        train_seconds=41.0,
        eval_seconds=2.5,
        setup_seconds=1.0,
        parameters=1_234_567,
        multiply_adds=345_678_901,
        peak_memory_bytes=10**9,
        device="cpu (bf16)",
        metrics={"ap50": min(1.0, value * 1.8)},
        losses=tuple((step, 2.5 * 0.985**step + 0.2) for step in range(3, 301, 3)),
    ).to_document()


def write_small_search(store: Store, search_id: str = "blood-cells-000001") -> SearchWriter:
    """A running search: trial 1 completed at 0.21, 2 infeasible, 3 failed, 4 completed at 0.25, 5 running,
    6 the reference spinenet-49; trials 4 and 6 measured on val by three seeds."""
    writer = SearchWriter(store, search_id)
    writer.run()
    rng = random.Random(3)
    specs = [SPINENET_49.decode(random_genotype(rng)) for _ in range(5)]
    writer.complete(writer.add(specs[0]), 0.21)
    writer.add(specs[1], infeasible="backbone of 99.0 G multiply-adds: outside 76.1 G to 84.1 G")
    writer.fail(writer.add(specs[2]), "loss is not a number at step 17")
    writer.complete(writer.add(specs[3]), 0.25)
    writer.start(writer.add(specs[4]))
    writer.add(reference("spinenet-49"), arm="reference", name="spinenet-49")
    writer.reevaluate(4, [0.24, 0.25, 0.26])
    writer.reevaluate(6, [0.22, 0.23, 0.24])
    return writer
