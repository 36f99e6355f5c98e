"""What the API says of a search before it is started."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.errors import FieldError


class Validation(BaseModel):
    """Whether a search with this document would be created."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "valid": False,
                    "errors": [{"place": "limits.trials", "message": "Input should be greater than or equal to 1"}],
                    "config": None,
                }
            ]
        }
    )

    valid: bool
    errors: list[FieldError] = Field(
        description="all that is wrong with the document itself; where nothing is, the first that is wrong with what "
        "it names: evaluator, budget, data set"
    )
    config: Mapping[str, Any] | None = Field(
        description="the document with every default filled in; null where it is not valid"
    )


class SpaceCount(BaseModel):
    """How many architectures a space has."""

    formula: float = Field(description="as the papers count: every permutation, every pair of earlier blocks")
    architectures: float = Field(description="different architectures that can really be drawn")


class Share(BaseModel):
    """A share of random draws, with its 95 % interval (Wilson)."""

    value: float
    low: float
    high: float
    draws: int


class Spread(BaseModel):
    """A number over the random architectures inside the budget."""

    mean: float
    smallest: int
    largest: int


class CostSpread(BaseModel):
    """What a random architecture inside the budget costs; the detector with `target.num_classes` classes."""

    backbone_parameters: Spread
    backbone_multiply_adds: Spread
    detector_parameters: Spread
    detector_multiply_adds: Spread


class PastTrainings(BaseModel):
    """Trainings of this service with the same proxy task, data set, evaluator and kind of workers."""

    count: int = Field(description="of those that ran through in one attempt; the newest searches first")
    searches: list[str] = Field(description="whose trainings they are")
    seconds: float = Field(description="mean wall time of one")
    deviation: float | None = Field(description="standard deviation; null below two")


class Forecast(BaseModel):
    """A number with its 95 % prediction interval; without one where the history has fewer than two trainings."""

    value: float
    low: float | None
    high: float | None


class Estimate(BaseModel):
    """What a search would take, before it is started.

    How much memory a training needs is not said: that estimate needs torch, which no API process loads.
    """

    space: SpaceCount
    inside_budget: Share = Field(description="share of random architectures that meet the budget")
    target_cost: CostSpread | None = Field(description="at target size; null where no draw was inside the budget")
    proxy_cost: CostSpread | None = Field(description="of the network that is trained, as far as that is ours")
    trainings: int = Field(
        description="`limits.trials`, and those of the best and the references on val; other limits, early stopping "
        "and reused rewards can only make them fewer or shorter"
    )
    timings: int = Field(description="networks that are timed before they are trained, at most; in no forecast below")
    concurrent: int = Field(description="trainings at the same time")
    history: PastTrainings | None
    no_history: str = Field(description="why there is no time and no cost; empty where there is")
    hours: Forecast | None = Field(description="from the first training to the end of the last")
    worker_hours: Forecast | None = Field(description="of all workers while they train")
    cost: Forecast | None = Field(description="of the worker hours, in `currency`; null without `price`")
    currency: str | None
