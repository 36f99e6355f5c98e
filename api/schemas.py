"""What the API answers, as Pydantic models: the public shape, kept apart from the records in the store."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.latency_schemas import Latency
from api.readiness import CheckStatus
from nas_controller.records import (
    AttemptState,
    EntryKind,
    FailureKind,
    FailureReason,
    JobKind,
    JobState,
    SearchState,
    TrialState,
)


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class Counts(BaseModel):
    """Sampled trials by state; references are not counted."""

    model_config = _example(queued=0, running=2, completed=28, failed=1, infeasible=40, total=71, trained=29)

    queued: int = 0
    running: int = 0
    completed: int = 0
    stopped_early: int = 0
    infeasible: int = 0
    failed: int = 0
    cancelled: int = 0
    total: int = 0
    trained: int = Field(
        0, description="completed (rewards reused included), stopped early or failed: what `limits.trials` counts"
    )


class Best(BaseModel):
    """The best trial so far by reward."""

    number: int
    reward: float
    average_precision: float | None
    val_average_precision: float | None
    val_standard_error: float | None
    val_count: int


class Progress(BaseModel):
    """How far a search is."""

    trained: int
    trials: int = Field(description="`limits.trials`")
    elapsed_seconds: float | None = Field(description="since the start; None before it")
    seconds_left: float | None = Field(description="estimate from the trials so far; None where there is none")


class SearchSummary(BaseModel):
    """One search in a list."""

    id: str
    name: str
    state: SearchState
    reason: str = Field(description="why it is in this state; often empty")
    space: str
    algorithm: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    archived_at: datetime | None = Field(description="since when lists leave it out unless they are asked for it")
    counts: Counts
    progress: Progress
    best: Best | None


class OpenJobs(BaseModel):
    """Jobs that are queued or running, by kind."""

    latency: int = 0
    proxy: int = 0
    reevaluate: int = 0
    full_train: int = 0


class Usage(BaseModel):
    """What all attempts of a search have used of their workers' time, those that run up to now."""

    gpu_hours: float
    tpu_hours: float = Field(description="of one chip")
    cpu_hours: float = Field(description="of one core")
    cost: float | None = Field(description="None where the document has no `price`")
    currency: str | None


class SearchDetail(SearchSummary):
    """One search, whole."""

    notes: str
    cloned_from: str | None = Field(description="the search whose document it was made of; that may be gone")
    usage: Usage
    config: Mapping[str, Any] = Field(description="the search document with every default filled in")
    last_sequence: int = Field(description="sequence number of the newest event")
    open_jobs: OpenJobs


class SearchPage(BaseModel):
    """Searches, newest first."""

    searches: list[SearchSummary]
    next_page_token: str | None = Field(description="give it as `page_token` for the next page; null on the last")


class Cost(BaseModel):
    """Counted parameters and multiply-adds."""

    backbone_parameters: int
    backbone_multiply_adds: int
    detector_parameters: int
    detector_multiply_adds: int


class TrialSource(BaseModel):
    """The trial that was trained in place of another one of the same network."""

    search: str
    trial: int


class TrialSummary(BaseModel):
    """One trial in a list."""

    model_config = _example(
        number=17,
        arm="policy",
        name="",
        state="completed",
        reward=0.231,
        average_precision=0.231,
        val_average_precision=0.253,
        val_standard_error=0.015,
        val_count=3,
        failure="",
        latency=None,
        reused_from=None,
        source=None,
    )

    number: int
    arm: str = Field(
        description="what proposed it: `policy`, `random`, `reference`, ...; a user: `enqueued`, `retry`, `warm_start`"
    )
    name: str = Field(description="name of a reference; empty for a sampled architecture")
    state: TrialState
    reward: float | None = Field(
        description="what the algorithm was told; of a trial in state `stopped_early` measured after a part of the "
        "training, so not to be compared with others"
    )
    average_precision: float | None = Field(description="AP of the proxy job, on the reward split")
    val_average_precision: float | None = Field(description="mean AP on val, over seeds the search did not use")
    val_standard_error: float | None
    val_count: int = Field(description="number of seeds behind `val_average_precision`")
    failure: str = Field(description="one line why it failed or is infeasible")
    latency: Latency | None = Field(description="null where the search asks for none, or it is not measured yet")
    reused_from: TrialSource | None = Field(
        description="the trial whose reward and AP these are (`duplicates.policy: reuse`); null where it was trained"
    )
    source: TrialSource | None = Field(description="the trial whose architecture a user asked for again")
    fingerprint: str
    num_dead_blocks: int
    target_cost: Cost
    proxy_cost: Cost
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class TrialPage(BaseModel):
    """Trials by number."""

    trials: list[TrialSummary]
    next_page_token: str | None = Field(description="give it as `page_token` for the next page; null on the last")


class TrialChildren(TrialPage):
    """Trials that were made from a trial, by number."""

    total: int = Field(description="of all of them, on whatever page")


class Difference(BaseModel):
    """AP on val of a trial less that of the best reference."""

    reference: str
    value: float
    half_width: float = Field(description="half of the 95 % confidence interval (Welch)")
    is_significant: bool = Field(description="whether the interval excludes zero")


class BestTrial(TrialSummary):
    """One of the best trials."""

    difference: Difference | None = Field(description="None where either side has fewer than two seeds on val")


class BestTrials(BaseModel):
    """The best architectures and the references that were treated alike."""

    trials: list[BestTrial] = Field(description="by the objective, best first, one for each fingerprint")
    references: list[TrialSummary]


class FailureDetail(BaseModel):
    """Why an attempt gave nothing."""

    reason: FailureReason
    kind: FailureKind = Field(description="whose failure it was; it follows from the reason")
    message: str
    traceback: str


class AttemptDetail(BaseModel):
    """One run of a job on a worker."""

    number: int
    state: AttemptState
    worker: str
    started_at: datetime
    finished_at: datetime | None
    failure: FailureDetail | None
    log_bytes: int = Field(description="length of its log so far; 0 where it logged and printed nothing")


class LogText(BaseModel):
    """A stretch of an attempt's log."""

    text: str
    next: int = Field(description="the offset after it, in bytes of the whole log")
    is_final: bool = Field(description="whether the attempt has ended and nothing more comes")


class JobDetail(BaseModel):
    """One piece of work on a trial's architecture."""

    id: str
    kind: JobKind
    seed: int
    num_steps: int | None = Field(description="of a full training, where somebody said how many")
    state: JobState
    created_at: datetime
    finished_at: datetime | None
    evaluation: Mapping[str, Any] | None = Field(description="what was measured: AP, losses, times, provenance")
    failure: FailureDetail | None
    attempts: list[AttemptDetail]


class TrialJobs(BaseModel):
    """All work on one trial's architecture."""

    jobs: list[JobDetail] = Field(description="in the order made, each with its attempts by number")


class ArtifactDetail(BaseModel):
    """A stored file of a trial."""

    key: str = Field(description="sha256 of the content")
    name: str
    media_type: str
    num_bytes: int


class Measurement(BaseModel):
    """How far a training had come at one of its steps."""

    step: int = Field(description="optimizer steps done")
    num_steps: int = Field(description="of the whole training")
    loss: float = Field(description="mean total loss since the measurement before")
    average_precision: float = Field(description="AP on the reward split")
    seconds: float = Field(description="wall time of the training so far")


class Curve(BaseModel):
    """What was measured while a trial was trained."""

    model_config = _example(
        measurements=[{"step": 75, "num_steps": 300, "loss": 1.21, "average_precision": 0.061, "seconds": 12.5}]
    )

    measurements: list[Measurement] = Field(
        description="by rising step, without the end of the training: that is in the trial's `proxy` job. Empty where "
        "`proxy.measure_at` and `early_stopping` asked for none"
    )


class TrialDetail(TrialSummary):
    """One trial, whole."""

    spec: Mapping[str, Any] = Field(description="the architecture spec document")
    genotype: list[int]
    log_probs: list[float] = Field(description="behaviour log-probability of each decision, nats")
    parents: list[int]
    edits: list[str]
    jobs: list[JobDetail]
    artifacts: list[ArtifactDetail]


class History(BaseModel):
    """All trials of a search as arrays of one length, references included, by number."""

    model_config = _example(
        sequence=12,
        num_trials=3,
        is_reduced=False,
        smoothed_over=20,
        number=[1, 2, 3],
        arm=["policy", "policy", "policy"],
        state=["completed", "infeasible", "running"],
        reward=[0.12, None, None],
        best_so_far=[0.12, 0.12, 0.12],
        smoothed=[0.12, None, None],
        seconds=[31.5, 2.0, 32.0],
        multiply_adds=[28_261_990_400, 31_402_211_600, 27_983_044_200],
        parameters=[10_953_552, 12_004_112, 10_811_920],
        latency_ms=[41.8, None, 40.2],
    )

    sequence: int = Field(description="the newest event that is in here; read events after it")
    num_trials: int
    is_reduced: bool = Field(description="whether some trials were left out; extremes and failures stay")
    smoothed_over: int = Field(
        description="rewards behind each value of `smoothed`; like `best_so_far` without trials that were stopped early"
    )
    number: list[int]
    arm: list[str]
    state: list[TrialState]
    reward: list[float | None]
    best_so_far: list[float | None]
    smoothed: list[float | None]
    seconds: list[float] = Field(description="from the start of the search to the end of the trial, or its creation")
    multiply_adds: list[int] = Field(description="of the backbone at target size")
    parameters: list[int] = Field(description="likewise")
    latency_ms: list[float | None] = Field(description="of the target's whole network; null where it is not known")


class Event(BaseModel):
    """One committed fact of a search."""

    sequence: int = Field(description="1, 2, 3, ... within the search, without a gap")
    kind: EntryKind
    trial_number: int | None
    at: datetime
    payload: Mapping[str, Any]


class EventPage(BaseModel):
    """Events in order; ask again with `after` set to the last sequence."""

    events: list[Event]
    is_final: bool = Field(description="whether nothing will follow")


class SpaceSummary(BaseModel):
    """One search space."""

    name: str
    source: str = Field(description="where the space comes from")
    num_searched_blocks: int
    num_decisions: int = Field(description="decision points of one architecture")
    budget_reference: str = Field(description="reference that the budget is relative to where a search names none")
    budget_tolerance: float


class Spaces(BaseModel):
    """The search spaces."""

    spaces: list[SpaceSummary]


class ReferenceSummary(BaseModel):
    """One published architecture, at the target of its authors."""

    name: str
    source: str = Field(description="where the architecture comes from")
    image_size: int | tuple[int, int] = Field(description="side of the square input in pixels, or height and width")
    width_scale: float
    head: str = Field(description="what stands on the pyramid features: `retinanet`, ...; `none` without one")
    cost: Cost
    spec: Mapping[str, Any]


class References(BaseModel):
    """The reference architectures."""

    references: list[ReferenceSummary]


class Health(BaseModel):
    """Whether the process answers."""

    model_config = _example(status="ok")

    status: str


class Check(BaseModel):
    """One thing that must hold for the process to work; `detail` says why it does not."""

    name: str = Field(description="`database`, `schema`, `writable` or `controller`")
    status: CheckStatus
    detail: str = ""


class Readiness(BaseModel):
    """Whether the process can do its work now."""

    model_config = _example(status="ready", checks=[{"name": "database", "status": "ok", "detail": ""}])

    status: str
    checks: list[Check] = Field([], description="told to those who send a token; a problem has them too")
