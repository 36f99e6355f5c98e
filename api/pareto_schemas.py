"""What the API answers about the Pareto front of a search."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class CostKind(StrEnum):
    """What average precision is held against: of the backbone at target size; `latency_ms` of the target's whole
    network, where the search asks for it."""

    MULTIPLY_ADDS = "multiply_adds"
    PARAMETERS = "parameters"
    LATENCY_MS = "latency_ms"


class FrontPoint(BaseModel):
    """A trial that no other is better than, in both."""

    number: int
    cost: int | float
    average_precision: float = Field(description="AP of the proxy job, on the reward split")
    val_average_precision: float | None = Field(description="mean AP on val, over seeds the search did not use")
    val_standard_error: float | None


class HypervolumeStep(BaseModel):
    """The front as it was when it changed."""

    trained: int = Field(description="trials trained by then, the one that joined included")
    value: float = Field(
        description="share of the rectangle from no cost to the reference point's and from AP 0 to 1 that is dominated"
    )


class ReferencePoint(BaseModel):
    """The corner that hypervolumes are measured from."""

    cost: int | float = Field(
        description="upper end of the budget; of parameters and latency, a tenth more than the dearest trial has"
    )
    average_precision: float


class BudgetBand(BaseModel):
    """What a candidate may cost, in multiply-adds, both ends included."""

    low: int
    high: int
    target: int = Field(description="in the middle; of no meaning where there are targets")


class FrontReference(BaseModel):
    """A published architecture at the search's target."""

    name: str
    cost: int
    val_average_precision: float | None = Field(description="null where this search did not measure it")
    val_standard_error: float | None


class Pareto(BaseModel):
    """The front of average precision against cost, of trials that were trained to their end."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sequence": 84,
                    "cost": "multiply_adds",
                    "points": [
                        {
                            "number": 17,
                            "cost": 27_412_300_800,
                            "average_precision": 0.231,
                            "val_average_precision": 0.253,
                            "val_standard_error": 0.015,
                        }
                    ],
                    "hypervolume": [{"trained": 1, "value": 0.0041}, {"trained": 9, "value": 0.0174}],
                    "reference_point": {"cost": 29_675_089_920, "average_precision": 0.0},
                    "budget": {"low": 26_848_890_880, "high": 29_675_089_920, "target": 28_261_990_400},
                    "targets": [],
                    "references": [
                        {
                            "name": "spinenet-49",
                            "cost": 28_261_990_400,
                            "val_average_precision": None,
                            "val_standard_error": None,
                        }
                    ],
                }
            ]
        }
    )

    sequence: int = Field(description="the newest event that is in here; read events after it")
    cost: CostKind
    points: list[FrontPoint] = Field(description="by rising cost; of more than a thousand, some are left out")
    hypervolume: list[HypervolumeStep] = Field(
        description="at each change of the front; of thousands of changes some are left out, never the last"
    )
    reference_point: ReferencePoint
    budget: BudgetBand | None = Field(description="null where the cost is not in multiply-adds")
    targets: list[int] = Field(description="of a search for a front, in multiply-adds, rising; else none")
    references: list[FrontReference] = Field(
        description="those that the search measures beside its best, and the one that its budget is relative to; none "
        "where the cost is a latency: no reference is timed"
    )
