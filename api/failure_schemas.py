"""What the API answers about trials and attempts of a search that came to nothing."""

from pydantic import BaseModel, Field

from nas_controller.records import AttemptState, FailureReason, TrialState


class ReasonCount(BaseModel):
    """Trials that ended for one reason."""

    state: TrialState = Field(description="`failed`, `infeasible`, `stopped_early` or `cancelled`")
    reason: str = Field(
        description="of a failed one as in its attempts; `above_budget`, `below_budget`; the step where it was "
        "stopped, as `step_75`; `search_ended`"
    )
    count: int
    last_trial: int
    last_message: str = Field(description="what the last of them said, cut after 200 characters; often empty")


class AttemptCount(BaseModel):
    """Attempts that gave no evaluation for one reason, whether their job had another one or not."""

    state: AttemptState = Field(description="`failed`, or `lost` with its worker or its controller")
    reason: FailureReason | None = Field(description="null where it was lost with its controller")
    count: int


class Failures(BaseModel):
    """Why trials have no whole reward, and attempts no evaluation."""

    sequence: int = Field(description="the newest event that is in `reasons`; read events after it")
    reasons: list[ReasonCount] = Field(description="the most frequent first")
    attempts: list[AttemptCount] = Field(description="likewise")
