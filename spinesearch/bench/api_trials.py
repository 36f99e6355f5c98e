"""What happens in the search of `bench api`: the same for the same seed, whoever writes it down."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Protocol

from nas_controller.algorithms.base import Proposal
from nas_controller.operations.records import OperationKind, Work
from nas_controller.records import (
    Artifact,
    Failure,
    FailureReason,
    JobKind,
    SearchLease,
    TrialDraft,
)
from nas_controller.search_config import SearchConfig
from nas_controller.store import rules
from nas_controller.store.base import Store
from search_space.decisions import random_genotype
from search_space.spaces import find_space
from spinesearch.bench.claimed_search import untrained_setup
from trainer.session import Measurement
from trainer.task import Evaluation

SEARCH_ID = "bench-api-000001"
SPACE = "spinenet-49"
WEBHOOK_ID = "0123456789ab"
WORK = Work(kind=OperationKind.EXPORT_ONNX, document={"of": SEARCH_ID})
NUM_WORKERS = 8
NUM_ARCHITECTURES = 200
"""So many are decoded and counted; the trials of each have fingerprints and costs of their own."""
NUM_STEPS, MEASURED_STEPS = 300, (75, 150)
INFEASIBLE, STOPPED, FAILED, LOST, REPEATED = 0.3, 0.05, 0.03, 0.02, 0.05
"""Shares of trials: off budget; of the others, stopped early, failed, with a lost worker; of networks seen before."""
FAILURES = (FailureReason.DIVERGED, FailureReason.OUT_OF_MEMORY, FailureReason.TIME_LIMIT)


def bench_config(num_trials: int) -> SearchConfig:
    """A search of so many trials that are measured on the way."""
    document: dict[str, Any] = {
        "name": "bench api",
        "space": SPACE,
        "data": "generated",
        "early_stopping": {"rule": "median", "at": [0.25, 0.5]},
        "limits": {"trials": num_trials},
        "workers": [{"count": NUM_WORKERS}],
    }
    return SearchConfig.from_document(SearchConfig.from_document(document).to_document())


def make_drafts(config: SearchConfig, count: int = NUM_ARCHITECTURES, seed: int = 0) -> list[TrialDraft]:
    """Candidates as a search loop drafts them, proposed at random."""
    setup, rng = untrained_setup(SEARCH_ID, config), Random(seed)
    genotypes = [random_genotype(setup.space, rng) for _ in range(count)]
    log_probs = [tuple(math.log(rng.uniform(0.1, 1.0)) for _ in genotype) for genotype in genotypes]
    proposals = [
        Proposal(genotype=genotype, arm="policy", log_probs=probs)
        for genotype, probs in zip(genotypes, log_probs, strict=True)
    ]
    drafts = [setup.draft(proposal, number) for number, proposal in enumerate(proposals, start=1)]
    return [replace(draft, spec=rules.plain(draft.spec), infeasible_reason="") for draft in drafts]


class TrialWriter(Protocol):
    """Who writes down what happens to trials: in bulk, or by the store's own methods."""

    def reject(self, draft: TrialDraft) -> None:
        """The candidate is off budget."""

    def start(self, draft: TrialDraft, worker: str) -> None:
        """A worker begins to train the candidate."""

    def lose(self, number: int, worker: str) -> None:
        """The trial's worker is lost; another one begins again."""

    def measure(self, number: int, measurement: Measurement) -> None:
        """The training has come so far."""

    def complete(self, number: int, evaluation: Mapping[str, Any], reward: float) -> None:
        """The training is over, and its log is kept."""

    def fail(self, number: int, failure: Failure) -> None:
        """The trial failed for good."""


@dataclass
class CourseOfTrials:
    """What happens in the search: the same for the same seed, whoever writes it down.

    Args:
        drafts: candidates, each of which many trials have with fingerprints and costs of their own.
        infeasible: share of trials off budget.
        running: numbers of the trials that run.
    """

    drafts: Sequence[TrialDraft]
    rng: Random
    infeasible: float = INFEASIBLE
    num_trials: int = 0
    running: list[int] = field(default_factory=list)

    def go_on(self, writer: TrialWriter, num_trials: int) -> None:
        """So many trials more, the last `NUM_WORKERS` of which run."""
        for _ in range(num_trials):
            self.num_trials += 1
            draft = self._draft()
            if self.rng.random() < self.infeasible:
                writer.reject(replace(draft, infeasible_reason="off budget"))
                continue
            worker = f"worker-{self.num_trials % NUM_WORKERS + 1}"
            writer.start(draft, worker)
            self.running.append(draft.number)
            if self.rng.random() < LOST:
                writer.lose(draft.number, worker)
            if len(self.running) > NUM_WORKERS:
                self._end(writer, self.running.pop(self.rng.randrange(NUM_WORKERS)))

    def _draft(self) -> TrialDraft:
        """The next candidate: as dear as its architecture, give or take some percent."""
        draft, twin = self.rng.choice(self.drafts), self.num_trials
        if self.rng.random() < REPEATED:
            twin = self.rng.randrange(self.num_trials)
        digest = hashlib.sha256(f"{draft.fingerprint} {twin}".encode()).hexdigest()
        counted, share = draft.target_cost, self.rng.uniform(0.95, 1.05)
        multiply_adds, parameters = counted.backbone_multiply_adds, counted.backbone_parameters
        cost = replace(
            counted, backbone_multiply_adds=round(share * multiply_adds), backbone_parameters=round(share * parameters)
        )
        parents = (2 * self.num_trials // 3,) if self.num_trials > 1 else ()
        return replace(draft, number=self.num_trials, fingerprint=digest, target_cost=cost, parents=parents)

    def _end(self, writer: TrialWriter, number: int) -> None:
        """What the search finds becomes better, and comes with noise."""
        precision = 0.1 + 0.2 * (1 - math.exp(-number / 20_000)) + self.rng.gauss(0.0, 0.02)
        curve = [max(0.0, precision * step / NUM_STEPS) for step in MEASURED_STEPS]
        for step, value in zip(MEASURED_STEPS, curve, strict=True):
            point = Measurement(step=step, num_steps=NUM_STEPS, loss=2.0, average_precision=value, seconds=step / 4)
            writer.measure(number, point)
        draw = self.rng.random()
        if draw < FAILED:
            reason = self.rng.choice(FAILURES)
            writer.fail(number, Failure(reason=reason, message=f"{reason} after a while", traceback="Traceback"))
        elif draw < FAILED + STOPPED:
            document = {**make_evaluation(curve[-1]), "stopped_at_step": MEASURED_STEPS[-1]}
            writer.complete(number, document, curve[-1])
        else:
            writer.complete(number, make_evaluation(max(0.0, precision)), max(0.0, precision))


def make_evaluation(average_precision: float) -> dict[str, Any]:
    """What a worker measured, as long as a real one."""
    evaluation = Evaluation(
        average_precision=average_precision,
        num_images=72,
        train_seconds=41.0,
        eval_seconds=2.5,
        setup_seconds=1.0,
        parameters=1_234_567,
        multiply_adds=345_678_901,
        peak_memory_bytes=10**9,
        device="cpu (bf16)",
        metrics={"ap50": min(1.0, average_precision * 1.8)},
        losses=tuple((step, 2.5 * 0.985**step + 0.2) for step in range(3, NUM_STEPS + 1, 3)),
    )
    return rules.plain(evaluation.to_document())


def values_of(number: int) -> dict[str, object]:
    """What a request has to say, by the name of its parameter, to ask for this trial; a new route that must have
    another one needs a line here.

    Args:
        number: of a trial that was completed.
    """
    return {
        "search_id": SEARCH_ID,
        "number": number,
        "job_id": rules.job_id(SEARCH_ID, number, JobKind.PROXY, number),
        "attempt": 1,
        "request_number": 1,
        "webhook_id": WEBHOOK_ID,
        "operation_id": WORK.id,
        "key": hashlib.sha256(log_content(number)).hexdigest(),
        "name": "spinenet-49",
        "search": SEARCH_ID,
        "with": "spinenet-49",
        "genotype": ",".join("0" * find_space(SPACE).genotype_length),
        "poll": "true",
    }


def log_content(number: int) -> bytes:
    """A short one."""
    return f"log of {number}".encode()


def make_log(number: int, at: datetime) -> Artifact:
    """What a trial's worker left."""
    return Artifact(
        key=hashlib.sha256(log_content(number)).hexdigest(),
        search_id=SEARCH_ID,
        trial_number=number,
        name="worker.log",
        media_type="text/plain",
        num_bytes=len(log_content(number)),
        created_at=at,
    )


@dataclass
class Clock:
    """A time that moves by a second with each thing that happens."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def tick(self) -> datetime:
        """The time of the next thing."""
        self.now += timedelta(seconds=1)
        return self.now


@dataclass
class StoreWriter:
    """Writes by the store's own methods, as a controller does, at the times of the bulk."""

    store: Store
    lease: SearchLease
    clock: Clock
    _jobs: dict[int, str] = field(default_factory=dict)
    _attempts: dict[int, int] = field(default_factory=dict)

    def reject(self, draft: TrialDraft) -> None:
        self.store.add_trial(self.lease, draft, None, self.clock.tick())

    def start(self, draft: TrialDraft, worker: str) -> None:
        job = self.store.start_trial(self.lease, draft, draft.number, worker, self.clock.tick())
        self._jobs[draft.number], self._attempts[draft.number] = job.id, 1

    def lose(self, number: int, worker: str) -> None:
        job_id = self._jobs[number]
        self.store.fail_attempt(self.lease, job_id, 1, lost_worker(), True, self.clock.tick())
        self._attempts[number] = self.store.start_attempt(self.lease, job_id, worker, self.clock.tick()).number

    def measure(self, number: int, measurement: Measurement) -> None:
        at, attempt = self.clock.tick(), self._attempts[number]
        self.store.record_progress(self.lease, self._jobs[number], attempt, measurement, at)

    def complete(self, number: int, evaluation: Mapping[str, Any], reward: float) -> None:
        at, attempt = self.clock.tick(), self._attempts[number]
        self.store.complete_attempt(self.lease, self._jobs[number], attempt, evaluation, reward, at)
        self.store.add_artifact(make_log(number, at))

    def fail(self, number: int, failure: Failure) -> None:
        at, attempt = self.clock.tick(), self._attempts[number]
        self.store.fail_attempt(self.lease, self._jobs[number], attempt, failure, False, at)


def lost_worker() -> Failure:
    """Nobody's fault."""
    return Failure(reason=FailureReason.WORKER_LOST, message="the worker died")
