"""What the API answers about a search from inside: its controller, its choices, its workers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nas_controller.insight.workers import WorkerState
from nas_controller.records import AttemptState, JobKind
from search_space.decisions import DecisionKind


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class ControllerBucket(BaseModel):
    """Some consecutive trials, references left out."""

    first_trial: int
    last_trial: int
    asked: int = Field(description="proposals of the algorithm")
    told: int = Field(description="of these trials, those of users included, how many the algorithm was told")
    arms: Mapping[str, int] = Field(description="trials by what proposed them, users included")
    infeasible: int = Field(description="proposals off budget")
    duplicates: int = Field(
        description="proposals of a network that was proposed before in this search; estimated beyond 8,192 networks"
    )
    reused: int = Field(description="proposals that got the reward of an earlier trial, of this search or another")
    staleness_mean: float | None = Field(
        description="trials told between the ask of a trial and its own tell, for those that were trained"
    )
    staleness_max: int | None
    entropy: Mapping[DecisionKind, float] = Field(
        description="by kind of decision: 1 where any option is as likely, 0 where one is certain. Estimated from the "
        "log-probabilities that were stored, so from few proposals a little over 1 now and then"
    )
    entropy_standard_error: Mapping[DecisionKind, float | None]


class DiagnosticPoint(BaseModel):
    """What the algorithm said of itself at one moment, or the means over neighbouring moments."""

    told: int = Field(description="trials that it had been told")
    at: datetime
    values: Mapping[str, float]


class ControllerWarning(BaseModel):
    """Something that a person should look at."""

    code: Literal["collapse"]
    message: str


class ImprovementProbability(BaseModel):
    """How likely it is that one searched trial is better than one random one; 0.5 where they are alike."""

    probability: float = Field(description="share of all pairs, a tie being half of one (Mann and Whitney's U)")
    interval: tuple[float, float] = Field(description="95 % interval, as if trials were independent (Newcombe 2006)")


class ControllerImprovement(BaseModel):
    """Rewards of trials that the algorithm searched for, beside those of random ones; only trials that were trained
    themselves, to their end."""

    against: Literal["control", "random"] = Field(
        description="the random ones: those of the control arm, or those with which an algorithm without one began"
    )
    searched: int = Field(description="searched trials")
    random: int = Field(description="random trials")
    all: ImprovementProbability = Field(description="of all searched trials")
    newest_half: ImprovementProbability = Field(description="of their newest half, against the same random ones")


class EarlierSearch(BaseModel):
    """What the algorithm was told of an earlier search before its first proposal (`warm_start`)."""

    search: str
    space: str
    looked_at: int = Field(description="trials that were to be told")
    told: int
    left_out: Mapping[str, int] = Field(description="trials that were not told, by reason")
    words: str = Field(description="the same as a sentence, with an example of each reason")


class ControllerInsight(BaseModel):
    """The controller from inside, over time."""

    model_config = _example(
        sequence=1210,
        algorithm="reinforce",
        buckets=[
            {
                "first_trial": 1,
                "last_trial": 5,
                "asked": 5,
                "told": 5,
                "arms": {"policy": 5},
                "infeasible": 2,
                "duplicates": 0,
                "reused": 0,
                "staleness_mean": 2.5,
                "staleness_max": 4,
                "entropy": {"intermediate_level": 0.99, "output_level": 1.01, "parent": 0.98},
                "entropy_standard_error": {"intermediate_level": 0.02, "output_level": 0.03, "parent": 0.01},
            }
        ],
        diagnostics=[{"told": 5, "at": "2026-01-01T00:02:00Z", "values": {"entropy": 0.99, "baseline": 0.14}}],
        warnings=[],
        improvement={
            "against": "control",
            "searched": 180,
            "random": 20,
            "all": {"probability": 0.81, "interval": [0.7, 0.88]},
            "newest_half": {"probability": 0.9, "interval": [0.8, 0.95]},
        },
        earlier=[
            {
                "search": "blood-cells-1f9c3a",
                "space": "r0-sp53",
                "looked_at": 200,
                "told": 188,
                "left_out": {"off budget": 12},
                "words": "188 of 200 trials of blood-cells-1f9c3a (r0-sp53) are told; 12 off budget",
            }
        ],
    )

    sequence: int = Field(description="sequence number of the event up to which this is true")
    algorithm: str
    buckets: list[ControllerBucket] = Field(description="at most 60, of equal width, by number of their trials")
    diagnostics: list[DiagnosticPoint] = Field(description="at most 400, as the controller kept them now and then")
    warnings: list[ControllerWarning]
    improvement: ControllerImprovement | None = Field(description="null where there is nothing to compare yet")
    earlier: list[EarlierSearch] = Field(description="empty where it did not start from other searches' trials")


class TrialSpan(BaseModel):
    """Consecutive trials."""

    first_trial: int
    last_trial: int


class OptionChoices(BaseModel):
    """One option of a decision, by what it means."""

    label: str
    asked: int = Field(description="trials that took it")
    rewarded: int = Field(description="of these, trained themselves to their end")
    mean_reward: float | None = Field(description="of the rewarded")
    standard_error: float | None
    top_count: int = Field(description="of the best trials")
    shares: list[float | None] = Field(description="of the trials of each bucket; null where a bucket has none")


class DecisionChoices(BaseModel):
    """One decision of the search space."""

    position: int = Field(description="its place among the decisions of the space, from 0")
    kind: DecisionKind
    subject: int = Field(description="number of the block that it is about, the stem's first")
    label: str
    importance: float | None = Field(
        description="share of the variance of the rewards that lies between its options, less what would be there by "
        "chance (omega squared); 0 where that is not above the noise (F test, Holm's procedure over all decisions, "
        "5 %), null where too few rewards are known"
    )
    options: list[OptionChoices] = Field(description="those that were taken")


class MotifChoices(BaseModel):
    """An edge that architectures have, by level and type of its ends and how far these are from each other."""

    label: str
    top_share: float = Field(description="share of the best trials that have it")
    rest_share: float = Field(description="share of the other trials that were trained")
    difference: float
    lift: float | None = Field(description="the first share over the other; null where that is 0")
    interval: tuple[float, float] = Field(description="95 % interval of the difference (Newcombe)")
    p_value: float = Field(
        description="Fisher's exact test, adjusted by Holm's procedure for all motifs: below 0.05 it stands out"
    )


class BestChoices(BaseModel):
    """What one of the best trials took."""

    number: int
    reward: float
    options: list[int] = Field(description="of each decision, in their order, the place of the option among `options`")


class ChoiceInsight(BaseModel):
    """What was chosen in a search, and what came of it."""

    model_config = _example(
        sequence=1210,
        importances_as_of=1210,
        top=20,
        trained=180,
        buckets=[{"first_trial": 1, "last_trial": 10}, {"first_trial": 11, "last_trial": 20}],
        decisions=[
            {
                "position": 30,
                "kind": "block_type",
                "subject": 7,
                "label": "block 7: type",
                "importance": 0.12,
                "options": [
                    {
                        "label": "bottleneck",
                        "asked": 12,
                        "rewarded": 8,
                        "mean_reward": 0.21,
                        "standard_error": 0.008,
                        "top_count": 14,
                        "shares": [0.5, 0.7],
                    }
                ],
            }
        ],
        best=[{"number": 17, "reward": 0.24, "options": [0]}],
        motifs=[
            {
                "label": "level 4 bottleneck -> level 3 residual, the block before",
                "top_share": 0.55,
                "rest_share": 0.2,
                "difference": 0.35,
                "lift": 2.75,
                "interval": [0.14, 0.55],
                "p_value": 0.02,
            }
        ],
    )

    sequence: int = Field(description="sequence number of the event up to which this is true")
    importances_as_of: int = Field(description="the same of the importances")
    top: int = Field(description="how many trials with the best rewards are compared with the rest; fewer are there")
    trained: int = Field(description="trials that were trained themselves, to their end or until they were stopped")
    buckets: list[TrialSpan] = Field(description="at most 30, of equal width")
    decisions: list[DecisionChoices] = Field(description="in the order of the space")
    best: list[BestChoices] = Field(description="the best themselves, best first")
    motifs: list[MotifChoices] = Field(description="at most 30, the least likely to be chance first")


class WorkerDetail(BaseModel):
    """A worker, as the last attempts say it."""

    name: str
    state: WorkerState
    trial: int | None = Field(description="what it works on; null where it is not busy")
    kind: JobKind | None
    since: datetime = Field(description="when it began that, or ended the last")
    attempts: int
    busy_seconds: float
    lost: int = Field(description="attempts that ended with the worker")


class AttemptSpan(BaseModel):
    """When a worker worked on what."""

    worker: str
    trial: int
    kind: JobKind
    state: AttemptState
    started_at: datetime
    finished_at: datetime | None


class WorkerInsight(BaseModel):
    """The workers of a search and their last attempts."""

    model_config = _example(
        workers=[
            {
                "name": "local-0",
                "state": "busy",
                "trial": 18,
                "kind": "proxy",
                "since": "2026-01-01T00:12:00Z",
                "attempts": 9,
                "busy_seconds": 702.5,
                "lost": 0,
            }
        ],
        spans=[
            {
                "worker": "local-0",
                "trial": 18,
                "kind": "proxy",
                "state": "running",
                "started_at": "2026-01-01T00:12:00Z",
                "finished_at": None,
            }
        ],
    )

    workers: list[WorkerDetail] = Field(
        description="by name; those that had none of the last 1,000 attempts are left out, and only these are counted"
    )
    spans: list[AttemptSpan] = Field(description="the last 1,000 attempts, by start")
