"""What the database promises. One conformance suite (`tests/conformance/store_suite.py`) runs on every store.

Each method is one transaction: all of it is durable when the method returns, or nothing changed and it
raises. Where the answer was lost with the connection, either may be so: the same call with the same arguments, the
time included, gives the same answer and changes nothing more (`store.patience` makes it again).

Each appends its ledger entries inside that transaction, with sequence numbers that have no gap and
no duplicate within a search, in commit order. Everything that happened to a search can be read back from
its ledger. A store may be shared by threads; several processes may use one SQL store at once.

Methods that a controller calls take its `SearchLease` and raise `LeaseLostError` when a newer lease was taken:
a controller that lost its lease never writes. Times come in as arguments, in UTC.

Ledger payloads:
    search.state    {"state": str, "reason": str}
    search.edited   what changed, by name: {"name": str, "notes": str, "limits": {...}, "archived": bool}
    request.created {"request": int, "verb": str, "name": str, "source": {"search": str, "trial": int} | null}
    request.closed  {"request": int, "state": str, "reason": str}      not where it became a trial, or the search ended
    earlier.told    {"search": str, "space": str, "scale": str, "looked_at": int, "left_out": {reason: int},
                     "words": str,
                     "log_probs": [float],      of each decision of every trial
                     "trials": [{"number": int, "trial": int, "genotype": [int], "reward": float,
                                 "multiply_adds": int}]}      in the order in which they are told
    trial.created   {"arm": str, "name": str, "genotype": [int], "log_probs": [float], "fingerprint": str,
                     "multiply_adds": int, "parameters": int}      of the backbone at target size; filled in where the
                                                            entry is older than schema 0007
    trial.timed     {"latency": {...} (`Latency.to_document`), "reused_from": {"search": str, "trial": int} | null}
    trial.started   {}
    trial.measured  {"step": int, "num_steps": int, "loss": float, "average_precision": float, "seconds": float}
    trial.finished  {"state": str, "reward": float | null, "average_precision": float | null,
                     "failure": str, "failure_reason": str | null, "stopped_at_step": int | null,      likewise
                     "consumed": bool,      whether the algorithm was told; never of an architecture without a genotype
                     "reused_from": {"search": str, "trial": int} | null}      not there before schema 0002
    job.finished    {"job_id": str, "kind": str, "state": str, "average_precision": float | null,
                     "val_average_precision": float | null, "val_standard_error": float | null, "val_count": int}

A training is measured a few times (`ProxyTask.measure_at`), so each measurement is an entry of its own; what comes at
every step would have to be batched, at most once a second for each trial.
"""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from nas_controller.earlier import EarlierTold
from nas_controller.insight.kept import KeptInsight
from nas_controller.insight.workers import WorkSpan
from nas_controller.records import (
    Artifact,
    Attempt,
    AttemptState,
    EntryKind,
    Failure,
    FailureReason,
    Job,
    JobKind,
    LedgerEntry,
    Search,
    SearchLease,
    SearchState,
    Snapshot,
    Trial,
    TrialCounts,
    TrialDraft,
    TrialState,
)
from nas_controller.requests import RequestDraft, RequestState, SearchEdit, SearchOrder, TrialRequest
from nas_controller.store.latencies import LatencyStore
from nas_controller.store.operations import OperationStore
from nas_controller.store.summaries import SummaryStore
from nas_controller.store.tokens import TokenStore
from nas_controller.store.webhooks import WebhookStore
from nas_controller.tallies import Heartbeat, Tallies
from trainer.session import LogPart, Measurement, Progress


class StoreError(Exception):
    """Base of the store's own errors."""


class NotFoundError(StoreError):
    """No such search, trial, job, artifact, token, webhook or operation."""


class ConflictError(StoreError):
    """The request contradicts what is stored: a wrong state for a verb, or an idempotency key reused with
    another body."""


class TooManyOperationsError(StoreError):
    """One more operation would be too many; nothing was written."""


class StaleError(StoreError):
    """What is to be edited was edited by somebody else meanwhile; nothing was written."""


class LeaseLostError(StoreError):
    """Another process holds a newer lease on the search, webhook or operation; nothing was written."""


class Store(TokenStore, WebhookStore, OperationStore, SummaryStore, LatencyStore):
    """The one truth. Lists come in the order their docstring says."""

    # Searches

    @abstractmethod
    def create_search(
        self,
        search_id: str,
        name: str,
        config: Mapping[str, Any],
        at: datetime,
        idempotency_key: str | None = None,
        cloned_from: str | None = None,
    ) -> Search:
        """The new search, PENDING. The same idempotency key and config give the search made first, also after it was
        edited; the same key with another config raises `ConflictError`; so does a search id that exists."""

    @abstractmethod
    def get_search(self, search_id: str) -> Search:
        """The search, or `NotFoundError`."""

    @abstractmethod
    def list_searches(
        self,
        limit: int,
        before: str | None = None,
        states: Sequence[SearchState] = (),
        *,
        name: str = "",
        archived: bool | None = None,
        order: SearchOrder = SearchOrder.NEWEST,
    ) -> list[Search]:
        """At most `limit` searches in this order, those that follow on search `before` only (`NotFoundError` where that
        is gone); of the given states, or of all; with `name` somewhere in theirs, whatever its case; archived ones,
        others (False), or both (None)."""

    @abstractmethod
    def request_state(self, search_id: str, state: SearchState, reason: str, at: datetime) -> Search:
        """What the API may ask for: PAUSED from PENDING or RUNNING; PENDING (resume) from PAUSED; STOPPING
        from PENDING, RUNNING or PAUSED; CANCELLED from any state that is not final. Asking for the state
        that holds changes nothing; another transition raises `ConflictError`. Cancelling marks every open
        trial, job, attempt and request CANCELLED in the same transaction."""

    @abstractmethod
    def edit_search(self, search_id: str, edit: SearchEdit, at: datetime, tag: str | None = None) -> Search:
        """The search with what is to be changed; nothing is written where that is so already. `StaleError` where
        `tag` is not that of the search as it is (`requests.edit_tag`); `ConflictError` for limits of a final search,
        and where one that is not final would be archived."""

    @abstractmethod
    def delete_search(self, search_id: str, at: datetime) -> None:
        """Every row of a final search is gone; its files are no longer needed. Of a search that is not there, nothing
        is left to do. `ConflictError` where it is not final, or a controller has not given it back yet at `at`."""

    # What users ask for

    @abstractmethod
    def add_requests(
        self, search_id: str, drafts: Sequence[RequestDraft], at: datetime, lease: SearchLease | None = None
    ) -> list[TrialRequest]:
        """The new requests, OPEN, in this order, all or none; with a lease, only while no newer one was taken. The
        newest ones that are the same and of the same time are given instead. `ConflictError` where the search is
        STOPPING or final, or would have more than `MAX_OPEN_REQUESTS`."""

    @abstractmethod
    def answer_request(
        self, lease: SearchLease, number: int, state: RequestState, reason: str, at: datetime
    ) -> TrialRequest:
        """The request, DONE or REFUSED; one that is not OPEN is left as it is."""

    @abstractmethod
    def get_request(self, search_id: str, number: int) -> TrialRequest:
        """The request, or `NotFoundError`."""

    @abstractmethod
    def list_requests(
        self, search_id: str, limit: int = 1000, after: int = 0, *, open_only: bool = False
    ) -> list[TrialRequest]:
        """At most `limit` requests with numbers above `after`, rising."""

    # Leases

    @abstractmethod
    def claim_search(self, search_id: str, owner: str, at: datetime, seconds: float) -> SearchLease | None:
        """A lease on a search that is PENDING, RUNNING or STOPPING and that nobody holds (no lease, expired
        at `at`, or the same owner's); else None. The token is larger than every earlier one."""

    @abstractmethod
    def renew_lease(self, lease: SearchLease, at: datetime, seconds: float) -> SearchLease:
        """The same lease, expiring later. Raises `LeaseLostError` when a newer one was taken."""

    @abstractmethod
    def release_lease(self, lease: SearchLease) -> None:
        """Gives the search back at once; does nothing when a newer lease was taken."""

    # What a controller writes, under its lease

    @abstractmethod
    def set_search_state(self, lease: SearchLease, state: SearchState, reason: str, at: datetime) -> Search:
        """RUNNING, SUCCEEDED, FAILED or PAUSED, as the controller finds; PENDING with a reason while it cannot
        be placed. Always writes a ledger entry, also when the state stays (a controller that claims a search
        says RUNNING again). A final state marks every open trial, job, attempt and request CANCELLED in the same
        transaction. Never leaves a final state, and never turns PAUSED or STOPPING back into RUNNING or PENDING,
        nor STOPPING into PAUSED (`ConflictError`): the user's word stands."""

    @abstractmethod
    def add_trial(self, lease: SearchLease, draft: TrialDraft, job_seed: int | None, at: datetime) -> Trial:
        """The new trial: QUEUED with one queued PROXY job of seed `job_seed`; INFEASIBLE (and told) where
        the draft has a reason, then without a job; COMPLETED without a reward and without a job where
        `job_seed` is None (a reference). The number must be the next one, and the search not final; else
        `ConflictError`. `ValueError` for a log-probability that is not finite."""

    @abstractmethod
    def start_trial(
        self,
        lease: SearchLease,
        draft: TrialDraft,
        job_seed: int,
        worker: str,
        at: datetime,
        request: int | None = None,
        first: JobKind = JobKind.PROXY,
        timed: Trial | None = None,
    ) -> Job:
        """`add_trial` and `start_attempt` of its job in one transaction: the job, RUNNING, whose attempt 1 is on
        `worker`. With `request`, that is DONE and names the trial in the same transaction; `ConflictError` where it is
        not OPEN. The job is one of kind `first`: LATENCY is followed by the PROXY job (`complete_latency`). With
        `timed`, a trial of the same search and fingerprint, the new one has its latency, and writes `trial.timed`.
        `ValueError` where that has none or is another network, where the draft has a reason not to be trained, or for
        another kind of job; else as these two."""

    @abstractmethod
    def add_reused_trial(
        self, lease: SearchLease, draft: TrialDraft, measured: Trial, at: datetime, request: int | None = None
    ) -> Trial:
        """The new trial, COMPLETED (and told) with reward, AP and latency of `measured`, in one transaction; it
        names that trial and has no job. `ValueError` where `measured` was not trained to a reward, or where
        fingerprint or measurement key differ or a key is missing; `request` as in `start_trial`; else as
        `add_trial`."""

    @abstractmethod
    def tell_earlier(self, lease: SearchLease, earlier: EarlierTold, at: datetime) -> None:
        """Writes `earlier.told`: from then on, the algorithm knows these trials of an earlier search. `ConflictError`
        when the search is final; `ValueError` for a reward that is not finite."""

    @abstractmethod
    def add_job(
        self,
        lease: SearchLease,
        trial_number: int,
        kind: JobKind,
        seed: int,
        at: datetime,
        num_steps: int | None = None,
    ) -> Job:
        """One more job on a trial. The same (trial, kind, seed) gives the job made first. `ConflictError` for
        another PROXY or LATENCY job (a trial is told once), and when the search is final."""

    @abstractmethod
    def start_attempt(self, lease: SearchLease, job_id: str, worker: str, at: datetime) -> Attempt:
        """A new running attempt of a job that is QUEUED (else `ConflictError`); the job is RUNNING, and so is
        its trial where the job carries it (`JobKind.carries_trial`), which writes `trial.started`."""

    @abstractmethod
    def complete_attempt(
        self,
        lease: SearchLease,
        job_id: str,
        attempt_number: int,
        evaluation: Mapping[str, Any],
        reward: float | None,
        at: datetime,
    ) -> Trial:
        """Result, trial and what the algorithm consumes, in one transaction. A PROXY job completes its trial
        with `reward` and writes `trial.finished` (STOPPED_EARLY where the evaluation says at which step it was
        stopped; such a trial is told its reward, but is never among the best); a REEVALUATE job updates the
        trial's mean over val and writes `job.finished` only; a FULL_TRAIN job writes that and leaves the trial. The
        first completed attempt of a job wins: for a job that is final already, nothing is written and the stored trial
        is returned; the same for an attempt that FAILED. An attempt that was given up as LOST, or that FAILED as its
        worker was lost, may still complete its job. `ValueError` for a PROXY job's reward, or any number in the
        evaluation, that is not finite, and for a LATENCY job."""

    @abstractmethod
    def fail_attempt(
        self,
        lease: SearchLease,
        job_id: str,
        attempt_number: int,
        failure: Failure,
        retry: bool,
        at: datetime,
    ) -> Trial:
        """The attempt FAILED. With `retry` its job is QUEUED again; without, the job FAILED, and a trial
        that it carries too, told with no reward where the failure is the architecture's own (`Failure.is_told`). A job
        that is final already, or an attempt that is not RUNNING, is left alone."""

    @abstractmethod
    def record_progress(
        self, lease: SearchLease, job_id: str, attempt_number: int, progress: Progress, at: datetime
    ) -> None:
        """Keeps what a running attempt reported. A `Measurement` of a PROXY job is added to its trial's curve and
        writes `trial.measured`; a step that the curve has already (an attempt that went on from a checkpoint) is
        left as it was. A `Checkpoint` replaces the job's: the next attempt goes on from it. Of an attempt that is
        not RUNNING, or a job that is final, nothing of these is kept. A `LogPart` is kept whatever became of its
        attempt, as `artifacts.log_parts.with_part` says: it may take the place of others."""

    @abstractmethod
    def requeue_lost_attempts(self, lease: SearchLease, at: datetime, keep: Collection[str] = ()) -> list[Job]:
        """Marks every RUNNING attempt of the search LOST and its job QUEUED, but for the jobs to keep, in one
        transaction; the jobs that were lost. Each keeps its checkpoint. Called by a controller that has just claimed
        the search and knows of no other running work than that of `keep`."""

    @abstractmethod
    def add_snapshot(self, lease: SearchLease, snapshot: Snapshot) -> list[str]:
        """Records a snapshot of the lease's search, in place of one of the same sequence. The last three that have
        files keep them, and all older ones name none any more; in one transaction. Gives the keys that these three do
        not have: the caller deletes them. `ConflictError` where the ledger has not come to its sequence."""

    @abstractmethod
    def write_insight(self, lease: SearchLease, insight: KeptInsight) -> None:
        """Keeps it in place of the search's insight before. `ConflictError` where it is of another search, or the
        ledger has not come to its sequence."""

    # What anyone reads

    @abstractmethod
    def read_insight(self, search_id: str, after: int = -1) -> KeptInsight | None:
        """What is kept of the search; None where that is nothing, or is of no later entry than `after`."""

    @abstractmethod
    def get_trial(self, search_id: str, number: int) -> Trial:
        """The trial, or `NotFoundError`."""

    @abstractmethod
    def list_trials(self, search_id: str, limit: int, after: int = 0, states: Sequence[TrialState] = ()) -> list[Trial]:
        """At most `limit` trials with numbers above `after`, rising; of the given states, or of all."""

    @abstractmethod
    def best_trials(self, search_id: str, limit: int) -> list[Trial]:
        """Sampled COMPLETED trials by reward, best first; equal rewards by number. One trial for each
        fingerprint: the best."""

    @abstractmethod
    def first_measured(self, measurement_key: str, fingerprint: str) -> Trial | None:
        """The trial of this key and fingerprint that was trained and COMPLETED first, of all searches; at the
        same time, the one of the first search by id, then by number. None where there is none."""

    @abstractmethod
    def list_measurements(self, search_id: str, trial_number: int) -> list[Measurement]:
        """The trial's curve, by rising step; [] where nothing was measured on the way."""

    @abstractmethod
    def measured_at(self, search_id: str, step: int) -> list[tuple[int, float]]:
        """(Trial number, average precision) of all sampled trials that were measured at that step, in the order of
        commit: what stands before a trial is what was known when it was measured, whenever one asks."""

    @abstractmethod
    def reference_trials(self, search_id: str) -> list[Trial]:
        """Trials with arm ``reference``, by number."""

    @abstractmethod
    def count_trials(self, search_id: str) -> TrialCounts:
        """Sampled trials by state."""

    @abstractmethod
    def list_jobs(self, search_id: str, trial_number: int | None = None, *, open_only: bool = False) -> list[Job]:
        """Jobs of the search, or of one trial, in the order made; with `open_only` those QUEUED or RUNNING."""

    @abstractmethod
    def count_open_jobs(self, search_id: str) -> Mapping[JobKind, int]:
        """Jobs of the search that are QUEUED or RUNNING, by kind; kinds without one are left out."""

    @abstractmethod
    def get_job(self, job_id: str) -> Job:
        """The job, or `NotFoundError`."""

    @abstractmethod
    def list_attempts(self, job_id: str) -> list[Attempt]:
        """Attempts of a job by number."""

    @abstractmethod
    def last_attempts(self, search_id: str, limit: int) -> list[WorkSpan]:
        """At most `limit` attempts of the search with what they worked on, those first that started last; at the same
        time by job and number, falling."""

    @abstractmethod
    def list_log_parts(self, job_id: str, attempt_number: int) -> list[LogPart]:
        """What there is of an attempt's log, by start. `NotFoundError` for no such attempt."""

    @abstractmethod
    def read_ledger(
        self, search_id: str, after: int = 0, limit: int = 1000, kinds: Sequence[EntryKind] = ()
    ) -> list[LedgerEntry]:
        """At most `limit` entries with sequence above `after`, rising; of the given kinds, or of all. `NotFoundError`
        for no such search."""

    @abstractmethod
    def worker_seconds(self, search_id: str, at: datetime) -> Mapping[str, float]:
        """How long each worker was at work on attempts of the search, whatever became of them; on one that runs, up to
        `at`. Workers without an attempt are left out."""

    @abstractmethod
    def count_failed_attempts(self, search_id: str) -> Mapping[tuple[AttemptState, FailureReason | None], int]:
        """Attempts of the search that FAILED or were LOST, by reason (None where they have none), whatever became of
        their jobs."""

    @abstractmethod
    def list_snapshots(self, search_id: str) -> list[Snapshot]:
        """Snapshots of the search by rising sequence."""

    # Of all searches and processes, for those who watch the service

    @abstractmethod
    def tallies(self, at: datetime, bounds: Sequence[float] = ()) -> Tallies:
        """Counts at one moment, the time of which is `at`; `bounds` (seconds) are those of `Group.num_within` of
        trials. Takes a tenth of a second at 100,000 trials: ask every few seconds, not with each request."""

    @abstractmethod
    def record_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Keeps it in place of the last one of the same name, and forgets those that are an hour older."""

    @abstractmethod
    def list_heartbeats(self) -> list[Heartbeat]:
        """The last one of each process that has not been forgotten, by name."""

    @abstractmethod
    def schema_problem(self) -> str:
        """Why the database is none that this release can work with, as a sentence; "" where it is. Raises whatever
        the database's driver raises where it does not answer, or `StoreError` where it is gone."""

    # Artifacts

    @abstractmethod
    def add_artifact(self, artifact: Artifact) -> None:
        """Records a stored file. The same (key, search, trial, name) again changes nothing."""

    @abstractmethod
    def list_artifacts(
        self, search_id: str, trial_number: int | None = None, *, key: str | None = None
    ) -> list[Artifact]:
        """Artifacts of a search, or of one trial, in the order added; with `key` those of that content."""

    @abstractmethod
    def needed_artifacts(self, keys: Sequence[str], finished_before: datetime | None = None) -> set[str]:
        """Those of the keys that are recorded as artifacts, that a snapshot or a log has, or that a QUEUED or RUNNING
        job has as its checkpoint; of all searches, but for those that were final before `finished_before`. And those
        that an operation made."""

    @abstractmethod
    def close(self) -> None:
        """Gives back connections; the store is not used afterwards."""
