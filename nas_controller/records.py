"""The nouns of a search: Search 1-n Trial 1-n Job 1-n Attempt, their states, and the ledger.

A search is what the user started; a trial is one architecture in it; a job is one piece of work on that
architecture, with its own seed; an attempt is one run of a job on a worker. Records are frozen copies:
changing the store is the store's business (`store.base`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from search_space.decisions import Genotype
from trainer.latency_task import Latency
from trainer.session import Checkpoint


class SearchState(StrEnum):
    """Where a search is. STOPPING drains what runs; the last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the search can never change again."""
        return self in (SearchState.SUCCEEDED, SearchState.FAILED, SearchState.CANCELLED)


class TrialState(StrEnum):
    """Where a trial is. STOPPED_EARLY was trained in part, and measured; INFEASIBLE was never trained; FAILED was, and
    raised; CANCELLED is neither."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED_EARLY = "stopped_early"
    INFEASIBLE = "infeasible"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the trial can never change again."""
        return self not in (TrialState.QUEUED, TrialState.RUNNING)


class JobKind(StrEnum):
    """LATENCY measures how long the target network takes, where the search asks for it, and comes before PROXY, which
    measures the reward on the reward split; REEVALUATE measures AP on val with a fresh seed; FULL_TRAIN does so after a
    longer training on all of train, and keeps the weights."""

    LATENCY = "latency"
    PROXY = "proxy"
    REEVALUATE = "reevaluate"
    FULL_TRAIN = "full_train"

    @property
    def carries_trial(self) -> bool:
        """Whether the trial waits, runs and fails with the job: without it there is no reward."""
        return self in (JobKind.LATENCY, JobKind.PROXY)


class JobState(StrEnum):
    """Where a job is; as for a trial."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job can never change again."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class AttemptState(StrEnum):
    """Where one run of a job is. LOST: its worker or its controller went away before it answered."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"


class FailureKind(StrEnum):
    """Whose failure it was. MODEL counts against the architecture; INFRASTRUCTURE does not; DATA ends the search: no
    architecture can do better, and trying again would not help."""

    MODEL = "model"
    INFRASTRUCTURE = "infrastructure"
    DATA = "data"


class FailureReason(StrEnum):
    """Why an attempt gave no evaluation; `FAILURE_RULES` says what follows from it."""

    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    TIME_LIMIT = "time_limit"
    RAISED = "raised"
    BROKEN_DATA = "broken_data"
    WORKER_LOST = "worker_lost"
    MACHINE_ERROR = "machine_error"
    UNFIT_DEVICE = "unfit_device"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class FailureRule:
    """What follows from a failure of one reason.

    Args:
        kind: whose failure it is.
        max_attempts: the job is queued again after a failure of this reason while it has had fewer failures of this
            kind. Then it FAILED, and so has its trial; the algorithm is told so, with no reward, of MODEL only.
        ends_worker: another process takes the worker's place before its next attempt.
    """

    kind: FailureKind
    max_attempts: int
    ends_worker: bool


FAILURE_RULES: Mapping[FailureReason, FailureRule] = {
    # The same steps would diverge again.
    FailureReason.DIVERGED: FailureRule(FailureKind.MODEL, 1, False),
    # Once more, for the memory may have been another's; a new process has all of it that it can get.
    FailureReason.OUT_OF_MEMORY: FailureRule(FailureKind.MODEL, 2, True),
    FailureReason.TIME_LIMIT: FailureRule(FailureKind.MODEL, 1, False),
    # An unknown exception: for this architecture, the evaluator's code does not work.
    FailureReason.RAISED: FailureRule(FailureKind.MODEL, 1, False),
    FailureReason.BROKEN_DATA: FailureRule(FailureKind.DATA, 1, False),
    FailureReason.WORKER_LOST: FailureRule(FailureKind.INFRASTRUCTURE, 5, True),
    # A full disk, an accelerator in a bad state: another process, perhaps on another node, may do better.
    FailureReason.MACHINE_ERROR: FailureRule(FailureKind.INFRASTRUCTURE, 5, True),
    # Too unsteady to measure a latency on, or another one than the search's first was measured on: it may be calm next
    # time, or it is another worker's turn. A new process would only disturb the others.
    FailureReason.UNFIT_DEVICE: FailureRule(FailureKind.INFRASTRUCTURE, 5, False),
    FailureReason.CANCELLED: FailureRule(FailureKind.INFRASTRUCTURE, 5, True),
}
"""The rule of each reason, here and nowhere else."""


def search_id_of(name: str, suffix: str) -> str:
    """The id of a search: its name as it can stand in a path, and a random suffix.

    >>> search_id_of("Blood cells 2", "1f9c3a")
    'blood-cells-2-1f9c3a'
    """
    return f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')[:40]}-{suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt gave no evaluation: one line for people, and the whole traceback for developers."""

    reason: FailureReason
    message: str
    traceback: str = ""

    @property
    def rule(self) -> FailureRule:
        """What follows from it."""
        return FAILURE_RULES[self.reason]

    @property
    def kind(self) -> FailureKind:
        """Whose failure it was."""
        return self.rule.kind

    @property
    def is_told(self) -> bool:
        """Whether an algorithm is told of a trial that failed so for good: it says something of the architecture."""
        return self.kind is FailureKind.MODEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search.

    Args:
        name: for people; it may be changed, the name in `config` stays.
        config: the validated search document, defaults filled in; its limits are those that hold now.
        cloned_from: the search whose document it was made of; that may be gone.
        archived_at: since when lists leave it out unless they are asked for it; None: they do not.
    """

    id: str
    name: str
    config: Mapping[str, Any]
    state: SearchState
    reason: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_sequence: int
    """Sequence number of the newest ledger entry; 0 for none."""
    notes: str = ""
    cloned_from: str | None = None
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCost:
    """Counted parameters and multiply-adds of one network, backbone with endpoints and whole detector."""

    backbone_parameters: int
    backbone_multiply_adds: int
    detector_parameters: int
    detector_multiply_adds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialKey:
    """Which trial, of all searches in the store."""

    search_id: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialDraft:
    """A trial as the search loop proposes it to the store.

    Args:
        number: 1, 2, 3, ... within the search, references included.
        arm: what proposed it: ``policy``, ``random``, ``reference``, ..., or how a user did (`requests.ARMS`).
        name: the reference's name; "" for a sampled architecture.
        genotype: empty for a reference, and for an architecture that is not in the space: no algorithm is told of it.
        log_probs: behaviour log-probability of each decision, nats; 0 where a user took it.
        spec: the architecture spec document.
        fingerprint: equal for networks that are the same at target size.
        measurement_key: equal where equal fingerprints are measured alike (`setup.measurement_key`); None where
            no reward is measured (a reference), or where an older release did not note it.
        infeasible_reason: "" where the candidate is inside the budget.
        source: the trial whose architecture somebody asked for again; the other search may be gone.
    """

    number: int
    arm: str
    spec: Mapping[str, Any]
    fingerprint: str
    target_cost: NetworkCost
    proxy_cost: NetworkCost
    num_dead_blocks: int
    name: str = ""
    genotype: Genotype = ()
    log_probs: tuple[float, ...] = ()
    parents: tuple[int, ...] = ()
    edits: tuple[str, ...] = ()
    infeasible_reason: str = ""
    measurement_key: str | None = None
    source: TrialKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One architecture in a search.

    Args:
        reward: what the algorithm was told; None until completed or stopped early.
        average_precision: AP of the proxy job on the reward split, measured where it ended; None until then.
        val_average_precision, val_standard_error, val_count: mean over the completed `reevaluate` jobs on
            val, its standard error (None below two jobs), and their number.
        failure: "" or one line why it failed or is infeasible.
        failure_reason: why it FAILED; None in any other state.
        latency: of its target network, where the search asks for it; None until it is measured or taken over.
        reused_from: the trial that was trained in its place and whose reward and AP it has; None where it was
            trained itself. The other search may be gone.
    """

    search_id: str
    draft: TrialDraft
    state: TrialState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reward: float | None = None
    average_precision: float | None = None
    val_average_precision: float | None = None
    val_standard_error: float | None = None
    val_count: int = 0
    failure: str = ""
    failure_reason: FailureReason | None = None
    reused_from: TrialKey | None = None
    latency: Latency | None = None

    @property
    def number(self) -> int:
        """The trial's number in its search."""
        return self.draft.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work on a trial's architecture.

    Args:
        num_steps: of a FULL_TRAIN job, where somebody said how many; None for `setup.FULL_FACTOR` times the proxy's.
    """

    id: str
    search_id: str
    trial_number: int
    kind: JobKind
    seed: int
    state: JobState
    num_attempts: int
    created_at: datetime
    finished_at: datetime | None = None
    evaluation: Mapping[str, Any] | None = None
    """`Evaluation.to_document()` of the attempt that completed it."""
    failure: Failure | None = None
    num_steps: int | None = None
    checkpoint: Checkpoint | None = None
    """What the next attempt goes on from; None to begin at the beginning. Deleted when the job is final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a job on a worker; `number` is 1 for the first.

    Args:
        log_bytes: how long its log is so far, parts that are left out included; 0 for none.
    """

    job_id: str
    number: int
    state: AttemptState
    worker: str
    started_at: datetime
    finished_at: datetime | None = None
    failure: Failure | None = None
    log_bytes: int = 0


class EntryKind(StrEnum):
    """What a ledger entry says. TRIAL_CREATED is an ask, TRIAL_FINISHED a tell, EARLIER_TOLD many tells at once; the
    controller's state is a fold over these in the order of their sequence."""

    SEARCH_STATE = "search.state"
    SEARCH_EDITED = "search.edited"
    REQUEST_CREATED = "request.created"
    REQUEST_CLOSED = "request.closed"
    EARLIER_TOLD = "earlier.told"
    TRIAL_CREATED = "trial.created"
    TRIAL_TIMED = "trial.timed"
    TRIAL_STARTED = "trial.started"
    TRIAL_MEASURED = "trial.measured"
    TRIAL_FINISHED = "trial.finished"
    JOB_FINISHED = "job.finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One committed fact of a search, and one server-sent event.

    Args:
        sequence: 1, 2, 3, ... within the search, without a gap, taken inside the writing transaction.
        payload: plain data; see `store.base` for the keys of each kind.
    """

    search_id: str
    sequence: int
    kind: EntryKind
    trial_number: int | None
    payload: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A stored file: a log, a checkpoint, a report. `key` is its sha256."""

    key: str
    search_id: str
    trial_number: int | None
    name: str
    media_type: str
    num_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What an algorithm had become when it had taken in a search's ledger up to an entry.

    Args:
        sequence: of that entry.
        state_sha256: of its state (`snapshots.state_sha256`); stays when the file is gone.
        versions: of the software and the CPU that computed it (`algorithms.versions`).
        artifact_key: the file to resume from; None where there is none, or none any more.
    """

    search_id: str
    sequence: int
    state_sha256: str
    versions: Mapping[str, str]
    artifact_key: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLease:
    """The right of one controller to write to a search until it expires; `token` grows with each claim."""

    search_id: str
    owner: str
    token: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCounts:
    """Sampled trials of a search by state; references are not counted."""

    by_state: Mapping[TrialState, int] = field(default_factory=dict)

    def __getitem__(self, state: TrialState) -> int:
        return self.by_state.get(state, 0)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_state.values())

    @property
    def trained(self) -> int:
        """What `limits.trials` counts: completed (rewards reused included), stopped early or failed."""
        return self[TrialState.COMPLETED] + self[TrialState.STOPPED_EARLY] + self[TrialState.FAILED]
