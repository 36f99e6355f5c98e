"""What a list shows of a trial: all but its architecture, which is long and would be read for nothing."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from nas_controller.records import NetworkCost, Trial, TrialKey, TrialState
from trainer.latency_task import Latency


class Objective(StrEnum):
    """What the best trials are the best in: numbers of a trial, the higher the better."""

    REWARD = "reward"
    AVERAGE_PRECISION = "average_precision"
    VAL_AVERAGE_PRECISION = "val_average_precision"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSummary:
    """A trial in a list; every field means what it means of a `Trial` or its draft."""

    search_id: str
    number: int
    arm: str
    name: str
    state: TrialState
    reward: float | None
    average_precision: float | None
    val_average_precision: float | None
    val_standard_error: float | None
    val_count: int
    failure: str
    latency: Latency | None
    reused_from: TrialKey | None
    source: TrialKey | None
    fingerprint: str
    num_dead_blocks: int
    target_cost: NetworkCost
    proxy_cost: NetworkCost
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, trial: Trial) -> Self:
        """The trial without its architecture."""
        draft = trial.draft
        return cls(
            search_id=trial.search_id,
            number=draft.number,
            arm=draft.arm,
            name=draft.name,
            state=trial.state,
            reward=trial.reward,
            average_precision=trial.average_precision,
            val_average_precision=trial.val_average_precision,
            val_standard_error=trial.val_standard_error,
            val_count=trial.val_count,
            failure=trial.failure,
            latency=trial.latency,
            reused_from=trial.reused_from,
            source=draft.source,
            fingerprint=draft.fingerprint,
            num_dead_blocks=draft.num_dead_blocks,
            target_cost=draft.target_cost,
            proxy_cost=draft.proxy_cost,
            created_at=trial.created_at,
            started_at=trial.started_at,
            finished_at=trial.finished_at,
        )
